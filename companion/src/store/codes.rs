//! Challenges and the codes that open them.

use async_trait::async_trait;
use token::{ChallengeId, Subject};

use super::{Client, Outcome};
use crate::clock::Millis;
use crate::code::Purpose;
use crate::email::Email;

/// What becomes of codes. See the head of [`crate::store`] for what must hold.
#[async_trait]
pub trait Codes: Send + Sync {
    /// Puts an errand for a mail with a code into the outbox. The same work whether or not the address is known.
    async fn request_code(&self, request: CodeRequest) -> Outcome<Requested>;

    /// Counts an attempt at a challenge, before anything is compared (OT-05, OT-06). `None`: no code opens it any more.
    async fn attempt_code(&self, challenge: ChallengeId) -> Outcome<Option<Attempt>>;

    /// Uses the code up and opens the account that it activates; takes the attempt back. False when another was faster, or when
    /// the code is no longer the one whose MAC this is.
    async fn activate(&self, activation: Activation) -> Outcome<bool>;
}

/// A mail with a code is asked for.
pub struct CodeRequest {
    /// The challenge that the answer names.
    pub challenge: ChallengeId,
    /// For what.
    pub wish: Wish,
}

/// What the code is to do.
pub enum Wish {
    /// Activate this sign-up.
    SignUp {
        /// Of the account to be.
        email: Email,
        /// Of its password.
        password_hash: String,
    },
    /// Activate the sign-up that is pending for this address.
    Activation(Email),
    /// Replace the code of the challenge.
    Resend,
}

/// The answer to a [`CodeRequest`].
#[derive(Clone, Copy, Debug)]
pub struct Requested {
    /// When it was asked for.
    pub at: Millis,
    /// Until when the code will be good.
    pub expires_at: Millis,
}

/// An attempt at a challenge, which has been counted.
pub struct Attempt {
    /// The attempt itself, to be taken back when the code was right.
    pub id: u64,
    /// What the code is for.
    pub purpose: Purpose,
    /// Whose code it is.
    pub email: String,
    /// The MAC of the code that opens the challenge.
    pub code_mac: [u8; 32],
}

/// A right code.
pub struct Activation {
    /// The challenge.
    pub challenge: ChallengeId,
    /// The MAC that was compared.
    pub code_mac: [u8; 32],
    /// The attempt that was counted for it.
    pub attempt: u64,
    /// The id of the account to be.
    pub account: Subject,
    /// Who entered it.
    pub by: Client,
}
