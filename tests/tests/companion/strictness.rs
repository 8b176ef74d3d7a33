//! What is not understood is refused, on every route, in one shape, and tells nothing.

use serde_json::{Value, json};
use tests::client::{Answer, Client};
use tests::companion::Companion;

use crate::{companion_with_alice, is_alive, refusal, stored};

const CHALLENGE: &str = "0123456789abcdef0123456789abcdef";

/// Every public call that takes a body, with one that it understands.
fn calls_with_bodies() -> [(&'static str, String, String); 6] {
    let token = format!("lkr_{CHALLENGE}.0.{}", "A".repeat(43));
    [
        (
            "POST",
            "/auth/v1/accounts".to_owned(),
            r#"{"email":"x@example.com","password":"tangled-orbit84"}"#.to_owned(),
        ),
        (
            "POST",
            "/auth/v1/challenges".to_owned(),
            r#"{"purpose":"activation","email":"x@example.com"}"#.to_owned(),
        ),
        (
            "POST",
            format!("/auth/v1/challenges/{CHALLENGE}/verify"),
            r#"{"code":"123456"}"#.to_owned(),
        ),
        (
            "POST",
            "/auth/v1/sessions".to_owned(),
            r#"{"email":"x@example.com","password":"tangled-orbit84"}"#.to_owned(),
        ),
        (
            "POST",
            "/auth/v1/sessions/refresh".to_owned(),
            format!(r#"{{"refresh_token":"{token}"}}"#),
        ),
        (
            "DELETE",
            "/auth/v1/sessions/current".to_owned(),
            format!(r#"{{"refresh_token":"{token}"}}"#),
        ),
    ]
}

fn send(client: &Client, method: &str, path: &str, body: impl Into<Vec<u8>>) -> Answer {
    client
        .request(method, path)
        .body("application/json", body)
        .send()
        .unwrap()
}

/// RFC 9457, ER-01: the one shape, and nothing of the inside.
pub(crate) fn assert_problem(answer: &Answer, status: u16, code: &str) {
    assert_eq!(refusal(answer), (status, code.to_owned()));
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
    let body = answer.json();
    let members: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(members, ["code", "detail", "status", "title", "type"]);
    assert_eq!(
        (&body["type"], &body["status"]),
        (&json!("about:blank"), &json!(status))
    );
}

/// The values of an object, without their names.
fn positional(object: &str) -> String {
    let object: Value = serde_json::from_str(object).unwrap();
    json!(object.as_object().unwrap().values().collect::<Vec<_>>()).to_string()
}

/// ER-04: unknown members, members that stand twice, other types, other documents.
#[test]
fn a_body_that_says_more_or_something_else_is_refused() {
    let companion = Companion::start().unwrap();
    let client = companion.client().unwrap();
    for (method, path, good) in calls_with_bodies() {
        assert_ne!(
            send(&client, method, &path, good.as_str()).status,
            400,
            "{path}"
        );
        let inner = &good[1..good.len() - 1];
        let (name, value) = inner.split(',').next().unwrap().split_once(':').unwrap();
        for bad in [
            format!(r#"{{{inner},"role":"admin"}}"#),
            format!(r#"{{{inner},"":1}}"#),
            format!("{{{inner},{name}:{value}}}"),
            format!(r#"{{{inner},{name}:"other"}}"#),
            format!("{{{name}:[{value}]}}"),
            format!("{{{name}:1}}"),
            format!("{{{name}:{{}}}}"),
            format!("[{good}]"),
            positional(&good),
            format!("{good}{good}"),
            format!("{good}x"),
            format!("\u{feff}{good}"),
            good.replace('"', "'"),
            good.replacen(':', "=", 1),
            "null".to_owned(),
            "1".to_owned(),
            "[".repeat(10_000),
            format!("{{{name}:{}{}}}", "[".repeat(200), "]".repeat(200)),
        ] {
            let answer = send(&client, method, &path, bad.as_str());
            assert_problem(&answer, 400, "invalid_request");
        }
        let mut not_utf8 = good.clone().into_bytes();
        not_utf8.insert(good.len() - 2, 0xff);
        assert_problem(
            &send(&client, method, &path, not_utf8),
            400,
            "invalid_request",
        );
    }
    assert_eq!(
        stored::<u32>(&companion, "SELECT COUNT(*) FROM accounts"),
        0
    );
}

/// CK-07: what another origin can send without asking is not JSON.
#[test]
fn forms_and_plain_text_are_refused() {
    let companion = Companion::start().unwrap();
    let client = companion.client().unwrap();
    for (method, path, good) in calls_with_bodies() {
        for kind in [
            "text/plain",
            "text/plain;application/json",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/jsonp",
            "application/json, text/plain",
            "text/json",
            "",
        ] {
            let answer = client
                .request(method, &path)
                .body(kind, good.as_str())
                .send()
                .unwrap();
            assert_problem(&answer, 415, "unsupported_media_type");
        }
        let twice = client
            .request(method, &path)
            .header("content-type", "application/json");
        let twice = twice.body("text/plain", good.as_str()).send().unwrap();
        assert_problem(&twice, 415, "unsupported_media_type");
        for kind in ["application/json; charset=utf-8", "Application/JSON"] {
            let answer = client
                .request(method, &path)
                .body(kind, good.as_str())
                .send()
                .unwrap();
            assert!(![400, 415].contains(&answer.status), "{kind}");
        }
    }
}

/// RL-08: 16 KiB and not a byte more.
#[test]
fn a_body_has_sixteen_kilobytes_at_most() {
    let companion = Companion::start().unwrap();
    let client = companion.client().unwrap();
    for (method, path, good) in calls_with_bodies() {
        let padded = |length: usize| format!("{good}{}", " ".repeat(length - good.len()));
        assert!(![400, 413].contains(&send(&client, method, &path, padded(16 * 1024)).status));
        for length in [16 * 1024 + 1, 200_000] {
            let answer = send(&client, method, &path, padded(length));
            assert_problem(&answer, 413, "too_large");
        }
    }
}

/// FR-02, FR-04, FR-05, TV-18: one credential, in its one place, of this companion.
#[test]
fn a_credential_is_one_bearer_field_and_nothing_else() {
    let (_companion, client, alice) = companion_with_alice();
    let tokens = alice.login(&client).unwrap();
    let access = tokens.access.as_str();
    let list = || client.get("/auth/v1/sessions");
    for second in [access, "x"] {
        assert_problem(
            &list().bearer(access).bearer(second).send().unwrap(),
            400,
            "invalid_request",
        );
        let logout = client
            .delete("/auth/v1/sessions/current")
            .bearer(access)
            .bearer(second);
        assert_problem(&logout.send().unwrap(), 400, "invalid_request");
    }
    for malformed in [
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        format!("Bearer  {access}"),
        format!("Bearer {access}, Bearer {access}"),
        format!("Bearer {access} {access}"),
        format!("Bearer \"{access}\""),
        format!("Bearer\t{access}"),
        "Bearer \u{e9}".to_owned(),
    ] {
        let answer = list().header("authorization", &malformed).send().unwrap();
        assert_eq!(answer.status, 401, "{malformed}");
    }
    for other in [
        format!("Basic {access}"),
        format!("Token {access}"),
        access.to_owned(),
    ] {
        let answer = list().header("authorization", &other).send().unwrap();
        assert_eq!(
            refusal(&answer),
            (401, "credential_required".to_owned()),
            "{other}"
        );
    }
    let in_query = client
        .get(&format!("/auth/v1/sessions?access_token={access}"))
        .send()
        .unwrap();
    assert_problem(&in_query, 401, "credential_required");
    assert_eq!(in_query.header("www-authenticate"), Some("Bearer"));
    let foreign = Companion::start().unwrap();
    let client_of_foreign = foreign.client().unwrap();
    assert!(!is_alive(&client_of_foreign, &tokens));
    let lower_case = list()
        .header("authorization", &format!("bearer {access}"))
        .send()
        .unwrap();
    assert_eq!(lower_case.status, 200);
    assert_ne!(lower_case.json()["sessions"], Value::Null);
}
