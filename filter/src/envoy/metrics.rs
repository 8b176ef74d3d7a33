//! The filter's metrics. Envoy shows them as `wasmcustom.<name>`, to Prometheus as `<name>`; counters are sums over all VMs of the
//! process, a gauge has the value that any VM wrote last.
//!
//! No name is made of anything that a client sent (AU-06): what ends in a reason takes it from a list in the source. The shipped
//! `stats_tags` turn that end into a label.

use token::Rejection;

use super::raw;
use crate::denial::Denial;
use crate::standing::Place;
use crate::subscription::{Gauges, Note};

/// A counter of the host; one that could not be declared counts nothing.
#[derive(Clone, Copy)]
pub(super) struct Counter(Option<u32>);

impl Counter {
    fn declare(name: &str) -> Self {
        Self(raw::define_metric(0, name))
    }

    pub(super) fn add(self, count: i64) {
        if let Self(Some(id)) = self {
            raw::increment_metric(id, count);
        }
    }
}

#[derive(Clone, Copy)]
struct Gauge(Option<u32>);

impl Gauge {
    fn declare(name: &str) -> Self {
        Self(raw::define_metric(1, name))
    }

    fn set(self, value: u64) {
        if let Self(Some(id)) = self {
            raw::record_metric(id, value);
        }
    }
}

/// All metrics, declared at start so that each is there with 0.
pub(super) struct Metrics {
    place: Place,
    pub(super) allowed: Counter,
    denied: Vec<(&'static str, Counter)>,
    rejected: Vec<(Rejection, Counter)>,
    pub(super) stale: Counter,
    pub(super) sanitised: Counter,
    known: Counter,
    unknown: Counter,
    pub(super) native_verifications: Counter,
    pub(super) guest_verifications: Counter,
    pages_good: Counter,
    pages_refused: Counter,
    failures: Counter,
    restarts: Counter,
    leases: Counter,
    key_sets_taken: Counter,
    key_sets_refused: Counter,
    unreadable: Counter,
    overflows: Counter,
    synced: Gauge,
    age: Gauge,
    max_staleness: Gauge,
    live: Gauge,
    number: Gauge,
    clock_difference: Gauge,
}

impl Metrics {
    pub(super) fn declare() -> Self {
        let denied = |label: &'static str| {
            let counter = Counter::declare(&format!("latchkey_requests_denied_{label}"));
            (label, counter)
        };
        let rejected = |rejection: Rejection| {
            let name = format!("latchkey_tokens_rejected_{}", rejection.label());
            (rejection, Counter::declare(&name))
        };
        Self {
            place: Place::new(),
            allowed: Counter::declare("latchkey_requests_allowed"),
            denied: Denial::LABELS.map(denied).to_vec(),
            rejected: Rejection::ALL.map(rejected).to_vec(),
            stale: Counter::declare("latchkey_requests_allowed_stale"),
            sanitised: Counter::declare("latchkey_headers_sanitised"),
            known: Counter::declare("latchkey_token_cache_hits"),
            unknown: Counter::declare("latchkey_token_cache_misses"),
            native_verifications: Counter::declare("latchkey_verifications_native"),
            guest_verifications: Counter::declare("latchkey_verifications_guest"),
            pages_good: Counter::declare("latchkey_feed_pages_good"),
            pages_refused: Counter::declare("latchkey_feed_pages_refused"),
            failures: Counter::declare("latchkey_feed_failures"),
            restarts: Counter::declare("latchkey_feed_restarts"),
            leases: Counter::declare("latchkey_feed_leases_taken"),
            key_sets_taken: Counter::declare("latchkey_key_sets_taken"),
            key_sets_refused: Counter::declare("latchkey_key_sets_refused"),
            unreadable: Counter::declare("latchkey_shared_data_unreadable"),
            overflows: Counter::declare("latchkey_revocations_overflows"),
            synced: Gauge::declare("latchkey_state_synced"),
            age: Gauge::declare("latchkey_state_age_seconds"),
            max_staleness: Gauge::declare("latchkey_max_staleness_seconds"),
            live: Gauge::declare("latchkey_revocations_live"),
            number: Gauge::declare("latchkey_feed_number"),
            clock_difference: Gauge::declare("latchkey_clock_difference_seconds"),
        }
    }

    pub(super) fn count_denial(&self, denial: &Denial) {
        let label = denial.label();
        if let Some((_, counter)) = self.denied.iter().find(|(known, _)| *known == label) {
            counter.add(1);
        }
        let Denial::Rejected(rejection) = denial else {
            return;
        };
        let mut rejected = self.rejected.iter();
        if let Some((_, counter)) = rejected.find(|(known, _)| known == rejection) {
            counter.add(1);
        }
    }

    pub(super) fn count_lookup(&self, was_known: Option<bool>) {
        match was_known {
            Some(true) => self.known.add(1),
            Some(false) => self.unknown.add(1),
            None => {}
        }
    }

    pub(super) fn count_note(&self, note: Note) {
        match note {
            Note::PageApplied { .. } => self.pages_good.add(1),
            Note::StartedOver(_) => self.restarts.add(1),
            Note::LeaseTaken => self.leases.add(1),
            Note::KeysTaken(_) => self.key_sets_taken.add(1),
            Note::KeysRefused(_) | Note::KeysTooOld => self.key_sets_refused.add(1),
            Note::Unreadable => self.unreadable.add(1),
            Note::BucketFull => self.overflows.add(1),
            Note::Counted(live) => self.live.set(live),
            Note::ClocksDiffer(seconds) => self.clock_difference.set(seconds),
            _ if note.is_refusal() => self.pages_refused.add(1),
            _ if note.is_silence() => self.failures.add(1),
            _ => {}
        }
    }

    /// To be called by every VM at every tick: the figure of a VM that is gone must not stand (FR-15).
    pub(super) fn record(&self, gauges: Gauges) {
        let worst = self.place.tell(gauges);
        self.synced.set(u64::from(worst.is_synced));
        self.age.set(worst.age);
        self.max_staleness.set(worst.max_staleness);
        self.number.set(worst.feed_number);
    }
}
