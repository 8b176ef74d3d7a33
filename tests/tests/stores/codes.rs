//! Codes: from the sign-up to the account, and what a guesser is allowed.

use std::time::Duration;

use companion::code::{COOLDOWN, LIFETIME, MAX_ATTEMPTS, MAX_WRONG_PER_DAY, Purpose};
use companion::email::Email;
use companion::entropy;
use companion::store::{Activation, Attempt, Client, CodeRequest, Mail, Prepared, Wish};
use token::ChallengeId;

use crate::bench::{Bench, email};
use crate::{DAY, TICK};

/// The MACs of an older and of a newer code.
const OLDER: [u8; 32] = [1; 32];
const NEWER: [u8; 32] = [2; 32];

/// The mail, to that address.
fn mail(to: &Email, mail: Mail) -> Prepared {
    let to = to.as_str().to_owned();
    Prepared::Send { to, mail }
}

/// A sign-up whose code has been mailed.
async fn mailed(bench: &Bench, email: &Email, password_hash: &str) -> ChallengeId {
    let challenge = bench.sign_up(email, password_hash).await;
    let prepared = bench.carry_out(OLDER).await;
    assert_eq!(prepared, mail(email, Mail::ActivationCode));
    challenge
}

async fn attempt(bench: &Bench, challenge: ChallengeId) -> Option<Attempt> {
    bench.other.attempt_code(challenge).await.unwrap()
}

/// Counts wrong codes.
async fn fail(bench: &Bench, challenge: ChallengeId, times: u32) {
    for _ in 0..times {
        assert!(attempt(bench, challenge).await.is_some());
    }
}

fn activation(challenge: ChallengeId, attempt: &Attempt) -> Activation {
    Activation {
        challenge,
        code_mac: attempt.code_mac,
        attempt: attempt.id,
        account: entropy::subject(),
        by: Client::default(),
    }
}

async fn hash_of(bench: &Bench, email: &Email) -> Option<String> {
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
    assert_eq!(counted.code_mac, OLDER);
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
    let wrong = Activation {
        code_mac: NEWER,
        ..activation(challenge, &counted)
    };
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
    fail(bench, first, MAX_ATTEMPTS).await;
    bench.clock.advance(COOLDOWN);
    let second = mailed(bench, &alice, "a hash").await;
    fail(bench, second, MAX_WRONG_PER_DAY - MAX_ATTEMPTS - 1).await;
    assert!(bench.has_no_errand().await);
    fail(bench, second, 1).await;
    assert!(attempt(bench, second).await.is_none());
    let notice = mail(&alice, Mail::CodesClosed);
    assert_eq!(bench.carry_out(OLDER).await, notice);
    assert!(bench.has_no_errand().await);

    // Another address is not concerned.
    mailed(bench, &email("bob"), "a hash").await;
    bench.clock.advance(DAY - COOLDOWN - TICK);
    bench.sign_up(&alice, "a hash").await;
    assert_eq!(bench.carry_out(OLDER).await, Prepared::Nothing);
    bench.clock.advance(TICK);
    let third = mailed(bench, &alice, "a hash").await;
    // Those of the second challenge still count.
    fail(bench, third, MAX_WRONG_PER_DAY - MAX_ATTEMPTS).await;
    assert!(attempt(bench, third).await.is_none());
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
            let late = Activation {
                code_mac: NEWER,
                ..activation(challenge, &counted)
            };
            assert!(!bench.store.activate(late).await.unwrap());
        }
        assert!(attempt(bench, challenge).await.is_none());
        bench.clock.advance(COOLDOWN);
    }
    assert!(bench.has_no_errand().await);
}

pub async fn a_resend_replaces_the_code(bench: &Bench) {
    let alice = email("alice");
    let challenge = mailed(bench, &alice, "a hash").await;
    let older = attempt(bench, challenge).await.unwrap();
    bench.clock.advance(COOLDOWN);
    bench.resend(challenge).await;
    let errand = bench.errand().await;
    assert!(errand.is_resend);
    let binding = errand.code.unwrap();
    assert_eq!(binding.challenge, challenge);
    assert_eq!(binding.email, alice.as_str());
    let prepared = bench.carry_out(NEWER).await;
    assert_eq!(prepared, mail(&alice, Mail::ActivationCode));
    assert!(
        !bench
            .store
            .activate(activation(challenge, &older))
            .await
            .unwrap()
    );

    // As long as any code.
    bench.clock.advance(LIFETIME - TICK);
    let newer = attempt(bench, challenge).await.unwrap();
    assert_eq!(newer.code_mac, NEWER);
    assert!(
        bench
            .store
            .activate(activation(challenge, &newer))
            .await
            .unwrap()
    );
}

/// Until the newer code can be mailed, the older one is all that its owner has.
pub async fn a_resend_that_waits_leaves_the_code(bench: &Bench) {
    let challenge = mailed(bench, &email("alice"), "a hash").await;
    bench.clock.advance(TICK);
    bench.resend(challenge).await;
    assert_eq!(bench.carry_out(NEWER).await, Prepared::Later);
    let counted = attempt(bench, challenge).await.unwrap();
    assert_eq!(counted.code_mac, OLDER);
    assert!(
        bench
            .store
            .activate(activation(challenge, &counted))
            .await
            .unwrap()
    );
}

/// A second code would only kill the first, which is on its way.
pub async fn a_resend_from_before_the_mail_is_none(bench: &Bench) {
    let alice = email("alice");
    let challenge = bench.sign_up(&alice, "a hash").await;
    bench.resend(challenge).await;
    let prepared = bench.carry_out(OLDER).await;
    assert_eq!(prepared, mail(&alice, Mail::ActivationCode));
    bench.clock.advance(COOLDOWN);
    assert_eq!(bench.carry_out(NEWER).await, Prepared::Nothing);
    let counted = attempt(bench, challenge).await.unwrap();
    assert_eq!(counted.code_mac, OLDER);
}

pub async fn a_resend_of_what_is_over_is_none(bench: &Bench) {
    let alice = email("alice");
    let challenge = mailed(bench, &alice, "a hash").await;
    let counted = attempt(bench, challenge).await.unwrap();
    assert!(
        bench
            .store
            .activate(activation(challenge, &counted))
            .await
            .unwrap()
    );
    bench.clock.advance(COOLDOWN);
    bench.resend(challenge).await;
    assert_eq!(bench.carry_out(NEWER).await, Prepared::Nothing);
    bench.resend(entropy::challenge_id()).await;
    let errand = bench.errand().await;
    assert!(errand.is_resend && errand.code.is_none());
    assert_eq!(bench.carry_out(NEWER).await, Prepared::Nothing);
}

/// OT-07.
pub async fn only_the_newest_code_of_an_address_opens(bench: &Bench) {
    let alice = email("alice");
    let first = mailed(bench, &alice, "her hash").await;
    let older = attempt(bench, first).await.unwrap();
    bench.clock.advance(COOLDOWN);
    let second = mailed(bench, &alice, "a stranger's hash").await;
    assert!(attempt(bench, first).await.is_none());
    assert!(
        !bench
            .store
            .activate(activation(first, &older))
            .await
            .unwrap()
    );
    let newer = attempt(bench, second).await.unwrap();
    assert!(
        bench
            .store
            .activate(activation(second, &newer))
            .await
            .unwrap()
    );
    let hash = hash_of(bench, &alice).await;
    assert_eq!(hash.as_deref(), Some("a stranger's hash"));

    // What is pending beside it opens nothing any more: the mail says that there is an account.
    bench.clock.advance(COOLDOWN);
    bench.resend(first).await;
    let prepared = bench.carry_out(NEWER).await;
    assert_eq!(prepared, mail(&alice, Mail::AlreadyRegistered));
    assert!(attempt(bench, first).await.is_none());
}

pub async fn a_known_address_gets_the_notice(bench: &Bench) {
    let alice = bench.account("alice").await.email;
    for wish in [
        Wish::Activation(alice.clone()),
        Wish::SignUp {
            email: alice.clone(),
            password_hash: "another hash".to_owned(),
        },
    ] {
        let challenge = bench.request(wish).await;
        let prepared = bench.carry_out(NEWER).await;
        assert_eq!(prepared, mail(&alice, Mail::AlreadyRegistered));
        assert!(attempt(bench, challenge).await.is_none());
        bench.clock.advance(COOLDOWN);
    }
    assert_eq!(hash_of(bench, &alice).await.as_deref(), Some("a hash"));
}

/// For a day; the code opens the account to the password of the sign-up.
pub async fn a_code_can_be_asked_for_the_sign_up_that_is_pending(bench: &Bench) {
    let alice = email("alice");
    mailed(bench, &alice, "her hash").await;
    bench.clock.advance(DAY - TICK);
    let challenge = bench.request(Wish::Activation(alice.clone())).await;
    let prepared = bench.carry_out(NEWER).await;
    assert_eq!(prepared, mail(&alice, Mail::ActivationCode));
    let counted = attempt(bench, challenge).await.unwrap();
    assert_eq!(counted.code_mac, NEWER);
    assert!(
        bench
            .store
            .activate(activation(challenge, &counted))
            .await
            .unwrap()
    );
    assert_eq!(hash_of(bench, &alice).await.as_deref(), Some("her hash"));
}

pub async fn no_code_goes_to_an_address_without_a_sign_up(bench: &Bench) {
    let nobody = email("nobody");
    let challenge = bench.request(Wish::Activation(nobody)).await;
    assert_eq!(bench.carry_out(OLDER).await, Prepared::Nothing);
    assert!(attempt(bench, challenge).await.is_none());

    let alice = email("alice");
    mailed(bench, &alice, "her hash").await;
    bench.clock.advance(DAY);
    bench.request(Wish::Activation(alice)).await;
    assert_eq!(bench.carry_out(NEWER).await, Prepared::Nothing);
}

/// PW-18: whichever of them the code activated, it could be a stranger's. Also one that still waits for its mail is pending.
pub async fn several_sign_ups_are_to_be_made_again(bench: &Bench) {
    let alice = email("alice");
    mailed(bench, &alice, "her hash").await;
    bench.sign_up(&alice, "a stranger's hash").await;
    assert_eq!(bench.carry_out(OLDER).await, Prepared::Later);
    let challenge = bench.request(Wish::Activation(alice.clone())).await;
    let prepared = bench.carry_out(NEWER).await;
    assert_eq!(prepared, mail(&alice, Mail::SignUpAgain));
    assert!(attempt(bench, challenge).await.is_none());
}

/// The same sign-up sent twice is one.
pub async fn a_sign_up_that_was_repeated_is_pending_once(bench: &Bench) {
    let alice = email("alice");
    for _ in 0..2 {
        mailed(bench, &alice, "her hash").await;
        bench.clock.advance(COOLDOWN + Duration::from_secs(1));
    }
    bench.request(Wish::Activation(alice.clone())).await;
    let prepared = bench.carry_out(NEWER).await;
    assert_eq!(prepared, mail(&alice, Mail::ActivationCode));
}
