//! Pruning: what has no effect any more goes, a few hundred rows at a time, so that no logout waits behind it.

use std::time::Duration;

use crate::clock::Millis;
use crate::receipt::SERVED_AFTER_EXP;

/// The most rows of one step; each step is a write of its own.
pub(super) const STEP: usize = 500;

/// Mailed codes, errands and pending sign-ups.
const SHORT: Duration = Duration::from_secs(86_400);
/// Ended sessions and their receipts.
const LONG: Duration = Duration::from_secs(30 * 86_400);
/// The audit log.
const AUDIT: Duration = Duration::from_secs(400 * 86_400);
/// A row of the feed stays at least so long, however early its tokens expire: a gateway that polls does not meet a gap.
const FEED: Duration = Duration::from_secs(600);

/// One kind of rows that may go: `?1` is the moment before which they are too old, `?2` the second before which tokens are forgotten.
pub(super) struct Pruned {
    pub(super) table: &'static str,
    pub(super) which: &'static str,
    pub(super) age: Duration,
}

pub(super) const PRUNED: [Pruned; 10] = [
    Pruned { table: "challenges", which: "created_at < ?1", age: SHORT },
    Pruned { table: "attempts", which: "at < ?1", age: SHORT },
    Pruned { table: "outbox", which: "created_at < ?1", age: SHORT },
    Pruned { table: "mails_sent", which: "at < ?1", age: SHORT },
    Pruned { table: "sessions", which: "ended_at < ?1", age: LONG },
    Pruned { table: "sessions", which: "idle_deadline < ?1", age: LONG },
    Pruned { table: "receipts", which: "at < ?1", age: LONG },
    Pruned { table: "audit", which: "at < ?1", age: AUDIT },
    Pruned { table: "gateways", which: "live_until < ?1", age: SHORT },
    // The newest row stays, so that the cursor of a gateway that is up to date always finds its mark; so does that of the keys.
    Pruned {
        table: "feed",
        which: "at < ?1 AND (session IS NULL OR exp < ?2)
                AND number < (SELECT number FROM feed_head) AND number <> (SELECT keys FROM feed_head)",
        age: FEED,
    },
];

impl Pruned {
    /// Removes some of these rows; false when none are left.
    pub(super) fn step(&self, db: &rusqlite::Connection, now: Millis) -> rusqlite::Result<bool> {
        let Self { table, which, age } = self;
        let forgotten = now.minus(SERVED_AFTER_EXP).seconds().seconds();
        let statement = format!(
            "DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} WHERE ?2 > 0 AND {which} LIMIT {STEP})"
        );
        let removed = db.execute(&statement, [now.minus(*age).0, forgotten])?;
        Ok(removed == STEP)
    }
}
