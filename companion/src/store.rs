//! What the companion asks of its store: facts, each one transaction. Knows neither SQL nor HTTP.
//!
//! What must hold of every implementation:
//!
//! - A method that changes something returns only after its commit is on disk (invariant 6). When that cannot be said, it returns
//!   [`StoreError`] or the process ends; never `Ok`.
//! - Times that decide come from the store's clock, read inside the transaction.
//! - Feed numbers are given in commit order, each with a random mark. What ends sessions gives each of them a number in the same
//!   transaction, and [`FeedRows::feed_moved`] tells of it afterwards.
//! - `latest_exp` of a session is at or after the `exp` that any method has returned for it.

mod accounts;
mod administration;
mod changes;
mod codes;
mod dead_letters;
mod factors;
mod feed;
mod gateways;
mod limits;
mod outbox;
mod sessions;
mod signing_keys;
mod step_up;

use std::fmt;

use async_trait::async_trait;

use crate::clock::Moment;
use crate::metrics::Latency;

pub use self::accounts::{Account, Accounts, Profile};
pub use self::administration::{
    Administration, AuditEntry, AuditQuery, Backlog, FoundAccount, RENEWED, Sought,
};
pub use self::changes::{Changed, Changes, EmailChange, PasswordChange, Recovery};
pub use self::codes::{
    Activation, Attempt, Challenge, CodeRequest, Codes, Requested, RightCode, Wish,
};
pub use self::dead_letters::{DeadLetter, DeadLetters, Graveyard};
pub use self::factors::{
    AppSecret, Factor, FactorChange, FactorChanged, Factors, TotpAttempt, TotpCode, Which,
};
pub use self::feed::{CursorFound, FeedRead, FeedRows, History};
pub use self::gateways::{Acknowledged, GatewayRegister, GatewaysRead, RegisteredGateway};
pub use self::limits::{Counters, Name};
pub use self::outbox::{DrawnCode, Errand, Mail, NextErrand, Outbox, Prepared, TAKEN};
pub use self::sessions::{
    Cause, Ended, Lifetimes, Login, Minted, Refresh, Rotation, Session, Sessions,
};
pub use self::signing_keys::{
    KeyChange, KeyUse, MasterKeyVersion, REMOVED_KEY_LASTS, SealedKey, SealedKeys, SigningKeys,
    StoredKey, key_words,
};
pub use self::step_up::{FactorChallenge, Opens, Proof, Reauthentication, StepUp, StepUps};

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
pub trait Store:
    SigningKeys
    + Codes
    + Outbox
    + DeadLetters
    + Accounts
    + Changes
    + Factors
    + Sessions
    + StepUps
    + FeedRows
    + GatewayRegister
    + Counters
    + Administration
    + 'static
{
    /// The store's time, and the steady clock at that moment.
    async fn now(&self) -> Outcome<Moment>;

    /// Whether other companions may work on this store: then what is in memory is never the whole.
    fn is_shared(&self) -> bool;

    /// How many transactions there were since it was opened, reading ones too.
    fn transactions(&self) -> u64;

    /// What its answers have taken so far.
    fn latency(&self) -> &Latency;

    /// Removes what has no effect any more, a little at a time.
    async fn prune(&self) -> Outcome<()>;
}

/// Where a request came from, as sessions and the audit log show it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// The address; `None` when the last trusted hop wrote none.
    pub ip: Option<String>,
    /// The user agent as it calls itself, shortened.
    pub user_agent: Option<String>,
    /// The id of the request, as the log and the answer name it.
    pub request_id: Option<String>,
    /// The name of the admin token that it came with; `None`: no operator did it.
    pub actor: Option<String>,
}
