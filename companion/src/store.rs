//! What the companion asks of its store: facts, each one transaction. Knows neither SQL nor HTTP.
//!
//! What must hold of every implementation:
//!
//! - A method that changes something returns only after its commit is on disk (invariant 6). When that cannot be said, it returns
//!   [`StoreError`] or the process ends; never `Ok`.
//! - Times that decide come from the store's clock, read inside the transaction.
//! - Feed numbers are given in commit order, each with a random mark. What ends sessions gives each of them a number in the same
//!   transaction, and [`Store::feed_moved`] tells of it afterwards.
//! - `latest_exp` of a session is at or after the `exp` that any method has returned for it.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use token::{Algorithm, ChallengeId, Cursor, GatewayId, Mark, SessionId, Subject, UnixTime};
use tokio::sync::watch;

use crate::clock::{Millis, Moment};
use crate::code::Purpose;
use crate::email::Email;
use crate::receipt::Revocation;
use crate::throttle::Limit;

/// The store could not do it; whether it was done is not known.
#[derive(Debug)]
pub struct StoreError(String);

impl StoreError {
    /// For the log; must hold no secret and nothing that a client sent.
    pub fn new(reason: impl fmt::Display) -> Self {
        Self(reason.to_string())
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StoreError {}

/// What every method answers.
pub type Outcome<T> = Result<T, StoreError>;

/// The companion's memory. See the head of this file for what must hold.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The store's time, and the steady clock at that moment.
    async fn now(&self) -> Outcome<Moment>;

    /// Whether the store belongs to a master key already.
    async fn has_master_key(&self) -> Outcome<bool>;

    /// Whether the store was made under the master key with this check value; an empty store takes it.
    async fn is_master_key(&self, check_value: [u8; 32]) -> Outcome<bool>;

    /// Adds the first signing keys, as one change of the key set, unless there are keys already.
    async fn add_first_keys(&self, keys: Vec<SealedKey>) -> Outcome<()>;

    /// Puts these signing keys in the place of all that there are, as one change of the key set. Gives its number.
    async fn replace_keys(&self, keys: Vec<SealedKey>) -> Outcome<u64>;

    /// All signing keys, oldest first.
    async fn keys(&self) -> Outcome<SealedKeys>;

    /// Puts an errand for a mail with a code into the outbox. The same work whether or not the address is known.
    async fn request_code(&self, request: CodeRequest) -> Outcome<Requested>;

    /// Counts an attempt at a challenge, before anything is compared (OT-05, OT-06). `None`: no code opens it any more.
    async fn attempt_code(&self, challenge: ChallengeId) -> Outcome<Option<Attempt>>;

    /// Uses the code up and opens the account that it activates; takes the attempt back. False when another was faster, or when
    /// the code is no longer the one whose MAC this is.
    async fn activate(&self, activation: Activation) -> Outcome<bool>;

    /// The outbox's next errand. Of several companions one gets it; when that one dies, another does a minute later.
    async fn next_errand(&self) -> Outcome<NextErrand>;

    /// Decides what mail the errand comes to, and makes its code the one that opens the challenge.
    async fn prepare_mail(&self, errand: u64, code_mac: Option<[u8; 32]>) -> Outcome<Prepared>;

    /// The mail was handed over, or will never be: the errand is done.
    async fn finish_errand(&self, errand: u64) -> Outcome<()>;

    /// The mail could not be handed over: once more after `wait`.
    async fn retry_errand(&self, errand: u64, wait: Duration) -> Outcome<()>;

    /// The account of an address.
    async fn account(&self, email: &Email) -> Outcome<Option<Account>>;

    /// Opens a session, if the account is still active and its login epoch the one that was read (PW-17). Beyond `most`
    /// sessions the one unused for longest ends.
    async fn open_session(&self, login: Login) -> Outcome<Option<Minted>>;

    /// Moves a session from the presented generation to the next, or says why not. Reuse ends the session.
    async fn rotate(&self, refresh: Refresh) -> Outcome<Rotation>;

    /// A session that can be used, of an account that can.
    async fn live_session(&self, session: SessionId, account: Subject) -> Outcome<Option<Session>>;

    /// The sessions of an account that can be used, newest first.
    async fn sessions_of(&self, account: Subject) -> Outcome<Vec<Session>>;

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
    async fn end_some(&self, most: u32) -> Outcome<Option<Revocation>>;

    /// Publishes a session that the store does not know, until the `exp` of the token that named it, and of every token that was
    /// signed before the store may have been put back to an older copy. `None`: all of them have been forgotten by the gateways.
    async fn revoke_unknown(
        &self,
        session: SessionId,
        exp: Option<UnixTime>,
    ) -> Outcome<Option<Revocation>>;

    /// The revocation of that number.
    async fn revocation(&self, number: u64) -> Outcome<Option<Revocation>>;

    /// One read of the feed behind `after`.
    async fn read_feed(&self, after: Cursor) -> Outcome<FeedRead>;

    /// Says when the feed has moved, after the commit. Never missed: the value is the newest number that was told.
    fn feed_moved(&self) -> watch::Receiver<u64>;

    /// Notes until when a gateway may accept tokens, by the store's time; never earlier than noted before.
    async fn register_gateway(&self, gateway: RegisteredGateway) -> Outcome<()>;

    /// The gateways that are registered, in a read that begins now; of them those that have changed since that moment, at least.
    /// One that is noted in two places is named twice.
    async fn gateways(&self, since: Millis) -> Outcome<GatewaysRead>;

    /// Whether other companions may work on this store: then what is in memory is never the whole.
    fn is_shared(&self) -> bool;

    /// Tells the other companions what gateways have acknowledged here. Never backwards, unless the cursor was refused; a cursor that
    /// the store does not know any more is passed over. Need not be on disk: after a loss more is missing, never less.
    async fn note_acknowledged(&self, acknowledged: Vec<Acknowledged>) -> Outcome<()>;

    /// Says when another companion may have noted something about gateways.
    fn gateways_moved(&self) -> watch::Receiver<u64>;

    /// Takes one from each of these buckets, in this order; at the first empty one it stops, so that a refused outer limit never
    /// draws on an inner one. Gives how long to wait, if so.
    async fn take(&self, limits: Vec<(Name, Limit)>) -> Outcome<Option<Duration>>;

    /// Counts a login attempt as a failure before it is made (RL-06). Gives how long the account stays closed, if it is.
    async fn reserve_attempt(&self, name: Name) -> Outcome<Option<Duration>>;

    /// The attempt came to nothing: its password was never looked at.
    async fn take_back_attempt(&self, name: Name) -> Outcome<()>;

    /// The attempt was a success: there are no failures in a row.
    async fn forget_failures(&self, name: Name) -> Outcome<()>;

    /// Removes what has no effect any more, a little at a time.
    async fn prune(&self) -> Outcome<()>;
}

/// The name under which a limit counts, from [`crate::vault::Vault::limiter_name`].
pub type Name = [u8; 16];

/// Where a request came from, as sessions and the audit log show it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// The address; `None` when the last trusted hop wrote none.
    pub ip: Option<String>,
    /// The user agent as it calls itself, shortened.
    pub user_agent: Option<String>,
}

/// What a signing key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUse {
    /// Access tokens.
    Access,
    /// Feed pages, and nothing else (KR-07).
    Feed,
}

impl KeyUse {
    /// The word for it in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Feed => "feed",
        }
    }
}

/// What the words of a stored key mean.
///
/// # Errors
/// A word that is not known: the key of a later version signs nothing here.
pub fn key_words(usage: &str, algorithm: &str) -> Outcome<(KeyUse, Algorithm)> {
    let usage = [KeyUse::Access, KeyUse::Feed]
        .into_iter()
        .find(|known| known.name() == usage);
    let algorithm = [Algorithm::Es256, Algorithm::EdDsa]
        .into_iter()
        .find(|known| known.name() == algorithm);
    usage
        .zip(algorithm)
        .ok_or_else(|| StoreError::new("a signing key is of an unknown use or algorithm"))
}

/// A signing key as it lies in the store.
#[derive(Clone)]
pub struct SealedKey {
    /// Its name.
    pub kid: String,
    /// What it signs.
    pub usage: KeyUse,
    /// With what.
    pub algorithm: Algorithm,
    /// The secret, sealed by the vault.
    pub sealed: Vec<u8>,
}

/// The signing keys, as of one change of the key set.
pub struct SealedKeys {
    /// The feed number of that change; 0 when there are none yet.
    pub version: u64,
    /// Oldest first.
    pub keys: Vec<SealedKey>,
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

/// An account, as login needs it.
#[derive(Clone)]
pub struct Account {
    /// `sub`.
    pub id: Subject,
    /// PHC string.
    pub password_hash: String,
    /// Moves when logins that are under way must come to nothing.
    pub login_epoch: u64,
    /// Whether it may log in.
    pub is_active: bool,
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
    /// How it was authenticated: `acr`.
    pub acr: &'static str,
    /// And by what means: `amr`.
    pub amr: &'static [&'static str],
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
    /// When its owner last authenticated completely.
    pub auth_time: UnixTime,
    /// How.
    pub acr: String,
    /// By what means.
    pub amr: Vec<String>,
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
    /// The account had too many.
    TooMany,
    /// Its refresh token was used again.
    RefreshTokenReused,
    /// Its refresh token was ahead of the store.
    RefreshTokenAhead,
}

impl Cause {
    /// The word for it in the audit log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LoggedOut => "logged_out",
            Self::EndedByOwner => "ended_by_owner",
            Self::EndedByOperator => "ended_by_operator",
            Self::TooMany => "too_many",
            Self::RefreshTokenReused => "refresh_token_reused",
            Self::RefreshTokenAhead => "refresh_token_ahead",
        }
    }
}

/// One read of the feed.
#[derive(Clone, Debug)]
pub struct FeedRead {
    /// The store's time of the read.
    pub at: Millis,
    /// What became of the cursor.
    pub cursor: CursorFound,
    /// The number of the last row that was read, or the cursor's.
    pub seq: u64,
    /// Its mark; absent at 0 alone.
    pub mark: Option<Mark>,
    /// Whether there are rows beyond.
    pub more: bool,
    /// The number of the last change of the key set.
    pub keys: u64,
    /// Of what history of the store this is.
    pub history: History,
    /// Whether any row was read.
    pub has_rows: bool,
    /// The ended sessions among the rows, each with its latest `exp`.
    pub revoked: Vec<(SessionId, UnixTime)>,
}

/// Counts how often this companion has found the store put back to an older copy while it ran: what was acknowledged to one history
/// says nothing in the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct History(pub u64);

/// What a cursor is to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CursorFound {
    /// The store gave it out: the read continues behind it, and all up to it is acknowledged.
    Known,
    /// Its row was pruned: the gateway was away for long. The read starts from the beginning.
    Pruned,
    /// The store was rolled back behind it. The read starts from the beginning.
    RolledBack,
}

/// A gateway as the store knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegisteredGateway {
    /// Which one.
    pub id: GatewayId,
    /// After how long without a page it denies; `None` for one that never does.
    pub staleness: Option<Duration>,
    /// From then on it denies, unless it has polled again.
    pub live_until: Millis,
    /// The last number that it has acknowledged, as far as the store was told.
    pub acknowledged: u64,
}

/// A read of the registered gateways.
pub struct GatewaysRead {
    /// The store's time of the read.
    pub at: Millis,
    /// Of what history of the store this is.
    pub history: History,
    /// The gateways.
    pub gateways: Vec<RegisteredGateway>,
}

/// What a gateway has acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    /// Which one.
    pub gateway: GatewayId,
    /// All up to this; `None`: its cursor was refused, so that nothing is.
    pub cursor: Option<Cursor>,
}
