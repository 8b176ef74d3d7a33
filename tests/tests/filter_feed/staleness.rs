//! FR-15, RV-15: how long the gate believes what it knows.

use super::*;
use serde_json::json;

/// The bound on a revocation that does not arrive.
#[test]
fn a_gate_that_is_cut_off_closes_after_max_staleness_and_recovers_at_once() {
    let mut envoy = envoy(2);
    let alice = session("alice");
    advance_alone(&mut envoy, Duration::from_secs(60));
    assert_eq!(statuses(&mut envoy, &alice), [200; 2]);
    envoy.advance(Duration::from_millis(750));
    assert_eq!(statuses(&mut envoy, &alice), [503; 2]);
    let reply = shows(&mut envoy, 0, &alice);
    assert_eq!(reply.denied(), (503, ""));
    assert_eq!(reply.answer_header("retry-after"), Some("1"));
    assert!(envoy.metric("latchkey_state_age_seconds") >= 60);
    assert!(envoy.metric("latchkey_requests_denied_stale") >= 3);
    assert!(envoy.metric("latchkey_feed_failures") >= 10);
    envoy.advance(Duration::from_secs(5));
    let poll = envoy.poll(&issuer());
    assert_eq!(
        poll.callout.parameter("hold"),
        "0",
        "news or not, the answer comes now"
    );
    envoy.answer_feed(page());
    assert_eq!(statuses(&mut envoy, &alice), [200; 2]);
}

/// The page that was long on its way is as old as its question.
#[test]
fn a_delayed_page_is_as_old_as_its_poll() {
    let mut envoy = envoy(1);
    let alice = session("alice");
    envoy.advance(Duration::from_millis(11_900));
    envoy.answer_feed(page());
    let poll = envoy.waiting_poll().expect("the next poll");
    envoy.answer(poll.callout.id, Response::refused());
    advance_alone(&mut envoy, Duration::from_secs(48));
    assert_eq!(statuses(&mut envoy, &alice), [200]);
    advance_alone(&mut envoy, SECOND);
    assert_eq!(
        statuses(&mut envoy, &alice),
        [503],
        "61 s after the poll, 49 s after the page"
    );
}

/// Somebody between companion and gate answers every poll with a page of before.
#[test]
fn replayed_heartbeats_do_not_keep_the_gate_open() {
    let mut envoy = envoy(2);
    let alice = session("alice");
    let poll = envoy.poll(&issuer());
    let recorded = page().sign(poll.after, tests::issuer::START);
    for _ in 0..61 {
        envoy.advance(SECOND);
        while let Some(poll) = envoy.waiting_poll() {
            envoy.answer(poll.callout.id, Response::ok(recorded.clone()));
        }
    }
    assert_eq!(statuses(&mut envoy, &alice), [503; 2]);
    envoy.answer_feed(page());
    assert_eq!(statuses(&mut envoy, &alice), [200; 2]);
}

/// Either clock is enough: a machine that slept, a wall clock that was set.
#[test]
fn both_clocks_count() {
    let mut envoy = envoy(1);
    let alice = session("alice");
    envoy.sleep(Duration::from_secs(61));
    assert_eq!(statuses(&mut envoy, &alice), [503]);
    envoy.tick();
    envoy.answer_feed(page());
    assert_eq!(statuses(&mut envoy, &alice), [200]);
    let now = envoy.now();
    envoy.set_wall_clock(now + 89);
    assert_eq!(statuses(&mut envoy, &alice), [200]);
    envoy.set_wall_clock(now + 91);
    assert_eq!(statuses(&mut envoy, &alice), [503]);
    envoy.set_wall_clock(now);
    assert_eq!(statuses(&mut envoy, &alice), [200]);
}

/// Clocks that the host does not tell are clocks by which everything is too old.
#[test]
fn a_clock_that_cannot_be_read_denies() {
    let mut envoy = envoy(1);
    let alice = session("alice");
    envoy.force("clock_time_get", 28);
    assert_eq!(statuses(&mut envoy, &alice), [503]);
    envoy.advance(Duration::from_secs(1));
    envoy.stop_forcing();
    assert_eq!(
        statuses(&mut envoy, &alice),
        [200],
        "and nothing was written down"
    );
    envoy.advance(Duration::from_secs(61));
    assert_eq!(statuses(&mut envoy, &alice), [503]);
}

/// KR-08: 30 s apart in either direction, fresh all the same; further ahead is refused, with the difference in the log.
#[test]
fn clocks_that_differ_by_the_skew_keep_the_gate_fresh() {
    for skew in [-30, 30] {
        let mut envoy = Host::latchkey(&config()).vms(1);
        let alice = session("alice");
        for _ in 0..80 {
            envoy.advance(SECOND);
            let iat = tests::issuer::START.seconds().max(envoy.now()) + skew;
            let iat = token::UnixTime::from_seconds(iat);
            envoy.answer_feed(page().at(iat));
            assert_eq!(statuses(&mut envoy, &alice), [200], "{skew}");
        }
    }
    let mut envoy = envoy(1);
    let future = token::UnixTime::from_seconds(envoy.now() + 32);
    envoy.answer_feed(page().at(future).revoking(session("alice").id));
    assert_eq!(statuses(&mut envoy, &session("alice")), [200]);
    assert!(
        envoy
            .logs()
            .iter()
            .any(|line| line.contains("32 s in the future"))
    );
    assert_eq!(envoy.metric("latchkey_feed_pages_refused"), 1);
}

/// `on_stale: allow`: requests pass, the app is told, and what is revoked stays so.
#[test]
fn a_gate_that_may_serve_stale_says_so() {
    let mut lenient = config();
    lenient["on_stale"] = json!("allow");
    let mut envoy = Host::latchkey(&lenient).vms(2);
    let (alice, bob) = (session("alice"), session("bob"));
    assert_eq!(
        statuses(&mut envoy, &bob),
        [503; 2],
        "not before the first page"
    );
    envoy.answer_feed(page().revoking(alice.id));
    assert_eq!(envoy.poll(&issuer()).callout.parameter("staleness"), "none");
    let forged = get("/orders").header("x-auth-stale", "0");
    let fresh = envoy
        .vm(0)
        .request(forged.clone().bearer(issuer().access_token(&bob)));
    assert!(fresh.upstream("x-auth-stale").is_empty());
    advance_alone(&mut envoy, Duration::from_secs(75));
    let stale = envoy
        .vm(1)
        .request(forged.bearer(issuer().access_token(&bob)));
    assert_eq!(stale.upstream("x-auth-stale"), [b"75"]);
    assert_eq!(stale.upstream("x-auth-gate"), [b"pass"]);
    assert_eq!(envoy.metric("latchkey_requests_allowed_stale"), 1);
    assert_eq!(statuses(&mut envoy, &alice), [401; 2]);
    let ready = envoy.vm(0).request(get("/-/latchkey/ready"));
    assert_eq!(ready.local().status, 503);
}

/// Inline keys and no companion: no poll, no state, no 503.
#[test]
fn a_gate_without_a_companion_serves_from_the_start() {
    let mut alone = config();
    alone.as_object_mut().unwrap().remove("companion");
    let document: serde_json::Value = serde_json::from_str(&issuer().key_document()).unwrap();
    alone["jwks"] = json!({ "inline": document["access"] });
    alone["on_stale"] = json!("allow");
    let mut envoy = Host::start(&alone).vms(2);
    assert_eq!(statuses(&mut envoy, &session("alice")), [200; 2]);
    envoy.advance(Duration::from_secs(100));
    assert_eq!(statuses(&mut envoy, &session("alice")), [200; 2]);
    assert_eq!(envoy.sent_callouts(), 0);
    assert!(envoy.shared_data().keys().is_empty());
    assert_eq!(envoy.vm(0).request(get("/orders")).status(), 401);
    assert_eq!(
        envoy.vm(0).request(get("/-/latchkey/ready")).local().status,
        200
    );
}
