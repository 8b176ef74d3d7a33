//! Errands that wait for the outbox's worker, and the mails that they come to.

use std::time::Duration;

use async_trait::async_trait;
use token::ChallengeId;

use super::Outcome;
use crate::clock::Millis;
use crate::code::Purpose;

/// The outbox. See the head of [`crate::store`] for what must hold.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// The outbox's next errand. Of all who ask one gets it; when that one dies, another does a minute later.
    async fn next_errand(&self) -> Outcome<NextErrand>;

    /// Decides what mail the errand comes to, and makes its code the one that opens the challenge.
    async fn prepare_mail(&self, errand: u64, code_mac: Option<[u8; 32]>) -> Outcome<Prepared>;

    /// The mail was handed over, or will never be: the errand is done.
    async fn finish_errand(&self, errand: u64) -> Outcome<()>;

    /// The mail could not be handed over: once more after `wait`.
    async fn retry_errand(&self, errand: u64, wait: Duration) -> Outcome<()>;
}

/// Whoever has taken an errand has it for so long; then it may be taken again. No mail takes longer to be handed over or given up.
pub const TAKEN: Duration = Duration::from_secs(60);

/// What the outbox has to do.
pub enum NextErrand {
    /// This, now.
    Due(Errand),
    /// Nothing before that much time has passed.
    In(Duration),
    /// Nothing.
    Nothing,
}

/// One errand of the outbox.
pub struct Errand {
    /// Its number.
    pub id: u64,
    /// How often it has been tried.
    pub tries: u32,
    /// After that it comes to nothing.
    pub expires_at: Millis,
    /// Whether it replaces the code of a challenge: its address was not known when it was asked for.
    pub is_resend: bool,
    /// What a code would be bound to. `None` for a notice.
    pub code: Option<CodeBinding>,
}

/// What the MAC of a code covers beside the code (OT-09).
pub struct CodeBinding {
    /// The purpose.
    pub purpose: Purpose,
    /// The challenge.
    pub challenge: ChallengeId,
    /// The address.
    pub email: String,
}

/// What an errand comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prepared {
    /// This mail, to this address: the stored one, never the typed one (PW-14).
    Send {
        /// To whom.
        to: String,
        /// What.
        mail: Mail,
    },
    /// Another mail of that kind went to that address a moment ago; the errand is due again later.
    Later,
    /// No mail.
    Nothing,
}

/// The mails that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mail {
    /// The code that activates a sign-up.
    ActivationCode,
    /// Somebody signed up with the address of an account.
    AlreadyRegistered,
    /// Somebody asked for a code, and which sign-up it would activate is not clear.
    SignUpAgain,
    /// Too many wrong codes: no more codes today.
    CodesClosed,
    /// A refresh token was used twice; the session has ended.
    RefreshTokenReused,
}

impl Mail {
    /// All of them: each has its texts.
    pub const ALL: [Self; 5] = [
        Self::ActivationCode,
        Self::AlreadyRegistered,
        Self::SignUpAgain,
        Self::CodesClosed,
        Self::RefreshTokenReused,
    ];

    /// The word for it in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ActivationCode => "activation_code",
            Self::AlreadyRegistered => "already_registered",
            Self::SignUpAgain => "sign_up_again",
            Self::CodesClosed => "codes_closed",
            Self::RefreshTokenReused => "refresh_token_reused",
        }
    }
}
