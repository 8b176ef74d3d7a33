//! What goes when it has no effect any more, a few hundred rows at a time, so that no logout waits behind it. The same for both stores.

use std::time::Duration;

use crate::throttle::Failures;

/// The most rows of one step; each step is a write of its own.
pub const STEP: u16 = 500;

/// Mailed codes, errands and pending sign-ups.
const SHORT: Duration = Duration::from_secs(86_400);
/// Ended sessions and their receipts.
const LONG: Duration = Duration::from_secs(30 * 86_400);
/// The audit log.
const AUDIT: Duration = Duration::from_secs(400 * 86_400);
/// A row of the feed stays at least so long, however early its tokens expire: a gateway that polls does not meet a gap.
const FEED: Duration = Duration::from_secs(600);

/// One kind of rows that may go.
pub struct Pruned {
    /// Where they are.
    pub table: &'static str,
    /// The condition, in the SQL of both stores: `:before` is the moment before which they are too old, `:forgotten` the second before
    /// which tokens are forgotten.
    pub which: &'static str,
    /// How old they must be.
    pub age: Duration,
}

/// All kinds.
pub const PRUNED: [Pruned; 12] = [
    Pruned { table: "challenges", which: "created_at < :before", age: SHORT },
    Pruned { table: "attempts", which: "at < :before", age: SHORT },
    Pruned { table: "totp", which: "created_at < :before AND NOT is_confirmed", age: SHORT },
    // Dead letters stay for as long as the settings say.
    Pruned { table: "outbox", which: "created_at < :before AND dead_at IS NULL", age: SHORT },
    Pruned { table: "mails_sent", which: "at < :before", age: SHORT },
    Pruned { table: "sessions", which: "ended_at < :before", age: LONG },
    Pruned { table: "sessions", which: "absolute_deadline < :before", age: LONG },
    // After its sessions, which refer to it.
    Pruned {
        table: "accounts",
        which: "deleted_at < :before AND NOT EXISTS (SELECT 1 FROM sessions WHERE sessions.account = accounts.id)",
        age: LONG,
    },
    Pruned { table: "receipts", which: "at < :before", age: LONG },
    Pruned { table: "audit", which: "at < :before", age: AUDIT },
    Pruned { table: "gateways", which: "live_until < :before", age: SHORT },
    // The newest row stays, so that the cursor of a gateway that is up to date always finds its mark; so does that of the keys.
    Pruned {
        table: "feed",
        which: "at < :before AND (session IS NULL OR exp < :forgotten)
                AND number < (SELECT number FROM feed_head) AND number <> (SELECT keys FROM feed_head)",
        age: FEED,
    },
];

/// The rows of a table of limits that one step looks at, in the order of their names. An index of when a row loses its effect would cost each
/// request.
pub const STRETCH: u16 = 2_000;

/// The tables of limits, and which rows have no effect any more (RL-09), so that nobody frees himself by filling a table: in the SQL of both
/// stores, `:now` in milliseconds. Failures in a row go after a silence that no guessing is worth.
pub fn limits() -> [(&'static str, String); 2] {
    let [delay, for_each, at_most] = [
        Failures::FORGOTTEN_AFTER,
        Failures::KEPT_FOR_EACH,
        Failures::KEPT_AT_MOST,
    ]
    .map(|span| span.as_millis());
    let failures = format!(
        "last_at <= :now - {delay} AND (last_at <= :now - in_a_row * {for_each} OR last_at <= :now - {at_most})"
    );
    [
        ("buckets", "full_at <= :now * 1000".to_owned()),
        ("failures", failures),
    ]
}
