//! How all subscriptions of one VM stand together.
//!
//! A process has one gauge of each name. Every VM holds all configurations of its `vm_id`, draining ones too, so each of them tells
//! the same figures: the worst of all.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::subscription::Gauges;

thread_local! {
    /// A VM is one thread.
    static STANDING: RefCell<Standing> = const { RefCell::new(Standing { drawn: 0, places: BTreeMap::new() }) };
}

struct Standing {
    drawn: u64,
    places: BTreeMap<u64, Gauges>,
}

/// The place of one configuration; it goes with the configuration, and its figures with it.
pub(crate) struct Place(u64);

impl Place {
    pub(crate) fn new() -> Self {
        Self(STANDING.with_borrow_mut(|standing| {
            standing.drawn = standing.drawn.wrapping_add(1);
            standing.drawn
        }))
    }

    /// Puts the figures of this configuration down and reads the worst of all.
    pub(crate) fn tell(&self, gauges: Gauges) -> Gauges {
        STANDING.with_borrow_mut(|standing| {
            standing.places.insert(self.0, gauges);
            standing
                .places
                .values()
                .copied()
                .fold(gauges, Gauges::worst)
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        STANDING.with_borrow_mut(|standing| standing.places.remove(&self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(age: u64, feed_number: u64) -> Gauges {
        Gauges {
            is_synced: true,
            age,
            max_staleness: 60,
            feed_number,
        }
    }

    /// FR-15: a fresh subscription does not hide that another one is old, and a drained one is not held against those that stay.
    #[test]
    fn the_worst_of_all_configurations_is_told_for_as_long_as_they_live() {
        let (fresh, old) = (Place::new(), Place::new());
        assert_eq!(fresh.tell(of(1, 9)), of(1, 9));
        assert_eq!(old.tell(of(50, 3)), of(50, 3));
        assert_eq!(fresh.tell(of(2, 10)), of(50, 3));
        drop(old);
        assert_eq!(fresh.tell(of(3, 10)), of(3, 10));
    }
}
