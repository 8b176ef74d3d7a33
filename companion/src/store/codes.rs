//! Challenges and the codes that open them.

use async_trait::async_trait;
use token::{ChallengeId, SessionId, Subject};

use super::{Client, Outcome};
use crate::clock::Millis;
use crate::code::{Binding, Purpose};
use crate::email::Email;

/// What becomes of codes. See the head of [`crate::store`] for what must hold.
#[async_trait]
pub trait Codes: Send + Sync {
    /// Puts an errand for a mail with a code into the outbox. The same work whether or not the address is known.
    async fn request_code(&self, request: CodeRequest) -> Outcome<Requested>;

    /// A challenge that is neither used nor expired, whether or not a code opens it. Counts nothing.
    async fn challenge(&self, challenge: ChallengeId) -> Outcome<Option<Challenge>>;

    /// Counts an attempt at a challenge, before anything is compared (OT-05, OT-06). `None`: no short code opens it any more.
    async fn attempt_code(&self, challenge: ChallengeId) -> Outcome<Option<Attempt>>;

    /// Takes an attempt back, from the account and from the challenge: its code was right, and the work that it was for could not be
    /// done.
    async fn take_back_code(&self, challenge: ChallengeId, attempt: u64) -> Outcome<()>;

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
    /// Set a new password for the account of this address.
    Recovery(Email),
    /// Lift this session.
    StepUp {
        /// Whose it is.
        account: Subject,
        /// Which.
        session: SessionId,
    },
    /// Give the account another address.
    EmailChange {
        /// Which account.
        account: Subject,
        /// Who asks for it.
        session: SessionId,
        /// The address, which the code goes to.
        new_email: Email,
    },
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

/// A challenge that is open.
pub struct Challenge {
    /// What its codes are for.
    pub purpose: Purpose,
    /// Whose they are; `None` before there is an account.
    pub account: Option<Subject>,
    /// The session that asked for it, where one has to.
    pub session: Option<SessionId>,
    /// The address that its codes are mailed to.
    pub email: String,
    /// The MAC of the long code that opens it.
    pub long_code_mac: Option<[u8; 32]>,
}

impl Challenge {
    /// What its codes are bound to.
    pub fn binding(&self, challenge: ChallengeId) -> Binding {
        Binding {
            purpose: self.purpose,
            challenge,
            account: self.account,
            email: self.email.clone(),
        }
    }
}

/// An attempt at a challenge, which has been counted.
pub struct Attempt {
    /// The attempt itself, to be taken back when the code was right.
    pub id: u64,
    /// What the code is for.
    pub purpose: Purpose,
    /// Whose code it is; `None` before there is an account.
    pub account: Option<Subject>,
    /// The session that asked for it, where one has to.
    pub session: Option<SessionId>,
    /// The address that it was mailed to.
    pub email: String,
    /// The MAC of the code that opens the challenge. `None`: no mailed code does, at most the authenticator app.
    pub code_mac: Option<[u8; 32]>,
}

impl Attempt {
    /// What the code is bound to.
    pub fn binding(&self, challenge: ChallengeId) -> Binding {
        Binding {
            purpose: self.purpose,
            challenge,
            account: self.account,
            email: self.email.clone(),
        }
    }
}

/// A code that was found to be right. It is used up only if the challenge still has it, and has not been used meanwhile.
pub struct RightCode {
    /// The challenge.
    pub challenge: ChallengeId,
    /// The MAC that was compared, of the short code or of the long one.
    pub code_mac: [u8; 32],
    /// The attempt that was counted for it; a long code counts none.
    pub attempt: Option<u64>,
}

/// A right code for a sign-up.
pub struct Activation {
    /// The code.
    pub code: RightCode,
    /// The id of the account to be.
    pub account: Subject,
    /// Who entered it.
    pub by: Client,
}
