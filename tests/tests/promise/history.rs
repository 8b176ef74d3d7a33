//! What can happen.

use proptest::prelude::*;

/// One event of a history. Places are taken modulo what there is.
#[derive(Clone, Debug)]
pub enum Event {
    /// That much time passes, in steps.
    Pass { steps: u32 },
    /// A session ends.
    Revoke { session: usize },
    /// Another Envoy joins.
    Join { clock: i64 },
    /// An Envoy is killed and started again.
    RestartEnvoy { gateway: usize },
    /// The VM that reads the feed, and the one beside it, trap.
    Trap { gateway: usize },
    /// Nothing passes between a gateway and the companion for a while.
    Cut { gateway: usize, steps: u32 },
    /// From now on the way takes so many steps, there and back.
    Slow {
        gateway: usize,
        there: u32,
        back: u32,
    },
    /// From now on a commit of the companion takes so many steps.
    SlowDisk { steps: u32 },
    /// The companion is killed and started again after a while.
    RestartCompanion { steps: u32 },
    /// A copy of the companion's store is made.
    Copy,
    /// The companion is stopped and started on the copy.
    Restore,
    /// The feed gets another signing key.
    ChangeKeys,
}

pub fn event() -> impl Strategy<Value = Event> {
    let pass = |range: std::ops::Range<u32>| range.prop_map(|steps| Event::Pass { steps });
    prop_oneof![
        8 => pass(1..20_u32),
        3 => pass(40..200_u32),
        1 => pass(400..1_000_u32),
        8 => any::<usize>().prop_map(|session| Event::Revoke { session }),
        2 => (-29..30_i64).prop_map(|clock| Event::Join { clock }),
        2 => any::<usize>().prop_map(|gateway| Event::RestartEnvoy { gateway }),
        2 => any::<usize>().prop_map(|gateway| Event::Trap { gateway }),
        3 => (any::<usize>(), 20..900_u32).prop_map(|(gateway, steps)| Event::Cut { gateway, steps }),
        3 => (any::<usize>(), 0..40_u32, 0..40_u32).prop_map(|(gateway, there, back)| Event::Slow { gateway, there, back }),
        1 => (0..10_u32).prop_map(|steps| Event::SlowDisk { steps }),
        2 => (0..100_u32).prop_map(|steps| Event::RestartCompanion { steps }),
        1 => Just(Event::Copy),
        1 => Just(Event::Restore),
        1 => Just(Event::ChangeKeys),
    ]
}
