use std::env;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tests::client::Client;
use tests::ports::free_port;
use tests::stack::READY_PATH;
use tests::stand_in::{Answer, Asked};
use tests::watch::{Stopwatch, wait_for};

use crate::answers::{Callers, call};
use crate::moving::Moving;
use crate::subscribers::{gateways, must_be_single};
use crate::{configuration, revoke, token_of};

const PATIENCE: Duration = Duration::from_secs(20);

/// The same with one more rule, which changes nothing about its subscription.
fn edited() -> Value {
    let mut configuration = configuration();
    let rules = configuration["rules"].as_array_mut().unwrap();
    rules.push(json!({ "match": { "prefix": "/news" }, "require": "optional" }));
    configuration
}

fn ready(port: u16) -> Client {
    let client = Client::new(port).unwrap();
    wait_for("a synced listener", PATIENCE, || {
        let answer = client.get(READY_PATH).send();
        Ok(answer
            .is_ok_and(|answer| answer.status == 200)
            .then_some(()))
    })
    .unwrap();
    client
}

/// How long the companion is watched: the suite's few seconds, or as many as `LATCHKEY_WATCH_SECONDS` says, such as the 60 of RV-16.
fn watch_seconds() -> u64 {
    let seconds = env::var("LATCHKEY_WATCH_SECONDS").ok();
    seconds.map_or(8, |seconds| seconds.parse().unwrap())
}

/// RV-16: two listeners with different rules, so two root contexts in each of three VMs: six that could poll, and one that does.
#[test]
fn two_filters_of_one_subscription_on_two_workers_are_one_subscriber() {
    let moving = Moving::start(&configuration());
    let port = free_port().unwrap();
    let both = [
        moving.listener(&configuration()),
        moving.second_listener(port, &edited()),
    ];
    assert!(moving.publish(&both));
    let second = ready(port);
    let first = moving.gate.stack.client().unwrap();
    thread::sleep(Duration::from_secs(watch_seconds()));
    let polls = moving.gate.companion.polls();
    assert_eq!(gateways(&polls).len(), 1);
    must_be_single(&polls);
    // Each hold is one second: that many polls and not twice as many, and the few of the start.
    let most = watch_seconds() + 6;
    assert!(
        u64::try_from(polls.len()).unwrap() <= most,
        "{} polls",
        polls.len()
    );
    revoke(&moving.gate, "bob");
    for client in [&first, &second] {
        assert_eq!(call(client, &token_of("bob")).status, 401);
        assert_eq!(call(client, &token_of("alice")).status, 200);
    }
}

/// RV-16, design section 4: what shapes a subscription keeps two apart, each with its own cursor and its own revocations.
#[test]
fn two_filters_of_different_subscriptions_are_two_gateways_with_one_subscriber_each() {
    let moving = Moving::start(&configuration());
    let port = free_port().unwrap();
    let mut other = configuration();
    other["max_staleness"] = json!("6s");
    assert!(moving.publish(&[
        moving.listener(&configuration()),
        moving.second_listener(port, &other)
    ]));
    let second = ready(port);
    thread::sleep(Duration::from_secs(3));
    let polls = moving.gate.companion.polls();
    assert_eq!(gateways(&polls).len(), 2);
    must_be_single(&polls);
    revoke(&moving.gate, "bob");
    let token = token_of("bob");
    assert_eq!(
        call(&moving.gate.stack.client().unwrap(), &token).status,
        401
    );
    wait_for("the other gateway to hear of it", PATIENCE, || {
        Ok((call(&second, &token).status == 401).then_some(()))
    })
    .unwrap();
}

/// RV-16, FR-11: old and new rules live side by side until the old listener has drained; nobody waits, and nobody polls twice.
#[test]
fn an_edit_of_the_rules_has_no_503_and_no_second_subscriber() {
    let moving = Moving::start(&configuration());
    let ports = moving.gate.stack.ports();
    revoke(&moving.gate, "bob");
    let before = moving.gate.companion.polls().len();
    let (good, revoked) = (token_of("alice"), token_of("bob"));
    let check = || {
        let client = Client::new(ports.gateway).unwrap();
        assert_eq!(call(&client, &good).status, 200);
        assert_eq!(call(&client, &revoked).status, 401);
    };
    for configuration in [edited(), configuration()] {
        assert!(moving.publish(&[moving.listener(&configuration)]));
        let watch = Stopwatch::start();
        // Past the end of the old listener and of a lease that its contexts may have held.
        while watch.elapsed() < Duration::from_secs(5) {
            check();
        }
    }
    moving.await_drained();
    check();
    let polls = moving.gate.companion.polls();
    assert_eq!(gateways(&polls).len(), 1);
    must_be_single(&polls[before..]);
}

/// FR-13: with the last listener Envoy forgets what was revoked. A gate that has lost its memory knows that it has.
#[test]
fn a_gate_whose_last_listener_came_back_denies_until_it_has_read_everything_again() {
    let moving = Moving::start(&configuration());
    let ports = moving.gate.stack.ports();
    revoke(&moving.gate, "bob");
    let (good, revoked) = (token_of("alice"), token_of("bob"));
    assert_eq!(Callers::at_both_workers(ports).statuses(&good), [200, 200]);
    assert!(moving.publish(&[]));
    moving.await_drained();
    wait_for("the end of all VMs", PATIENCE, || {
        Ok((moving.count("wasm.wasm_vm_count") == 0).then_some(()))
    })
    .unwrap();
    let known = moving.gate.companion.polls().len();
    // It gets the keys, so it could verify the tokens; what was revoked it does not get.
    moving.gate.companion.behave(|call| match call.asked {
        Asked::Ready | Asked::Keys => Answer::Right,
        Asked::Poll(_) | Asked::Other => Answer::Status(500),
    });
    assert!(moving.publish(&[moving.listener(&configuration())]));
    let callers = Callers::at_both_workers(ports);
    for token in [&good, &revoked] {
        assert_eq!(callers.statuses(token), [503, 503]);
    }
    moving.gate.companion.behave_well();
    wait_for("the first full pass", PATIENCE, || {
        assert!(
            callers
                .statuses(&revoked)
                .iter()
                .all(|status| matches!(status, 401 | 503))
        );
        Ok((callers.statuses(&good) == [200, 200]).then_some(()))
    })
    .unwrap();
    assert_eq!(callers.statuses(&revoked), [401, 401]);
    let polls = moving.gate.companion.polls();
    let (first, _) = &polls[known];
    assert_eq!(first.after.number, 0);
    assert_eq!(gateways(&polls).len(), 2);
}

/// CF-03: Envoy refuses it, the old one goes on, and the next good one is taken.
#[test]
fn a_bad_new_configuration_keeps_the_old_one_in_force() {
    let moving = Moving::start(&configuration());
    let ports = moving.gate.stack.ports();
    revoke(&moving.gate, "bob");
    let (good, revoked) = (token_of("alice"), token_of("bob"));
    let in_force = || {
        let callers = Callers::at_both_workers(ports);
        assert_eq!(callers.statuses(&good), [200, 200]);
        assert_eq!(callers.statuses(&revoked), [401, 401]);
    };
    let changed = |key: &str, value: Value| {
        let mut configuration = configuration();
        configuration[key] = value;
        moving.listener(&configuration)
    };
    let right = moving.listener(&configuration());
    let bad = [
        changed("isuer", json!("https://www.example.com")),
        changed("issuer", Value::Null),
        changed("max_staleness", json!("1s")),
        changed("rules", json!([{ "match": {}, "require": "none" }])),
        right.replace("envoy/latchkey.wasm", "envoy/envoy.yaml"),
        right.replace("envoy/latchkey.wasm", "envoy/missing.wasm"),
    ];
    for listener in bad {
        // Nor is the same taken when it comes again.
        for _ in 0..2 {
            assert!(
                !moving.publish(std::slice::from_ref(&listener)),
                "{listener}"
            );
            in_force();
        }
    }
    let news = Client::new(ports.gateway).unwrap();
    assert_eq!(news.get("/news").send().unwrap().status, 401);
    assert!(moving.publish(&[moving.listener(&edited())]));
    let taken = || {
        Client::new(ports.gateway)
            .unwrap()
            .get("/news")
            .send()
            .unwrap()
    };
    wait_for("the new rules", PATIENCE, || {
        Ok((taken().status == 200).then_some(()))
    })
    .unwrap();
    in_force();
}
