//! Sessions: opened, moved by a refresh, ended.

use std::time::Duration;

use async_trait::async_trait;
use token::{SessionId, Subject, UnixTime};

use super::{Client, Outcome};
use crate::clock::Millis;
use crate::delivery::Delivery;
use crate::level::{self, Acr, Level};
use crate::receipt::Revocation;

/// The sessions and their revocations. See the head of [`crate::store`] for what must hold.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// Opens a session, if the account is still active and its login epoch the one that was read (PW-17). Beyond `most`
    /// sessions the one unused for longest ends.
    async fn open_session(&self, login: Login) -> Outcome<Option<Minted>>;

    /// Moves a session from the presented generation to the next, or says why not. Reuse ends the session.
    async fn rotate(&self, refresh: Refresh) -> Outcome<Rotation>;

    /// A session that can be used, of an account that can.
    async fn live_session(&self, session: SessionId, account: Subject) -> Outcome<Option<Session>>;

    /// A session that can be used, of an account that can, whosever it is.
    async fn usable_session(&self, session: SessionId) -> Outcome<Option<Session>>;

    /// The sessions of an account that can be used, newest first.
    async fn sessions_of(&self, account: Subject) -> Outcome<Vec<Session>>;

    /// Gives a session of this account another name, or none, if it can be used; gives what it is then.
    async fn rename_session(
        &self,
        session: SessionId,
        account: Subject,
        label: Option<String>,
    ) -> Outcome<Option<Session>>;

    /// Ends one session; of `account` alone, where one is named.
    async fn end_session(
        &self,
        session: SessionId,
        account: Option<Subject>,
        by: Client,
    ) -> Outcome<Ended>;

    /// Ends all sessions of an account, or all but one, and logins that are under way with them. `None`: there was none to end.
    async fn end_sessions(
        &self,
        account: Subject,
        except: Option<SessionId>,
        by: Client,
    ) -> Outcome<Option<Revocation>>;

    /// Ends up to `most` sessions, whosever they are, and logins of their accounts that are under way. All access tokens signed until now
    /// are covered, also such as the store may have lost (RR-17). `None`: no session is left.
    async fn end_some(&self, most: u32, by: Client) -> Outcome<Option<Revocation>>;

    /// Publishes a session that the store does not know, until the `exp` of the token that named it, and of every token that was
    /// signed before the store may have been put back to an older copy. `None`: all of them have been forgotten by the gateways.
    async fn revoke_unknown(
        &self,
        session: SessionId,
        exp: Option<UnixTime>,
        by: Client,
    ) -> Outcome<Option<Revocation>>;

    /// The revocation of that number.
    async fn revocation(&self, number: u64) -> Outcome<Option<Revocation>>;
}

/// A login whose password was right.
pub struct Login {
    /// The id of the session to be.
    pub session: SessionId,
    /// Whose.
    pub account: Subject,
    /// That of the account when its password was read.
    pub login_epoch: u64,
    /// The MAC key of its first refresh token.
    pub mac_key_version: u32,
    /// How it was authenticated.
    pub acr: Acr,
    /// How its tokens are handed out.
    pub delivery: Delivery,
    /// What the owner calls it.
    pub label: Option<String>,
    /// From where.
    pub by: Client,
    /// How long it and its access token live.
    pub lifetimes: Lifetimes,
    /// The most sessions that the account may have.
    pub most: u32,
}

/// How long things live from now on.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// The access token.
    pub access: Duration,
    /// The session without a refresh.
    pub idle: Duration,
    /// The session at all.
    pub absolute: Duration,
}

/// A refresh token whose MAC held.
pub struct Refresh {
    /// Its session.
    pub session: SessionId,
    /// Its generation.
    pub generation: u64,
    /// The MAC key of its successor.
    pub mac_key_version: u32,
    /// For how long the direct parent gets the same successor again.
    pub grace: Duration,
    /// How long the access token and the session live from now on.
    pub lifetimes: Lifetimes,
    /// From where.
    pub by: Client,
}

/// What became of a refresh.
pub enum Rotation {
    /// The generation has moved.
    Rotated(Minted),
    /// The direct parent within the grace: nothing has changed, and the successor is the same (RR-04).
    Repeated(Minted),
    /// Older than that, or ahead of the store: the session has ended (RR-02, RR-17).
    Reused {
        /// Ahead: the store was restored, or the key has leaked.
        is_ahead: bool,
    },
    /// The session has ended, has expired, is unknown, or its account is not active.
    Over,
}

/// The access token that may now be signed, exactly so.
#[derive(Clone, Debug)]
pub struct Minted {
    /// `iat`.
    pub iat: UnixTime,
    /// `exp`.
    pub exp: UnixTime,
    /// The session after the change.
    pub session: Session,
    /// The roles of the account.
    pub roles: Vec<String>,
    /// Its address.
    pub email: String,
    /// The feed number of the key set's last change: a key that was removed before signs nothing any more.
    pub keys: u64,
}

/// A session.
#[derive(Clone, Debug)]
pub struct Session {
    /// `sid`.
    pub id: SessionId,
    /// `sub`.
    pub account: Subject,
    /// The live generation of its refresh token.
    pub generation: u64,
    /// The MAC key of that refresh token.
    pub mac_key_version: u32,
    /// How its owner logged in.
    pub login: Level,
    /// The last step-up.
    pub step_up: Option<Level>,
    /// How its tokens are handed out.
    pub delivery: Delivery,
    /// When it was opened.
    pub created_at: Millis,
    /// When it was last refreshed.
    pub last_seen_at: Millis,
    /// When it expires without a refresh.
    pub idle_deadline: Millis,
    /// When it expires anyway.
    pub absolute_deadline: Millis,
    /// From where it was last refreshed.
    pub client: Client,
    /// What its owner calls it.
    pub label: Option<String>,
}

impl Session {
    /// What a token minted at `now` says of its authentication.
    pub fn level(&self, now: UnixTime) -> Level {
        level::at(self.login, self.step_up, now)
    }
}

/// What became of the wish to end a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It has ended, now or before, by this revocation.
    By(Revocation),
    /// It has ended so long ago that nothing is left of its revocation.
    LongAgo,
    /// There is no such session, or not of that account.
    Unknown,
}

/// Why a session has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Logout.
    LoggedOut,
    /// Its owner ended it from another one.
    EndedByOwner,
    /// The operator ended it.
    EndedByOperator,
    /// A new password was set with a mailed code.
    Recovered,
    /// Its owner changed the password.
    PasswordChanged,
    /// Its owner deleted the account.
    AccountDeleted,
    /// The operator disabled the account.
    AccountDisabled,
    /// The operator changed the account's roles.
    RolesChanged,
    /// The account had too many.
    TooMany,
    /// A second factor of its owner was added, replaced or removed.
    FactorChanged,
    /// Its refresh token was used again.
    RefreshTokenReused,
    /// Its refresh token was ahead of the store.
    RefreshTokenAhead,
}

impl Cause {
    /// What an operator does is his doing, whatever else it would be.
    #[must_use]
    pub fn or_operator(self, by: &Client) -> Self {
        if by.actor.is_some() {
            Self::EndedByOperator
        } else {
            self
        }
    }

    /// The word for it in the audit log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LoggedOut => "logged_out",
            Self::EndedByOwner => "ended_by_owner",
            Self::EndedByOperator => "ended_by_operator",
            Self::Recovered => "recovered",
            Self::PasswordChanged => "password_changed",
            Self::AccountDeleted => "account_deleted",
            Self::AccountDisabled => "account_disabled",
            Self::RolesChanged => "roles_changed",
            Self::TooMany => "too_many",
            Self::FactorChanged => "factor_changed",
            Self::RefreshTokenReused => "refresh_token_reused",
            Self::RefreshTokenAhead => "refresh_token_ahead",
        }
    }
}
