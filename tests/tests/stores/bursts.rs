//! Many at once on what is counted, over both handles: codes, mails, limits.

use std::collections::HashSet;

use companion::email::Email;
use companion::store::{Activation, Client, Mail, Prepared, RightCode};
use companion::throttle::{Closed, Limit, UsedUp};
use token::{ChallengeId, Subject};

use crate::bench::{Bench, at_once, count, drawn, email};
use crate::{MINUTE, SECOND};

fn name(number: usize) -> u8 {
    u8::try_from(number).unwrap()
}

async fn sign_up(bench: &Bench) -> (Email, ChallengeId) {
    let email = email("alice");
    let challenge = bench.sign_up(&email, "a hash").await;
    bench.carry_out([1; 32]).await;
    (email, challenge)
}

/// OT-03.
pub async fn of_many_right_codes_at_once_one_activates(bench: &Bench) {
    let (email, challenge) = sign_up(bench).await;
    let attempt = bench.store.attempt_code(challenge).await.unwrap().unwrap();
    let (attempt, code_mac) = (attempt.id, attempt.code_mac.unwrap());
    let activated = at_once(bench, 16, |number, store| async move {
        let account = Subject::from_bytes([name(number); 16]);
        let code = RightCode {
            challenge,
            code_mac,
            attempt: Some(attempt),
        };
        let activation = Activation {
            code,
            account,
            by: Client::default(),
        };
        (account, store.activate(activation).await.unwrap())
    })
    .await;
    assert_eq!(count(&activated, |(_, is_open)| *is_open), 1);
    let account = bench.other.account(&email).await.unwrap().unwrap();
    assert!(activated.contains(&(account.id, true)));
}

/// OT-05: counted before anything is compared, so that a burst of guesses is no better than a row of them.
pub async fn of_many_attempts_at_once_five_are_counted(bench: &Bench) {
    let (_, challenge) = sign_up(bench).await;
    let attempts = at_once(bench, 16, |_, store| async move {
        store
            .attempt_code(challenge)
            .await
            .unwrap()
            .map(|attempt| attempt.id)
    })
    .await;
    let ids: HashSet<_> = attempts.iter().flatten().collect();
    assert_eq!(ids.len(), 5);
    assert_eq!(count(&attempts, Option::is_some), 5);
}

/// OT-06: over several challenges of one address.
pub async fn of_many_attempts_over_several_challenges_ten_are_counted(bench: &Bench) {
    let alice = email("alice");
    let mut challenges = Vec::new();
    for _ in 0..3 {
        // Closing the older ones takes their codes, not their count.
        challenges.push(bench.sign_up(&alice, "a hash").await);
        bench.carry_out([1; 32]).await;
        bench.clock.advance(MINUTE);
    }
    at_once(bench, 18, move |number, store| {
        let challenge = challenges[number / 2 % 3];
        async move { store.attempt_code(challenge).await.unwrap().is_some() }
    })
    .await;
    // Fifteen could have been counted: the owner hears once that there will be no more codes.
    assert!(matches!(
        bench.carry_out([1; 32]).await,
        Prepared::Send {
            mail: Mail::CodesClosed,
            ..
        }
    ));
    assert!(bench.has_no_errand().await);
}

/// Each companion has a worker at the same outbox.
pub async fn of_many_workers_at_one_errand_one_sends(bench: &Bench) {
    let challenge = bench.sign_up(&email("alice"), "a hash").await;
    let errand = bench.errand().await;
    let prepared = at_once(bench, 8, move |number, store| {
        let (id, code) = (errand.id, drawn(&errand, [name(number); 32]));
        async move { store.prepare_mail(id, code).await.unwrap() }
    })
    .await;
    let sends = |prepared: &Prepared| matches!(prepared, Prepared::Send { .. });
    assert_eq!(count(&prepared, sends), 1);
    // The code that was mailed is the one that opens.
    let sender = prepared.iter().position(sends).unwrap();
    let attempt = bench.other.attempt_code(challenge).await.unwrap().unwrap();
    assert_eq!(attempt.code_mac, Some([name(sender); 32]));
}

pub async fn of_many_takes_at_once_the_burst_is_given(bench: &Bench) {
    let limit = Limit::new(5, 1, MINUTE);
    let waits = at_once(bench, 20, |_, store| async move {
        store.take(vec![([1; 16], limit)]).await.unwrap()
    })
    .await;
    assert_eq!(count(&waits, Option::is_none), 5);
    let wait = MINUTE;
    let used_up = Some(UsedUp { limit, at: 0, wait });
    assert_eq!(count(&waits, |wait| *wait == used_up), 15);
}

/// The buckets are named in any order by different callers.
pub async fn takes_of_the_same_buckets_in_any_order_all_end(bench: &Bench) {
    let waits = at_once(bench, 20, |number, store| async move {
        let limit = Limit::new(20, 1, MINUTE);
        let mut limits: Vec<_> = (0..4).map(|bucket| ([bucket; 16], limit)).collect();
        limits.rotate_left(number % 4);
        store.take(limits).await.unwrap()
    })
    .await;
    assert_eq!(count(&waits, Option::is_none), 20);
    for bucket in 0..4 {
        let limit = Limit::new(20, 1, MINUTE);
        let used_up = bench.store.take(vec![([bucket; 16], limit)]).await.unwrap();
        assert_eq!(used_up.map(|used_up| used_up.wait), Some(MINUTE));
    }
}

/// RL-06: a burst of passwords does not outrun the count.
pub async fn of_many_login_attempts_at_once_five_are_made(bench: &Bench) {
    let waits = at_once(bench, 10, |_, store| async move {
        store.reserve_attempt([1; 16], 100).await.unwrap()
    })
    .await;
    assert_eq!(count(&waits, Option::is_none), 5);
    assert_eq!(count(&waits, |wait| *wait == Some(Closed::For(SECOND))), 5);
}
