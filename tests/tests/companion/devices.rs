//! Guessing until an account is closed, and why its owner still gets in.

use companion::config::Limits;
use serde_json::json;
use tests::browser::{Browser, Cookie, OWN_PAGE};
use tests::client::{Answer, Client};
use tests::companion::Companion;
use tests::mailbox::code_in;
use tests::visitor::Visitor;

use crate::cookies::{DEVICE, browser, log_in, logged_in};
use crate::{DAY, MINUTE, at_once, companion_with_alice, recovery};

/// So many failures in a row, to be quick.
const MOST: u32 = 12;

fn companion() -> Companion {
    Companion::with(|settings| settings.limits.failures_in_a_row = MOST).unwrap()
}

fn wrong(email: &str) -> Visitor {
    Visitor {
        email: email.to_owned(),
        password: "a wrong guess at it".to_owned(),
    }
}

fn guess(client: &Client, email: &str) -> Answer {
    wrong(email).try_login(client).unwrap()
}

/// Guesses until there is no further guess; how many there were.
fn exhaust(companion: &Companion, mut guess: impl FnMut() -> Answer) -> u32 {
    let mut made = 0;
    for _ in 0..2 * MOST {
        made += u32::from(guess().status == 401);
        companion.advance_seconds(15 * MINUTE);
    }
    made
}

/// The same browser with nothing but the cookie of its device.
fn device_of(companion: &Companion, known: &Browser) -> Browser {
    let mut browser = browser(companion);
    browser.plant(known.cookie(DEVICE).unwrap().clone());
    browser
}

/// RL-01: a hundred in a row unless the operator says otherwise; then the right password gets the answer of the wrong one, and an account
/// that nobody has gets it too, byte for byte, for good.
#[test]
fn after_so_many_failures_in_a_row_no_stranger_gets_in_and_nobody_learns_why() {
    assert_eq!(Limits::default().failures_in_a_row, 100);
    let companion = companion();
    let alice = companion.account("alice").unwrap();
    let client = companion.client().unwrap();
    for email in [alice.email.as_str(), "nobody@example.com"] {
        assert_eq!(
            exhaust(&companion, || guess(&client, email)),
            MOST,
            "{email}"
        );
    }
    companion.advance_seconds(30 * DAY);
    let answers = [
        guess(&client, &alice.email),
        alice.try_login(&client).unwrap(),
        guess(&client, "nobody@example.com"),
    ];
    assert_eq!(answers[0].status, 429);
    assert_eq!(answers[0].header("retry-after"), Some("900"));
    for answer in &answers {
        assert_eq!(answer.observable(), answers[0].observable());
    }
}

/// RL-01, RL-03: what no waiting opens, a mail to the owner does.
#[test]
fn a_recovery_lifts_the_lock_of_too_many_failures_in_a_row() {
    let companion = companion();
    let alice = companion.account("alice").unwrap();
    let client = companion.client().unwrap();
    exhaust(&companion, || guess(&client, &alice.email));
    companion.advance_seconds(30 * DAY);
    assert_eq!(alice.try_login(&client).unwrap().status, 429);
    let challenge = recovery::ask(&client, &alice.email).string("/challenge_id");
    let mails = companion.mailbox().wait_for(&alice.email, 2).unwrap();
    let code = code_in(&mails[1]).unwrap();
    let recovered = Visitor {
        password: "a new orbit that tangles 84".to_owned(),
        ..alice
    };
    let answer = recovery::recover(&client, &challenge, &code, &recovered.password);
    assert!(answer.status < 300, "{}", answer.text());
    recovered.login(&client).unwrap();
    // The guesses of others begin anew with it.
    assert_eq!(guess(&client, &recovered.email).status, 401);
}

/// RL-03, the victim rule of D5: while an attacker burns the budget, and after he has burnt it, the owner gets in from where he is known.
#[test]
fn the_owner_on_a_known_device_still_gets_in() {
    let companion = companion();
    let alice = companion.account("alice").unwrap();
    let attacker = companion.client_from("127.0.0.2").unwrap();
    let known = logged_in(&companion, &alice);
    for _ in 0..6 {
        guess(&attacker, &alice.email);
    }
    let stranger = alice.try_login(&companion.client().unwrap()).unwrap();
    assert_eq!(stranger.status, 429);
    let mut owner = device_of(&companion, &known);
    assert_eq!(log_in(&mut owner, &alice).status, 201);

    exhaust(&companion, || guess(&attacker, &alice.email));
    for _ in 0..3 {
        // Each login makes the device known anew.
        assert_eq!(log_in(&mut owner, &alice).status, 201);
    }
    // And gives the attacker nothing: strangers stay out.
    assert_eq!(guess(&attacker, &alice.email).status, 429);
    assert_eq!(alice.try_login(&attacker).unwrap().status, 429);
}

/// RL-03: a device speaks for its own account, for its time, and only as the companion wrote it.
#[test]
fn the_device_of_another_account_is_a_stranger_s() {
    let companion = companion();
    let [alice, mallory] = ["alice", "mallory"].map(|name| companion.account(name).unwrap());
    let of_alice = logged_in(&companion, &alice);
    let of_mallory = logged_in(&companion, &mallory);
    let client = companion.client().unwrap();
    for _ in 0..5 {
        assert_eq!(guess(&client, &alice.email).status, 401);
    }
    let genuine = of_alice.cookie(DEVICE).unwrap().clone();
    let with = |value: String| Cookie {
        value,
        ..genuine.clone()
    };
    let (name, mac) = genuine.value.rsplit_once('.').unwrap();
    let (account, expiry) = name.split_once('.').unwrap();
    let foreign = of_mallory.cookie(DEVICE).unwrap().value.clone();
    let foreign_mac = foreign.rsplit_once('.').unwrap().1;
    for planted in [
        vec![with(foreign.clone())],
        vec![with(format!("{name}.{foreign_mac}"))],
        vec![with(format!("{account}.9{expiry}.{mac}"))],
        vec![with(String::new())],
        // Two are none (CK-11).
        vec![genuine.clone(), with(foreign.clone())],
    ] {
        let mut browser = browser(&companion);
        for cookie in planted {
            browser.plant(cookie);
        }
        assert_eq!(log_in(&mut browser, &alice).status, 429);
    }
    let mut owner = device_of(&companion, &of_alice);
    assert_eq!(log_in(&mut owner, &alice).status, 201);

    // It opens nothing by itself, and ends after half a year.
    assert_eq!(
        crate::cookies::list(&mut device_of(&companion, &of_alice)).status,
        401
    );
    companion.advance_seconds(180 * DAY);
    for _ in 0..5 {
        guess(&client, &alice.email);
    }
    let mut late = device_of(&companion, &of_alice);
    assert_eq!(log_in(&mut late, &alice).status, 429);
}

/// RL-01, RL-03: a stolen device has its own delays and its own end, and then it is a stranger; the other devices go on.
#[test]
fn a_stolen_device_gives_a_bounded_number_of_guesses() {
    let companion = companion();
    let alice = companion.account("alice").unwrap();
    let stolen = logged_in(&companion, &alice);
    companion.advance_seconds(1);
    let other = logged_in(&companion, &alice);
    let mut thief = device_of(&companion, &stolen);
    let wrong = wrong(&alice.email);
    let statuses: Vec<u16> = (0..6).map(|_| log_in(&mut thief, &wrong).status).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429]);
    // Strangers are not closed out by that.
    let client = companion.client().unwrap();
    assert_eq!(guess(&client, &alice.email).status, 401);
    companion.advance_seconds(15 * MINUTE);
    // The rest of its own, and then those of strangers, one of which is gone.
    let made = exhaust(&companion, || log_in(&mut thief, &wrong));
    assert_eq!(made, MOST - 5 + MOST - 1);
    let mut owner = device_of(&companion, &other);
    assert_eq!(log_in(&mut owner, &alice).status, 201);
    let mut stolen = device_of(&companion, &stolen);
    assert_eq!(log_in(&mut stolen, &alice).status, 429);
}

/// RL-06: a burst from a known device is counted as any other.
#[test]
fn a_burst_from_a_known_device_is_five_guesses() {
    let (companion, client, alice) = companion_with_alice();
    let known = logged_in(&companion, &alice);
    let cookie = format!("{DEVICE}={}", known.cookie(DEVICE).unwrap().value);
    let body = json!({ "email": alice.email, "password": "a wrong guess at it" });
    let statuses = at_once(30, |_| {
        let request = client.post("/auth/v1/sessions").header("cookie", &cookie);
        request.json(&body).send().unwrap().status
    });
    let made = statuses.iter().filter(|status| **status == 401).count();
    assert_eq!(made, 5, "{statuses:?}");
}

/// RL-03: also where the tokens are in the body; a client that keeps cookies is known the next time.
#[test]
fn every_login_makes_its_device_known() {
    let (companion, client, alice) = companion_with_alice();
    let mut browser = browser(&companion);
    let body = json!({ "email": alice.email, "password": alice.password });
    let login = browser.send(OWN_PAGE, "POST", "/auth/v1/sessions", Some(&body));
    assert!(!login.unwrap().string("/access_token").is_empty());
    for _ in 0..5 {
        guess(&client, &alice.email);
    }
    assert_eq!(alice.try_login(&client).unwrap().status, 429);
    assert_eq!(log_in(&mut browser, &alice).status, 201);
}

/// RL-05: the lock survives a restart, a kill and a moved clock.
#[test]
fn a_lock_survives_a_restart_and_a_kill() {
    let mut companion = companion();
    let alice = companion.account("alice").unwrap();
    let client = companion.client().unwrap();
    exhaust(&companion, || guess(&client, &alice.email));
    let survivor = companion.survivor().unwrap();
    companion.prune().unwrap();
    for companion in [&companion, &survivor] {
        let client = companion.client().unwrap();
        assert_eq!(alice.try_login(&client).unwrap().status, 429);
    }
}
