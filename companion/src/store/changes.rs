//! What changes an account. Each with its event, its mail and the end of the sessions that it ends, in one transaction (PW-15).

use async_trait::async_trait;
use token::{SessionId, Subject};

use super::{Client, Outcome, RightCode};
use crate::receipt::Revocation;

/// The changes of accounts. See the head of [`crate::store`] for what must hold.
///
/// A change of the password, of the address or of being active leaves no challenge of the account that anything opens, and with the
/// sessions end the logins that are under way (PW-17).
#[async_trait]
pub trait Changes: Send + Sync {
    /// Uses the code up, sets the password and ends all sessions. `None`: another was faster, the code is no longer the one whose MAC
    /// this is, or the account cannot be used.
    async fn recover(&self, recovery: Recovery) -> Outcome<Option<Changed>>;

    /// Uses the code up and gives the account the address that it was mailed to. False: as for [`Changes::recover`], or the session has
    /// ended, or another account has the address by now.
    async fn change_email(&self, change: EmailChange) -> Outcome<bool>;

    /// Sets the password and ends all other sessions. `None`: the session has ended, or the password was another one.
    async fn change_password(&self, change: PasswordChange) -> Outcome<Option<Changed>>;

    /// Deletes the account that the session is of: all sessions end, its address is free, and nothing tells whose it was. `None`: the
    /// session has ended.
    async fn delete_account(
        &self,
        account: Subject,
        session: SessionId,
        by: Client,
    ) -> Outcome<Option<Changed>>;

    /// Nobody can use the account from now on, and all sessions end; again it changes nothing. `None`: there is no such account.
    async fn disable_account(&self, account: Subject, by: Client) -> Outcome<Option<Changed>>;

    /// The account can be used again. False: there is no such account.
    async fn enable_account(&self, account: Subject, by: Client) -> Outcome<bool>;

    /// Gives the account these roles; all sessions end, unless they need not (SE-06). `None`: there is no such account.
    async fn set_roles(
        &self,
        account: Subject,
        roles: Vec<String>,
        ends_sessions: bool,
        by: Client,
    ) -> Outcome<Option<Changed>>;
}

/// What was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Whose account.
    pub account: Subject,
    /// The end of its sessions; `None` when none was to be ended.
    pub revocation: Option<Revocation>,
}

/// A right code for a recovery.
pub struct Recovery {
    /// The code.
    pub code: RightCode,
    /// PHC string of the new password.
    pub password_hash: String,
    /// Who entered it.
    pub by: Client,
}

/// A right code for a change of address.
pub struct EmailChange {
    /// The code.
    pub code: RightCode,
    /// The account of who entered it.
    pub account: Subject,
    /// His session.
    pub session: SessionId,
    /// Who entered it.
    pub by: Client,
}

/// A change of password by the account's owner.
pub struct PasswordChange {
    /// The account.
    pub account: Subject,
    /// The session that stays.
    pub session: SessionId,
    /// PHC string of the password that was shown, if one had to be: it must still be the account's.
    pub known_hash: Option<String>,
    /// PHC string of the new password.
    pub password_hash: String,
    /// Who changes it.
    pub by: Client,
}
