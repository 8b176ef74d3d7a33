//! Step-up: what it lifts, for how long, and that it stays where it was earned.

use serde_json::json;
use tests::visitor::Tokens;

use crate::{
    MINUTE, ask_to_step_up, claims, companion_with_alice, enter_with, events, refusal, stepped_up,
    stored, tamper, with_access, with_app,
};

fn invalid_code() -> (u16, String) {
    (422, "invalid_code".to_owned())
}

/// SE-06, OT-15: a new access token of level `otp` and never `mfa`; the refresh token is the same, and the older token keeps its level.
#[test]
fn a_mailed_code_lifts_the_session_to_otp_and_leaves_the_refresh_token() {
    let (companion, client, alice) = companion_with_alice();
    let weak = alice.login(&client).unwrap();
    companion.advance_seconds(MINUTE);
    let strong = stepped_up(&companion, &client, &alice, &weak);
    let (before, after) = (claims(&weak), claims(&strong));
    assert_eq!(after["acr"], "otp");
    assert_eq!(after["amr"], json!(["pwd", "otp"]));
    assert_eq!(after["auth_time"], companion.now());
    for same in ["sub", "sid", "client_id", "aud", "iss"] {
        assert_eq!(before[same], after[same], "{same}");
    }
    assert_eq!(before["acr"], "password");
    assert_eq!(
        stored::<u32>(&companion, "SELECT generation FROM sessions"),
        0
    );
    // What needs a step-up takes the one and not the other.
    let begin = |tokens: &Tokens| tests::authenticator::begin(&client, tokens).unwrap().status;
    assert_eq!((begin(&weak), begin(&strong)), (401, 201));
    let refreshed = weak.refresh(&client).unwrap();
    assert_eq!(claims(&refreshed)["acr"], "otp");
    assert_eq!(events(&companion, "session_stepped_up"), 1);
}

/// OT-13, RR-09: ten minutes later tokens say what the login was, whatever was refreshed meanwhile.
#[test]
fn a_step_up_falls_back_after_ten_minutes() {
    let (companion, client, alice) = companion_with_alice();
    let tokens = alice.login(&client).unwrap();
    let logged_in = claims(&tokens)["auth_time"].clone();
    companion.advance_seconds(MINUTE);
    let stepped_up_at = companion.now();
    let tokens = stepped_up(&companion, &client, &alice, &tokens);
    companion.advance_seconds(10 * MINUTE - 1);
    let last = tokens.refresh(&client).unwrap();
    assert_eq!(claims(&last)["acr"], "otp");
    assert_eq!(claims(&last)["auth_time"], stepped_up_at);
    companion.advance_seconds(1);
    let after = last.refresh(&client).unwrap();
    assert_eq!(claims(&after)["acr"], "password");
    assert_eq!(claims(&after)["amr"], json!(["pwd"]));
    assert_eq!(claims(&after)["auth_time"], logged_in);
    for tokens in [&last, &after] {
        let begin = tests::authenticator::begin(&client, tokens).unwrap();
        assert_eq!(begin.status, 401);
    }
}

/// OT-13, OT-04: the challenge of one session opens nothing with the token of another, of another account, or of none; for a mailed
/// code and for the app.
#[test]
fn a_step_up_cannot_be_moved_to_another_session_or_account() {
    let alice = with_app();
    let (companion, client) = (&alice.companion, &alice.client);
    let mallory = companion.account("mallory").unwrap();
    let hers = mallory.login(client).unwrap();
    let other = alice.log_in();
    alice.companion.advance_seconds(30);

    let asked = ask_to_step_up(client, &alice.tokens);
    let challenge = asked.string("/challenge_id");
    let code = alice.code();
    for tokens in [&other, &hers] {
        let moved = enter_with(client, tokens, &challenge, &code);
        assert_eq!(refusal(&moved), invalid_code());
    }
    let nobody = alice.enter(&challenge, &code);
    assert_eq!(refusal(&nobody), (401, "credential_required".to_owned()));
    let lifted = enter_with(client, &alice.tokens, &challenge, &code);
    let lifted = with_access(&alice.tokens, &lifted);
    assert_eq!(claims(&lifted)["acr"], "mfa");

    let bob = companion.account("bob").unwrap();
    let [first, second] = [(), ()].map(|()| bob.login(client).unwrap());
    let mails = companion.mailbox().mails_to(&bob.email).len();
    let challenge = ask_to_step_up(client, &first).string("/challenge_id");
    let mail = companion.mailbox().wait_for(&bob.email, mails + 1).unwrap();
    let code = tests::mailbox::code_in(mail.last().unwrap()).unwrap();
    for tokens in [&second, &hers] {
        let moved = enter_with(client, tokens, &challenge, &code);
        assert_eq!(refusal(&moved), invalid_code());
    }
    assert_eq!(alice.enter(&challenge, &code).status, 401);
    assert_eq!(enter_with(client, &first, &challenge, &code).status, 200);
    assert_eq!(claims(&second)["acr"], "password");
    let second = second.refresh(client).unwrap();
    assert_eq!(claims(&second)["acr"], "password");
}

/// Design section 3: where an app is enrolled it is asked for, nothing is mailed, and the level is `mfa`; a recovery code does too.
#[test]
fn with_an_app_only_the_app_or_a_recovery_code_lifts_a_session() {
    let alice = with_app();
    let mails = alice.companion.mailbox().mails_to(&alice.alice.email).len();
    let codes = [alice.next_code(), alice.enrolled.recovery_codes[0].clone()];
    for code in &codes {
        let asked = ask_to_step_up(&alice.client, &alice.tokens);
        assert_eq!(asked.status, 202);
        assert_eq!(asked.string("/code_from"), "app");
        assert_eq!(asked.string("/expires_at"), "2027-01-15T08:05:30Z");
        let challenge = asked.string("/challenge_id");
        let wrong = enter_with(
            &alice.client,
            &alice.tokens,
            &challenge,
            &alice.wrong_code(),
        );
        assert_eq!(refusal(&wrong), invalid_code());
        let lifted = enter_with(&alice.client, &alice.tokens, &challenge, code);
        let lifted = with_access(&alice.tokens, &lifted.expect(200, "a step-up").unwrap());
        let claims = claims(&lifted);
        assert_eq!(
            (&claims["acr"], &claims["amr"]),
            (&json!("mfa"), &json!(["pwd", "otp", "mfa"]))
        );
        let again = enter_with(&alice.client, &alice.tokens, &challenge, code);
        assert_eq!(refusal(&again), invalid_code());
    }
    let now = alice.companion.mailbox().mails_to(&alice.alice.email);
    let codes_mailed = now[mails..]
        .iter()
        .filter(|mail| tests::mailbox::code_in(mail).is_some());
    assert_eq!(codes_mailed.count(), 0);
}

/// OT-13: a session that has ended is not lifted, and its token opens no challenge.
#[test]
fn a_session_that_has_ended_cannot_step_up() {
    let alice = with_app();
    let other = alice.log_in();
    let challenge = ask_to_step_up(&alice.client, &other).string("/challenge_id");
    crate::log_out(&alice.client, &other);
    let code = alice.next_code();
    let late = enter_with(&alice.client, &other, &challenge, &code);
    assert_eq!(refusal(&late), (401, "invalid_token".to_owned()));
    let late = ask_to_step_up(&alice.client, &other);
    assert_eq!(refusal(&late), (401, "invalid_token".to_owned()));
}

/// RR-09, RR-10: a refresh leaves `auth_time`, `amr` and audience; roles are those that the account has now, no more and no less.
#[test]
fn a_refresh_adds_nothing_that_the_account_does_not_have() {
    let (companion, client, alice) = companion_with_alice();
    let first = alice.login(&client).unwrap();
    let before = claims(&first);
    companion.advance_seconds(MINUTE);
    let second = first.refresh(&client).unwrap();
    let after = claims(&second);
    for same in [
        "auth_time",
        "amr",
        "acr",
        "aud",
        "scope",
        "roles",
        "sub",
        "sid",
        "client_id",
    ] {
        assert_eq!(before.get(same), after.get(same), "{same}");
    }
    tamper(&companion, "UPDATE accounts SET roles = '[\"teller\"]'");
    let third = second.refresh(&client).unwrap();
    assert_eq!(claims(&third)["roles"], json!(["teller"]));
    tamper(&companion, "UPDATE accounts SET roles = '[]'");
    let fourth = third.refresh(&client).unwrap();
    assert!(
        claims(&fourth)
            .get("roles")
            .is_none_or(|roles| *roles == json!([]))
    );
}
