//! Showing once more, in a session that lives, all that a login asks for.

use serde_json::{Value, json};
use tests::client::{Answer, Client};
use tests::visitor::Tokens;

use crate::{
    MINUTE, claims, companion_with_alice, events, refusal, stepped_up, stored, tamper, with_access,
    with_app,
};

fn again(client: &Client, tokens: &Tokens, body: &Value) -> Answer {
    let path = "/auth/v1/sessions/current/reauthenticate";
    let request = client.post(path).bearer(&tokens.access);
    request.json(body).send().unwrap()
}

/// SE-08: a new `auth_time` in the same session, without a refresh token; what needs a recent login takes it.
#[test]
fn the_password_makes_a_session_recent_again() {
    let (companion, client, alice) = companion_with_alice();
    let tokens = alice.login(&client).unwrap();
    companion.advance_seconds(20 * MINUTE);
    let old = tokens.refresh(&client).unwrap();
    let end = |tokens: &Tokens| {
        let end = client.delete("/auth/v1/sessions?scope=others");
        end.bearer(&tokens.access).send().unwrap().status
    };
    assert_eq!(end(&old), 401);
    let body = json!({ "password": alice.password });
    let answer = again(&client, &old, &body).expect(200, "again").unwrap();
    let new = with_access(&old, &answer);
    assert_eq!(end(&new), 200);
    assert_eq!(end(&old), 401);
    let claims = claims(&new);
    assert_eq!(claims["auth_time"], companion.now());
    assert_eq!(
        (&claims["acr"], &claims["amr"]),
        (&json!("password"), &json!(["pwd"]))
    );
    assert_eq!(
        stored::<u32>(&companion, "SELECT generation FROM sessions"),
        1
    );
    assert_eq!(events(&companion, "session_reauthenticated"), 1);
    let refreshed = new.refresh(&client).unwrap();
    assert_eq!(crate::claims(&refreshed)["auth_time"], claims["auth_time"]);
}

/// Design section 3: the three claims describe one event, so a step-up before it is over.
#[test]
fn a_reauthentication_by_password_ends_a_step_up() {
    let (companion, client, alice) = companion_with_alice();
    let tokens = alice.login(&client).unwrap();
    let tokens = stepped_up(&companion, &client, &alice, &tokens);
    let answer = again(&client, &tokens, &json!({ "password": alice.password }));
    let tokens = with_access(&tokens, &answer);
    assert_eq!(claims(&tokens)["acr"], "password");
    let begin = tests::authenticator::begin(&client, &tokens).unwrap();
    assert_eq!(begin.status, 401);
}

/// With an app the password alone is not enough, and what is missing is said only once it was right.
#[test]
fn with_an_app_a_reauthentication_needs_its_code_too() {
    let alice = with_app();
    let password = &alice.alice.password;
    alice.companion.advance_seconds(MINUTE);
    let call = |body: Value| again(&alice.client, &alice.tokens, &body);
    let missing = call(json!({ "password": password }));
    assert_eq!(refusal(&missing), (401, "otp_required".to_owned()));
    assert!(missing.json().get("challenge_id").is_none());
    let wrong = alice.wrong_code();
    let wrong = call(json!({ "password": password, "code": wrong }));
    assert_eq!(refusal(&wrong), (422, "invalid_code".to_owned()));
    let code = alice.code();
    let wrong = call(json!({ "password": "correct horse", "code": code }));
    assert_eq!(refusal(&wrong), (401, "invalid_credentials".to_owned()));
    let right = call(json!({ "password": password, "code": code }));
    let lifted = with_access(&alice.tokens, &right.expect(200, "again").unwrap());
    assert_eq!(claims(&lifted)["acr"], "mfa");
    // TO-03: here too each code opens once.
    let twice = call(json!({ "password": password, "code": code }));
    assert_eq!(refusal(&twice), (422, "invalid_code".to_owned()));
    let recovery = &alice.enrolled.recovery_codes[0];
    assert_eq!(
        call(json!({ "password": password, "code": recovery })).status,
        200
    );
}

/// RL-01, RL-04: a stolen token buys no guesses: they are those of the login, and while it is closed the right password is 429 too.
#[test]
fn guesses_with_a_stolen_token_are_counted_as_those_at_the_login() {
    let (companion, client, alice) = companion_with_alice();
    let tokens = alice.login(&client).unwrap();
    for number in 0..5 {
        let body = json!({ "password": format!("correct horse {number}") });
        let answer = again(&client, &tokens, &body);
        assert_eq!(refusal(&answer), (401, "invalid_credentials".to_owned()));
    }
    let right = json!({ "password": alice.password });
    assert_eq!(again(&client, &tokens, &right).status, 429);
    companion.advance_seconds(1);
    assert_eq!(again(&client, &tokens, &right).status, 200);
    // A success has forgotten them.
    let wrong = json!({ "password": "correct horse" });
    assert_eq!(again(&client, &tokens, &wrong).status, 401);
    assert_eq!(again(&client, &tokens, &right).status, 200);
}

/// Only with a token of a session that lives, of an account that is active.
#[test]
fn nobody_reauthenticates_without_a_session() {
    let (companion, client, alice) = companion_with_alice();
    let tokens = alice.login(&client).unwrap();
    let body = json!({ "password": alice.password });
    let path = "/auth/v1/sessions/current/reauthenticate";
    let nobody = client.post(path).json(&body).send().unwrap();
    assert_eq!(refusal(&nobody), (401, "credential_required".to_owned()));
    let strange = json!({ "password": alice.password, "acr": "mfa" });
    assert_eq!(again(&client, &tokens, &strange).status, 400);
    tamper(&companion, "UPDATE accounts SET is_active = false");
    let disabled = again(&client, &tokens, &body);
    assert_eq!(refusal(&disabled), (401, "invalid_token".to_owned()));
    tamper(&companion, "UPDATE accounts SET is_active = true");
    crate::log_out(&client, &tokens);
    let ended = again(&client, &tokens, &body);
    assert_eq!(refusal(&ended), (401, "invalid_token".to_owned()));
}
