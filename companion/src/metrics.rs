//! What Prometheus is told. No label has a value that comes from a request (AU-06).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// The counts of one companion, from its start on.
#[derive(Default)]
pub struct Metrics {
    events: Mutex<BTreeMap<&'static str, u64>>,
}

impl Metrics {
    /// One more event of that name.
    pub fn count_event(&self, name: &'static str) {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        *events.entry(name).or_insert(0) += 1;
    }
}
