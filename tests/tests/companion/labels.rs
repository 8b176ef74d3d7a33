//! What an owner calls his sessions, and what their devices call themselves.

use serde_json::{Value, json};
use tests::client::{Answer, Client};
use tests::visitor::Tokens;

use crate::{companion_with_alice, listed, log_out, refusal};

fn rename(client: &Client, by: &Tokens, session: &str, body: &Value) -> Answer {
    let path = format!("/auth/v1/sessions/{session}");
    let request = client.request("PATCH", &path).bearer(&by.access);
    request.json(body).send().unwrap()
}

/// SE-01, SE-02: own sessions only, with the same 404 for another's and for none; what is no label changes nothing.
#[test]
fn an_owner_names_his_own_sessions_and_nobody_else_s() {
    let (companion, client, alice) = companion_with_alice();
    let [phone, laptop] = [(), ()].map(|()| alice.login(&client).unwrap());
    let mallory = companion
        .account("mallory")
        .unwrap()
        .login(&client)
        .unwrap();
    let named = rename(
        &client,
        &laptop,
        &phone.session,
        &json!({ "label": "Küche, Tablet" }),
    );
    let named = named.expect(200, "renaming").unwrap();
    assert_eq!(named.string("/label"), "Küche, Tablet");
    assert_eq!(
        (named.string("/id"), &named.json()["current"]),
        (phone.session.clone(), &json!(false))
    );
    let label = |tokens: &Tokens| {
        let sessions = listed(&client, &laptop);
        let mut sessions = sessions.into_iter();
        let session = sessions.find(|session| session["id"] == tokens.session.as_str());
        session.unwrap()["label"].clone()
    };
    assert_eq!(
        (label(&phone), label(&laptop)),
        (json!("Küche, Tablet"), Value::Null)
    );

    let unknown = rename(&client, &mallory, &"0".repeat(32), &json!({ "label": "x" }));
    assert_eq!(refusal(&unknown), (404, "not_found".to_owned()));
    for session in [phone.session.as_str(), "x"] {
        let foreign = rename(&client, &mallory, session, &json!({ "label": "x" }));
        assert_eq!(foreign.observable(), unknown.observable());
    }
    for body in [
        json!({}),
        json!({ "label": 1 }),
        json!({ "label": "" }),
        json!({ "label": " " }),
        json!({ "label": "x".repeat(65) }),
        json!({ "label": "two\nlines" }),
        json!({ "label": "a\u{202e}b" }),
        json!({ "label": "x", "current": true }),
        json!([]),
    ] {
        let answer = rename(&client, &laptop, &phone.session, &body);
        assert_eq!(
            refusal(&answer),
            (400, "invalid_request".to_owned()),
            "{body}"
        );
    }
    assert_eq!(label(&phone), "Küche, Tablet");
    let bare = rename(&client, &laptop, &phone.session, &json!({ "label": null }));
    assert_eq!((bare.status, label(&phone)), (200, Value::Null));
    log_out(&client, &phone);
    let ended = rename(&client, &laptop, &phone.session, &json!({ "label": "x" }));
    assert_eq!(ended.status, 404);
    let nobody = client.request("PATCH", &format!("/auth/v1/sessions/{}", laptop.session));
    assert_eq!(
        nobody.json(&json!({ "label": "x" })).send().unwrap().status,
        401
    );
}

/// SE-01: a few words for the device, as far as it says what it is; what it says is never believed.
#[test]
fn the_list_says_what_kind_of_device_a_session_is_on() {
    let (_companion, client, alice) = companion_with_alice();
    let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    let body = json!({ "email": alice.email, "password": alice.password });
    for (user_agent, expected) in [
        (firefox, json!("Firefox on Linux")),
        ("curl/8.5.0", json!("curl")),
        ("something else/1.0", Value::Null),
        ("", Value::Null),
    ] {
        let login = client.post("/auth/v1/sessions");
        let login = login.header("user-agent", user_agent).json(&body);
        let login = login.send().unwrap().expect(201, "login").unwrap();
        assert_eq!(login.json()["session"]["device"], expected, "{user_agent}");
    }
}
