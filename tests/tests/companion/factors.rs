//! The authenticator app and the recovery codes: added, confirmed, replaced, removed; and what a guesser is allowed.

use std::collections::HashSet;

use serde_json::json;
use tests::authenticator::{self, Authenticator};
use tests::client::{Answer, Client};
use tests::visitor::Tokens;

use crate::{
    DAY, HOUR, MINUTE, at_once, companion_with_alice, enter_with, events, is_alive, listed,
    refusal, stepped_up, stored, tamper, with_app,
};

fn invalid_code() -> (u16, String) {
    (422, "invalid_code".to_owned())
}

/// The calls that change a factor, with a body that would do.
fn changes(client: &Client, token: Option<&str>) -> Vec<Answer> {
    let calls = [
        ("POST", "/auth/v1/account/totp", None),
        (
            "POST",
            "/auth/v1/account/totp/confirm",
            Some(json!({ "code": "123456" })),
        ),
        ("DELETE", "/auth/v1/account/totp", None),
        ("POST", "/auth/v1/account/recovery-codes", None),
    ];
    let call = |(method, path, body): (&str, &str, Option<_>)| {
        let mut request = client.request(method, path);
        if let Some(token) = token {
            request = request.bearer(token);
        }
        if let Some(body) = &body {
            request = request.json(body);
        }
        request.send().unwrap()
    };
    calls.map(call).into()
}

fn remove(client: &Client, tokens: &Tokens) -> Answer {
    let remove = client
        .delete("/auth/v1/account/totp")
        .bearer(&tokens.access);
    remove.header("prefer", "respond-async").send().unwrap()
}

fn replace_codes(client: &Client, tokens: &Tokens) -> Answer {
    let replace = client
        .post("/auth/v1/account/recovery-codes")
        .bearer(&tokens.access);
    replace.send().unwrap()
}

/// TO-02, TO-06: 160 bits, shown once, with a picture for the phone; nothing is asked for until a code of it was entered.
#[test]
fn an_app_is_added_with_a_secret_that_is_shown_once() {
    let (companion, client, alice) = companion_with_alice();
    let tokens = alice.login(&client).unwrap();
    let tokens = stepped_up(&companion, &client, &alice, &tokens);
    let begun = authenticator::begin(&client, &tokens).unwrap();
    assert_eq!(begun.status, 201);
    let secret = begun.string("/secret");
    assert_eq!(secret.len(), 32);
    assert_eq!(
        begun.string("/otpauth_uri"),
        format!(
            "otpauth://totp/localhost:alice%40example.com?secret={secret}&issuer=localhost&algorithm=SHA1&digits=6&period=30"
        )
    );
    let picture = begun.string("/qr_svg");
    assert!(
        picture.contains("<svg") && !picture.contains(&secret),
        "{picture}"
    );
    alice.login(&client).unwrap();

    let app = Authenticator { secret };
    let confirmed =
        authenticator::confirm(&client, &tokens, &app.code_at(companion.now())).unwrap();
    assert_eq!(confirmed.status, 200);
    let body = confirmed.json();
    let codes: HashSet<_> = body["recovery_codes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|code| code.as_str().unwrap().to_owned())
        .collect();
    assert_eq!(codes.len(), 10);
    let is_base32 = |code: &String| {
        code.len() == 26
            && code
                .bytes()
                .all(|byte| b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".contains(&byte))
    };
    assert!(codes.iter().all(is_base32), "{codes:?}");
    assert_eq!(alice.try_login(&client).unwrap().status, 401);
    let again = client.get("/auth/v1/account/totp").bearer(&tokens.access);
    assert_eq!(again.send().unwrap().status, 405);
    assert_eq!(events(&companion, "totp_enrolment_begun"), 1);
    assert_eq!(events(&companion, "totp_confirmed"), 1);
}

/// TO-06, RFC 9470: with a password alone, too long after the step-up, without a token: refused, and the answer says what is missing.
#[test]
fn no_factor_is_changed_without_a_step_up_of_the_last_ten_minutes() {
    let alice = with_app();
    let password_alone = {
        let bob = alice.companion.account("bob").unwrap();
        bob.login(&alice.client).unwrap()
    };
    alice.companion.advance_seconds(10 * MINUTE);
    let late = alice.tokens.refresh(&alice.client).unwrap();
    let bob = password_alone.refresh(&alice.client).unwrap();
    for token in [&late.access, &bob.access] {
        for answer in changes(&alice.client, Some(token)) {
            let insufficient = "insufficient_user_authentication";
            assert_eq!(refusal(&answer), (401, insufficient.to_owned()));
            assert_eq!(
                answer.header("www-authenticate"),
                Some(
                    "Bearer error=\"insufficient_user_authentication\", acr_values=\"otp\", max_age=600"
                )
            );
        }
    }
    for answer in changes(&alice.client, None) {
        assert_eq!(refusal(&answer), (401, "credential_required".to_owned()));
    }
    alice.challenge();
    let code = &alice.enrolled.recovery_codes[0];
    assert_eq!(alice.enter(&alice.challenge(), code).status, 201);
}

/// PW-15, PW-16: each change ends every other session and the logins that wait, and the owner hears of it.
#[test]
fn adding_replacing_and_removing_an_app_ends_the_other_sessions_and_tells_the_owner() {
    let (companion, client, alice) = companion_with_alice();
    let mine = alice.login(&client).unwrap();
    let mine = stepped_up(&companion, &client, &alice, &mine);
    let thief = alice.login(&client).unwrap();
    let enrolled = authenticator::enrol(&client, &mine, companion.now()).unwrap();
    assert!(!is_alive(&client, &thief) && is_alive(&client, &mine));
    assert_eq!(thief.try_refresh(&client).unwrap().status, 401);
    let told = companion.mailbox().wait_for(&alice.email, 3);
    assert!(told.unwrap()[2].contains("authenticator app was added"));

    // Replaced: the old one counts until the new one is confirmed.
    companion.advance_seconds(MINUTE);
    let challenge = alice.try_login(&client).unwrap().string("/challenge_id");
    let code = enrolled.app.code_at(companion.now());
    let answer = tests::visitor::enter_code(&client, &challenge, &code).unwrap();
    let thief = Tokens::of(&answer.expect(201, "login").unwrap()).unwrap();
    let waiting = alice.try_login(&client).unwrap().string("/challenge_id");
    let enrolled = authenticator::enrol(&client, &mine, companion.now()).unwrap();
    assert!(!is_alive(&client, &thief) && is_alive(&client, &mine));
    let late = &enrolled.recovery_codes[0];
    let late = tests::visitor::enter_code(&client, &waiting, late).unwrap();
    assert_eq!(refusal(&late), invalid_code());
    let told = companion.mailbox().wait_for(&alice.email, 4);
    assert!(told.unwrap()[3].contains("authenticator app was added"));

    companion.advance_seconds(MINUTE);
    let challenge = alice.try_login(&client).unwrap().string("/challenge_id");
    let code = enrolled.app.code_at(companion.now());
    let answer = tests::visitor::enter_code(&client, &challenge, &code).unwrap();
    let thief = Tokens::of(&answer.expect(201, "login").unwrap()).unwrap();
    let removed = remove(&client, &mine);
    assert_eq!(removed.json()["revocation"]["sessions"], 1);
    assert!(!is_alive(&client, &thief) && is_alive(&client, &mine));
    let told = companion.mailbox().wait_for(&alice.email, 5);
    assert!(told.unwrap()[4].contains("authenticator app was removed"));
    assert_eq!(
        refusal(&remove(&client, &mine)),
        (404, "not_found".to_owned())
    );
    assert_eq!(
        refusal(&replace_codes(&client, &mine)),
        (404, "not_found".to_owned())
    );
    alice.login(&client).unwrap();
    let left: u32 = stored(&companion, "SELECT COUNT(*) FROM recovery_codes");
    assert_eq!(left, 0);
    for event in ["totp_confirmed", "totp_removed"] {
        assert!(events(&companion, event) > 0, "{event}");
    }
}

/// TO-04: one step either side, by the companion's time alone; and an enrolment is over after ten minutes.
#[test]
fn a_code_of_another_time_adds_no_app() {
    let (companion, client, alice) = companion_with_alice();
    let tokens = alice.login(&client).unwrap();
    let tokens = stepped_up(&companion, &client, &alice, &tokens);
    for (steps, status) in [(-2, 422), (2, 422), (-1, 200), (1, 200), (0, 200)] {
        let secret = authenticator::begin(&client, &tokens)
            .unwrap()
            .string("/secret");
        let code = Authenticator { secret }.code_at(companion.now() + 30 * steps);
        let answer = authenticator::confirm(&client, &tokens, &code).unwrap();
        assert_eq!(answer.status, status, "{steps}");
    }
    let (companion, client, alice) = companion_with_alice();
    let tokens = alice.login(&client).unwrap();
    let first = stepped_up(&companion, &client, &alice, &tokens);
    let secret = authenticator::begin(&client, &first)
        .unwrap()
        .string("/secret");
    companion.advance_seconds(10 * MINUTE);
    let tokens = tokens.refresh(&client).unwrap();
    let late = stepped_up(&companion, &client, &alice, &tokens);
    let code = Authenticator { secret }.code_at(companion.now());
    let answer = authenticator::confirm(&client, &late, &code).unwrap();
    assert_eq!(refusal(&answer), invalid_code());
}

/// TO-03: over many challenges, at the same moment: one success, and the others have cost nothing.
#[test]
fn a_code_of_the_app_that_is_sent_fifty_times_at_once_opens_once() {
    let alice = with_app();
    let challenges: Vec<_> = (0..50).map(|_| alice.challenge()).collect();
    let code = alice.next_code();
    let answers = at_once(50, |number| {
        let client = alice.companion.client().unwrap();
        tests::visitor::enter_code(&client, &challenges[number], &code).unwrap()
    });
    let opened: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status == 201)
        .collect();
    assert_eq!(opened.len(), 1);
    for answer in &answers {
        let expected = [201, 422, 429, 503].contains(&answer.status);
        assert!(expected, "{}", answer.text());
    }
    assert_eq!(listed(&alice.client, &alice.tokens).len(), 2);
    // Only what a database that was too slow for so many has left undone.
    let left: u32 = stored(
        &alice.companion,
        "SELECT COUNT(*) FROM attempts WHERE purpose = 'totp'",
    );
    let undone = answers.iter().filter(|answer| answer.status == 503);
    assert!(left as usize <= undone.count(), "{left}");
    // Nor does the one before it open anything now.
    let before = alice.enrolled.app.code_at(alice.companion.now() - 30);
    let answer = alice.enter(&alice.challenge(), &before);
    assert_eq!(refusal(&answer), invalid_code());
    alice.log_in();
}

/// TO-05: over every challenge and every call; while closed the right code too is 429, and a recovery code still opens.
#[test]
fn ten_wrong_codes_of_a_day_close_the_app_for_the_right_one_too() {
    let alice = with_app();
    let reauthenticate = |code: &str| {
        let body = json!({ "password": alice.alice.password, "code": code });
        let path = "/auth/v1/sessions/current/reauthenticate";
        let request = alice.client.post(path).bearer(&alice.tokens.access);
        request.json(&body).send().unwrap()
    };
    for number in 0..10 {
        let answer = match number % 2 {
            0 => alice.enter(&alice.challenge(), &alice.wrong_code()),
            _ => reauthenticate(&alice.wrong_code()),
        };
        assert_eq!(refusal(&answer), invalid_code(), "{number}");
    }
    let code = alice.next_code();
    let closed = alice.enter(&alice.challenge(), &code);
    assert_eq!(refusal(&closed), (429, "rate_limited".to_owned()));
    let wait: u64 = closed.header("retry-after").unwrap().parse().unwrap();
    assert_eq!(wait, DAY - 30);
    let wrong = alice.enter(&alice.challenge(), &alice.wrong_code());
    assert_eq!(wrong.observable(), closed.observable());
    let again = reauthenticate(&code);
    assert_eq!(refusal(&again).0, 429);
    // After the codes of sign-up and step-up, and the word of the new app.
    let mails = alice.companion.mailbox();
    let mails = mails.wait_for(&alice.alice.email, 4).unwrap();
    assert!(mails[3].contains("somebody knows your password"));

    let recovery = &alice.enrolled.recovery_codes[0];
    assert_eq!(alice.enter(&alice.challenge(), recovery).status, 201);
    alice.companion.advance_seconds(DAY - HOUR);
    let still = alice.enter(&alice.challenge(), &alice.next_code());
    assert_eq!(still.status, 429);
    alice.companion.advance_seconds(HOUR);
    alice.log_in();
}

/// TO-08, PW-16: each once, however it is typed; new ones make the old ones worthless, and the owner is told.
#[test]
fn a_recovery_code_opens_once_and_a_new_set_kills_the_old() {
    let alice = with_app();
    let codes = &alice.enrolled.recovery_codes;
    let typed = format!("{}-{}", &codes[0][..13], &codes[0][13..]).to_lowercase();
    assert_eq!(alice.enter(&alice.challenge(), &typed).status, 201);
    assert_eq!(
        refusal(&alice.enter(&alice.challenge(), &codes[0])),
        invalid_code()
    );
    assert_eq!(events(&alice.companion, "recovery_code_used"), 1);

    let replaced = replace_codes(&alice.client, &alice.tokens);
    assert_eq!(replaced.status, 201);
    let new: Vec<String> =
        serde_json::from_value(replaced.json()["recovery_codes"].clone()).unwrap();
    assert_eq!(new.len(), 10);
    let mails = alice.companion.mailbox();
    let told = mails.wait_for(&alice.alice.email, 5).unwrap();
    assert!(told[3].contains("recovery codes was used"));
    assert!(told[4].contains("new recovery codes"));
    assert!(is_alive(&alice.client, &alice.tokens));
    for old in &codes[1..] {
        assert_eq!(
            refusal(&alice.enter(&alice.challenge(), old)),
            invalid_code()
        );
    }
    assert_eq!(alice.enter(&alice.challenge(), &new[9]).status, 201);
    assert_eq!(events(&alice.companion, "recovery_codes_replaced"), 1);
}

/// ST-06: whoever can write to the database and puts the secret of his own app in the place of another's opens nothing with it.
#[test]
fn a_secret_that_was_put_into_another_account_s_row_opens_nothing() {
    let alice = with_app();
    let mallory = alice.companion.account("mallory").unwrap();
    let tokens = mallory.login(&alice.client).unwrap();
    let tokens = stepped_up(&alice.companion, &alice.client, &mallory, &tokens);
    let now = alice.companion.now();
    let hers = authenticator::enrol(&alice.client, &tokens, now).unwrap();
    tamper(
        &alice.companion,
        "UPDATE totp SET sealed = (SELECT t.sealed FROM totp t JOIN accounts a ON a.id = t.account WHERE a.email = 'mallory@example.com')
         WHERE account = (SELECT id FROM accounts WHERE email = 'alice@example.com')",
    );
    alice.companion.advance_seconds(30);
    let code = hers.app.code_at(alice.companion.now());
    let answer = alice.enter(&alice.challenge(), &code);
    assert_eq!(refusal(&answer), (500, "internal".to_owned()));
    assert_eq!(listed(&alice.client, &alice.tokens).len(), 1);
    // Her own still opens her own.
    let challenge = mallory
        .try_login(&alice.client)
        .unwrap()
        .string("/challenge_id");
    assert_eq!(alice.enter(&challenge, &code).status, 201);
}

/// TO-08, OT-04: codes of one account open nothing of another.
#[test]
fn codes_of_my_own_app_open_nobody_else_s_account() {
    let alice = with_app();
    let mallory = alice.companion.account("mallory").unwrap();
    let tokens = mallory.login(&alice.client).unwrap();
    let tokens = stepped_up(&alice.companion, &alice.client, &mallory, &tokens);
    let now = alice.companion.now();
    let hers = authenticator::enrol(&alice.client, &tokens, now).unwrap();
    alice.companion.advance_seconds(30);
    let challenge = alice.challenge();
    for code in [
        &hers.app.code_at(alice.companion.now()),
        &hers.recovery_codes[0],
    ] {
        assert_eq!(refusal(&alice.enter(&challenge, code)), invalid_code());
        let with_token = enter_with(&alice.client, &tokens, &challenge, code);
        assert_eq!(refusal(&with_token), invalid_code());
    }
}
