//! What Prometheus is told, and by whom it can be asked.

use std::collections::BTreeMap;

use companion::throttle::Limit;
use serde_json::json;
use tests::client::Client;
use tests::companion::{Companion, Gateway};
use tests::visitor::Visitor;

use crate::{HOUR, log_out};

/// The samples of a page, by their names and labels.
pub(crate) fn figures(internal: &Client) -> BTreeMap<String, f64> {
    let answer = internal.get("/metrics").send().unwrap();
    let answer = answer.expect(200, "metrics").unwrap();
    assert!(
        answer
            .header("content-type")
            .unwrap()
            .starts_with("text/plain; version=0.0.4")
    );
    let mut figures = BTreeMap::new();
    for line in answer.text().lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        let is_new = figures
            .insert(name.to_owned(), value.parse().unwrap())
            .is_none();
        assert!(is_new, "{name} twice");
    }
    figures
}

fn event(figures: &BTreeMap<String, f64>, name: &str) -> f64 {
    figures[&format!("latchkey_companion_events_total{{event=\"{name}\"}}")]
}

/// AU-06: failures, lock-outs, reuse, limit hits, revocations, gateways; each from zero on.
#[test]
fn what_happens_is_counted() {
    let companion = Companion::with(|settings| {
        settings.limits.code_per_address = Limit::new(5, 1, std::time::Duration::from_secs(3_600));
    })
    .unwrap();
    let client = companion.client().unwrap();
    let alice = companion.account("alice").unwrap();
    let internal = companion.internal().unwrap();
    let before = figures(&internal);
    for name in [
        "login_failed",
        "login_delayed",
        "refresh_token_reused",
        "refresh_token_ahead",
        "rate_limited",
    ] {
        assert_eq!(event(&before, name), 0.0, "{name}");
    }
    assert_eq!(before["latchkey_companion_gateways{state=\"live\"}"], 0.0);
    let mut gateway = Gateway::synced(&companion, 1, "60").unwrap();
    let wrong = Visitor {
        password: "not this one at all".to_owned(),
        ..alice.clone()
    };
    for _ in 0..5 {
        wrong.try_login(&client).unwrap();
    }
    assert_eq!(wrong.try_login(&client).unwrap().status, 429);
    for number in 0..6 {
        let code = json!({ "code": "000000" });
        let path = format!("/auth/v1/challenges/{number:032x}/verify");
        client.post(&path).json(&code).send().unwrap();
    }
    companion.advance_seconds(HOUR);
    gateway.poll(0).unwrap();
    let first = alice.login(&client).unwrap();
    first.refresh(&client).unwrap().refresh(&client).unwrap();
    assert_eq!(first.try_refresh(&client).unwrap().status, 401);
    let after = figures(&internal);
    let moved = |name: &str| event(&after, name) - event(&before, name);
    assert_eq!(moved("login_failed"), 5.0);
    assert_eq!(moved("login_delayed"), 1.0);
    assert_eq!(moved("rate_limited"), 2.0);
    let hits = "latchkey_companion_limit_hits_total{limit=\"code_per_address\"}";
    assert_eq!(after[hits], 2.0);
    assert_eq!(moved("session_opened"), 1.0);
    assert_eq!(moved("session_refreshed"), 2.0);
    assert_eq!(moved("refresh_token_reused"), 1.0);
    assert_eq!(after["latchkey_companion_feed_head"], 2.0);
    assert_eq!(after["latchkey_companion_gateways{state=\"live\"}"], 1.0);
    assert_eq!(after["latchkey_companion_gateways{state=\"lagging\"}"], 1.0);
    assert_eq!(after["latchkey_companion_gateway_lag"], 1.0);
    assert!(
        after["latchkey_companion_password_hashes_total"]
            >= before["latchkey_companion_password_hashes_total"] + 6.0
    );
    assert!(
        after["latchkey_companion_store_seconds_count{work=\"write\"}"]
            > before["latchkey_companion_store_seconds_count{work=\"write\"}"]
    );
    assert_eq!(after["latchkey_companion_store_up"], 1.0);
    gateway.poll(0).unwrap();
    gateway.poll(0).unwrap();
    let caught_up = figures(&internal);
    assert_eq!(
        caught_up["latchkey_companion_gateways{state=\"lagging\"}"],
        0.0
    );
    assert!(
        caught_up["latchkey_companion_polls_answered_total"]
            > after["latchkey_companion_polls_answered_total"]
    );
}

/// AU-06: whatever clients send, the page has the same samples: no label grows with it.
#[test]
fn no_label_grows_with_what_clients_send() {
    let companion = Companion::with(|settings| {
        settings.limits.login_per_address =
            Limit::new(20, 1, std::time::Duration::from_secs(3_600));
    })
    .unwrap();
    let client = companion.client().unwrap();
    let internal = companion.internal().unwrap();
    let alice = companion.account("alice").unwrap();
    log_out(&client, &alice.login(&client).unwrap());
    Visitor::named("somebody").try_login(&client).unwrap();
    client.get("/nowhere").send().unwrap();
    let names = |figures: BTreeMap<String, f64>| figures.into_keys().collect::<Vec<_>>();
    let before = names(figures(&internal));
    for number in 0..30 {
        let visitor = Visitor::named(&format!("visitor{number}"));
        visitor.try_login(&client).unwrap();
        client
            .request("PROPFIND", &format!("/auth/v1/{number}?x={number}"))
            .header("user-agent", &format!("agent {number}"))
            .header("x-request-id", &format!("{number:032x}"))
            .send()
            .unwrap();
        internal
            .get(&format!("/admin/v1/{number}"))
            .bearer("wrong")
            .send()
            .unwrap();
    }
    assert_eq!(names(figures(&internal)), before);
}

/// ER-06: the figures are on the internal listener alone.
#[test]
fn the_public_is_told_nothing() {
    let companion = Companion::start().unwrap();
    let answer = companion.client().unwrap().get("/metrics").send().unwrap();
    assert_eq!(answer.status, 404);
    assert!(!answer.text().contains("latchkey_companion"));
}
