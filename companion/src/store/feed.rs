//! The feed, as a read finds it.

use async_trait::async_trait;
use token::{Cursor, Mark, SessionId, UnixTime};
use tokio::sync::watch;

use super::Outcome;
use crate::clock::Millis;

/// The rows of the feed. See the head of [`crate::store`] for what must hold.
#[async_trait]
pub trait FeedRows: Send + Sync {
    /// One read of the feed behind `after`.
    async fn read_feed(&self, after: Cursor) -> Outcome<FeedRead>;

    /// Says when the feed has moved, after the commit. Never missed: the value is the newest number that was told.
    fn feed_moved(&self) -> watch::Receiver<u64>;
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
