//! Sign-ups that wait for their code: which one a new code is for, and which code is the last.

use companion::code::{COOLDOWN, LIFETIME};
use companion::entropy;
use companion::store::{Mail, Prepared, Wish};

use crate::bench::{Bench, email};
use crate::codes::{NEWER, OLDER, activation, attempt, hash_of, mail, mailed};
use crate::{DAY, SECOND, TICK};

pub async fn a_resend_replaces_the_code(bench: &Bench) {
    let alice = email("alice");
    let challenge = mailed(bench, &alice, "a hash").await;
    let older = attempt(bench, challenge).await.unwrap();
    bench.clock.advance(COOLDOWN);
    bench.resend(challenge).await;
    let errand = bench.errand().await;
    assert!(errand.is_resend);
    let binding = errand.code.as_ref().unwrap();
    assert_eq!(binding.challenge, challenge);
    assert_eq!(binding.email, alice.as_str());
    let prepared = bench.carry(errand, NEWER).await;
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
    assert_eq!(newer.code_mac, Some(NEWER));
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
    assert_eq!(counted.code_mac, Some(OLDER));
    assert!(
        bench
            .store
            .activate(activation(challenge, &counted))
            .await
            .unwrap()
    );
}

/// Or will never: then its owner asks for it.
pub async fn a_sign_up_whose_mail_never_went_out_can_have_a_code(bench: &Bench) {
    let alice = email("alice");
    mailed(bench, &alice, "her hash").await;
    let challenge = bench.sign_up(&alice, "her other hash").await;
    let errand = bench.errand().await;
    let id = errand.id;
    assert_eq!(bench.carry(errand, OLDER).await, Prepared::Later);
    bench.store.finish_errand(id).await.unwrap();
    bench.clock.advance(COOLDOWN);
    bench.resend(challenge).await;
    let prepared = bench.carry_out(NEWER).await;
    assert_eq!(prepared, mail(&alice, Mail::ActivationCode));
    let counted = attempt(bench, challenge).await.unwrap();
    assert_eq!(counted.code_mac, Some(NEWER));
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
    assert_eq!(counted.code_mac, Some(OLDER));
}

/// Asked for twice while the first waited: one newer code is what was wanted.
pub async fn of_two_resends_at_a_time_one_is_mailed(bench: &Bench) {
    let alice = email("alice");
    let challenge = mailed(bench, &alice, "a hash").await;
    bench.clock.advance(COOLDOWN);
    bench.resend(challenge).await;
    bench.resend(challenge).await;
    let prepared = bench.carry_out(NEWER).await;
    assert_eq!(prepared, mail(&alice, Mail::ActivationCode));
    bench.clock.advance(COOLDOWN);
    assert_eq!(bench.carry_out([3; 32]).await, Prepared::Nothing);
    let counted = attempt(bench, challenge).await.unwrap();
    assert_eq!(counted.code_mac, Some(NEWER));
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
    // A sign-up waits for its code no longer than a day.
    let pending = mailed(bench, &email("bob"), "a hash").await;
    bench.clock.advance(DAY);
    bench.resend(pending).await;
    assert_eq!(bench.carry_out(NEWER).await, Prepared::Nothing);
    bench.resend(entropy::challenge_id()).await;
    let errand = bench.errand().await;
    assert!(errand.is_resend && errand.code.is_none());
    assert_eq!(bench.carry(errand, NEWER).await, Prepared::Nothing);
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
    assert_eq!(counted.code_mac, Some(NEWER));
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
        bench.clock.advance(COOLDOWN + SECOND);
    }
    bench.request(Wish::Activation(alice.clone())).await;
    let prepared = bench.carry_out(NEWER).await;
    assert_eq!(prepared, mail(&alice, Mail::ActivationCode));
}
