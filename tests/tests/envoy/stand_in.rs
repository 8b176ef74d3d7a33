use std::time::Duration;

use serde_json::{Value, json};
use tests::client::Client;
use tests::gate::Gate;
use tests::issuer::{AUDIENCE, ISSUER, issuer, session};
use tests::stack::READY_PATH;
use tests::stand_in::{Answer, Asked};
use tests::watch::{unix_seconds, wait_for};
use token::UnixTime;

fn configuration() -> Value {
    json!({
        "issuer": ISSUER,
        "audiences": [AUDIENCE],
        "companion": { "cluster": "companion_internal", "token_env": "LATCHKEY_GATEWAY_TOKEN" },
        "max_staleness": "5s",
        "ready_path": READY_PATH,
    })
}

/// That the rows of the decision table and the hostile companions are played on a stage that works: polls come as from any gateway,
/// a revocation is in force, and a companion that says nothing makes the state stale.
#[test]
fn a_stand_in_feeds_a_gate_and_sees_its_polls() {
    let gate = Gate::start(&configuration()).unwrap();
    let client = Client::new(gate.stack.ports().gateway).unwrap();
    let now = UnixTime::from_seconds(unix_seconds());
    let [alice, bob] = ["alice", "bob"].map(session);
    let status = |of: &tests::issuer::Session| {
        let token = issuer().access_token_at(of, now);
        client.get("/orders").bearer(&token).send().unwrap().status
    };
    assert_eq!((status(&alice), status(&bob)), (200, 200));

    let number = gate.companion.revoke(bob.id);
    gate.companion.await_acknowledged(number).unwrap();
    assert_eq!((status(&alice), status(&bob)), (200, 401));

    let polls = gate.companion.polls();
    let (first, _) = polls.first().unwrap();
    assert_eq!((first.after.number, first.hold), (0, Duration::ZERO));
    assert!(polls.iter().all(|(poll, _)| poll.gateway == first.gateway));
    let (last, _) = polls.last().unwrap();
    assert_eq!(last.hold, Duration::from_secs(1));
    assert_eq!(last.staleness, Some(Duration::from_secs(5)));
    let calls = gate.companion.calls();
    assert!(calls.iter().any(|call| call.asked == Asked::Keys));

    gate.companion.behave(|call| match call.asked {
        Asked::Poll(_) => Answer::Never,
        Asked::Ready | Asked::Keys | Asked::Other => Answer::Right,
    });
    let patience = Duration::from_secs(10);
    wait_for("a stale gate", patience, || {
        Ok((status(&alice) == 503).then_some(()))
    })
    .unwrap();
}
