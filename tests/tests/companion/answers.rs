//! Routes, methods and header fields: what every answer has, refusals too.

use serde_json::json;
use tests::client::Request;
use tests::companion::Companion;
use tests::visitor::{Visitor, enter_code};

use crate::strictness::assert_problem;
use crate::{companion_with_alice, is_alive, stored};

/// Public routes and the methods that they take.
const PUBLIC: [(&str, &[&str]); 14] = [
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
    (
        "/auth/v1/sessions/0123456789abcdef0123456789abcdef",
        &["PATCH", "DELETE"],
    ),
    ("/auth/v1/sessions/refresh", &["POST"]),
    ("/auth/v1/sessions/current", &["DELETE"]),
    ("/auth/v1/sessions/current/reauthenticate", &["POST"]),
    ("/auth/v1/account/totp", &["POST", "DELETE"]),
    ("/auth/v1/account/totp/confirm", &["POST"]),
    ("/auth/v1/account/recovery-codes", &["POST"]),
    ("/auth/v1/revocations/1.x", &["GET", "HEAD"]),
    ("/.well-known/jwks.json", &["GET", "HEAD"]),
];

const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND",
];

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
            let body = if path.contains("challenges") {
                json!({ "code": code })
            } else {
                json!({ "refresh_token": tokens.refresh })
            };
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
    let login = |body: String| {
        let request = client.post("/auth/v1/sessions");
        request.body("application/json", body).send().unwrap()
    };
    let origin = |request: Request| {
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
        login("x".repeat(20_000)),
        login("{".to_owned()),
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
                .all(|(name, value)| !name.starts_with("access-control-")
                    && name != "server"
                    && (name != "set-cookie" || value.starts_with("__Secure-device=")))
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
