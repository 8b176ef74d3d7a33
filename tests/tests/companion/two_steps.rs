//! Login with an authenticator app: what the password alone opens, and what the second step does.

use serde_json::json;
use tests::visitor::{Tokens, Visitor};

use crate::{claims, enter_with, is_alive, listed, log_out, refusal, stepped_up, tamper, with_app};

fn invalid_code() -> (u16, String) {
    (422, "invalid_code".to_owned())
}

/// TO-07: the right password is answered with a challenge and with nothing else.
#[test]
fn with_an_app_the_right_password_alone_opens_nothing() {
    let alice = with_app();
    let answer = alice.alice.try_login(&alice.client).unwrap();
    let challenge = answer.string("/challenge_id");
    assert_eq!(answer.status, 401);
    assert_eq!(
        answer.json(),
        json!({
            "type": "about:blank", "title": "Unauthorized", "status": 401, "code": "otp_required",
            "detail": "A code of the authenticator app, or a recovery code, is required too.",
            "challenge_id": challenge, "expires_at": "2027-01-15T08:05:00Z",
        })
    );
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
    assert!(answer.header("set-cookie").is_none());
    assert_eq!(listed(&alice.client, &alice.tokens).len(), 1);
}

/// TO-07: the challenge between the two steps, presented at every route, in every place where a credential may be.
#[test]
fn the_challenge_of_a_login_opens_its_second_step_and_no_route_besides() {
    let alice = with_app();
    let (client, challenge) = (&alice.client, alice.challenge());
    let bodies = [
        json!({}),
        json!({ "refresh_token": challenge }),
        json!({ "code": challenge }),
        json!({ "password": alice.alice.password }),
        json!({ "current_password": alice.alice.password, "new_password": "tangled-orbit84 and more" }),
        json!({ "purpose": "step_up" }),
        json!({ "label": "x" }),
        json!({ "email": "other@example.com" }),
    ];
    for (method, path) in [
        ("GET", "/sessions"),
        ("DELETE", "/sessions?scope=all"),
        ("DELETE", "/sessions/current"),
        ("POST", "/sessions/refresh"),
        ("POST", "/sessions/current/reauthenticate"),
        ("POST", "/challenges"),
        ("POST", "/account/totp"),
        ("DELETE", "/account/totp"),
        ("POST", "/account/totp/confirm"),
        ("POST", "/account/recovery-codes"),
        ("GET", "/account"),
        ("DELETE", "/account"),
        ("GET", "/account/events"),
        ("PUT", "/account/password"),
        ("PUT", "/account/email"),
    ] {
        for body in &bodies {
            let request = client.request(method, &format!("/auth/v1{path}"));
            let answer = request.bearer(&challenge).json(body).send().unwrap();
            assert!(
                (400..500).contains(&answer.status) && answer.status != 429,
                "{method} {path} {body}: {} {}",
                answer.status,
                answer.text()
            );
            let request = client.request(method, &format!("/auth/v1{path}"));
            let cookies = format!("__Host-access={challenge}; __Secure-refresh={challenge}");
            let request = request.header("cookie", &cookies);
            let answer = request.header("sec-fetch-site", "same-origin").json(body);
            let answer = answer.send().unwrap();
            assert!(
                (400..500).contains(&answer.status),
                "{method} {path} {body}"
            );
        }
    }
    let one = client.delete(&format!("/auth/v1/sessions/{}", alice.tokens.session));
    assert_eq!(one.bearer(&challenge).send().unwrap().status, 401);
    // No mail brings a code for it, and no mailed code opens it.
    let mails = alice.companion.mailbox().mails_to(&alice.alice.email).len();
    let resend = format!("/auth/v1/challenges/{challenge}/resend");
    client.post(&resend).send().unwrap();
    let other = Visitor::named("penny");
    other.sign_up(client).unwrap();
    let code = alice.companion.mailbox().code_for(&other.email).unwrap();
    assert_eq!(refusal(&alice.enter(&challenge, &code)), invalid_code());
    let mailbox = alice.companion.mailbox();
    assert_eq!(mailbox.mails_to(&alice.alice.email).len(), mails);
    // After all that it still opens what it is for.
    assert_eq!(alice.enter(&challenge, &alice.next_code()).status, 201);
    assert!(is_alive(client, &alice.tokens));
}

/// Design section 3: `acr`, `amr` and `auth_time` are of the second step; else it is a login like any other.
#[test]
fn the_second_step_opens_a_session_of_level_mfa() {
    let alice = with_app();
    let body =
        json!({ "email": alice.alice.email, "password": alice.alice.password, "label": "laptop" });
    let first = alice.client.post("/auth/v1/sessions").json(&body).send();
    let challenge = first.unwrap().string("/challenge_id");
    alice.companion.advance_seconds(60);
    let answer = alice.enter(&challenge, &alice.code());
    assert_eq!(answer.status, 201);
    assert_eq!(answer.string("/session/label"), "laptop");
    assert_eq!(answer.string("/session/acr"), "mfa");
    assert_eq!(answer.string("/token_type"), "Bearer");
    let tokens = Tokens::of(&answer).unwrap();
    let claims = claims(&tokens);
    assert_eq!(claims["acr"], "mfa");
    assert_eq!(claims["amr"], json!(["pwd", "otp", "mfa"]));
    assert_eq!(claims["auth_time"], alice.companion.now());
    let refreshed = tokens.refresh(&alice.client).unwrap();
    assert_eq!(crate::claims(&refreshed)["acr"], "mfa");
    // Enough to change the factors at once.
    let replace = alice.client.post("/auth/v1/account/recovery-codes");
    assert_eq!(replace.bearer(&tokens.access).send().unwrap().status, 201);
}

/// TO-07: once, and for five minutes.
#[test]
fn the_challenge_of_a_login_opens_once_and_for_five_minutes() {
    let alice = with_app();
    let challenge = alice.challenge();
    assert_eq!(alice.enter(&challenge, &alice.next_code()).status, 201);
    let codes = &alice.enrolled.recovery_codes;
    assert_eq!(refusal(&alice.enter(&challenge, &codes[0])), invalid_code());
    let [early, late] = [alice.challenge(), alice.challenge()];
    alice.companion.advance_seconds(299);
    assert_eq!(alice.enter(&early, &codes[0]).status, 201);
    alice.companion.advance_seconds(1);
    assert_eq!(refusal(&alice.enter(&late, &codes[1])), invalid_code());
    // What opened nothing is still good.
    assert_eq!(alice.enter(&alice.challenge(), &codes[1]).status, 201);
}

/// PW-17: between the two steps all sessions are ended, or the account is disabled.
#[test]
fn a_login_that_waits_comes_to_nothing_when_its_account_changes() {
    let alice = with_app();
    let codes = &alice.enrolled.recovery_codes;
    let waiting = alice.challenge();
    let end = alice.client.delete("/auth/v1/sessions?scope=others");
    let end = end.bearer(&alice.tokens.access).send().unwrap();
    assert_eq!(end.status, 200);
    assert_eq!(refusal(&alice.enter(&waiting, &codes[0])), invalid_code());
    let waiting = alice.challenge();
    tamper(&alice.companion, "UPDATE accounts SET is_active = false");
    assert_eq!(refusal(&alice.enter(&waiting, &codes[0])), invalid_code());
    tamper(&alice.companion, "UPDATE accounts SET is_active = true");
    assert_eq!(alice.enter(&waiting, &codes[0]).status, 201);
}

/// ER-02, PW-08: who does not know the password learns nothing of the app, byte for byte; an unknown challenge answers as a wrong
/// code.
#[test]
fn only_the_right_password_tells_of_the_app() {
    let alice = with_app();
    let wrong = Visitor {
        password: "correct horse battery alicE".to_owned(),
        ..alice.alice.clone()
    };
    let unknown = Visitor::named("nobody").try_login(&alice.client).unwrap();
    let wrong = wrong.try_login(&alice.client).unwrap();
    assert_eq!(wrong.observable(), unknown.observable());
    let unknown = alice.enter("0123456789abcdef0123456789abcdef", "123456");
    let challenge = alice.challenge();
    for typed in [
        alice.wrong_code(),
        String::new(),
        "A".repeat(26),
        "1".repeat(9_000),
    ] {
        let answer = alice.enter(&challenge, &typed);
        assert_eq!(answer.observable(), unknown.observable(), "{typed:.30}");
    }
}

/// RL-03, TO-05: many who know the password and nothing else take no login from its owner.
#[test]
fn right_passwords_without_the_second_step_close_no_account() {
    let alice = with_app();
    for _ in 0..30 {
        alice.challenge();
    }
    let tokens = alice.log_in();
    assert_eq!(log_out(&alice.client, &tokens).status % 100, 0);
}

/// OT-10 in part, SE-06: a mailed code is no way around the app.
#[test]
fn a_mailed_code_lifts_no_session_once_there_is_an_app() {
    let alice = with_app();
    let bob = alice.companion.account("bob").unwrap();
    let tokens = bob.login(&alice.client).unwrap();
    // Mailed before there was an app, entered after.
    let first = stepped_up(&alice.companion, &alice.client, &bob, &tokens);
    alice.companion.advance_seconds(60);
    let mails = alice.companion.mailbox().mails_to(&bob.email).len();
    let asked = crate::ask_to_step_up(&alice.client, &tokens);
    let challenge = asked
        .expect(202, "a step-up")
        .unwrap()
        .string("/challenge_id");
    let mail = alice.companion.mailbox().wait_for(&bob.email, mails + 1);
    let code = tests::mailbox::code_in(mail.unwrap().last().unwrap()).unwrap();
    let now = alice.companion.now();
    tests::authenticator::enrol(&alice.client, &first, now).unwrap();
    let answer = enter_with(&alice.client, &tokens, &challenge, &code);
    assert_eq!(refusal(&answer), invalid_code());
}
