//! What can happen.

use proptest::prelude::*;

use crate::companion::Kind;

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
    /// A companion is killed and started again after a while.
    RestartCompanion { replica: usize, steps: u32 },
    /// A copy of the companions' store is made.
    Copy,
    /// The copy takes the store's place. One companion alone is stopped for it; those that share the store go on.
    Restore { is_other_server: bool },
    /// The feed gets another signing key.
    ChangeKeys,
    /// A gateway goes on at another companion, or at all in turn; what it has asked before is answered all the same.
    FailOver { gateway: usize, way: usize },
    /// A standby that lags by so many steps takes the store's place.
    Promote { lag: u32, is_other_server: bool },
    /// A companion does not reach the store for a while.
    CutFromStore { replica: usize, steps: u32 },
    /// From now on a companion hears of what others commit at every so many steps, and tells what it knows after so many.
    Lag {
        replica: usize,
        hears: u32,
        tells: u32,
    },
}

/// For companions of that kind.
pub fn event(kind: Kind) -> BoxedStrategy<Event> {
    match kind {
        Kind::Alone => any_kind().boxed(),
        Kind::Shared => prop_oneof![2 => any_kind(), 1 => shared()].boxed(),
    }
}

fn any_kind() -> impl Strategy<Value = Event> {
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
        2 => (any::<usize>(), 0..100_u32).prop_map(|(replica, steps)| Event::RestartCompanion { replica, steps }),
        1 => Just(Event::Copy),
        1 => any::<bool>().prop_map(|is_other_server| Event::Restore { is_other_server }),
        1 => Just(Event::ChangeKeys),
    ]
}

/// What happens to companions that share a store, and what is dull for one alone.
fn shared() -> impl Strategy<Value = Event> {
    prop_oneof![
        5 => (any::<usize>(), 0..3_usize).prop_map(|(gateway, way)| Event::FailOver { gateway, way }),
        2 => (any::<usize>(), 20..400_u32).prop_map(|(replica, steps)| Event::CutFromStore { replica, steps }),
        2 => (any::<usize>(), 1..21_u32, 0..200_u32).prop_map(|(replica, hears, tells)| Event::Lag { replica, hears, tells }),
        5 => (1..200_u32, any::<bool>()).prop_map(|(lag, is_other_server)| Event::Promote { lag, is_other_server }),
        2 => (any::<usize>(), 20..900_u32).prop_map(|(gateway, steps)| Event::Cut { gateway, steps }),
    ]
}
