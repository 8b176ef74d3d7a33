//! Canary, updates, restarts, and hosts that answer oddly.

use super::*;
use serde_json::json;

/// FR-21: configuring reads its bytes, declares metrics, asks for ticks, and nothing else.
#[test]
fn a_configuration_on_trial_has_no_side_effects() {
    let mut envoy = Host::latchkey(&config()).vms(2);
    let may = [
        "proxy_get_buffer_bytes",
        "proxy_define_metric",
        "proxy_set_tick_period_milliseconds",
        "proxy_log",
    ];
    for export in [
        "_initialize",
        "proxy_on_vm_start",
        "proxy_on_configure",
        "proxy_on_context_create",
    ] {
        let calls = envoy.called_in(export);
        assert!(
            calls.iter().all(|call| may.contains(call)),
            "{export}: {calls:?}"
        );
    }
    assert!(envoy.shared_data().keys().is_empty());
    assert_eq!(envoy.sent_callouts(), 0);
    envoy.sync();
    let keys = envoy.shared_data().keys();
    let sent = envoy.sent_callouts();
    let mut other = config();
    other["max_staleness"] = json!("30s");
    assert!(envoy.update(&other));
    assert_eq!(envoy.shared_data().keys(), keys);
    assert_eq!(envoy.sent_callouts(), sent);
}

/// An edit of rules keeps the subscription: no moment of 503, one poll, and the new configuration takes over when the old one drains.
#[test]
fn an_edit_of_rules_keeps_the_subscription() {
    let mut envoy = envoy(2);
    let (alice, bob) = (session("alice"), session("bob"));
    envoy.answer_feed(page().revoking(alice.id));
    let mut edited = config();
    edited["rules"] = json!([]);
    assert!(envoy.update(&edited));
    assert_eq!(statuses(&mut envoy, &alice), [401; 2]);
    assert_eq!(statuses(&mut envoy, &bob), [200; 2]);
    assert_eq!(envoy.vm(0).request(get("/public")).status(), 401);
    envoy.advance_in_touch(Duration::from_secs(5));
    assert_eq!(envoy.callouts().len(), 1);
    envoy.drain();
    envoy.advance(Duration::from_millis(2_500));
    envoy.answer_feed(page().revoking(bob.id));
    assert_eq!(statuses(&mut envoy, &bob), [401; 2]);
}

/// Another `max_staleness` is another promise to the companion: its own gateway, its own first pass.
#[test]
fn a_change_of_what_shapes_the_feed_is_another_subscription() {
    let mut envoy = envoy(2);
    let alice = session("alice");
    let gateway = envoy
        .poll(&issuer())
        .callout
        .parameter("gateway")
        .to_owned();
    let mut other = config();
    other["max_staleness"] = json!("6s");
    assert!(envoy.update(&other));
    assert_eq!(statuses(&mut envoy, &alice), [503; 2]);
    envoy.tick();
    envoy.sync();
    let poll = envoy.poll(&issuer());
    assert_ne!(poll.callout.parameter("gateway"), gateway);
    assert_eq!(poll.callout.parameter("hold"), "2");
    assert_eq!(poll.callout.parameter("staleness"), "6");
    assert_eq!(statuses(&mut envoy, &alice), [200; 2]);
}

/// FR-14: a process that starts anew knows nothing.
#[test]
fn a_restarted_process_is_closed_until_its_own_first_pass() {
    let mut envoy = envoy(2);
    let alice = session("alice");
    envoy.answer_feed(page().revoking(alice.id));
    envoy.restart();
    assert_eq!(statuses(&mut envoy, &alice), [503; 2]);
    advance_alone(&mut envoy, Duration::from_secs(20));
    assert_eq!(statuses(&mut envoy, &session("bob")), [503; 2]);
    envoy.answer_feed(page().revoking(alice.id));
    assert_eq!(statuses(&mut envoy, &alice), [401; 2]);
    assert_eq!(statuses(&mut envoy, &session("bob")), [200; 2]);
}

/// A missing token variable is found at the first tick: an error that names it, and 503.
#[test]
fn a_missing_gateway_token_is_told_and_nothing_is_sent() {
    for token in [None, Some(""), Some("two words"), Some("caf\u{e9}")] {
        let start = Host::start(config());
        let start = match token {
            Some(token) => start.env("LATCHKEY_GATEWAY_TOKEN", token),
            None => start,
        };
        let mut envoy = start.vms(2);
        envoy.advance(Duration::from_secs(5));
        assert_eq!(envoy.sent_callouts(), 0);
        assert_eq!(statuses(&mut envoy, &session("alice")), [503; 2]);
        let told = envoy
            .logs()
            .iter()
            .filter(|line| line.contains("LATCHKEY_GATEWAY_TOKEN"))
            .count();
        assert_eq!(told, 2, "once in each VM");
    }
}
