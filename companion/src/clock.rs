//! The store's clock: the process's own on SQLite, a settable one in tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use token::UnixTime;

/// A moment in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(pub i64);

impl Millis {
    /// Of what has not happened yet; later than any moment.
    pub const NOT_YET: Self = Self(i64::MAX);

    /// The moment `span` later.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }

    /// The moment `span` earlier.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(millis(span)))
    }

    /// The time since `earlier`, zero when that lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The second that has begun.
    pub fn seconds(self) -> UnixTime {
        UnixTime::from_seconds(self.0.div_euclid(1_000))
    }

    /// The beginning of a second.
    pub fn from_seconds(time: UnixTime) -> Self {
        Self(time.seconds().saturating_mul(1_000))
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// One moment by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The store's time.
    pub wall: Millis,
    /// A clock that began with the process at the store's time, and that nobody sets: for how long something has lasted.
    pub steady: Millis,
}

/// A clock that is set back by no more than this stands still instead.
const LONGEST_STEP_BACK: Duration = Duration::from_secs(5);

/// Tells the time; all clones tell the same.
#[derive(Clone, Debug)]
pub struct Clock {
    source: Source,
    /// The latest moment told: small steps back are not followed, so that no deadline is met twice.
    latest: Arc<AtomicI64>,
}

#[derive(Clone, Debug)]
enum Source {
    System {
        began: Instant,
        began_at: Millis,
    },
    /// Another machine's time: so much ahead of the steady clock when it was last heard.
    Followed {
        began: Instant,
        began_at: Millis,
        ahead: Arc<AtomicI64>,
    },
    Set(Arc<AtomicI64>),
}

impl Clock {
    /// The system's clock.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one real clock of the companion"
    )]
    pub fn system() -> Self {
        let source = Source::System {
            began: Instant::now(),
            began_at: Millis(system_millis()),
        };
        Self {
            source,
            latest: Arc::default(),
        }
    }

    /// A clock that stands still until it is moved.
    pub fn settable(start: UnixTime) -> Self {
        let start = Millis::from_seconds(start).0;
        Self {
            source: Source::Set(Arc::new(AtomicI64::new(start))),
            latest: Arc::default(),
        }
    }

    /// A clock that follows the time of a database; this one itself when it is settable.
    #[must_use]
    pub fn followed(&self) -> Self {
        let Source::System { began, began_at } = &self.source else {
            return self.clone();
        };
        Self {
            source: Source::Followed {
                began: *began,
                began_at: *began_at,
                ahead: Arc::default(),
            },
            // What this machine's clock has shown is nothing to the database's.
            latest: Arc::default(),
        }
    }

    /// The database told this time, at some moment since `asked` by the steady clock; gives by how much it has jumped.
    pub fn heard(&self, time: Millis, asked: Millis) -> Duration {
        let Source::Followed { ahead, .. } = &self.source else {
            return Duration::ZERO;
        };
        // In the middle of the time that the answer took, give or take half of it.
        let steady = self.steady();
        let halfway = asked.plus(steady.since(asked) / 2);
        let before = ahead.swap(time.0.saturating_sub(halfway.0), Ordering::SeqCst);
        let expected = halfway.0.saturating_add(before);
        Duration::from_millis(time.0.abs_diff(expected))
    }

    /// The moment that a settable clock shows; a database is given it in place of its own.
    pub fn set_moment(&self) -> Option<Millis> {
        match &self.source {
            Source::Set(time) => Some(Millis(time.load(Ordering::SeqCst))),
            Source::System { .. } | Source::Followed { .. } => None,
        }
    }

    /// Sets a settable clock, back too; the system's clock stays what it is.
    pub fn set(&self, moment: Millis) {
        if let Source::Set(time) = &self.source {
            time.store(moment.0, Ordering::SeqCst);
        }
    }

    /// Moves a settable clock on; the system's clock stays what it is.
    pub fn advance(&self, span: Duration) {
        if let Source::Set(time) = &self.source {
            time.fetch_add(millis(span), Ordering::SeqCst);
        }
    }

    /// The present moment.
    pub fn now(&self) -> Millis {
        let now = match &self.source {
            Source::System { .. } => system_millis(),
            Source::Followed { ahead, .. } => {
                self.steady().0.saturating_add(ahead.load(Ordering::SeqCst))
            }
            Source::Set(time) => time.load(Ordering::SeqCst),
        };
        let latest = self.latest.fetch_max(now, Ordering::SeqCst);
        if now < latest && latest.saturating_sub(now) > millis(LONGEST_STEP_BACK) {
            // Standing still for so long would refuse everybody: tokens from the future, limits that never refill.
            tracing::error!(seconds = (latest - now) / 1_000, "the clock was set back");
            self.latest.store(now, Ordering::SeqCst);
            return Millis(now);
        }
        Millis(latest.max(now))
    }

    /// The present moment of the steady clock.
    pub fn steady(&self) -> Millis {
        match &self.source {
            Source::System { began, began_at }
            | Source::Followed {
                began, began_at, ..
            } => began_at.plus(began.elapsed()),
            Source::Set(time) => Millis(time.load(Ordering::SeqCst)),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one real clock of the companion"
)]
fn system_millis() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, millis)
}
