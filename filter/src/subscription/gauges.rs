//! The figures that stand, as opposed to what happens: each VM can tell them at any moment, whoever holds the lease.

use super::{Note, Subscription};
use crate::shared::SharedData;
use crate::state::{Now, State};

/// How a subscription stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gauges {
    /// Whether a full pass has ended, so that requests can pass at all.
    pub(crate) is_synced: bool,
    /// Seconds since freshness was last proven, as the gate counts them; where it never was, since this VM began to look.
    pub(crate) age: u64,
    /// The `max_staleness` that `age` is held against, in seconds.
    pub(crate) max_staleness: u64,
    /// The last number applied.
    pub(crate) feed_number: u64,
}

/// What a root context remembers for them.
#[derive(Default)]
pub(super) struct Watch {
    /// When it first looked, in monotonic milliseconds.
    began: Option<u64>,
    is_stale: bool,
}

impl Gauges {
    /// Of each figure the one that an operator must worry about: a process has one gauge of each name, however many subscriptions.
    pub(crate) fn worst(self, other: Self) -> Self {
        Self {
            is_synced: self.is_synced && other.is_synced,
            age: self.age.max(other.age),
            max_staleness: self.max_staleness.min(other.max_staleness),
            feed_number: self.feed_number.min(other.feed_number),
        }
    }
}

impl Subscription {
    /// The figures right now. Read anew from shared data, so that a lease holder that died leaves no age standing (FR-15).
    pub(crate) fn gauges(&mut self, shared: &impl SharedData, now: Now) -> Gauges {
        let began = *self.watch.began.get_or_insert(now.monotonic);
        let state = self.state(shared).ok().map(|(state, _)| state);
        let is_proven = |state: &State| state.fresh_at > 0;
        let age = state.filter(is_proven).map_or_else(
            || now.monotonic.saturating_sub(began).div_euclid(1_000),
            |state| state.counted_age(now, self.settings.clock_skew).as_secs(),
        );
        Gauges {
            is_synced: state.is_some_and(|state| state.is_synced),
            age,
            max_staleness: self.settings.max_staleness,
            feed_number: state.map_or(0, |state| state.cursor.number),
        }
    }

    /// One line when a state that was good becomes too old, not one for each request that it denies.
    pub(super) fn note_age(&mut self, state: &State, now: Now) {
        let age = state.counted_age(now, self.settings.clock_skew).as_secs();
        let is_stale = state.is_synced && age > self.settings.max_staleness;
        if is_stale && !self.watch.is_stale {
            self.notes.push(Note::Stale(age));
        }
        self.watch.is_stale = is_stale;
    }
}
