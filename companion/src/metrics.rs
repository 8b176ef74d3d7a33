//! What Prometheus is told. No label has a value that comes from a request (AU-06).

mod page;
mod text;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

pub use self::page::page;
pub use self::text::{CONTENT_TYPE, Text};

/// Events that are counted from the start on, so that an alert on one of them sees its first.
const EVENTS: [&str; 13] = [
    "account_activated",
    "admin_refused",
    "code_failed",
    "feed_reset",
    "gateway_forgotten",
    "login_delayed",
    "login_failed",
    "rate_limited",
    "refresh_failed",
    "refresh_token_ahead",
    "refresh_token_reused",
    "session_opened",
    "session_refreshed",
];

/// The limits that refuse, by their names in the configuration; counted from the start on, too.
const LIMITS: [&str; 13] = [
    "code_per_address",
    "login_per_address",
    "mail_per_address",
    "mail_per_email",
    "mail_per_email_daily",
    "mail_per_email_hourly",
    "password_per_address",
    "recovery_per_address",
    "recovery_per_email",
    "refresh_per_session",
    "resend_per_challenge",
    "signup_per_address",
    "unauthenticated_total",
];

/// The counts of one companion, from its start on.
pub struct Metrics {
    events: Mutex<BTreeMap<&'static str, u64>>,
    limits: Mutex<BTreeMap<&'static str, u64>>,
    codes: Mutex<BTreeMap<&'static str, u64>>,
    answers: [AtomicU64; 5],
    /// From the commit of a revocation until no gateway accepts its tokens any more, where a caller has waited for that.
    pub revocation: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            events: Mutex::new(EVENTS.map(|name| (name, 0)).into()),
            limits: Mutex::new(LIMITS.map(|name| (name, 0)).into()),
            codes: Mutex::new(["app", "mailed"].map(|kind| (kind, 0)).into()),
            answers: Default::default(),
            revocation: Histogram::default(),
        }
    }
}

impl Metrics {
    /// One more event of that name.
    pub fn count_event(&self, name: &'static str) {
        count(&self.events, name);
    }

    /// Somebody was told to come again, by the limit of that name.
    pub fn count_limit(&self, name: &'static str) {
        count(&self.limits, name);
    }

    /// A code of six digits was compared with the right one: what a guesser has of an account (D5 of the security requirements).
    pub fn count_code(&self, kind: &'static str) {
        count(&self.codes, kind);
    }

    /// An answer with that status.
    pub fn count_answer(&self, status: u16) {
        let class = usize::from(status / 100).checked_sub(1);
        if let Some(answers) = class.and_then(|class| self.answers.get(class)) {
            answers.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn count(counts: &Mutex<BTreeMap<&'static str, u64>>, name: &'static str) {
    let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
    *counts.entry(name).or_insert(0) += 1;
}

/// The upper bounds, in seconds.
const BOUNDS: [f64; 13] = [
    0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// How long something took.
#[derive(Default)]
pub struct Histogram {
    /// The last is of what took longer than all bounds.
    counts: [AtomicU64; 14],
    microseconds: AtomicU64,
}

impl Histogram {
    /// It took so long.
    pub fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let at = BOUNDS.iter().position(|bound| seconds <= *bound);
        if let Some(count) = self.counts.get(at.unwrap_or(BOUNDS.len())) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.microseconds.fetch_add(microseconds, Ordering::Relaxed);
    }

    /// Observes what a piece of work takes, whatever it comes to.
    pub async fn time<T>(&self, work: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let result = work.await;
        self.observe(began.elapsed());
        result
    }

    /// The counts by their bounds, each without those below; and the sum, in seconds.
    fn read(&self) -> (Vec<(Option<f64>, u64)>, f64) {
        let bounds = BOUNDS.into_iter().map(Some).chain([None]);
        let counts = self
            .counts
            .iter()
            .map(|count| count.load(Ordering::Relaxed));
        let sum = Duration::from_micros(self.microseconds.load(Ordering::Relaxed));
        (bounds.zip(counts).collect(), sum.as_secs_f64())
    }
}

/// What a store's answers take, from the wish to the answer.
#[derive(Default)]
pub struct Latency {
    /// Of reads.
    pub read: Histogram,
    /// Of transactions, with their way to the disk.
    pub write: Histogram,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::Limits;

    /// The configuration has them, and some more that refuse nobody.
    #[test]
    fn every_limit_that_refuses_is_counted_under_its_name_in_the_configuration() {
        let all = serde_json::to_value(Limits::default()).unwrap();
        let all = all.as_object().unwrap().keys();
        let all: BTreeSet<_> = all.map(String::as_str).collect();
        let others = ["failures_in_a_row", "mail_cooldown", "mail_hourly_total"];
        let counted = BTreeSet::from(LIMITS);
        let missing: Vec<_> = all.difference(&counted).copied().collect();
        assert_eq!(missing, others);
        assert!(counted.is_subset(&all));
    }
}
