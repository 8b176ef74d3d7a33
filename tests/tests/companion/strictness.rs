//! What is not understood is refused, on every route, in one shape, and tells nothing.

use serde_json::{Value, json};
use tests::client::{Answer, Client};
use tests::companion::Companion;
use tests::visitor::{Visitor, enter_code};

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

/// Public routes and the methods that they take.
const PUBLIC: [(&str, &[&str]); 9] = [
    ("/auth/v1/accounts", &["POST"]),
    ("/auth/v1/challenges", &["POST"]),
    (
        "/auth/v1/challenges/0123456789abcdef0123456789abcdef/resend",
        &["POST"],
    ),
    (
        "/auth/v1/challenges/0123456789abcdef0123456789abcdef/verify",
        &["POST"],
    ),
    ("/auth/v1/sessions", &["GET", "HEAD", "POST", "DELETE"]),
    ("/auth/v1/sessions/refresh", &["POST"]),
    ("/auth/v1/sessions/current", &["DELETE"]),
    ("/auth/v1/revocations/1.x", &["GET", "HEAD"]),
    ("/.well-known/jwks.json", &["GET", "HEAD"]),
];

const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND",
];

fn send(client: &Client, method: &str, path: &str, body: impl Into<Vec<u8>>) -> Answer {
    client
        .request(method, path)
        .body("application/json", body)
        .send()
        .unwrap()
}

/// RFC 9457, ER-01: the one shape, and nothing of the inside.
fn assert_problem(answer: &Answer, status: u16, code: &str) {
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

/// Unknown paths, and ER-06: what is internal is not there for the public, nor the public for gateways.
#[test]
fn what_is_not_there_is_a_problem_with_404() {
    let companion = Companion::start().unwrap();
    let client = companion.client().unwrap();
    for path in [
        "/",
        "/auth",
        "/auth/v1",
        "/auth/v1/",
        "/auth/v1/accounts/",
        "/auth/v2/accounts",
        "/AUTH/v1/accounts",
        "//auth/v1/accounts",
        "/auth/v1/sessions/current/x",
        "/auth/v1/../v1/accountz",
        "/auth/v1/%61ccounts/x",
        "/.well-known/",
        "/docs",
        "/debug/pprof/",
        "/gateway/v1/revocations",
        "/gateway/v1/keys",
        "/admin/v1/accounts",
        "/metrics",
        "/healthz",
        "/readyz",
        "/favicon.ico",
        "/.env",
    ] {
        for method in ["GET", "POST"] {
            let answer = client.request(method, path).send().unwrap();
            assert_problem(&answer, 404, "not_found");
        }
    }
    let internal = companion.internal().unwrap();
    for (path, _) in PUBLIC {
        for method in ["GET", "POST", "DELETE"] {
            let answer = internal.request(method, path).send().unwrap();
            assert_problem(&answer, 404, "not_found");
        }
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(internal.get(path).send().unwrap().status, 200);
    }
}

/// CK-06, ER-06, RFC 9110 15.5.6: other methods are refused, TRACE too, and say which there are.
#[test]
fn every_route_takes_its_own_methods_and_no_other() {
    let companion = Companion::start().unwrap();
    let client = companion.client().unwrap();
    for (path, allowed) in PUBLIC {
        for method in METHODS {
            let answer = client.request(method, path).send().unwrap();
            if allowed.contains(&method) {
                assert_ne!(answer.status, 405, "{method} {path}");
                continue;
            }
            assert_eq!(answer.status, 405, "{method} {path}");
            let told = answer
                .header("allow")
                .unwrap_or_default()
                .split(',')
                .map(str::trim);
            let mut told: Vec<&str> = told.collect();
            let mut expected = allowed.to_vec();
            told.sort_unstable();
            expected.sort_unstable();
            assert_eq!(told, expected, "{method} {path}");
            if method != "HEAD" {
                assert_problem(&answer, 405, "method_not_allowed");
            }
        }
    }
}

/// CK-06: a mail scanner that fetches every link with GET and HEAD uses no code up and ends no session.
#[test]
fn looking_changes_nothing() {
    let (companion, client, alice) = companion_with_alice();
    let tokens = alice.login(&client).unwrap();
    let bob = Visitor::named("bob");
    let challenge = bob.sign_up(&client).unwrap().string("/challenge_id");
    let code = companion.mailbox().code_for(&bob.email).unwrap();
    for method in ["GET", "HEAD", "OPTIONS"] {
        for path in [
            format!("/auth/v1/challenges/{challenge}/verify?code={code}"),
            format!("/auth/v1/challenges/{challenge}/resend"),
            format!("/auth/v1/sessions/{}", tokens.session),
            "/auth/v1/sessions/current".to_owned(),
            "/auth/v1/sessions?scope=all".to_owned(),
            format!("/auth/v1/sessions/refresh?refresh_token={}", tokens.refresh),
        ] {
            let body = json!({ "code": code, "refresh_token": tokens.refresh });
            let request = client.request(method, &path).bearer(&tokens.access);
            request
                .header("x-http-method-override", "DELETE")
                .json(&body)
                .send()
                .unwrap();
        }
    }
    assert!(is_alive(&client, &tokens));
    assert_eq!(
        stored::<u32>(&companion, "SELECT generation FROM sessions"),
        0
    );
    assert_eq!(enter_code(&client, &challenge, &code).unwrap().status, 200);
}

/// CK-10, CK-09: on every answer of both listeners, refusals too; and no word of CORS.
#[test]
fn every_answer_has_the_security_headers() {
    let (companion, client, alice) = companion_with_alice();
    let tokens = alice.login(&client).unwrap();
    let internal = companion.internal().unwrap();
    let origin = |request: tests::client::Request| {
        request
            .header("origin", "https://evil.example")
            .send()
            .unwrap()
    };
    let mut answers = vec![
        origin(client.get("/auth/v1/sessions").bearer(&tokens.access)),
        alice.try_login(&client).unwrap(),
        Visitor::named("bob").sign_up(&client).unwrap(),
        tokens.try_refresh(&client).unwrap(),
        origin(client.get("/nowhere")),
        origin(
            client
                .request("OPTIONS", "/auth/v1/sessions")
                .header("access-control-request-method", "DELETE"),
        ),
        send(&client, "POST", "/auth/v1/sessions", "x".repeat(20_000)),
        send(&client, "POST", "/auth/v1/sessions", "{"),
        internal.get("/healthz").send().unwrap(),
        internal.get("/readyz").send().unwrap(),
        internal.get("/gateway/v1/keys").send().unwrap(),
        internal.get("/gateway/v1/revocations").send().unwrap(),
    ];
    for (path, methods) in PUBLIC {
        answers.extend(
            methods
                .iter()
                .map(|method| origin(client.request(method, path))),
        );
    }
    answers.push(tokens.log_out(&client).unwrap());
    for answer in &answers {
        let is_key_set = answer.header("content-type") == Some("application/jwk-set+json");
        let expected = if is_key_set {
            "public, max-age=300"
        } else {
            "no-store"
        };
        assert_eq!(answer.header("cache-control"), Some(expected));
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            (
                "content-security-policy",
                "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
            ),
            ("strict-transport-security", "max-age=31536000"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{name}");
        }
        let (_, headers, _) = answer.observable();
        assert!(
            headers
                .iter()
                .all(|(name, _)| !name.starts_with("access-control-")
                    && name != "server"
                    && name != "set-cookie")
        );
    }
}

/// KR-04, KR-07: public halves of the access keys, with all that a verifier must check, and not the feed's.
#[test]
fn the_key_set_shows_the_access_keys_and_nothing_private() {
    for (algorithm, kind, members) in [
        (
            companion::config::Algorithm::Es256,
            "EC",
            ["alg", "crv", "kid", "kty", "use", "x", "y"].as_slice(),
        ),
        (
            companion::config::Algorithm::EdDsa,
            "OKP",
            ["alg", "crv", "kid", "kty", "use", "x"].as_slice(),
        ),
    ] {
        let companion = Companion::with(|settings| settings.tokens.algorithm = algorithm).unwrap();
        let answer = companion
            .client()
            .unwrap()
            .get("/.well-known/jwks.json")
            .send()
            .unwrap();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
        assert_eq!(
            answer.header("content-type"),
            Some("application/jwk-set+json")
        );
        let set = answer.json();
        let [key] = set["keys"].as_array().unwrap().as_slice() else {
            panic!("{set}")
        };
        let names: Vec<&String> = key.as_object().unwrap().keys().collect();
        assert_eq!(names, members);
        assert_eq!((&key["kty"], &key["use"]), (&json!(kind), &json!("sig")));
        let keys = tests::companion::keys_of(&companion).unwrap();
        let kid = key["kid"].as_str().unwrap();
        assert!(keys.access.find(kid).is_some() && keys.feed.find(kid).is_none());
        assert_eq!(
            set.as_object().unwrap().keys().collect::<Vec<_>>(),
            ["keys"]
        );
        // A token verifies under it.
        let alice = companion.account("alice").unwrap();
        let tokens = alice.login(&companion.client().unwrap()).unwrap();
        assert!(is_alive(&companion.client().unwrap(), &tokens));
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
