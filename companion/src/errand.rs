//! The words for the outbox's errands, the same in both stores.

use crate::code::Purpose;
use crate::store::Mail;

/// A sign-up: mails its code.
pub const SIGN_UP: &str = "sign_up";
/// A code for the sign-up that is pending.
pub const ACTIVATION: &str = "activation";
/// A code that sets a new password.
pub const RECOVERY: &str = "recovery";
/// A code that lifts a session.
pub const STEP_UP: &str = "step_up";
/// A code to the address that an account is to have.
pub const EMAIL_CHANGE: &str = "email_change";
/// Another code for the same challenge.
pub const RESEND: &str = "resend";
/// A notice that a refresh token was used again.
pub const REUSE: &str = "reuse";
/// A notice that codes are closed for today.
pub const CODES_CLOSED: &str = "codes_closed";
/// A notice that the account is to have another address.
pub const EMAIL_CHANGE_ASKED: &str = "email_change_asked";
/// A notice that it has another address.
pub const EMAIL_CHANGED: &str = "email_changed";
/// A notice that the password was changed.
pub const PASSWORD_CHANGED: &str = "password_changed";
/// A notice that a new password was set with a mailed code.
pub const RECOVERED: &str = "recovered";
/// A notice that the account is gone.
pub const DELETED: &str = "deleted";
/// A notice that an authenticator app was added.
pub const TOTP_ADDED: &str = "totp_added";
/// A notice that it was removed.
pub const TOTP_REMOVED: &str = "totp_removed";
/// A notice that codes of the app are closed for today.
pub const TOTP_CLOSED: &str = "totp_closed";
/// A notice that there are new recovery codes.
pub const RECOVERY_CODES_REPLACED: &str = "recovery_codes_replaced";
/// A notice that a recovery code was used.
pub const RECOVERY_CODE_USED: &str = "recovery_code_used";

/// What an errand that is a plain notice says; `None` for those that come to a code.
pub fn notice(errand: &str) -> Option<Mail> {
    match errand {
        REUSE => Some(Mail::RefreshTokenReused),
        CODES_CLOSED => Some(Mail::CodesClosed),
        EMAIL_CHANGE_ASKED => Some(Mail::EmailChangeAsked),
        EMAIL_CHANGED => Some(Mail::EmailChanged),
        PASSWORD_CHANGED => Some(Mail::PasswordChanged),
        RECOVERED => Some(Mail::Recovered),
        DELETED => Some(Mail::AccountDeleted),
        TOTP_ADDED => Some(Mail::TotpAdded),
        TOTP_REMOVED => Some(Mail::TotpRemoved),
        TOTP_CLOSED => Some(Mail::TotpClosed),
        RECOVERY_CODES_REPLACED => Some(Mail::RecoveryCodesReplaced),
        RECOVERY_CODE_USED => Some(Mail::RecoveryCodeUsed),
        _ => None,
    }
}

/// What the code of an errand is for; a resend's purpose is that of its challenge.
pub fn purpose(errand: &str) -> Option<Purpose> {
    match errand {
        SIGN_UP | ACTIVATION => Some(Purpose::Activation),
        RECOVERY => Some(Purpose::Recovery),
        STEP_UP => Some(Purpose::StepUp),
        EMAIL_CHANGE => Some(Purpose::EmailChange),
        _ => None,
    }
}
