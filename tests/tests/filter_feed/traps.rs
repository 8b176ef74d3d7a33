//! What is left after a trap, with the module that traps on demand.

use super::*;
use tests::host::{Request, latchkey_bytes, trapping};

fn envoy_that_traps(vms: usize) -> Host {
    let start = Host::latchkey(&config()).module(trapping().clone());
    let mut envoy = start.vms(vms);
    envoy.sync();
    envoy
}

fn wishing(place: &str) -> Request {
    get("/orders").header("x-latchkey-trap", place)
}

fn failed(envoy: &mut Host) -> Vec<usize> {
    (0..envoy.vms())
        .filter(|vm| envoy.vm(*vm).failure().is_some())
        .collect()
}

/// FR-11, FR-13: the request that traps gets 503, the next one a new VM that knows every revocation.
#[test]
fn a_trap_in_a_request_ends_that_request_alone() {
    let mut envoy = envoy_that_traps(2);
    let (alice, bob) = (session("alice"), session("bob"));
    envoy.answer_feed(page().revoking(alice.id));
    let token = issuer().access_token(&bob);
    let reply = envoy.vm(0).request(wishing("request").bearer(&token));
    assert_eq!(reply.status(), 503);
    assert!(!reply.passed());
    assert_eq!(failed(&mut envoy), [0]);
    assert_eq!(statuses(&mut envoy, &alice), [401; 2]);
    assert_eq!(statuses(&mut envoy, &bob), [200; 2]);
    assert!(failed(&mut envoy).is_empty());
    assert!(envoy.logs().iter().all(|line| !line.contains(&token)));
}

/// RV-16: of three VMs exactly the holder traps, once for one wish, and another one polls within 3 s.
#[test]
fn a_trap_in_the_holders_tick_hands_the_lease_over() {
    let mut envoy = envoy_that_traps(3);
    let (alice, bob) = (session("alice"), session("bob"));
    envoy.answer_feed(page().revoking(alice.id));
    let holder = envoy.poll(&issuer()).callout.vm;
    let elsewhere = (holder + 1) % 3;
    envoy.vm(elsewhere).request(wishing("holder"));
    envoy.advance(Duration::from_millis(250));
    assert_eq!(failed(&mut envoy), [holder]);
    envoy.advance(Duration::from_millis(2_500));
    let poll = envoy.waiting_poll().expect("another VM polls");
    assert_ne!(poll.callout.vm, holder);
    assert_eq!(failed(&mut envoy), [holder], "no second VM");
    assert_eq!(statuses(&mut envoy, &alice), [401; 3]);
    envoy.answer_feed(page().revoking(bob.id));
    assert_eq!(statuses(&mut envoy, &bob), [401; 3]);
    envoy.advance_in_touch(Duration::from_secs(10));
    assert!(failed(&mut envoy).is_empty());
}

/// The module that ships knows no such wish.
#[test]
fn the_shipped_module_does_not_trap_on_demand() {
    let mut envoy = envoy(2);
    for place in ["request", "holder"] {
        let reply = envoy.vm(0).request(wishing(place));
        assert_eq!(reply.status(), 401);
        envoy.advance(SECOND);
    }
    assert!(failed(&mut envoy).is_empty());
    let trace = b"trap wished for";
    let has = |bytes: &[u8]| bytes.windows(trace.len()).any(|window| window == trace);
    assert!(!has(&latchkey_bytes()));
}
