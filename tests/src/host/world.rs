//! What all VMs of one Envoy process share: shared data, clocks, call-outs, metrics, logs. Knows no wasmtime.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use crate::host::callout::Callout;
use crate::host::hostile::Returned;
use crate::host::shared_data::SharedData;

/// Nanoseconds of a second.
pub(crate) const SECOND: u64 = 1_000_000_000;

pub(crate) struct World {
    pub(crate) shared_data: SharedData,
    /// Nanoseconds since the epoch.
    pub(crate) wall: u64,
    /// Nanoseconds since some moment before the process began.
    pub(crate) monotonic: u64,
    pub(crate) random: Random,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) clusters: Option<BTreeSet<String>>,
    pub(crate) callouts: BTreeMap<u64, Callout>,
    pub(crate) sent_callouts: u64,
    pub(crate) metrics: BTreeMap<String, Metric>,
    pub(crate) logs: Vec<String>,
    /// Statuses that imports are made to answer, by name.
    pub(crate) forced: BTreeMap<String, i32>,
    /// Data that imports are made to return, by name.
    pub(crate) returned: BTreeMap<String, Returned>,
    /// The import that was called last.
    pub(crate) import: &'static str,
    pub(crate) has_verify_signature: bool,
    pub(crate) refuses_signatures: bool,
    pub(crate) native_checks: u64,
    /// Which imports were called below which export.
    pub(crate) trace: BTreeSet<(&'static str, &'static str)>,
    pub(crate) instances: u64,
}

impl World {
    pub(crate) fn new(random: Random) -> Self {
        Self {
            shared_data: SharedData::default(),
            wall: 1_800_000_000 * SECOND,
            monotonic: 1_000 * SECOND,
            random,
            environment: Vec::new(),
            clusters: None,
            callouts: BTreeMap::new(),
            sent_callouts: 0,
            metrics: BTreeMap::new(),
            logs: Vec::new(),
            forced: BTreeMap::new(),
            returned: BTreeMap::new(),
            import: "",
            has_verify_signature: true,
            refuses_signatures: false,
            native_checks: 0,
            trace: BTreeSet::new(),
            instances: 0,
        }
    }

    /// Both clocks move by that many nanoseconds.
    pub(crate) fn pass(&mut self, nanoseconds: u64) {
        self.monotonic += nanoseconds;
        self.wall += nanoseconds;
    }
}

/// A metric that the guest has defined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metric {
    /// Counter 0, gauge 1, histogram 2.
    pub kind: i32,
    /// Value of a counter or gauge, last value of a histogram.
    pub value: i64,
}

/// Bytes that look random and are the same for the same seed.
pub(crate) struct Random {
    seed: [u8; 32],
    drawn: u64,
}

impl Random {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self {
            seed: Sha256::digest(seed.to_be_bytes()).into(),
            drawn: 0,
        }
    }

    pub(crate) fn of_the_system() -> Self {
        let mut seed = [0; 8];
        getrandom::getrandom(&mut seed).expect("the system gives random bytes");
        Self::seeded(u64::from_be_bytes(seed))
    }

    pub(crate) fn draw(&mut self, size: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(size + 32);
        while bytes.len() < size {
            self.drawn += 1;
            bytes.extend(
                Sha256::new_with_prefix(self.seed)
                    .chain_update(self.drawn.to_be_bytes())
                    .finalize(),
            );
        }
        bytes.truncate(size);
        bytes
    }
}
