//! RV-16: who polls.

use super::*;
use std::collections::BTreeSet;
use tests::gateway::GATEWAY_TOKEN;

/// RV-09: and the poll is authenticated.
#[test]
fn one_vm_polls_with_the_gateway_token_and_a_timeout() {
    let mut envoy = envoy(3);
    let mut polling = BTreeSet::new();
    for _ in 0..60 {
        envoy.advance(SECOND);
        let callouts = envoy.callouts();
        assert!(callouts.len() <= 1);
        for callout in callouts {
            polling.insert(callout.vm);
            assert_eq!(callout.cluster, "companion_internal");
            assert_eq!(callout.text(":authority"), "companion");
            assert_eq!(callout.text(":method"), "GET");
            assert_eq!(
                callout.text("authorization"),
                format!("Bearer {GATEWAY_TOKEN}")
            );
            assert_eq!(callout.timeout, 12_000_000_000);
            assert_eq!(callout.parameter("hold"), "10");
            assert_eq!(callout.parameter("staleness"), "60");
        }
        envoy.answer_feed(page());
    }
    assert_eq!(polling.len(), 1);
    assert!(
        envoy
            .logs()
            .iter()
            .all(|line| !line.contains(GATEWAY_TOKEN))
    );
}

/// RV-16, FR-13: the holder traps; another VM takes over well inside `max_staleness`, and nothing is forgotten meanwhile.
#[test]
fn a_dead_holder_is_replaced_and_revocations_stay() {
    let mut envoy = envoy(3);
    let (alice, bob) = (session("alice"), session("bob"));
    envoy.answer_feed(page().revoking(alice.id));
    let dead = envoy.poll(&issuer());
    let holder = dead.callout.vm;
    envoy.vm(holder).trap();
    let lost = Response::ok(
        page()
            .revoking(bob.id)
            .sign(dead.after, tests::issuer::START),
    );
    assert!(
        !envoy.answer(dead.callout.id, lost),
        "its answer is dropped"
    );
    envoy.advance(Duration::from_millis(2_250));
    let poll = envoy.waiting_poll().expect("another VM polls");
    assert_ne!(poll.callout.vm, holder);
    assert_eq!(poll.after, dead.after);
    assert_eq!(poll.callout.parameter("hold"), "0");
    assert_eq!(
        poll.callout.parameter("gateway"),
        dead.callout.parameter("gateway")
    );
    assert_eq!(
        statuses(&mut envoy, &alice),
        [401; 3],
        "the trapped one is reloaded"
    );
    assert_eq!(envoy.vm(holder).failure(), None);
    envoy.answer_feed(page().revoking(bob.id));
    assert_eq!(statuses(&mut envoy, &bob), [401; 3]);
}

/// FR-13: every VM traps at once.
#[test]
fn revocations_survive_the_reload_of_every_vm() {
    let mut envoy = envoy(2);
    let alice = session("alice");
    envoy.answer_feed(page().revoking(alice.id));
    for vm in 0..2 {
        envoy.vm(vm).trap();
    }
    assert_eq!(statuses(&mut envoy, &alice), [401; 2]);
    assert_eq!(statuses(&mut envoy, &session("bob")), [200; 2]);
    envoy.advance(Duration::from_secs(3));
    envoy.answer_feed(page().revoking(session("bob").id));
    assert_eq!(statuses(&mut envoy, &session("bob")), [401; 2]);
}
