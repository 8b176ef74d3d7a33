//! Getting around the limiter (security requirements D5) by the time of day, and by a clock that is set back.

use std::time::Duration;

use companion::config::Limits;
use tests::client::Client;
use tests::companion::{BEGINNING, Companion};
use tests::visitor::Visitor;

use crate::figures::figures;
use crate::guesses::{WRONG, guess, guess_from, plant_accounts, verified};
use crate::{DAY, HOUR, MINUTE, WithApp, refusal, with_app};

/// A companion whose logins are limited as shipped, with Alice's and a hundred other accounts.
fn logins_limited() -> (Companion, Client) {
    let companion = Companion::with(|settings| {
        let shipped = Limits::default();
        settings.limits.login_per_address = shipped.login_per_address;
        settings.limits.unauthenticated_total = shipped.unauthenticated_total;
    })
    .unwrap();
    companion.account("alice").unwrap();
    plant_accounts(&companion, 100);
    let attacker = companion.client_from("127.0.0.2").unwrap();
    (companion, attacker)
}

/// Guesses at one account after the other until there is no further guess; how many passwords were compared.
fn spray(companion: &Companion, attacker: &Client) -> u64 {
    let before = verified(companion);
    for number in 1..=100 {
        let answer = guess(attacker, &format!("person{number}@example.com"), WRONG);
        if answer.status == 429 {
            break;
        }
    }
    verified(companion) - before
}

/// Wrong codes until there is no further attempt; how many were compared.
fn try_codes(alice: &WithApp) -> f64 {
    let internal = alice.companion.internal().unwrap();
    let compared = || figures(&internal)["latchkey_companion_codes_compared_total{code=\"app\"}"];
    let before = compared();
    for _ in 0..15 {
        let answer = alice.enter(&alice.challenge(), &alice.wrong_code());
        assert!([422, 429].contains(&answer.status));
    }
    compared() - before
}

/// After how many seconds the right password is no more refused by a limit.
fn waits_for_a_login(companion: &Companion, client: &Client, who: &Visitor) -> u64 {
    let mut waited = 0;
    while who.try_login(client).unwrap().status == 429 {
        assert!(waited < MINUTE, "still refused");
        companion.advance_seconds(1);
        waited += 1;
    }
    waited
}

/// RL-01, RL-02, D5: a clock that is set back by an hour or a day gives nothing: not of an account, whoever asks, and not of an address.
#[test]
fn a_clock_set_back_gives_no_new_guesses() {
    for back in [HOUR, DAY] {
        let (companion, attacker) = logins_limited();
        let proxy = companion.client().unwrap();
        let from_new_addresses = |network: &str| {
            let before = verified(&companion);
            for number in 0..10 {
                guess_from(&proxy, &format!("{network}.{number}"), "alice@example.com");
            }
            verified(&companion) - before
        };
        assert_eq!(from_new_addresses("192.0.2"), 5);
        assert_eq!(spray(&companion, &attacker), 10);
        companion.set_time(companion.now() - i64::try_from(back).unwrap());
        // The limit of all together is met first, and fills soon.
        guess(&proxy, "nobody@example.com", WRONG);
        companion.advance(Duration::from_millis(500));
        assert_eq!(from_new_addresses("198.51.100"), 0, "{back}");
        assert_eq!(spray(&companion, &attacker), 0, "{back}");
        // Time that has passed gives what it gives.
        companion.advance_seconds(1);
        assert_eq!(from_new_addresses("203.0.113"), 1, "{back}");
        assert_eq!(spray(&companion, &attacker), 0, "{back}");
        companion.advance_seconds(5);
        assert_eq!(spray(&companion, &attacker), 1, "{back}");
    }
}

/// TO-05, D5: nor does it give new attempts at the codes of an app.
#[test]
fn a_clock_set_back_gives_no_new_attempts_at_an_app() {
    for back in [HOUR, DAY] {
        let alice = with_app();
        let now = alice.companion.now();
        assert_eq!(try_codes(&alice), 10.0);
        for moment in [now - i64::try_from(back).unwrap(), now] {
            alice.companion.set_time(moment);
            assert!(waits_for_a_login(&alice.companion, &alice.client, &alice.alice) < 5);
            assert_eq!(try_codes(&alice), 0.0, "{back}");
        }
    }
}

/// RL-03, D5: whoever used up a limit just before the clock was set back waits as long as he would have, not until the clock is there again.
#[test]
fn a_clock_set_back_closes_nothing_for_longer_than_a_limit_would() {
    let companion = Companion::with(|settings| {
        settings.limits = Limits::default();
    })
    .unwrap();
    let alice = companion.account("alice").unwrap();
    let client = companion.client().unwrap();
    let mut tokens = alice.login(&client).unwrap();
    for _ in 0..6 {
        guess(&client, &alice.email, WRONG);
    }
    while let Ok(next) = tokens.refresh(&client) {
        tokens = next;
    }
    companion.set_time(companion.now() - i64::try_from(DAY).unwrap());
    assert_eq!(tokens.try_refresh(&client).unwrap().status, 429);
    companion.advance_seconds(1);
    tokens.refresh(&client).unwrap();
    let seconds = waits_for_a_login(&companion, &client, &alice);
    // One of the address after six, and the delay of the account.
    assert!((6..20).contains(&seconds), "{seconds}");
}

/// RL-02, D5: what is given by the minute, hour or day is given by no clock on a wall.
#[test]
fn the_two_sides_of_a_minute_s_edge_are_one_burst() {
    let (companion, attacker) = logins_limited();
    companion.set_time(BEGINNING + 59);
    companion.advance(Duration::from_millis(999));
    assert_eq!(spray(&companion, &attacker), 10);
    companion.advance(Duration::from_millis(1));
    assert_eq!(spray(&companion, &attacker), 0);
    companion.advance_seconds(MINUTE);
    assert_eq!(spray(&companion, &attacker), 10);
}

/// TO-05, OT-06, D5: the day of the attempts is the last twenty-four hours, not the one of the calendar.
#[test]
fn the_two_sides_of_midnight_are_one_day_of_attempts() {
    let alice = with_app();
    let midnight = BEGINNING + 16 * i64::try_from(HOUR).unwrap();
    alice.companion.set_time(midnight - 1);
    assert_eq!(try_codes(&alice), 10.0);
    alice.companion.advance_seconds(1);
    assert_eq!(try_codes(&alice), 0.0);
    let code = alice.code();
    let closed = alice.enter(&alice.challenge(), &code);
    assert_eq!(refusal(&closed), (429, "rate_limited".to_owned()));
    alice.companion.advance_seconds(DAY - 2);
    assert_eq!(try_codes(&alice), 0.0);
    alice.companion.advance_seconds(1);
    assert_eq!(try_codes(&alice), 10.0);
}
