//! How old the state may be: the configuration says it for all requests, a rule for its own.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::Rule;

/// What `max_staleness` may be, in seconds.
pub(super) const RANGE: RangeInclusive<u64> = 5..=3_600;

/// The smallest and the largest `max_staleness` of a configuration: how often it must hear from the companion, and what it promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) smallest: Duration,
    pub(crate) largest: Duration,
}

pub(super) fn bounds(of_all: Duration, rules: &[Rule]) -> Bounds {
    let of_rules = rules
        .iter()
        .filter_map(|rule| rule.demands()?.max_staleness);
    of_rules.fold(
        Bounds {
            smallest: of_all,
            largest: of_all,
        },
        |bounds, of_rule| Bounds {
            smallest: bounds.smallest.min(of_rule),
            largest: bounds.largest.max(of_rule),
        },
    )
}
