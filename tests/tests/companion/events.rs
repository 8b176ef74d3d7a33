//! Authentication events: what the log and the audit log say, and how a request is found in both.

use serde_json::Value;
use tests::client::Answer;
use tests::companion::Companion;
use tests::log;
use tests::visitor::Visitor;

use crate::{companion_with_alice, events, log_out, stored};

fn id_of(answer: &Answer) -> String {
    answer.header("x-request-id").unwrap().to_owned()
}

/// The one event of a request.
fn event_of(answer: &Answer) -> Value {
    let mut events = log::events_of(&id_of(answer));
    assert_eq!(events.len(), 1, "{events:?}");
    events.remove(0)
}

/// AU-01: who, whom, from where, when, and by which request; for success and for failure.
#[test]
fn every_authentication_event_is_one_line_with_all_that_is_needed() {
    let (companion, client, alice) = companion_with_alice();
    let login = alice.try_login(&client).unwrap();
    let session = login.string("/session/id");
    let wrong = Visitor {
        password: "not this one at all".to_owned(),
        ..alice.clone()
    };
    let failed = wrong.try_login(&client).unwrap();
    let unknown = Visitor::named("nobody").try_login(&client).unwrap();
    let tokens = alice.login(&client).unwrap();
    let refreshed = tokens.try_refresh(&client).unwrap();
    let logout = log_out(&client, &tokens);
    let over = tokens.try_refresh(&client).unwrap();
    let account: String = {
        let opened = event_of(&login);
        opened["account"].as_str().unwrap().to_owned()
    };
    for (answer, event, actor, target) in [
        (&login, "session_opened", account.as_str(), Some(&session)),
        (&failed, "login_failed", "anonymous", None),
        (&unknown, "login_failed", "anonymous", None),
        (
            &refreshed,
            "session_refreshed",
            &account,
            Some(&tokens.session),
        ),
        (&logout, "session_ended", "", Some(&tokens.session)),
        (&over, "refresh_failed", "anonymous", Some(&tokens.session)),
    ] {
        let line = event_of(answer);
        assert_eq!(line["event"], event);
        assert_eq!(line["address"], "127.0.0.1", "{event}");
        assert_eq!(
            line["session"].as_str(),
            target.map(String::as_str),
            "{event}"
        );
        assert!(actor.is_empty() || line["actor"] == actor, "{line}");
        let timestamp = line["timestamp"].as_str().unwrap();
        assert!(
            timestamp.ends_with('Z') && timestamp.contains('T'),
            "{timestamp}"
        );
    }
    // Whose login failed is known to the operator alone.
    assert_eq!(event_of(&failed)["account"], account.as_str());
    assert_eq!(event_of(&unknown).get("account"), None);
    // AU-04: failures are in the log, and in no table.
    assert_eq!(events(&companion, "login_failed"), 0);
    assert_eq!(events(&companion, "refresh_failed"), 0);
}

/// AU-01, AU-04: the event of a change has the id of the request that made it.
#[test]
fn the_audit_log_names_the_request() {
    let (companion, client, alice) = companion_with_alice();
    let login = alice.try_login(&client).unwrap();
    let tokens = alice.login(&client).unwrap();
    let logout = log_out(&client, &tokens);
    let id: String = stored(
        &companion,
        "SELECT request_id FROM audit WHERE event = 'session_opened' ORDER BY id LIMIT 1",
    );
    assert_eq!(id, id_of(&login));
    let query = "SELECT request_id FROM audit WHERE event = 'session_ended'";
    assert_eq!(stored::<String>(&companion, query), id_of(&logout));
    let theirs = "SELECT COUNT(*) FROM audit WHERE actor IS NOT NULL";
    assert_eq!(stored::<u32>(&companion, theirs), 0);
    let first = alice.login(&client).unwrap();
    first.refresh(&client).unwrap().refresh(&client).unwrap();
    let reused = id_of(&first.try_refresh(&client).unwrap());
    for event in ["refresh_token_reused", "session_ended"] {
        let query = format!(
            "SELECT COUNT(*) FROM audit WHERE event = '{event}' AND request_id = '{reused}'"
        );
        assert_eq!(stored::<u32>(&companion, &query), 1, "{event}");
    }
}

/// Envoy's id is the request's; somebody else's is not, and nobody can name a request as another.
#[test]
fn a_request_has_the_id_of_the_trusted_proxy_or_a_new_one() {
    let companion = Companion::start().unwrap();
    let sent = "0f1e2d3c-4b5a-4697-8879-6a5b4c3d2e1f";
    let ask = |client: &tests::client::Client| {
        let request = client.get("/nowhere").header("x-request-id", sent);
        id_of(&request.send().unwrap())
    };
    assert_eq!(ask(&companion.client().unwrap()), sent);
    let stranger = companion.client_from("127.0.0.9").unwrap();
    let one = ask(&stranger);
    assert!(one != sent && one.len() == 32, "{one}");
    assert_ne!(one, ask(&stranger));
    assert_eq!(ask(&companion.internal().unwrap()), sent);
}
