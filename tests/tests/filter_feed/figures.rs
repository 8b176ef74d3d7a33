//! The metrics of a whole process, as Envoy would show them.

use super::*;
use serde_json::json;

const QUARTER: Duration = Duration::from_millis(250);

fn age(envoy: &Host) -> i64 {
    envoy.metric("latchkey_state_age_seconds")
}

/// AU-06: all names there will ever be are there from the start, with 0, whatever clients send.
#[test]
fn every_metric_is_declared_at_start_and_no_request_adds_one() {
    let mut envoy = Host::latchkey(&config()).vms(2);
    let names: Vec<_> = envoy.metrics().into_keys().collect();
    assert!(envoy.metrics().values().all(|value| *value == 0));
    for family in [
        "latchkey_requests_allowed",
        "latchkey_requests_denied_",
        "latchkey_tokens_rejected_",
        "latchkey_headers_sanitised",
        "latchkey_token_cache_",
        "latchkey_verifications_",
        "latchkey_feed_",
        "latchkey_key_sets_",
        "latchkey_shared_data_unreadable",
        "latchkey_state_synced",
        "latchkey_state_age_seconds",
        "latchkey_max_staleness_seconds",
        "latchkey_revocations_live",
        "latchkey_clock_difference_seconds",
    ] {
        assert!(
            names.iter().any(|name| name.starts_with(family)),
            "{family}"
        );
    }
    envoy.sync();
    for hostile in tests::forge::hostile(&issuer(), &session("alice"), tests::issuer::START) {
        envoy
            .vm(0)
            .request(get(format!("/{}", hostile.class)).bearer(&hostile.token));
    }
    assert_eq!(envoy.metrics().into_keys().collect::<Vec<_>>(), names);
}

/// Every request that is no readiness probe is allowed or denied once, and a refused token is counted under its reason too.
#[test]
fn the_sums_are_those_of_the_requests() {
    let mut envoy = envoy(2);
    let tokens = tests::forge::hostile(&issuer(), &session("alice"), tests::issuer::START);
    for (number, hostile) in tokens.iter().enumerate() {
        let request = get("/orders").bearer(&hostile.token);
        assert!(!envoy.vm(number % 2).request(request).passed());
    }
    assert_eq!(statuses(&mut envoy, &session("alice")), [200; 2]);
    envoy.vm(0).request(get("/-/latchkey/ready"));
    let metrics = envoy.metrics();
    let sum = |prefix: &str| -> i64 {
        let family = metrics.iter().filter(|(name, _)| name.starts_with(prefix));
        family.map(|(_, value)| value).sum()
    };
    let sent = i64::try_from(tokens.len()).unwrap();
    assert_eq!(sum("latchkey_requests_denied_"), sent);
    assert_eq!(metrics["latchkey_requests_allowed"], 2);
    let rejected = metrics["latchkey_requests_denied_rejected"];
    assert!(rejected > 100);
    assert_eq!(sum("latchkey_tokens_rejected_"), rejected);
}

/// FR-15: the figures come from shared data, so every VM tells the same ones.
#[test]
fn the_figures_are_those_of_the_process() {
    let mut envoy = envoy(3);
    envoy.answer_feed(page().revoking(session("alice").id));
    for _ in 0..20 {
        envoy.advance(QUARTER);
        assert_eq!(envoy.metric("latchkey_feed_number"), 2);
        assert_eq!(envoy.metric("latchkey_state_synced"), 1);
    }
    assert_eq!(age(&envoy), 5);
    assert_eq!(envoy.metric("latchkey_max_staleness_seconds"), 60);
    assert_eq!(envoy.metric("latchkey_feed_leases_taken"), 1);
    assert!(envoy.metric("latchkey_feed_pages_good") >= 2);
}

/// FR-15: the lease holder dies and the companion is away: the age grows by the second all the same.
#[test]
fn the_age_grows_although_the_holder_is_dead_and_the_companion_away() {
    let mut envoy = envoy(3);
    let holder = envoy.poll(&issuer()).callout.vm;
    envoy.vm(holder).trap();
    let begins = age(&envoy);
    for seconds in 1..=90 {
        advance_alone(&mut envoy, SECOND);
        assert_eq!(age(&envoy), begins + seconds);
    }
    assert!(age(&envoy) > envoy.metric("latchkey_max_staleness_seconds"));
    assert_eq!(envoy.metric("latchkey_feed_leases_taken"), 2);
    // All but one that never held it.
    let last = (holder + 1) % 3;
    envoy.vm((holder + 2) % 3).trap();
    advance_alone(&mut envoy, Duration::from_secs(5));
    assert_eq!(age(&envoy), begins + 95);
    assert_eq!(envoy.vm(last).failure(), None);
}

/// FR-15: a gate that cannot even ask says that it is unsynced, and for how long.
#[test]
fn without_a_gateway_token_the_age_grows() {
    let mut envoy = Host::start(config()).vms(2);
    envoy.advance(Duration::from_secs(30));
    assert_eq!(envoy.metric("latchkey_state_synced"), 0);
    assert_eq!(age(&envoy), 29, "since the first tick");
}

/// One gauge of each name: the worst of all configurations that the process holds, until a drained one is gone.
#[test]
fn of_two_subscriptions_the_worse_figures_are_told() {
    let mut envoy = envoy(2);
    let mut other = config();
    other["max_staleness"] = json!("30s");
    assert!(envoy.update(&other));
    envoy.advance(QUARTER);
    assert_eq!(
        envoy.metric("latchkey_state_synced"),
        0,
        "the new one is not"
    );
    assert_eq!(envoy.metric("latchkey_max_staleness_seconds"), 30);
    assert_eq!(envoy.metric("latchkey_feed_number"), 0);
    envoy.drain();
    for _ in 0..3 {
        envoy.advance(SECOND);
        envoy.answer_feed(page());
    }
    envoy.advance(QUARTER);
    assert_eq!(envoy.metric("latchkey_state_synced"), 1);
    assert_eq!(envoy.metric("latchkey_feed_number"), 1);
    assert!(age(&envoy) <= 1);
}

/// A clock that is wrong is seen before it denies.
#[test]
fn the_difference_of_clocks_is_in_the_figures() {
    let mut envoy = envoy(1);
    assert_eq!(envoy.metric("latchkey_clock_difference_seconds"), 0);
    let ahead = token::UnixTime::from_seconds(envoy.now() + 12);
    envoy.answer_feed(page().at(ahead));
    assert_eq!(envoy.metric("latchkey_clock_difference_seconds"), 12);
    assert!(
        envoy
            .logs()
            .iter()
            .any(|line| line.contains("differ by 12 s"))
    );
}
