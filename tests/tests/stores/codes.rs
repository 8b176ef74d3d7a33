//! Codes: from the mail to the account, and what a guesser is allowed.

use companion::code::{COOLDOWN, LIFETIME, MAX_ATTEMPTS, MAX_WRONG_PER_DAY, Purpose};
use companion::email::Email;
use companion::entropy;
use companion::store::{Activation, Attempt, Client, CodeRequest, Mail, Prepared, Wish};
use token::ChallengeId;

use crate::bench::{Bench, email, right_code};
use crate::{DAY, TICK};

/// The MACs of an older and of a newer code.
pub const OLDER: [u8; 32] = [1; 32];
pub const NEWER: [u8; 32] = [2; 32];

/// The mail, to that address.
pub fn mail(to: &Email, mail: Mail) -> Prepared {
    let to = to.as_str().to_owned();
    Prepared::Send { to, mail }
}

/// A sign-up whose code has been mailed.
pub async fn mailed(bench: &Bench, email: &Email, password_hash: &str) -> ChallengeId {
    let challenge = bench.sign_up(email, password_hash).await;
    let prepared = bench.carry_out(OLDER).await;
    assert_eq!(prepared, mail(email, Mail::ActivationCode));
    challenge
}

pub async fn attempt(bench: &Bench, challenge: ChallengeId) -> Option<Attempt> {
    bench.other.attempt_code(challenge).await.unwrap()
}

/// Counts wrong codes.
async fn fail(bench: &Bench, challenge: ChallengeId, times: u32) {
    for _ in 0..times {
        assert!(attempt(bench, challenge).await.is_some());
    }
}

pub fn activation(challenge: ChallengeId, attempt: &Attempt) -> Activation {
    Activation {
        code: right_code(challenge, attempt),
        account: entropy::subject(),
        by: Client::default(),
    }
}

pub async fn hash_of(bench: &Bench, email: &Email) -> Option<String> {
    let account = bench.store.account(email).await.unwrap();
    account.map(|account| account.password_hash)
}

pub async fn every_request_gets_the_same_answer(bench: &Bench) {
    let alice = bench.account("alice").await.email;
    let nobody = email("nobody");
    let password_hash = "a hash".to_owned();
    let sign_up = |email: Email| Wish::SignUp {
        email,
        password_hash: password_hash.clone(),
    };
    for wish in [
        sign_up(alice.clone()),
        sign_up(nobody.clone()),
        Wish::Activation(alice),
        Wish::Activation(nobody),
        Wish::Resend,
    ] {
        let challenge = entropy::challenge_id();
        let request = CodeRequest { challenge, wish };
        let requested = bench.store.request_code(request).await.unwrap();
        assert_eq!(requested.at, bench.clock.now());
        assert_eq!(requested.expires_at, bench.clock.now().plus(LIFETIME));
    }
}

pub async fn a_right_code_activates_its_sign_up_once(bench: &Bench) {
    let alice = email("alice");
    let challenge = mailed(bench, &alice, "her hash").await;
    assert!(hash_of(bench, &alice).await.is_none());
    let counted = attempt(bench, challenge).await.unwrap();
    assert_eq!(counted.purpose, Purpose::Activation);
    assert_eq!(counted.email, alice.as_str());
    assert_eq!(counted.code_mac, Some(OLDER));
    let first = activation(challenge, &counted);
    let id = first.account;
    assert!(bench.store.activate(first).await.unwrap());
    for store in [&bench.store, &bench.other] {
        let account = store.account(&alice).await.unwrap().unwrap();
        assert_eq!(account.id, id);
        assert_eq!(account.password_hash, "her hash");
        assert!(account.is_active);
    }
    let again = activation(challenge, &counted);
    assert!(!bench.other.activate(again).await.unwrap());
    assert!(attempt(bench, challenge).await.is_none());
    let account = bench.store.account(&alice).await.unwrap().unwrap();
    assert_eq!(account.id, id);
}

pub async fn another_mac_activates_nothing(bench: &Bench) {
    let alice = email("alice");
    let challenge = mailed(bench, &alice, "her hash").await;
    let counted = attempt(bench, challenge).await.unwrap();
    let mut wrong = activation(challenge, &counted);
    wrong.code.code_mac = NEWER;
    assert!(!bench.store.activate(wrong).await.unwrap());
    assert!(hash_of(bench, &alice).await.is_none());
    // It has used nothing up.
    let right = activation(challenge, &counted);
    assert!(bench.store.activate(right).await.unwrap());
}

pub async fn a_challenge_that_was_never_mailed_opens_nothing(bench: &Bench) {
    let challenge = bench.sign_up(&email("alice"), "a hash").await;
    assert!(attempt(bench, challenge).await.is_none());
    assert!(attempt(bench, entropy::challenge_id()).await.is_none());
}

pub async fn a_code_opens_nothing_after_its_lifetime(bench: &Bench) {
    let alice = email("alice");
    let challenge = mailed(bench, &alice, "a hash").await;
    bench.clock.advance(LIFETIME - TICK);
    let counted = attempt(bench, challenge).await.unwrap();
    bench.clock.advance(TICK);
    assert!(attempt(bench, challenge).await.is_none());
    let late = activation(challenge, &counted);
    assert!(!bench.store.activate(late).await.unwrap());
    assert!(hash_of(bench, &alice).await.is_none());
}

/// OT-05; the fifth may be the right one.
pub async fn a_challenge_allows_five_attempts(bench: &Bench) {
    let challenge = mailed(bench, &email("alice"), "a hash").await;
    fail(bench, challenge, MAX_ATTEMPTS - 1).await;
    let last = attempt(bench, challenge).await.unwrap();
    assert!(attempt(bench, challenge).await.is_none());
    let last = activation(challenge, &last);
    assert!(bench.store.activate(last).await.unwrap());
}

/// A new code is no new challenge: else a resend would buy five more guesses.
pub async fn a_resend_gives_no_attempts_back(bench: &Bench) {
    let alice = email("alice");
    let challenge = mailed(bench, &alice, "a hash").await;
    fail(bench, challenge, MAX_ATTEMPTS - 1).await;
    bench.clock.advance(COOLDOWN);
    bench.resend(challenge).await;
    let prepared = bench.carry_out(NEWER).await;
    assert_eq!(prepared, mail(&alice, Mail::ActivationCode));
    fail(bench, challenge, 1).await;
    assert!(attempt(bench, challenge).await.is_none());
}

/// OT-06: over all challenges, until a day after the first of them; the owner hears of it once.
pub async fn an_address_allows_ten_attempts_a_day(bench: &Bench) {
    let alice = email("alice");
    let first = mailed(bench, &alice, "a hash").await;
    fail(bench, first, 4).await;
    bench.clock.advance(COOLDOWN);
    let second = mailed(bench, &alice, "a hash").await;
    fail(bench, second, 4).await;
    bench.clock.advance(COOLDOWN);
    let third = mailed(bench, &alice, "a hash").await;
    fail(bench, third, MAX_WRONG_PER_DAY - 9).await;
    assert!(bench.has_no_errand().await);
    fail(bench, third, 1).await;
    assert!(attempt(bench, third).await.is_none());
    let notice = mail(&alice, Mail::CodesClosed);
    assert_eq!(bench.carry_out(OLDER).await, notice);
    assert!(bench.has_no_errand().await);

    // Another address is not concerned.
    mailed(bench, &email("bob"), "a hash").await;
    bench.clock.advance(DAY - 2 * COOLDOWN - TICK);
    bench.sign_up(&alice, "a hash").await;
    assert_eq!(bench.carry_out(OLDER).await, Prepared::Nothing);
    bench.clock.advance(TICK);
    let fourth = mailed(bench, &alice, "a hash").await;
    // Those of the second and the third challenge still count.
    fail(bench, fourth, 4).await;
    assert!(attempt(bench, fourth).await.is_none());
}

/// An answer that tells a closed address from an unknown one would tell of the account.
pub async fn attempts_without_a_code_count_too(bench: &Bench) {
    let alice = bench.account("alice").await.email;
    for _ in 0..MAX_WRONG_PER_DAY / MAX_ATTEMPTS {
        let challenge = bench.sign_up(&alice, "a hash").await;
        let prepared = bench.carry_out(OLDER).await;
        assert_eq!(prepared, mail(&alice, Mail::AlreadyRegistered));
        assert!(bench.has_no_errand().await);
        for _ in 0..=MAX_ATTEMPTS {
            assert!(attempt(bench, challenge).await.is_none());
        }
        bench.clock.advance(COOLDOWN);
    }
    let notice = mail(&alice, Mail::CodesClosed);
    assert_eq!(bench.carry_out(OLDER).await, notice);
}

/// Right, if too late: the code was replaced between the count and the comparison. The address is not charged, the challenge is.
pub async fn an_attempt_that_was_right_is_taken_back(bench: &Bench) {
    let alice = email("alice");
    for _ in 0..2 * MAX_WRONG_PER_DAY / MAX_ATTEMPTS {
        let challenge = mailed(bench, &alice, "a hash").await;
        for _ in 0..MAX_ATTEMPTS {
            let counted = attempt(bench, challenge).await.unwrap();
            let mut late = activation(challenge, &counted);
            late.code.code_mac = NEWER;
            assert!(!bench.store.activate(late).await.unwrap());
        }
        assert!(attempt(bench, challenge).await.is_none());
        bench.clock.advance(COOLDOWN);
    }
    assert!(bench.has_no_errand().await);
}
