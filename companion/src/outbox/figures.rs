//! What the outbox counts, of this instance since its start.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Millis;
use crate::throttle::{Limit, Micros};

/// An alarm that goes on is told again after so long.
const REMINDER: Duration = Duration::from_secs(600);

/// The counters.
#[derive(Default)]
pub struct Figures {
    delivered: AtomicU64,
    failed: AtomicU64,
    dead: AtomicU64,
    over_budget: AtomicU64,
    budget: Mutex<Budget>,
}

#[derive(Default)]
struct Budget {
    full_at: Option<Micros>,
    told_at: Option<Millis>,
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Mails that were handed over.
    pub delivered: u64,
    /// Tries that failed.
    pub failed: u64,
    /// Mails that were given up.
    pub dead: u64,
    /// Mails beyond the budget of all together; they were sent all the same.
    pub over_budget: u64,
}

impl Figures {
    /// The counters.
    pub fn show(&self) -> Shown {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Shown {
            delivered: read(&self.delivered),
            failed: read(&self.failed),
            dead: read(&self.dead),
            over_budget: read(&self.over_budget),
        }
    }

    pub(super) fn note_delivered(&self) {
        self.delivered.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn note_failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn note_dead(&self) {
        self.dead.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts one mail against the budget of all together. Whether it is beyond it, and nobody has been told for a while.
    pub(super) fn is_new_alarm(&self, budget: Limit, now: Millis) -> bool {
        let mut state = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(full_at) = budget.take(state.full_at, now) {
            state.full_at = Some(full_at);
            return false;
        }
        self.over_budget.fetch_add(1, Ordering::Relaxed);
        let is_new = state
            .told_at
            .is_none_or(|told_at| now.since(told_at) >= REMINDER);
        if is_new {
            state.told_at = Some(now);
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// OT-08, security section 19: beyond the budget every mail is counted and the alarm is raised once in a while.
    #[test]
    fn the_budget_of_all_together_counts_and_alarms() {
        let figures = Figures::default();
        let budget = Limit::new(2, 1, Duration::from_secs(3_600));
        let alarm = |seconds| {
            let now = Millis(1_000_000_000).plus(Duration::from_secs(seconds));
            figures.is_new_alarm(budget, now)
        };
        assert_eq!([alarm(0), alarm(0)], [false, false]);
        assert_eq!(
            [alarm(0), alarm(1), alarm(599), alarm(600)],
            [true, false, false, true]
        );
        assert!(!alarm(3_600));
        assert_eq!(figures.show().over_budget, 4);
    }
}
