//! Errands that wait for the outbox's worker, and the mails that they come to.

use std::time::Duration;

use async_trait::async_trait;

use super::Outcome;
use crate::clock::Millis;
use crate::code::Binding;

/// The outbox. See the head of [`crate::store`] for what must hold.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// The outbox's next errand. Of all who ask one gets it; when that one dies, another does a minute later.
    async fn next_errand(&self) -> Outcome<NextErrand>;

    /// Decides what mail the errand comes to, and makes its code the one that opens the challenge.
    async fn prepare_mail(&self, errand: u64, code: Option<DrawnCode>) -> Outcome<Prepared>;

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
    pub code: Option<Binding>,
}

/// A code that was drawn for an errand, as it is stored.
pub struct DrawnCode {
    /// What its MACs cover. Where the account or the address is another one by now, the code is good for nothing and another is drawn.
    pub binding: Binding,
    /// The MAC of the six digits.
    pub mac: [u8; 32],
    /// The MAC of the long code.
    pub long_mac: [u8; 32],
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
    /// Another mail of that kind went to that address a moment ago, or the code was drawn for another account; the errand is due again.
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
    /// The codes that set a new password: six digits, and the long one.
    RecoveryCode,
    /// The long code alone: short ones are closed for today.
    RecoveryLongCode,
    /// The code that lifts a session.
    StepUpCode,
    /// The code that proves the address which an account is to have.
    EmailChangeCode,
    /// Somebody wanted to give another account the address of this one.
    AddressTaken,
    /// The account is to have another address; to the one that it has.
    EmailChangeAsked,
    /// The account has another address; to both.
    EmailChanged,
    /// The password was changed.
    PasswordChanged,
    /// A new password was set with a mailed code.
    Recovered,
    /// The account is gone.
    AccountDeleted,
    /// Too many wrong codes: no more short codes of that purpose today.
    CodesClosed,
    /// A refresh token was used twice; the session has ended.
    RefreshTokenReused,
    /// An authenticator app was added, perhaps in the place of another.
    TotpAdded,
    /// The authenticator app was removed.
    TotpRemoved,
    /// Too many wrong codes of the app, after a right password.
    TotpClosed,
    /// There are new recovery codes; the old ones open nothing.
    RecoveryCodesReplaced,
    /// A recovery code was used.
    RecoveryCodeUsed,
}

impl Mail {
    /// All of them: each has its texts.
    pub const ALL: [Self; 20] = [
        Self::ActivationCode,
        Self::AlreadyRegistered,
        Self::SignUpAgain,
        Self::RecoveryCode,
        Self::RecoveryLongCode,
        Self::StepUpCode,
        Self::EmailChangeCode,
        Self::AddressTaken,
        Self::EmailChangeAsked,
        Self::EmailChanged,
        Self::PasswordChanged,
        Self::Recovered,
        Self::AccountDeleted,
        Self::CodesClosed,
        Self::RefreshTokenReused,
        Self::TotpAdded,
        Self::TotpRemoved,
        Self::TotpClosed,
        Self::RecoveryCodesReplaced,
        Self::RecoveryCodeUsed,
    ];

    /// The mails that wait a minute for each other: those of one purpose.
    #[must_use]
    pub const fn kind(self) -> Self {
        match self {
            Self::RecoveryLongCode => Self::RecoveryCode,
            other => other,
        }
    }

    /// Whether it carries six digits.
    pub const fn has_code(self) -> bool {
        matches!(
            self,
            Self::ActivationCode | Self::RecoveryCode | Self::StepUpCode | Self::EmailChangeCode
        )
    }

    /// Whether it carries a long code.
    pub const fn has_long_code(self) -> bool {
        matches!(self, Self::RecoveryCode | Self::RecoveryLongCode)
    }

    /// The word for it in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ActivationCode => "activation_code",
            Self::AlreadyRegistered => "already_registered",
            Self::SignUpAgain => "sign_up_again",
            Self::RecoveryCode => "recovery_code",
            Self::RecoveryLongCode => "recovery_long_code",
            Self::StepUpCode => "step_up_code",
            Self::EmailChangeCode => "email_change_code",
            Self::AddressTaken => "address_taken",
            Self::EmailChangeAsked => "email_change_asked",
            Self::EmailChanged => "email_changed",
            Self::PasswordChanged => "password_changed",
            Self::Recovered => "recovered",
            Self::AccountDeleted => "account_deleted",
            Self::CodesClosed => "codes_closed",
            Self::RefreshTokenReused => "refresh_token_reused",
            Self::TotpAdded => "totp_added",
            Self::TotpRemoved => "totp_removed",
            Self::TotpClosed => "totp_closed",
            Self::RecoveryCodesReplaced => "recovery_codes_replaced",
            Self::RecoveryCodeUsed => "recovery_code_used",
        }
    }
}
