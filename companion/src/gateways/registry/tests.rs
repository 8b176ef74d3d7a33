//! The rules, tried at their edges.

use token::Mark;

use super::*;

const MINUTE: Option<Duration> = Some(Duration::from_secs(60));
const NOW: Millis = Millis(1_000_000);

fn id(byte: u8) -> GatewayId {
    GatewayId::from_bytes([byte; 16])
}

fn at(number: u64) -> Cursor {
    Cursor {
        number,
        mark: Some(Mark::from_bytes([1; 8])),
    }
}

fn steady(now: Millis) -> Moment {
    Moment {
        wall: now,
        steady: now,
    }
}

fn stored(gateway: RegisteredGateway) -> GatewaysRead {
    GatewaysRead {
        at: NOW,
        history: History(0),
        gateways: vec![gateway],
        forgotten: Vec::new(),
    }
}

fn registered(registry: &mut Registry, id: GatewayId, now: Millis) {
    if let Some(registration) = registry.arrive(id, MINUTE, steady(now)).unwrap() {
        registry.committed(registration);
    }
}

#[test]
fn a_heartbeat_costs_a_write_once_a_minute() {
    let mut registry = Registry::default();
    let writes = (0..60)
        .filter(|poll| {
            let now = NOW.plus(Duration::from_secs(10 * poll));
            let registration = registry.arrive(id(1), MINUTE, steady(now)).unwrap();
            if let Some(registration) = registration {
                assert!(registration.gateway.live_until >= live_until(MINUTE, now));
                registry.committed(registration);
            }
            registration.is_some()
        })
        .count();
    assert!((9..=11).contains(&writes), "{writes}");
    assert_eq!(
        registry.list()[0].live_until,
        NOW.plus(Duration::from_secs(590 + 61))
    );
}

/// Section 4, (b): what the store knew is never less than what the gateway may believe of itself.
#[test]
fn a_restarted_companion_counts_no_gateway_too_few() {
    let mut before = Registry::default();
    let registration = before.arrive(id(1), MINUTE, steady(NOW)).unwrap().unwrap();
    before.committed(registration);
    let last_poll = steady(NOW.plus(Duration::from_secs(55)));
    assert_eq!(before.arrive(id(1), MINUTE, last_poll), Ok(None));
    let after = Registry::new(stored(registration.gateway), last_poll).list()[0];
    assert!(after.live_until >= before.list()[0].live_until);
    assert_eq!(after.acknowledged, 0);
}

#[test]
fn an_acknowledgement_goes_back_only_when_the_store_does_not_know_the_cursor() {
    let mut registry = Registry::default();
    registered(&mut registry, id(1), NOW);
    let mut acknowledged = |number, found| {
        registry.read(id(1), at(number), found, History(0));
        registry.list()[0].acknowledged
    };
    assert_eq!(acknowledged(7, CursorFound::Known), 7);
    assert_eq!(acknowledged(5, CursorFound::Known), 7);
    assert_eq!(acknowledged(9, CursorFound::RolledBack), 0);
    assert_eq!(acknowledged(3, CursorFound::Known), 3);
    assert_eq!(acknowledged(3, CursorFound::Pruned), 0);
}

#[test]
fn a_gateway_too_many_is_refused_until_silent_ones_make_room() {
    let mut registry = Registry::default();
    for number in 0..MOST {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        registered(&mut registry, GatewayId::from_bytes(bytes), NOW);
    }
    assert_eq!(registry.arrive(id(255), MINUTE, steady(NOW)), Err(Full));
    let later = NOW.plus(Duration::from_secs(122));
    assert!(registry.arrive(id(255), MINUTE, steady(later)).is_ok());
}

/// The machine's clock is set an hour ahead: nobody falls silent, and what is stored is by the clock as it is then.
#[test]
fn setting_the_clock_makes_no_gateway_silent() {
    let mut registry = Registry::default();
    registered(&mut registry, id(1), NOW);
    let hour = Duration::from_secs(3_600);
    let jumped = Moment {
        wall: NOW.plus(hour),
        steady: NOW,
    };
    assert!(registry.list()[0].live_until > jumped.steady);
    let registration = registry.arrive(id(2), MINUTE, jumped).unwrap().unwrap();
    assert_eq!(
        registration.gateway.live_until,
        live_until(MINUTE, jumped.wall).plus(AHEAD)
    );
    let restarted = Moment {
        wall: jumped.wall,
        steady: jumped.wall,
    };
    let again = Registry::new(stored(registration.gateway), restarted).list()[0];
    assert_eq!(again.live_until, registration.gateway.live_until);
}

/// The gateways of another companion count from the store's word, and what they acknowledged there counts here.
#[test]
fn a_gateway_that_polls_another_companion_counts_here_too() {
    let mut there = Registry::default();
    let registration = there.arrive(id(1), MINUTE, steady(NOW)).unwrap().unwrap();
    let mut here = Registry::default();
    here.merge(stored(registration.gateway), steady(NOW));
    assert_eq!(here.list()[0].acknowledged, 0);
    assert!(here.list()[0].live_until >= live_until(MINUTE, NOW));
    let told = RegisteredGateway {
        acknowledged: 7,
        ..registration.gateway
    };
    here.merge(stored(told), steady(NOW));
    assert_eq!(here.list()[0].acknowledged, 7);
}

/// A refused cursor takes the acknowledgement back, also while the store has not heard of that yet.
#[test]
fn what_the_store_still_says_of_a_refused_cursor_does_not_count() {
    let mut registry = Registry::default();
    let registration = registry
        .arrive(id(1), MINUTE, steady(NOW))
        .unwrap()
        .unwrap();
    registry.committed(registration);
    registry.read(id(1), at(7), CursorFound::Known, History(0));
    registry.read(id(1), at(7), CursorFound::RolledBack, History(0));
    let mut acknowledged = |acknowledged| {
        let told = RegisteredGateway {
            acknowledged,
            ..registration.gateway
        };
        registry.merge(stored(told), steady(NOW));
        registry.list()[0].acknowledged
    };
    assert_eq!(acknowledged(7), 0);
    assert_eq!(acknowledged(8), 8);
}

/// It registered here, and went over to another companion, which has read that and writes nothing: its polls there are not heard of.
#[test]
fn a_gateway_that_may_poll_another_companion_counts_for_as_long_as_the_store_says() {
    let mut here = Registry::default();
    let registration = here.arrive(id(1), MINUTE, steady(NOW)).unwrap().unwrap();
    here.committed(registration);
    let mut there = Registry::default();
    there.merge(stored(registration.gateway), steady(NOW));
    let later = steady(NOW.plus(Duration::from_secs(50)));
    assert_eq!(there.arrive(id(1), MINUTE, later), Ok(None));
    here.merge(stored(registration.gateway), later);
    assert!(here.list()[0].live_until >= live_until(MINUTE, later.steady));
}

/// A lagging standby was promoted: numbers come again, for other revocations.
#[test]
fn what_was_acknowledged_to_a_lost_history_counts_no_more() {
    let mut registry = Registry::default();
    registered(&mut registry, id(1), NOW);
    registered(&mut registry, id(2), NOW);
    registry.read(id(1), at(7), CursorFound::Known, History(0));
    registry.read(id(2), at(3), CursorFound::Known, History(1));
    let of = |registry: &Registry, wanted| {
        let list = registry.list();
        list.into_iter()
            .find(|gateway| gateway.id == wanted)
            .unwrap()
            .acknowledged
    };
    assert_eq!((of(&registry, id(1)), of(&registry, id(2))), (0, 3));
    // A read of the old history that ends late says nothing.
    assert_eq!(
        registry.read(id(1), at(7), CursorFound::Known, History(0)),
        None
    );
    assert_eq!(of(&registry, id(1)), 0);
    // The store may have lost the registrations too.
    assert_eq!(registry.lost(steady(NOW)).len(), 2);
    assert!(
        registry
            .arrive(id(1), MINUTE, steady(NOW))
            .unwrap()
            .is_some()
    );
}

/// Design section 4: one that never gets stale counts for a day of silence, unless an operator says that it is gone. He cannot say so of
/// one that polls.
#[test]
fn a_gateway_is_forgotten_only_when_it_is_away() {
    let hour = Duration::from_secs(3_600);
    let mut registry = Registry::default();
    assert_eq!(registry.may_forget(id(1), steady(NOW)), Forget::Unknown);
    for (name, staleness) in [(1, None), (2, MINUTE)] {
        let arrived = registry.arrive(id(name), staleness, steady(NOW));
        registry.committed(arrived.unwrap().unwrap());
        let soon = steady(NOW.plus(Duration::from_secs(119)));
        assert_eq!(registry.forget(id(name), soon), Forget::StillPolls);
        // It polled between the store's word and this one: it is registered again.
        assert!(
            registry
                .arrive(id(name), staleness, steady(NOW))
                .unwrap()
                .is_some()
        );
    }
    let later = steady(NOW.plus(hour));
    assert_eq!(registry.list().len(), 2);
    assert!(
        registry
            .list()
            .iter()
            .any(|gateway| gateway.live_until > later.steady)
    );
    assert_eq!(registry.forget(id(1), later), Forget::Yes);
    assert!(registry.list().iter().all(|gateway| gateway.id != id(1)));
    // And it is as new when it comes back.
    assert!(registry.arrive(id(1), None, later).unwrap().is_some());
}

/// Another companion has heard the operator.
#[test]
fn a_gateway_that_was_forgotten_elsewhere_counts_here_no_more() {
    let mut registry = Registry::default();
    let registration = registry.arrive(id(1), None, steady(NOW)).unwrap().unwrap();
    registry.committed(registration);
    let told = GatewaysRead {
        gateways: Vec::new(),
        forgotten: vec![id(1)],
        ..stored(registration.gateway)
    };
    registry.merge(told, steady(NOW));
    assert!(registry.list().is_empty());
}
