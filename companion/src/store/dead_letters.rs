//! Errands whose mail was given up: kept to be seen, and carried out no more.

use std::time::Duration;

use async_trait::async_trait;
use token::Subject;

use super::Outcome;
use crate::clock::Millis;

/// The dead letters of the outbox. See the head of [`crate::store`] for what must hold.
#[async_trait]
pub trait DeadLetters: Send + Sync {
    /// The errand's mail is given up. `why` holds no secret and no address. The hash of a sign-up's password goes; the sign-up stays
    /// pending, and another code can be asked for.
    async fn bury_errand(&self, errand: u64, why: &str) -> Outcome<()>;

    /// How many there are, and the newest of them.
    async fn dead_letters(&self, most: u32) -> Outcome<Graveyard>;

    /// Notices that were given up, all or that one, are due again, and for another day; codes are not, because nobody waits for them any
    /// more. How many are.
    async fn retry_dead(&self, errand: Option<u64>) -> Outcome<u64>;

    /// Removes dead letters, all or that one. How many there were.
    async fn drop_dead(&self, errand: Option<u64>) -> Outcome<u64>;

    /// Removes those that were given up so long ago.
    async fn forget_dead(&self, age: Duration) -> Outcome<()>;
}

/// What there is of dead letters.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Graveyard {
    /// How many.
    pub count: u64,
    /// The newest ones, newest first.
    pub newest: Vec<DeadLetter>,
}

/// An errand whose mail was given up. Names an account, never an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its number.
    pub id: u64,
    /// The word for what was to be done.
    pub errand: String,
    /// Whose, where that is known without an address.
    pub account: Option<Subject>,
    /// How often it was tried.
    pub tries: u32,
    /// When it was asked for.
    pub created_at: Millis,
    /// When it was given up.
    pub dead_at: Millis,
    /// Why.
    pub last_error: String,
}
