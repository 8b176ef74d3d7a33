//! Accounts.

use async_trait::async_trait;
use token::Subject;

use super::Outcome;
use crate::clock::Millis;
use crate::email::Email;

/// The accounts. See the head of [`crate::store`] for what must hold.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// The account of an address.
    async fn account(&self, email: &Email) -> Outcome<Option<Account>>;

    /// The account of that `sub`.
    async fn account_by_id(&self, id: Subject) -> Outcome<Option<Account>>;
    /// Replaces what is stored of an account's password by a stronger hash of the same one. False: it is no longer `from`.
    async fn raise_password_hash(
        &self,
        account: Subject,
        from: String,
        to: String,
    ) -> Outcome<bool>;

    /// What an account's owner sees of it.
    async fn profile(&self, id: Subject) -> Outcome<Option<Profile>>;
}

/// An account, as login needs it.
#[derive(Clone)]
pub struct Account {
    /// `sub`.
    pub id: Subject,
    /// Its address.
    pub email: String,
    /// PHC string.
    pub password_hash: String,
    /// Moves when logins that are under way must come to nothing.
    pub login_epoch: u64,
    /// Whether it may log in.
    pub is_active: bool,
    /// Whether login asks for an authenticator app. Adding and removing one moves `login_epoch`.
    pub has_totp: bool,
}

/// An account, as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Its address.
    pub email: String,
    /// When it was activated.
    pub created_at: Millis,
    /// Its roles.
    pub roles: Vec<String>,
    /// Whether login asks for an authenticator app.
    pub has_totp: bool,
    /// Recovery codes that were not used yet.
    pub recovery_codes_left: u64,
}
