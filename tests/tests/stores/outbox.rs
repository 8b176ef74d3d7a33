//! The outbox: which errand is next, and when a mail has to wait.

use std::time::Duration;

use companion::code::{COOLDOWN, LIFETIME, Purpose};
use companion::entropy;
use companion::store::{Errand, Mail, NextErrand, Prepared};

use crate::bench::{Bench, drawn, email};
use crate::{HOUR, SECOND, TICK};

/// In how long the next errand is due, where none is now.
async fn due_in(bench: &Bench) -> Duration {
    match bench.other.next_errand().await.unwrap() {
        NextErrand::In(wait) => wait,
        NextErrand::Due(_) => panic!("an errand is due"),
        NextErrand::Nothing => panic!("there is no errand"),
    }
}

/// The mail that the errand comes to; it is not done yet.
async fn prepare(bench: &Bench, errand: &Errand, code_mac: [u8; 32]) -> Option<Mail> {
    let code = drawn(errand, code_mac);
    match bench.other.prepare_mail(errand.id, code).await.unwrap() {
        Prepared::Send { mail, .. } => Some(mail),
        Prepared::Later => None,
        Prepared::Nothing => panic!("the errand came to nothing"),
    }
}

pub async fn errands_are_due_in_the_order_of_their_requests(bench: &Bench) {
    assert!(bench.has_no_errand().await);
    for name in ["alice", "bob", "carol"] {
        bench.sign_up(&email(name), "a hash").await;
    }
    for name in ["alice", "bob", "carol"] {
        let errand = bench.errand().await;
        let binding = errand.code.unwrap();
        assert_eq!(binding.email, email(name).as_str());
        bench.other.finish_errand(errand.id).await.unwrap();
    }
    assert!(bench.has_no_errand().await);
}

pub async fn an_errand_names_what_its_code_is_bound_to(bench: &Bench) {
    let alice = email("alice");
    let challenge = bench.sign_up(&alice, "a hash").await;
    let errand = bench.errand().await;
    assert!(!errand.is_resend);
    assert_eq!(errand.tries, 0);
    let binding = errand.code.unwrap();
    assert_eq!(binding.purpose, Purpose::Activation);
    assert_eq!(binding.challenge, challenge);
    assert_eq!(binding.email, alice.as_str());
}

pub async fn an_errand_that_failed_is_due_after_its_wait(bench: &Bench) {
    bench.sign_up(&email("alice"), "a hash").await;
    let failed = bench.errand().await.id;
    bench.store.retry_errand(failed, 90 * SECOND).await.unwrap();
    assert_eq!(due_in(bench).await, 90 * SECOND);
    // What is due does not wait behind it.
    bench.sign_up(&email("bob"), "a hash").await;
    let other = bench.errand().await.id;
    assert_ne!(other, failed);
    bench.store.finish_errand(other).await.unwrap();

    bench.clock.advance(90 * SECOND - TICK);
    assert_eq!(due_in(bench).await, TICK);
    bench.clock.advance(TICK);
    let errand = bench.errand().await;
    assert_eq!((errand.id, errand.tries), (failed, 1));
    bench.store.retry_errand(failed, SECOND).await.unwrap();
    bench.clock.advance(SECOND);
    assert_eq!(bench.errand().await.tries, 2);
}

/// Also where the first could not be delivered: errors lift no limit (OT-08).
pub async fn a_mail_of_a_kind_waits_a_minute_for_the_one_before(bench: &Bench) {
    let alice = email("alice");
    bench.sign_up(&alice, "a hash").await;
    let first = bench.errand().await;
    assert_eq!(
        prepare(bench, &first, [1; 32]).await,
        Some(Mail::ActivationCode)
    );
    bench.store.retry_errand(first.id, SECOND).await.unwrap();
    bench.clock.advance(SECOND);
    assert_eq!(prepare(bench, &first, [2; 32]).await, None);
    assert_eq!(due_in(bench).await, COOLDOWN - SECOND);
    bench.clock.advance(COOLDOWN - SECOND - TICK);
    assert_eq!(prepare(bench, &first, [2; 32]).await, None);
    bench.clock.advance(TICK);
    assert_eq!(bench.errand().await.id, first.id);
    assert_eq!(
        prepare(bench, &first, [2; 32]).await,
        Some(Mail::ActivationCode)
    );
}

/// The mail may have arrived although its delivery failed, or nobody has noted it: until there is a newer code, the older opens.
pub async fn a_try_that_waits_leaves_the_code_of_the_one_before(bench: &Bench) {
    let challenge = bench.sign_up(&email("alice"), "a hash").await;
    let errand = bench.errand().await;
    prepare(bench, &errand, [1; 32]).await.unwrap();
    assert_eq!(prepare(bench, &errand, [2; 32]).await, None);
    let attempt = bench.store.attempt_code(challenge).await.unwrap().unwrap();
    assert_eq!(attempt.code_mac, Some([1; 32]));
}

pub async fn another_mail_or_another_address_waits_for_none(bench: &Bench) {
    let alice = bench.account("alice").await.email;
    bench.sign_up(&alice, "a hash").await;
    let errand = bench.errand().await;
    let notice = Some(Mail::AlreadyRegistered);
    assert_eq!(prepare(bench, &errand, [1; 32]).await, notice);
    bench.store.finish_errand(errand.id).await.unwrap();
    bench.sign_up(&email("bob"), "a hash").await;
    let errand = bench.errand().await;
    let code = Some(Mail::ActivationCode);
    assert_eq!(prepare(bench, &errand, [1; 32]).await, code);
}

/// The mail may have arrived all the same: of two codes the newer opens.
pub async fn a_code_that_is_sent_again_is_a_new_one(bench: &Bench) {
    let challenge = bench.sign_up(&email("alice"), "a hash").await;
    let errand = bench.errand().await;
    prepare(bench, &errand, [1; 32]).await.unwrap();
    bench.store.retry_errand(errand.id, COOLDOWN).await.unwrap();
    bench.clock.advance(COOLDOWN);
    prepare(bench, &errand, [2; 32]).await.unwrap();
    let attempt = bench.store.attempt_code(challenge).await.unwrap().unwrap();
    assert_eq!(attempt.code_mac, Some([2; 32]));

    // And so for a resend, whose own first try has been mailed since it was asked for.
    bench.store.finish_errand(errand.id).await.unwrap();
    bench.clock.advance(COOLDOWN);
    bench.resend(challenge).await;
    let errand = bench.errand().await;
    prepare(bench, &errand, [3; 32]).await.unwrap();
    bench.store.retry_errand(errand.id, COOLDOWN).await.unwrap();
    bench.clock.advance(COOLDOWN);
    prepare(bench, &errand, [4; 32]).await.unwrap();
    let attempt = bench.store.attempt_code(challenge).await.unwrap().unwrap();
    assert_eq!(attempt.code_mac, Some([4; 32]));
}

pub async fn an_errand_comes_to_nothing_when_its_code_would_have_expired(bench: &Bench) {
    let challenge = bench.sign_up(&email("alice"), "a hash").await;
    let errand = bench.errand().await;
    bench.clock.advance(LIFETIME);
    let prepared = bench
        .store
        .prepare_mail(errand.id, drawn(&errand, [1; 32]))
        .await;
    assert_eq!(prepared.unwrap(), Prepared::Nothing);
    assert!(bench.store.attempt_code(challenge).await.unwrap().is_none());
}

/// Another companion may have been faster.
pub async fn an_errand_that_is_done_comes_to_nothing(bench: &Bench) {
    bench.sign_up(&email("alice"), "a hash").await;
    let errand = bench.errand().await;
    bench.store.finish_errand(errand.id).await.unwrap();
    let prepared = bench
        .other
        .prepare_mail(errand.id, drawn(&errand, [1; 32]))
        .await;
    assert_eq!(prepared.unwrap(), Prepared::Nothing);
    bench.other.finish_errand(errand.id).await.unwrap();
    bench.other.retry_errand(errand.id, HOUR).await.unwrap();
    assert!(bench.has_no_errand().await);
    // Nor is its number given to another one, which a slow companion would then finish.
    bench.resend(entropy::challenge_id()).await;
    assert!(bench.errand().await.id > errand.id);
}
