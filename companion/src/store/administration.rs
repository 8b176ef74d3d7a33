//! What an operator asks the store for.

use async_trait::async_trait;
use token::{GatewayId, SessionId, Subject};

use super::{Client, Outcome};
use crate::clock::Millis;
use crate::email::Email;

/// An operator's questions and deeds. See the head of [`crate::store`] for what must hold.
#[async_trait]
pub trait Administration: Send + Sync {
    /// An account, deleted ones too where they are named by their id.
    async fn find_account(&self, sought: Sought) -> Outcome<Option<FoundAccount>>;

    /// A part of the audit log, newest first.
    async fn audit(&self, wanted: AuditQuery) -> Outcome<Vec<AuditEntry>>;

    /// Gives new marks to some rows of the feed behind that number, so that every cursor of theirs is unknown from now on. Gives the
    /// last number that has a new one; `None`: the head has been passed, which writes an event.
    async fn renew_marks(&self, behind: u64, by: Client) -> Outcome<Option<u64>>;

    /// Counts a gateway no more, until it polls again. False: it is not known.
    async fn forget_gateway(&self, gateway: GatewayId, by: Client) -> Outcome<bool>;

    /// How many errands wait, and how many were given up.
    async fn backlog(&self) -> Outcome<Backlog>;
}

/// By what an account is sought.
#[derive(Clone)]
pub enum Sought {
    /// `sub`.
    Id(Subject),
    /// Its address.
    Email(Email),
}

/// An account as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundAccount {
    /// `sub`.
    pub id: Subject,
    /// Its address.
    pub email: String,
    /// Whether it may log in.
    pub is_active: bool,
    /// Its roles.
    pub roles: Vec<String>,
    /// Whether login asks for an authenticator app.
    pub has_totp: bool,
    /// When it was activated.
    pub created_at: Millis,
    /// When its owner deleted it.
    pub deleted_at: Option<Millis>,
}

/// What is wanted of the audit log.
#[derive(Clone, Copy, Debug)]
pub struct AuditQuery {
    /// Of this account alone.
    pub account: Option<Subject>,
    /// Older than the entry of that number.
    pub before: Option<u64>,
    /// So many at most.
    pub most: u32,
}

/// An event in the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its number.
    pub id: u64,
    /// When.
    pub at: Millis,
    /// What.
    pub event: String,
    /// Why, where an event has several causes.
    pub cause: Option<String>,
    /// Whose account it was about.
    pub account: Option<Subject>,
    /// What session it was about.
    pub session: Option<SessionId>,
    /// From where, by whom and by which request.
    pub by: Client,
}

/// What the outbox has before it and behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Errands that wait.
    pub waiting: u64,
    /// Errands that were given up.
    pub dead: u64,
}

/// So many rows of the feed get new marks in one transaction: logouts wait behind it.
pub const RENEWED: u32 = 2_000;
