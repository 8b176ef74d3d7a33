//! The subscription on the built filter: several VMs over one store, a companion that is slow, gone, hostile or rolled back.

mod figures;
mod hostile;
mod journal;
mod keys;
mod lease;
mod lifecycle;
mod shared_data;
mod staleness;
mod traps;

use std::time::Duration;

use tests::gateway::{config, page};
use tests::host::{Host, Reply, Response, get};
use tests::issuer::{Session, issuer, session};

const SECOND: Duration = Duration::from_secs(1);

/// That many VMs, synced.
fn envoy(vms: usize) -> Host {
    let mut envoy = Host::latchkey(&config()).vms(vms);
    envoy.sync();
    envoy
}

/// What a VM answers to a token of this session.
fn shows(envoy: &mut Host, vm: usize, session: &Session) -> Reply {
    let token = issuer().access_token(session);
    envoy.vm(vm).request(get("/orders").bearer(token))
}

/// The statuses that all VMs answer.
fn statuses(envoy: &mut Host, session: &Session) -> Vec<u16> {
    (0..envoy.vms())
        .map(|vm| shows(envoy, vm, session).status())
        .collect()
}

/// Time passes while the companion refuses every connection.
fn advance_alone(envoy: &mut Host, time: Duration) {
    for _ in 0..time.as_secs() {
        envoy.advance(SECOND);
        for callout in envoy.callouts() {
            envoy.answer(callout.id, Response::refused());
        }
    }
}

/// RV-10: before, every worker passes; at the next request after the page, none does.
#[test]
fn every_vm_sees_a_revocation_at_its_next_request() {
    let mut envoy = envoy(4);
    let (alice, bob) = (session("alice"), session("bob"));
    assert_eq!(statuses(&mut envoy, &alice), [200; 4]);
    assert_eq!(statuses(&mut envoy, &bob), [200; 4]);
    envoy.answer_feed(page().revoking(alice.id));
    assert_eq!(statuses(&mut envoy, &alice), [401; 4]);
    assert_eq!(statuses(&mut envoy, &bob), [200; 4]);
    envoy.answer_feed(page().revoking(bob.id));
    assert_eq!(statuses(&mut envoy, &bob), [401; 4]);
    envoy.advance_in_touch(Duration::from_secs(90));
    assert_eq!(statuses(&mut envoy, &alice), [401; 4]);
    assert!(envoy.metric("latchkey_revocations_live") == 2);
}

/// FR-14, RV-07: 503 until the last page of the first full pass, on every VM.
#[test]
fn nothing_passes_before_the_first_full_pass() {
    let mut envoy = Host::latchkey(&config()).vms(2);
    let (alice, bob) = (session("alice"), session("bob"));
    assert_eq!(statuses(&mut envoy, &bob), [503; 2]);
    envoy.poll(&issuer());
    assert_eq!(
        statuses(&mut envoy, &bob),
        [503; 2],
        "keys alone are not enough"
    );
    envoy.answer_feed(page().revoking(alice.id).more());
    assert_eq!(statuses(&mut envoy, &bob), [503; 2], "nor is half a pass");
    envoy.answer_feed(page().revoking(session("carol").id));
    assert_eq!(statuses(&mut envoy, &bob), [200; 2]);
    assert_eq!(statuses(&mut envoy, &alice), [401; 2]);
}

/// RV-17: the store was rolled back and has handed out its numbers again.
#[test]
fn a_rolled_back_store_takes_no_revocation_back() {
    let mut envoy = envoy(2);
    let (alice, bob, carol) = (session("alice"), session("bob"), session("carol"));
    envoy.answer_feed(page().revoking(alice.id).revoking(bob.id));
    assert_eq!(envoy.poll(&issuer()).after.number, 3);
    envoy.answer_feed(page().after(0).epoch(1).revoking(carol.id).seq(2).more());
    assert_eq!(
        envoy.poll(&issuer()).after.to_string(),
        format!("2.{}", tests::gateway::mark(2, 1))
    );
    for (session, status) in [
        (&alice, 401),
        (&bob, 401),
        (&carol, 401),
        (&session("dave"), 200),
    ] {
        assert_eq!(statuses(&mut envoy, session), [status; 2]);
    }
    let is_told = |line: &String| line.contains("reading from the beginning");
    assert!(envoy.logs().iter().any(is_told));
    envoy.answer_feed(page().epoch(1).revoking(session("dave").id));
    assert_eq!(statuses(&mut envoy, &session("dave")), [401; 2]);
}
