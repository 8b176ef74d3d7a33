//! `[hashing]`: what a password's hash costs, and how much of the machine all of them together may take.

use serde::{Deserialize, Serialize};

use super::{ConfigError, demand};
use crate::hashing::{self, Cost};

/// `[hashing]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Hashing {
    /// How many run at a time, at most; 0: as many as there are cores. More than that only makes each slower.
    pub permits: usize,
    /// The memory in MiB that all of them together may take: it bounds how many run, too.
    pub memory_budget_mib: u32,
    /// argon2id's memory in KiB. Stored hashes of less are replaced at the next login.
    pub memory_kib: u32,
    /// argon2id's passes. Stored hashes of fewer are replaced at the next login.
    pub passes: u32,
}

impl Default for Hashing {
    fn default() -> Self {
        let Cost { memory_kib, passes } = Cost::default();
        Self {
            permits: 0,
            memory_budget_mib: 512,
            memory_kib,
            passes,
        }
    }
}

impl Hashing {
    /// What a new hash costs.
    pub const fn cost(&self) -> Cost {
        Cost {
            memory_kib: self.memory_kib,
            passes: self.passes,
        }
    }

    /// How many run at a time on a machine of so many cores.
    pub fn permits(&self, cores: usize) -> usize {
        let wanted = if self.permits == 0 {
            cores
        } else {
            self.permits
        };
        let budget = u64::from(self.memory_budget_mib).saturating_mul(1024);
        let affordable = budget.checked_div(u64::from(self.memory_kib)).unwrap_or(1);
        wanted
            .min(usize::try_from(affordable).unwrap_or(usize::MAX))
            .max(1)
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        demand(
            self.permits <= 256,
            "hashing.permits",
            "must lie between 0 and 256",
        )?;
        demand(
            (hashing::LEAST_MEMORY_KIB..=hashing::MOST_MEMORY_KIB).contains(&self.memory_kib),
            "hashing.memory_kib",
            "must lie between 19456 and 262144",
        )?;
        demand(
            (hashing::LEAST_PASSES..=hashing::MOST_PASSES).contains(&self.passes),
            "hashing.passes",
            "must lie between 2 and 10",
        )?;
        demand(
            u64::from(self.memory_budget_mib) * 1024 >= u64::from(self.memory_kib),
            "hashing.memory_budget_mib",
            "must be room for one hash of hashing.memory_kib",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RL-07: as many as there are cores, unless told otherwise or the memory is too small.
    #[test]
    fn permits_stay_within_cores_and_memory() {
        let hashing = |permits, memory_budget_mib, memory_kib| Hashing {
            permits,
            memory_budget_mib,
            memory_kib,
            ..Hashing::default()
        };
        for (hashing, cores, permits) in [
            (Hashing::default(), 4, 4),
            (Hashing::default(), 64, 26),
            (hashing(1, 512, 19_456), 8, 1),
            (hashing(12, 512, 19_456), 8, 12),
            (hashing(0, 19, 19_456), 8, 1),
            (hashing(0, 38, 19_456), 8, 2),
            (hashing(0, 256, 262_144), 8, 1),
        ] {
            hashing.check().unwrap();
            assert_eq!(hashing.permits(cores), permits, "{hashing:?}");
        }
        for refused in [
            hashing(257, 512, 19_456),
            hashing(0, 18, 19_456),
            hashing(0, 512, 19_455),
            hashing(0, 512, 262_145),
        ] {
            assert!(refused.check().is_err(), "{refused:?}");
        }
        let passes = |passes| Hashing {
            passes,
            ..Hashing::default()
        };
        assert!(passes(1).check().is_err() && passes(11).check().is_err());
        assert!(passes(3).check().is_ok());
    }
}
