//! Guessing passwords: how often one account, and how a burst, a restart or another spelling does not help.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::json;
use tests::client::{Answer, Client};
use tests::companion::Companion;
use tests::watch::Over;

use crate::{MINUTE, at_once, companion_with_alice};

/// Tries a wrong password.
fn guess(client: &Client, email: &str) -> Answer {
    let body = json!({ "email": email, "password": "a wrong guess at it" });
    client.post("/auth/v1/sessions").json(&body).send().unwrap()
}

/// Status and `Retry-After`.
fn told(answer: &Answer) -> (u16, Option<u64>) {
    let wait = answer.header("retry-after");
    (answer.status, wait.and_then(|seconds| seconds.parse().ok()))
}

/// RL-01, RL-04: from the fifth failure on 1, 2, 4 … seconds, at most 15 minutes; the same for an address that nobody has.
#[test]
fn failures_close_an_account_for_longer_and_longer_whether_it_exists_or_not() {
    let (companion, client, alice) = companion_with_alice();
    let observe = |email: &str| {
        let mut answers: Vec<Answer> = (0..5).map(|_| guess(&client, email)).collect();
        assert!(answers.iter().all(|answer| answer.status == 401));
        for delay in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512] {
            let closed = guess(&client, email);
            assert_eq!(told(&closed), (429, Some(delay)));
            // Trying meanwhile does not lengthen it.
            companion.advance(std::time::Duration::from_millis(delay * 1_000 - 1));
            assert_eq!(told(&guess(&client, email)), (429, Some(1)));
            companion.advance(std::time::Duration::from_millis(1));
            answers.extend([closed, guess(&client, email)]);
        }
        assert_eq!(told(&guess(&client, email)), (429, Some(15 * MINUTE)));
        let observed = answers.iter().map(Answer::observable);
        observed.collect::<Vec<_>>()
    };
    let known = observe(&alice.email);
    companion.advance_seconds(15 * MINUTE);
    assert_eq!(known, observe("nobody@example.com"));
}

/// RL-04: while the account is closed the right password gets the same answer as a wrong one.
#[test]
fn a_closed_account_does_not_tell_whether_the_password_was_right() {
    let (companion, client, alice) = companion_with_alice();
    for _ in 0..5 {
        assert_eq!(guess(&client, &alice.email).status, 401);
    }
    let wrong = guess(&client, &alice.email);
    let right = alice.try_login(&client).unwrap();
    assert_eq!(right.observable(), wrong.observable());
    assert_eq!(told(&right), (429, Some(1)));
    companion.advance_seconds(1);
    alice.login(&client).unwrap();
}

/// RL-01: a login forgets the failures before it.
#[test]
fn a_login_makes_the_next_five_failures_free_again() {
    let (_companion, client, alice) = companion_with_alice();
    for _ in 0..3 {
        for _ in 0..4 {
            assert_eq!(guess(&client, &alice.email).status, 401);
        }
        alice.login(&client).unwrap();
    }
    let statuses: Vec<u16> = (0..6)
        .map(|_| guess(&client, &alice.email).status)
        .collect();
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429]);
}

/// PW-14, D5: another spelling of the address is not another account.
#[test]
fn guesses_count_for_the_account_however_its_address_is_spelt() {
    let (_companion, client, _) = companion_with_alice();
    let spellings = [
        "alice@example.com",
        "ALICE@example.com",
        " alice@example.com",
        "Alice@Example.COM\t",
        "alice@EXAMPLE.com",
    ];
    for spelling in spellings {
        assert_eq!(guess(&client, spelling).status, 401, "{spelling}");
    }
    for spelling in spellings {
        assert_eq!(guess(&client, spelling).status, 429, "{spelling}");
    }
}

/// RL-06: reserved before it is verified, so that forty guesses at one moment are five.
#[test]
fn forty_guesses_at_once_are_five() {
    let (_companion, client, alice) = companion_with_alice();
    let statuses = at_once(40, |_| guess(&client, &alice.email).status);
    let compared = statuses.iter().filter(|status| **status == 401).count();
    let limited = statuses.iter().filter(|status| **status == 429).count();
    assert_eq!((compared, limited), (5, 35), "{statuses:?}");
}

/// RL-05, D5: neither a restart nor `kill -9` gives new guesses.
#[test]
fn failures_survive_a_restart_and_a_kill() {
    let (mut companion, client, alice) = companion_with_alice();
    for _ in 0..5 {
        guess(&client, &alice.email);
    }
    let survivor = companion.survivor().unwrap();
    companion.restart().unwrap();
    for companion in [&companion, &survivor] {
        let client = companion.client().unwrap();
        assert_eq!(told(&guess(&client, &alice.email)), (429, Some(1)));
    }
}

/// RL-03: whoever guesses at Alice's password keeps nobody else out, and Alice no longer than the delay.
#[test]
fn guessing_at_one_account_from_one_address_closes_no_other() {
    let companion = Companion::with(|settings| {
        settings.limits.login_per_address = "10+10/1m".parse().unwrap();
    })
    .unwrap();
    let [alice, bob] = ["alice", "bob"].map(|name| companion.account(name).unwrap());
    let attacker = companion.client_from("127.0.0.2").unwrap();
    for _ in 0..300 {
        let answer = guess(&attacker, &alice.email);
        let (status, wait) = told(&answer);
        assert!(
            status == 401 || (status == 429 && wait.is_some()),
            "{status}"
        );
    }
    let client = companion.client_from("127.0.0.3").unwrap();
    bob.login(&client).unwrap();
    companion.advance_seconds(1);
    alice.login(&client).unwrap();
    assert_eq!(bob.try_login(&attacker).unwrap().status, 429);
}

/// RL-07, RL-03: a login that was not looked at, because too many came, is no failure of its account.
#[test]
fn logins_that_are_turned_away_by_overload_close_no_account() {
    let (_companion, client, alice) = companion_with_alice();
    let is_over = AtomicBool::new(false);
    // Twice as many as the gate and its queue hold.
    let callers = 16 * thread::available_parallelism().map_or(1, usize::from);
    let statuses = thread::scope(|scope| {
        let _over = Over(&is_over);
        for number in 0..callers {
            let (client, is_over) = (&client, &is_over);
            scope.spawn(move || {
                for time in 0.. {
                    guess(client, &format!("{time}@nobody{number}.example.com"));
                    if is_over.load(Ordering::SeqCst) {
                        return;
                    }
                }
            });
        }
        let mut statuses = Vec::new();
        while statuses.iter().filter(|status| **status == 503).count() < 8 && statuses.len() < 100 {
            statuses.push(alice.try_login(&client).unwrap().status);
        }
        statuses
    });
    assert!(statuses.contains(&503), "{statuses:?}");
    assert!(!statuses.contains(&429), "{statuses:?}");
}
