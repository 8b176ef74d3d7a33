//! The owner's account: the password, the address, the end of it, and the log of what has happened to it.

use serde_json::{Value, json};
use tests::client::{Answer, Client};
use tests::companion::Companion;
use tests::mailbox::code_in;
use tests::visitor::{Tokens, Visitor, enter_code};

use crate::{DAY, MINUTE, companion_with_alice, events, is_alive, listed, refusal, stored, tamper};

const NEW: &str = "a new orbit that tangles 84";

/// Lifts the session as a mailed code does; the tokens that it gets with the next refresh.
fn stepped_up(companion: &Companion, client: &Client, tokens: &Tokens) -> Tokens {
    let now = companion.now();
    tamper(
        companion,
        &format!(
            "UPDATE sessions SET step_acr = 'otp', step_auth_time = {now} WHERE ended_at IS NULL"
        ),
    );
    tokens.refresh(client).unwrap()
}

fn put(client: &Client, path: &str, tokens: &Tokens, body: &Value) -> Answer {
    let request = client.request("PUT", &format!("/auth/v1/account/{path}"));
    let request = request
        .bearer(&tokens.access)
        .header("prefer", "respond-async");
    request.json(body).send().unwrap()
}

fn show(client: &Client, tokens: &Tokens) -> Answer {
    let show = client.get("/auth/v1/account").bearer(&tokens.access);
    show.send().unwrap()
}

/// Enters a code with an access token.
fn enter(client: &Client, tokens: &Tokens, challenge: &str, code: &str) -> Answer {
    let path = format!("/auth/v1/challenges/{challenge}/verify");
    let entered = client.post(&path).bearer(&tokens.access);
    entered.json(&json!({ "code": code })).send().unwrap()
}

fn invalid_code() -> (u16, String) {
    (422, "invalid_code".to_owned())
}

fn is_not_stepped_up(answer: &Answer) {
    assert_eq!(
        refusal(answer),
        (401, "insufficient_user_authentication".to_owned())
    );
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(challenge.contains("acr_values=\"otp\"") && challenge.contains("max_age=600"));
}

#[test]
fn an_account_is_shown_to_its_owner() {
    let (companion, client, alice) = companion_with_alice();
    let tokens = alice.login(&client).unwrap();
    tamper(&companion, "UPDATE accounts SET roles = '[\"teller\"]'");
    let shown = show(&client, &tokens).expect(200, "the account").unwrap();
    let id: String = shown.string("/id");
    assert_eq!(id.len(), 32);
    assert_eq!(
        shown.json(),
        json!({
            "id": id, "email": "alice@example.com", "created_at": "2027-01-15T08:00:00Z", "roles": ["teller"],
            "totp": false, "recovery_codes_left": 0,
        })
    );
    let nobody = client.get("/auth/v1/account").send().unwrap();
    assert_eq!(refusal(&nobody), (401, "credential_required".to_owned()));
}

/// PW-05, PW-15, PW-16: the current password; the other sessions end, this one goes on, and the owner is told.
#[test]
fn a_password_is_changed_by_who_knows_it_and_the_other_sessions_end() {
    let (companion, client, alice) = companion_with_alice();
    let tokens = alice.login(&client).unwrap();
    let others = [alice.login(&client).unwrap(), alice.login(&client).unwrap()];
    let body = json!({ "current_password": alice.password, "new_password": NEW });
    let answer = put(&client, "password", &tokens, &body);
    assert!([200, 202].contains(&answer.status), "{}", answer.text());
    assert_eq!(answer.json()["revocation"]["sessions"], 2);
    for other in &others {
        assert!(!is_alive(&client, other));
        assert_eq!(other.try_refresh(&client).unwrap().status, 401);
    }
    assert_eq!(listed(&client, &tokens).len(), 1);
    tokens.refresh(&client).unwrap();
    assert_eq!(alice.try_login(&client).unwrap().status, 401);
    let alice = Visitor {
        password: NEW.to_owned(),
        ..alice
    };
    alice.login(&client).unwrap();
    let mails = companion.mailbox().wait_for(&alice.email, 2).unwrap();
    assert!(mails[1].contains("Subject: Your password was changed"));
    assert_eq!(events(&companion, "password_changed"), 1);
}

/// PW-05: a stolen session changes no password: without the current one it needs a step-up, and guessing closes the account as at login.
#[test]
fn a_stolen_session_changes_no_password() {
    let (companion, client, alice) = companion_with_alice();
    let tokens = alice.login(&client).unwrap();
    is_not_stepped_up(&put(
        &client,
        "password",
        &tokens,
        &json!({ "new_password": NEW }),
    ));
    let guess = json!({ "current_password": "not this one at all", "new_password": NEW });
    for _ in 0..5 {
        let answer = put(&client, "password", &tokens, &guess);
        assert_eq!(refusal(&answer), (401, "invalid_credentials".to_owned()));
    }
    let right = json!({ "current_password": alice.password, "new_password": NEW });
    for body in [&guess, &right] {
        let answer = put(&client, "password", &tokens, body);
        assert_eq!(refusal(&answer), (429, "rate_limited".to_owned()));
    }
    assert_eq!(alice.try_login(&client).unwrap().status, 429);
    companion.advance_seconds(1);
    assert!(put(&client, "password", &tokens, &right).status < 300);
    // The step-up of ten minutes ago is none.
    let lifted = stepped_up(&companion, &client, &tokens);
    companion.advance_seconds(4 * MINUTE);
    let lifted = lifted.refresh(&client).unwrap();
    companion.advance_seconds(6 * MINUTE);
    let fallen = lifted.refresh(&client).unwrap();
    is_not_stepped_up(&put(
        &client,
        "password",
        &fallen,
        &json!({ "new_password": NEW }),
    ));
}

/// PW-04: the policy of a sign-up, the own address among it.
#[test]
fn a_weak_password_is_refused_at_a_change_too() {
    let (companion, client, alice) = companion_with_alice();
    let tokens = stepped_up(&companion, &client, &alice.login(&client).unwrap());
    for password in [
        "",
        "short",
        "iloveyouiloveyou",
        "alice@example.com",
        &"x".repeat(1025),
    ] {
        let answer = put(
            &client,
            "password",
            &tokens,
            &json!({ "new_password": password }),
        );
        assert_eq!(
            refusal(&answer),
            (422, "weak_password".to_owned()),
            "{password}"
        );
    }
    let answer = put(
        &client,
        "password",
        &tokens,
        &json!({ "new_password": NEW }),
    );
    assert!(answer.status < 300);
    assert_eq!(answer.json()["revocation"], Value::Null);
}

/// PW-14, PW-16: the code goes to the new address; both are told; login and recovery go by the new one, and the old one is free.
#[test]
fn an_address_is_changed_by_a_code_to_the_new_one_and_the_old_one_is_told() {
    let (companion, client, alice) = companion_with_alice();
    let tokens = stepped_up(&companion, &client, &alice.login(&client).unwrap());
    let asked = put(
        &client,
        "email",
        &tokens,
        &json!({ "email": " New@Example.com " }),
    );
    assert_eq!(asked.status, 202);
    let challenge = asked.string("/challenge_id");
    let mailbox = companion.mailbox();
    let code = mailbox.code_for("new@example.com").unwrap();
    let asked = mailbox.wait_for(&alice.email, 2).unwrap();
    assert!(asked[1].contains("Subject: Your account is to have another address"));
    assert!(code_in(&asked[1]).is_none());
    assert_eq!(show(&client, &tokens).string("/email"), alice.email);

    let entered = enter(&client, &tokens, &challenge, &code);
    assert_eq!(
        (entered.status, entered.text().as_str()),
        (200, r#"{"status":"changed"}"#)
    );
    assert_eq!(show(&client, &tokens).string("/email"), "new@example.com");
    for (to, at) in [(alice.email.as_str(), 2), ("new@example.com", 1)] {
        let mails = mailbox.wait_for(to, at + 1).unwrap();
        assert!(mails[at].contains("Subject: Your account has another address"));
    }
    assert_eq!(alice.try_login(&client).unwrap().status, 401);
    let moved = Visitor {
        email: "new@example.com".to_owned(),
        ..alice.clone()
    };
    moved.login(&client).unwrap();
    assert_eq!(events(&companion, "email_changed"), 1);
    companion.advance_seconds(MINUTE);
    alice.register(&client, &mailbox).unwrap();
}

/// ER-02: an address that is taken looks like one that is not; its owner gets a mail, and keeps it.
#[test]
fn a_change_to_an_address_that_is_taken_tells_the_asker_nothing() {
    let (companion, client, alice) = companion_with_alice();
    let bob = companion.account("bob").unwrap();
    let tokens = stepped_up(&companion, &client, &alice.login(&client).unwrap());
    let observed = [bob.email.as_str(), "free@example.com"].map(|email| {
        let answer = put(&client, "email", &tokens, &json!({ "email": email }));
        let challenge = answer.string("/challenge_id");
        let (status, headers, body) = answer.observable();
        let headers: Vec<_> = headers
            .into_iter()
            .filter(|(name, _)| name != "x-request-id")
            .collect();
        (
            challenge.clone(),
            (status, headers, body.replace(&challenge, "<challenge>")),
        )
    });
    assert_eq!(observed[0].1, observed[1].1);
    let mails = companion.mailbox().wait_for(&bob.email, 2).unwrap();
    assert!(
        mails[1].contains("Subject: You have an account already") && code_in(&mails[1]).is_none()
    );
    companion.mailbox().code_for("free@example.com").unwrap();
    for (challenge, _) in &observed {
        let wrong = enter(&client, &tokens, challenge, "00000x");
        assert_eq!(refusal(&wrong), invalid_code());
    }
    bob.login(&client).unwrap();
}

/// OT-04: another account, another session, no session, another challenge, another purpose: each gets the answer to a wrong code.
#[test]
fn a_code_for_one_session_opens_nothing_anywhere_else() {
    let (companion, client, alice) = companion_with_alice();
    let bob = companion.account("bob").unwrap();
    let first = alice.login(&client).unwrap();
    let second = alice.login(&client).unwrap();
    let of_bob = bob.login(&client).unwrap();
    tamper(
        &companion,
        &format!(
            "UPDATE sessions SET step_acr = 'otp', step_auth_time = {}",
            companion.now()
        ),
    );
    let [first, second, of_bob] =
        [first, second, of_bob].map(|tokens| tokens.refresh(&client).unwrap());
    let asked = put(
        &client,
        "email",
        &first,
        &json!({ "email": "new@example.com" }),
    );
    let challenge = asked.string("/challenge_id");
    let code = companion.mailbox().code_for("new@example.com").unwrap();
    let step_up = client.post("/auth/v1/challenges").bearer(&first.access);
    let step_up = step_up
        .json(&json!({ "purpose": "step_up" }))
        .send()
        .unwrap();
    let step_up = step_up
        .expect(202, "a step-up")
        .unwrap()
        .string("/challenge_id");
    companion.mailbox().wait_for(&alice.email, 3).unwrap();

    for tokens in [&second, &of_bob] {
        let answer = enter(&client, tokens, &challenge, &code);
        assert_eq!(refusal(&answer), invalid_code());
    }
    let nobody = enter_code(&client, &challenge, &code).unwrap();
    assert_eq!(refusal(&nobody), (401, "credential_required".to_owned()));
    // Nothing of that was counted.
    let attempts: u32 = stored(&companion, "SELECT COUNT(*) FROM attempts");
    assert_eq!(attempts, 0);
    let crossed = enter(&client, &first, &step_up, &code);
    assert_eq!(refusal(&crossed), invalid_code());
    assert_eq!(enter(&client, &first, &challenge, &code).status, 200);
    assert_eq!(
        refusal(&enter(&client, &first, &challenge, &code)),
        invalid_code()
    );
}

#[test]
fn a_change_of_address_and_a_deletion_need_a_step_up() {
    let (companion, client, alice) = companion_with_alice();
    let tokens = alice.login(&client).unwrap();
    is_not_stepped_up(&put(
        &client,
        "email",
        &tokens,
        &json!({ "email": "new@example.com" }),
    ));
    let delete = client.delete("/auth/v1/account").bearer(&tokens.access);
    is_not_stepped_up(&delete.send().unwrap());
    let tokens = stepped_up(&companion, &client, &tokens);
    let same = put(
        &client,
        "email",
        &tokens,
        &json!({ "email": "ALICE@example.com" }),
    );
    assert_eq!(refusal(&same), (400, "invalid_request".to_owned()));
    let bad = put(&client, "email", &tokens, &json!({ "email": "alice" }));
    assert_eq!(refusal(&bad), (422, "invalid_email".to_owned()));
}

/// RV-11, RR-10, PW-12: all sessions end, nothing opens the account any more, its owner is told, and the address can sign up again.
#[test]
fn a_deleted_account_is_gone_at_once_and_its_address_is_free() {
    let (companion, client, alice) = companion_with_alice();
    let other = alice.login(&client).unwrap();
    let tokens = stepped_up(&companion, &client, &alice.login(&client).unwrap());
    let delete = client
        .delete("/auth/v1/account")
        .bearer(&tokens.access)
        .header("prefer", "respond-async");
    let deleted = delete.send().unwrap();
    assert!(deleted.status < 300, "{}", deleted.text());
    assert_eq!(deleted.json()["revocation"]["sessions"], 2);
    for tokens in [&tokens, &other] {
        assert!(!is_alive(&client, tokens));
        assert_eq!(tokens.try_refresh(&client).unwrap().status, 401);
    }
    assert_eq!(alice.try_login(&client).unwrap().status, 401);
    let mails = companion.mailbox().wait_for(&alice.email, 2).unwrap();
    assert!(mails[1].contains("Subject: Your account is gone"));
    let left: u32 = stored(
        &companion,
        "SELECT COUNT(*) FROM accounts WHERE email = 'alice@example.com' OR password_hash <> ''",
    );
    assert_eq!(left, 0);
    companion.advance_seconds(MINUTE);
    alice.register(&client, &companion.mailbox()).unwrap();
    alice.login(&client).unwrap();
}

/// The owner sees what has happened, newest first, page by page, and nothing of others; a page's `next` works for its owner alone.
#[test]
fn an_owner_reads_the_log_of_the_own_account() {
    let (companion, client, alice) = companion_with_alice();
    let bob = companion.account("bob").unwrap().login(&client).unwrap();
    for _ in 0..3 {
        companion.advance_seconds(MINUTE);
        alice.login(&client).unwrap();
    }
    let tokens = alice.login(&client).unwrap();
    let page = |tokens: &Tokens, query: &str| {
        let page = client.get(&format!("/auth/v1/account/events{query}"));
        page.bearer(&tokens.access).send().unwrap()
    };
    let all = page(&tokens, "").expect(200, "the log").unwrap().json();
    let names: Vec<_> = all["events"].as_array().unwrap().iter().collect();
    assert_eq!(names.len(), 5);
    assert!(
        names[..4]
            .iter()
            .all(|event| event["event"] == "session_opened")
    );
    assert_eq!(names[4]["event"], "account_activated");
    assert_eq!(names[0]["session"], tokens.session.as_str());
    assert_eq!(names[0]["ip"], "127.0.0.1");
    assert_eq!(names[0]["by_operator"], false);
    assert_eq!(all["next"], Value::Null);

    let mut read = Vec::new();
    let mut query = "?limit=2".to_owned();
    loop {
        let part = page(&tokens, &query).expect(200, "a page").unwrap().json();
        read.extend(part["events"].as_array().unwrap().clone());
        let Some(next) = part["next"].as_str() else {
            break;
        };
        let strange = page(&bob, &format!("?before={next}"));
        assert_eq!(refusal(&strange), (400, "invalid_request".to_owned()));
        query = format!("?limit=2&before={next}");
    }
    assert_eq!(Value::from(read), all["events"]);
    for query in [
        "?limit=0",
        "?limit=101",
        "?before=1",
        "?page=1",
        "?limit=2&limit=3",
    ] {
        let answer = page(&tokens, query);
        assert_eq!(
            refusal(&answer),
            (400, "invalid_request".to_owned()),
            "{query}"
        );
    }
    companion.advance_seconds(DAY);
}
