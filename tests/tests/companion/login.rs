//! Logging in: what it hands out, and what a failure tells.

use serde_json::json;
use tests::client::Answer;
use tests::visitor::{Tokens, Visitor, enter_code};

use crate::{claims, companion_with_alice, is_alive, listed, refusal, tamper};

/// PW-08, ER-02: unknown, wrong, disabled, not activated, no address at all: one answer, byte for byte.
#[test]
fn every_login_that_fails_gets_the_same_bytes() {
    let (companion, client, alice) = companion_with_alice();
    let disabled = companion.account("dora").unwrap();
    tamper(
        &companion,
        "UPDATE accounts SET is_active = false WHERE email = 'dora@example.com'",
    );
    let pending = Visitor::named("penny");
    pending.sign_up(&client).unwrap();
    companion.mailbox().code_for(&pending.email).unwrap();
    let with = |email: &str, password: &str| Visitor {
        email: email.to_owned(),
        password: password.to_owned(),
    };
    let failures = [
        Visitor::named("nobody"),
        with(&alice.email, "correct horse battery alicE"),
        with(&alice.email, &format!("{} ", alice.password)),
        with(&alice.email, ""),
        with(&alice.email, &"x".repeat(1025)),
        with("no address", &alice.password),
        disabled,
        pending,
    ];
    let answers = failures.map(|visitor| visitor.try_login(&client).unwrap());
    for answer in &answers {
        assert_eq!(answer.observable(), answers[0].observable());
    }
    let (status, _, body) = answers[0].observable();
    assert_eq!(status, 401);
    assert_eq!(
        body,
        r#"{"type":"about:blank","title":"Unauthorized","status":401,"code":"invalid_credentials","detail":"The address or the password is wrong, or the account cannot be used."}"#
    );
    alice.login(&client).unwrap();
}

/// RFC 9068 section 2.2; design section 6.
#[test]
fn a_login_hands_out_a_token_for_its_own_session() {
    let (companion, client, alice) = companion_with_alice();
    let answer = alice.try_login(&client).unwrap();
    assert_eq!(answer.status, 201);
    let body = answer.json();
    let tokens = Tokens::of(&answer).unwrap();
    let claims = claims(&tokens);
    let now = companion.now();
    let lifetime = body["expires_in"].as_i64().unwrap();
    assert!((285..=300).contains(&lifetime), "{lifetime}");
    for (claim, expected) in [
        ("iss", json!("http://localhost:8000")),
        ("aud", json!(["http://localhost:8000"])),
        ("sid", json!(tokens.session)),
        ("iat", json!(now)),
        ("exp", json!(now + lifetime)),
        ("auth_time", json!(now)),
        ("acr", json!("password")),
        ("amr", json!(["pwd"])),
        ("client_id", json!("latchkey")),
    ] {
        assert_eq!(claims[claim], expected, "{claim}");
    }
    assert_eq!(body["token_type"], "Bearer");
    let id = &tokens.session;
    assert!(tokens.refresh.starts_with(&format!("lkr_{id}.0.")));
    assert_eq!(
        body["session"],
        json!({
            "id": id, "current": true, "created_at": "2027-01-15T08:00:00Z", "last_seen_at": "2027-01-15T08:00:00Z",
            "idle_expires_at": "2027-01-29T08:00:00Z", "expires_at": "2027-02-14T08:00:00Z",
            "ip": "127.0.0.1", "user_agent": null, "device": null, "label": null, "acr": "password",
        })
    );
    // PW-01, PW-03: no e-mail address, no name: what the app does not need is not in the token.
    assert!(claims.get("email").is_none());
}

/// PW-13: whatever session or id the browser brings along, the login makes a new one.
#[test]
fn a_session_planted_before_the_login_never_becomes_the_one_logged_in() {
    let (companion, client, alice) = companion_with_alice();
    let mallory = companion
        .account("mallory")
        .unwrap()
        .login(&client)
        .unwrap();
    let body = json!({ "email": alice.email, "password": alice.password });
    let login = client
        .post("/auth/v1/sessions")
        .bearer(&mallory.access)
        .header(
            "cookie",
            &format!("__Host-access={}; sid={}", mallory.access, mallory.session),
        )
        .json(&body)
        .send()
        .unwrap();
    let planted = Tokens::of(&login.expect(201, "login").unwrap()).unwrap();
    let other = alice.login(&client).unwrap();
    assert_ne!(planted.session, mallory.session);
    assert_ne!(planted.session, other.session);
    assert_ne!(claims(&planted)["sub"], claims(&mallory)["sub"]);
    assert_ne!(claims(&planted)["jti"], claims(&other)["jti"]);
    assert_eq!(listed(&client, &mallory).len(), 1);
}

/// PW-12: who is disabled after the login is refused at every call.
#[test]
fn a_disabled_account_can_use_no_session_that_it_has() {
    let (companion, client, alice) = companion_with_alice();
    let tokens = alice.login(&client).unwrap();
    tamper(&companion, "UPDATE accounts SET is_active = false");
    assert!(!is_alive(&client, &tokens));
    let refresh = tokens.try_refresh(&client).unwrap();
    assert_eq!(refusal(&refresh), (401, "invalid_refresh_token".to_owned()));
}

/// Design section 6: a label is 64 printable characters at most, and shown in the list; another delivery is refused, not ignored.
#[test]
fn a_login_can_be_given_a_name_and_nothing_that_is_not_understood() {
    let (_companion, client, alice) = companion_with_alice();
    let login = |name: &str, value: &str| -> Answer {
        let mut body = json!({ "email": alice.email, "password": alice.password });
        body[name] = json!(value);
        client.post("/auth/v1/sessions").json(&body).send().unwrap()
    };
    let label = "ü".repeat(64);
    let named = login("label", &label).expect(201, "login").unwrap();
    assert_eq!(named.string("/session/label"), label);
    assert_eq!(login("delivery", "body").status, 201);
    let invalid = (400, "invalid_request".to_owned());
    for (name, value) in [
        ("label", "x".repeat(65)),
        ("label", "two\nlines".to_owned()),
        ("label", "\u{1b}[31m".to_owned()),
        ("delivery", "Cookie".to_owned()),
        ("delivery", String::new()),
        ("label", String::new()),
        ("delivery", "header".to_owned()),
        ("role", "admin".to_owned()),
        ("sid", "0123456789abcdef0123456789abcdef".to_owned()),
    ] {
        assert_eq!(refusal(&login(name, &value)), invalid, "{name}: {value:?}");
    }
}

/// PW-14, PW-03: nothing of the password is trimmed or folded, at sign-up or at login.
#[test]
fn a_password_is_the_bytes_that_were_typed() {
    let (companion, client, _) = companion_with_alice();
    let typed = Visitor {
        password: " Größe 12 über Straße ".to_owned(),
        ..Visitor::named("carol")
    };
    let challenge = typed.sign_up(&client).unwrap().string("/challenge_id");
    let code = companion.mailbox().code_for(&typed.email).unwrap();
    assert_eq!(enter_code(&client, &challenge, &code).unwrap().status, 200);
    typed.login(&client).unwrap();
    for password in [
        "Größe 12 über Straße",
        " größe 12 über straße ",
        " Gro\u{308}ße 12 u\u{308}ber Straße ",
        " Größe 12 über Strasse ",
    ] {
        let password = password.to_owned();
        let other = Visitor {
            password,
            ..typed.clone()
        };
        assert_eq!(other.try_login(&client).unwrap().status, 401);
    }
}
