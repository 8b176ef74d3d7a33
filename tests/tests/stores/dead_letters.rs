//! Dead letters: what was given up stays to be seen, and is carried out no more.

use std::collections::BTreeSet;

use companion::store::{DeadLetter, Graveyard, Mail, NextErrand, Prepared, TAKEN};

use crate::bench::{Bench, at_once, drawn, email};
use crate::person::{GRACE, Person, refresh};
use crate::{DAY, MINUTE, SECOND, TICK};

/// More than any case makes.
const MANY: u32 = 100;

/// A notice to the owner of an account, whose number it gives.
async fn notice(bench: &Bench, owner: &Person) -> u64 {
    let (session, _) = bench.session(owner).await;
    bench.store.rotate(refresh(session, 0)).await.unwrap();
    bench.clock.advance(GRACE + TICK);
    bench.store.rotate(refresh(session, 0)).await.unwrap();
    bench.errand().await.id
}

async fn seen(bench: &Bench) -> Graveyard {
    bench.other.dead_letters(MANY).await.unwrap()
}

async fn count(bench: &Bench) -> u64 {
    seen(bench).await.count
}

pub async fn a_dead_letter_is_seen_and_carried_out_no_more(bench: &Bench) {
    let alice = bench.account("alice").await;
    let errand = notice(bench, &alice).await;
    let created_at = bench.clock.now();
    bench.store.retry_errand(errand, SECOND).await.unwrap();
    bench.clock.advance(MINUTE);
    bench.store.bury_errand(errand, "why not").await.unwrap();
    let letter = DeadLetter {
        id: errand,
        errand: "reuse".to_owned(),
        account: Some(alice.id),
        tries: 2,
        created_at,
        dead_at: bench.clock.now(),
        last_error: "why not".to_owned(),
    };
    let expected = Graveyard {
        count: 1,
        newest: vec![letter],
    };
    assert_eq!(seen(bench).await, expected);
    assert!(bench.has_no_errand().await);
    // Whoever had it at hand changes nothing any more.
    let prepared = bench.other.prepare_mail(errand, None).await.unwrap();
    assert_eq!(prepared, Prepared::Nothing);
    bench.other.retry_errand(errand, SECOND).await.unwrap();
    bench
        .other
        .bury_errand(errand, "another reason")
        .await
        .unwrap();
    bench.clock.advance(MINUTE);
    assert!(bench.has_no_errand().await);
    assert_eq!(seen(bench).await, expected);
}

pub async fn the_newest_dead_letters_come_first_and_all_are_counted(bench: &Bench) {
    let mut buried = Vec::new();
    for name in ["alice", "bob", "carol"] {
        bench.sign_up(&email(name), "a hash").await;
        let errand = bench.errand().await.id;
        bench.store.bury_errand(errand, name).await.unwrap();
        bench.clock.advance(SECOND);
        buried.push(errand);
    }
    let newest = bench.store.dead_letters(2).await.unwrap();
    assert_eq!(newest.count, 3);
    let ids: Vec<_> = newest.newest.iter().map(|letter| letter.id).collect();
    assert_eq!(ids, [buried[2], buried[1]]);
    assert_eq!(newest.newest[0].last_error, "carol");
}

pub async fn a_notice_can_be_tried_again_and_a_code_cannot(bench: &Bench) {
    let alice = bench.account("alice").await;
    let [first, second] = [notice(bench, &alice).await, notice(bench, &alice).await];
    bench.sign_up(&email("bob"), "a hash").await;
    let code = bench.errand().await.id;
    for errand in [first, second, code] {
        bench.store.bury_errand(errand, "x").await.unwrap();
    }
    assert_eq!(bench.store.retry_dead(Some(code)).await.unwrap(), 0);
    // Long after it would have expired.
    bench.clock.advance(3 * DAY);
    assert_eq!(bench.store.retry_dead(Some(first)).await.unwrap(), 1);
    assert_eq!(count(bench).await, 2);
    bench.store.prune().await.unwrap();
    let errand = bench.errand().await;
    assert_eq!((errand.id, errand.tries), (first, 0));
    assert_eq!(errand.expires_at, bench.clock.now().plus(DAY));
    let sent = bench.store.prepare_mail(first, None).await.unwrap();
    let mail = Mail::RefreshTokenReused;
    let to = alice.email.as_str().to_owned();
    assert_eq!(sent, Prepared::Send { to, mail });
    bench.store.finish_errand(first).await.unwrap();
    assert_eq!(bench.store.retry_dead(None).await.unwrap(), 1);
    assert_eq!(bench.errand().await.id, second);
    assert_eq!(seen(bench).await.newest[0].id, code);
}

pub async fn dead_letters_are_dropped_one_or_all(bench: &Bench) {
    let mut buried = Vec::new();
    for name in ["alice", "bob", "carol"] {
        bench.sign_up(&email(name), "a hash").await;
        buried.push(bench.errand().await.id);
    }
    let alive = buried.pop().unwrap();
    for errand in &buried {
        bench.store.bury_errand(*errand, "x").await.unwrap();
    }
    assert_eq!(bench.store.drop_dead(Some(alive)).await.unwrap(), 0);
    assert_eq!(bench.store.drop_dead(Some(buried[0])).await.unwrap(), 1);
    assert_eq!(count(bench).await, 1);
    assert_eq!(bench.store.drop_dead(None).await.unwrap(), 1);
    assert_eq!(seen(bench).await, Graveyard::default());
    bench.clock.advance(TAKEN);
    assert_eq!(bench.errand().await.id, alive);
}

/// For as long as the settings say, and not for the day that errands live.
pub async fn dead_letters_are_forgotten_after_their_time(bench: &Bench) {
    for name in ["alice", "bob"] {
        bench.sign_up(&email(name), "a hash").await;
        let errand = bench.errand().await.id;
        bench.store.bury_errand(errand, name).await.unwrap();
        bench.clock.advance(TICK);
    }
    bench.clock.advance(7 * DAY - TICK);
    bench.store.prune().await.unwrap();
    assert_eq!(count(bench).await, 2);
    bench.store.forget_dead(7 * DAY).await.unwrap();
    assert_eq!(seen(bench).await.newest[0].last_error, "bob");
    assert_eq!(count(bench).await, 1);
}

/// The sign-up is not lost with its mail: its owner can have a code sent.
pub async fn a_sign_up_whose_mail_was_given_up_is_still_pending(bench: &Bench) {
    let challenge = bench.sign_up(&email("alice"), "a hash").await;
    let errand = bench.errand().await;
    let code = drawn(&errand, [1; 32]);
    let errand = errand.id;
    let sent = bench.store.prepare_mail(errand, code).await;
    assert!(matches!(sent.unwrap(), Prepared::Send { .. }));
    bench.store.bury_errand(errand, "x").await.unwrap();
    bench.clock.advance(MINUTE);
    bench.resend(challenge).await;
    let sent = bench.carry_out([2; 32]).await;
    assert!(matches!(
        sent,
        Prepared::Send {
            mail: Mail::ActivationCode,
            ..
        }
    ));
    let attempt = bench.store.attempt_code(challenge).await.unwrap();
    assert_eq!(attempt.unwrap().code_mac, Some([2; 32]));
}

/// Of many who look for work each errand is given to one, and to nobody else for a minute.
pub async fn of_many_who_ask_each_errand_is_taken_by_one(bench: &Bench) {
    const ERRANDS: usize = 10;
    for number in 0..ERRANDS {
        bench.sign_up(&email(&format!("a{number}")), "a hash").await;
    }
    let take = async || {
        let taken = at_once(bench, 2 * ERRANDS, |_, store| async move {
            let mut taken = Vec::new();
            // One who was not the fastest asks again.
            while taken.is_empty() {
                match store.next_errand().await.unwrap() {
                    NextErrand::Due(errand) => taken.push(errand.id),
                    NextErrand::In(wait) if wait.is_zero() => {}
                    NextErrand::In(_) | NextErrand::Nothing => break,
                }
            }
            taken
        });
        taken.await.concat()
    };
    let taken = take().await;
    assert_eq!(taken.len(), ERRANDS);
    assert_eq!(taken.iter().collect::<BTreeSet<_>>().len(), ERRANDS);
    bench.clock.advance(TAKEN - TICK);
    assert!(take().await.is_empty());
    bench.clock.advance(TICK);
    assert_eq!(take().await.len(), ERRANDS);
}
