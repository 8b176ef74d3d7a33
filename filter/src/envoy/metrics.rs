//! The filter's metrics; Envoy shows them as `wasmcustom.<name>`.

use super::raw;
use crate::denial::Denial;
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
    pub(super) allowed: Counter,
    denied: Vec<(&'static str, Counter)>,
    pub(super) stale: Counter,
    pub(super) sanitised: Counter,
    known: Counter,
    unknown: Counter,
    pub(super) native_verifications: Counter,
    pub(super) guest_verifications: Counter,
    pages_good: Counter,
    pages_refused: Counter,
    failures: Counter,
    age: Gauge,
    live: Gauge,
    number: Gauge,
}

impl Metrics {
    pub(super) fn declare() -> Self {
        Self {
            allowed: Counter::declare("latchkey_requests_allowed"),
            denied: Denial::LABELS
                .map(|label| {
                    (
                        label,
                        Counter::declare(&format!("latchkey_requests_denied_{label}")),
                    )
                })
                .to_vec(),
            stale: Counter::declare("latchkey_requests_allowed_stale"),
            sanitised: Counter::declare("latchkey_headers_sanitised"),
            known: Counter::declare("latchkey_token_cache_hits"),
            unknown: Counter::declare("latchkey_token_cache_misses"),
            native_verifications: Counter::declare("latchkey_verifications_native"),
            guest_verifications: Counter::declare("latchkey_verifications_guest"),
            pages_good: Counter::declare("latchkey_feed_pages_good"),
            pages_refused: Counter::declare("latchkey_feed_pages_refused"),
            failures: Counter::declare("latchkey_feed_failures"),
            age: Gauge::declare("latchkey_state_age_seconds"),
            live: Gauge::declare("latchkey_revocations_live"),
            number: Gauge::declare("latchkey_feed_number"),
        }
    }

    pub(super) fn count_denial(&self, denial: &Denial) {
        if let Some((_, counter)) = self
            .denied
            .iter()
            .find(|(label, _)| *label == denial.label())
        {
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
            _ if note.is_refusal() => self.pages_refused.add(1),
            Note::Unreachable(_) | Note::NoAnswer | Note::NotSent => self.failures.add(1),
            _ => {}
        }
    }

    pub(super) fn record(&self, gauges: Gauges) {
        self.age.set(gauges.age);
        if let Some(live) = gauges.live_revocations {
            self.live.set(live);
        }
        self.number.set(gauges.feed_number);
    }
}
