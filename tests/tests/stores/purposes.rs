//! Codes that belong to an account: recovery, step-up, change of address. Whose they are, where they go, what closes them.

use companion::code::{COOLDOWN, LIFETIME, MAX_ATTEMPTS, MAX_WRONG_PER_DAY, Purpose};
use companion::entropy;
use companion::store::{Client, Lifetimes, Login, Mail, Prepared, Wish};
use token::{ChallengeId, SessionId};

use crate::bench::{Bench, drawn, email, long};
use crate::codes::{NEWER, OLDER, attempt, mail};
use crate::person::{LIFETIMES, Person};
use crate::{DAY, SECOND, TICK};

pub const PURPOSES: [Purpose; 3] = [Purpose::Recovery, Purpose::StepUp, Purpose::EmailChange];

/// A session that no case outlives.
pub async fn long_session(bench: &Bench, owner: &Person) -> SessionId {
    let login = Login {
        lifetimes: Lifetimes {
            idle: 10 * DAY,
            absolute: 10 * DAY,
            ..LIFETIMES
        },
        ..owner.login()
    };
    bench.open(login).await.session.id
}

/// The wish for a code of that purpose; a change of address is one to `new@example.com`.
pub fn wish(purpose: Purpose, owner: &Person, session: SessionId) -> Wish {
    let account = owner.id;
    match purpose {
        Purpose::Recovery => Wish::Recovery(owner.email.clone()),
        Purpose::StepUp => Wish::StepUp { account, session },
        Purpose::EmailChange => Wish::EmailChange {
            account,
            session,
            new_email: email("new"),
        },
        Purpose::Activation | Purpose::Login => panic!("{purpose:?} is not asked for so"),
    }
}

/// The mail with the code of that purpose, to where it goes.
fn code_mail(purpose: Purpose, owner: &Person) -> Prepared {
    match purpose {
        Purpose::Recovery => mail(&owner.email, Mail::RecoveryCode),
        Purpose::StepUp => mail(&owner.email, Mail::StepUpCode),
        _ => mail(&email("new"), Mail::EmailChangeCode),
    }
}

/// The challenge of a code that has been mailed; the notice of a change of address is mailed too.
pub async fn mailed(
    bench: &Bench,
    purpose: Purpose,
    owner: &Person,
    session: SessionId,
    mac: [u8; 32],
) -> ChallengeId {
    let challenge = bench.request(wish(purpose, owner, session)).await;
    assert_eq!(bench.carry_out(mac).await, code_mail(purpose, owner));
    if purpose == Purpose::EmailChange {
        let asked = bench.carry_out(mac).await;
        assert_eq!(asked, mail(&owner.email, Mail::EmailChangeAsked));
    }
    assert!(bench.has_no_errand().await);
    challenge
}

async fn is_open(bench: &Bench, challenge: ChallengeId) -> bool {
    let attempt = attempt(bench, challenge).await;
    attempt.is_some_and(|attempt| attempt.code_mac.is_some())
}

/// OT-04: bound to account, purpose, challenge and session.
pub async fn a_code_is_bound_to_its_account_its_purpose_and_its_session(bench: &Bench) {
    let alice = bench.account("alice").await;
    let session = long_session(bench, &alice).await;
    for purpose in PURPOSES {
        let challenge = mailed(bench, purpose, &alice, session, OLDER).await;
        let counted = attempt(bench, challenge).await.unwrap();
        let seen = bench.store.challenge(challenge).await.unwrap().unwrap();
        let asked_by = (purpose != Purpose::Recovery).then_some(session);
        let to = match purpose {
            Purpose::EmailChange => email("new"),
            _ => alice.email.clone(),
        };
        assert_eq!(counted.purpose, purpose);
        assert_eq!(counted.account, Some(alice.id));
        assert_eq!(counted.session, asked_by);
        assert_eq!(counted.email, to.as_str());
        assert_eq!(counted.code_mac, Some(OLDER));
        assert_eq!(counted.binding(challenge), seen.binding(challenge));
        assert_eq!(seen.session, asked_by);
        // RL-03: the way back that nobody can close is for recovery alone.
        let is_recovery = purpose == Purpose::Recovery;
        assert_eq!(seen.long_code_mac, is_recovery.then_some(long(OLDER)));
    }
}

/// ER-02: the same challenge, and the same counting, as for a known address; no mail.
pub async fn a_recovery_of_an_unknown_address_is_a_challenge_that_no_code_opens(bench: &Bench) {
    let nobody = email("nobody");
    for challenges in 0..MAX_WRONG_PER_DAY / MAX_ATTEMPTS {
        let challenge = bench.request(Wish::Recovery(nobody.clone())).await;
        assert_eq!(bench.carry_out(OLDER).await, Prepared::Nothing);
        let seen = bench.store.challenge(challenge).await.unwrap().unwrap();
        assert_eq!(seen.purpose, Purpose::Recovery);
        assert!(seen.account.is_none() && seen.long_code_mac.is_none());
        for _ in 0..=MAX_ATTEMPTS {
            assert!(attempt(bench, challenge).await.is_none());
        }
        assert_eq!(bench.has_no_errand().await, challenges == 0);
        bench.clock.advance(COOLDOWN);
    }
    // That codes are closed is told to nobody: there is nobody.
    assert_eq!(bench.carry_out(OLDER).await, Prepared::Nothing);
    assert!(bench.has_no_errand().await);
}

pub async fn an_account_that_cannot_be_used_gets_no_code(bench: &Bench) {
    let alice = bench.account("alice").await;
    let session = long_session(bench, &alice).await;
    let by = Client::default;
    bench.store.disable_account(alice.id, by()).await.unwrap();
    for purpose in PURPOSES {
        let challenge = bench.request(wish(purpose, &alice, session)).await;
        assert_eq!(bench.carry_out(OLDER).await, Prepared::Nothing);
        assert!(!is_open(bench, challenge).await);
    }
    assert!(bench.has_no_errand().await);
}

/// OT-13.
pub async fn a_session_that_has_ended_gets_no_code(bench: &Bench) {
    let alice = bench.account("alice").await;
    let session = long_session(bench, &alice).await;
    let older = mailed(bench, Purpose::StepUp, &alice, session, OLDER).await;
    bench.clock.advance(COOLDOWN);
    let ended = bench.store.end_session(session, None, Client::default());
    ended.await.unwrap();
    for purpose in [Purpose::StepUp, Purpose::EmailChange] {
        bench.request(wish(purpose, &alice, session)).await;
        assert_eq!(bench.carry_out(NEWER).await, Prepared::Nothing);
    }
    bench.resend(older).await;
    assert_eq!(bench.carry_out(NEWER).await, Prepared::Nothing);
    assert!(bench.has_no_errand().await);
}

/// A session is lifted by whoever holds it, not by whoever knows its id.
pub async fn a_session_of_another_account_gets_no_code(bench: &Bench) {
    let alice = bench.account("alice").await;
    let bob = bench.account("bob").await;
    let of_alice = long_session(bench, &alice).await;
    for purpose in [Purpose::StepUp, Purpose::EmailChange] {
        bench.request(wish(purpose, &bob, of_alice)).await;
        assert_eq!(bench.carry_out(OLDER).await, Prepared::Nothing);
    }
}

/// OT-07, and the minute between two mails: each is for one purpose.
pub async fn a_newer_code_closes_the_older_one_of_its_purpose_alone(bench: &Bench) {
    let alice = bench.account("alice").await;
    let session = long_session(bench, &alice).await;
    let mut older = Vec::new();
    for purpose in PURPOSES {
        older.push(mailed(bench, purpose, &alice, session, OLDER).await);
    }
    for challenge in &older {
        assert!(is_open(bench, *challenge).await);
    }
    for (at, purpose) in PURPOSES.into_iter().enumerate() {
        bench.clock.advance(COOLDOWN);
        let newer = mailed(bench, purpose, &alice, session, NEWER).await;
        for (other, challenge) in older.iter().enumerate() {
            assert_eq!(is_open(bench, *challenge).await, other > at, "{purpose:?}");
        }
        let seen = bench.store.challenge(older[at]).await.unwrap().unwrap();
        assert!(seen.long_code_mac.is_none());
        assert!(is_open(bench, newer).await);
    }
}

pub async fn a_mail_waits_a_minute_for_the_one_before_of_its_purpose_alone(bench: &Bench) {
    let alice = bench.account("alice").await;
    let session = long_session(bench, &alice).await;
    for purpose in PURPOSES {
        mailed(bench, purpose, &alice, session, OLDER).await;
    }
    for purpose in PURPOSES {
        let waits = bench.request(wish(purpose, &alice, session)).await;
        assert_eq!(bench.carry_out(NEWER).await, Prepared::Later);
        // It is there already, without a code: how long an answer takes does not tell that it waits.
        assert!(bench.store.challenge(waits).await.unwrap().is_some());
        assert!(!is_open(bench, waits).await);
    }
}

pub async fn a_resend_replaces_the_code_of_every_purpose(bench: &Bench) {
    let alice = bench.account("alice").await;
    let session = long_session(bench, &alice).await;
    for purpose in PURPOSES {
        let challenge = mailed(bench, purpose, &alice, session, OLDER).await;
        bench.clock.advance(COOLDOWN);
        bench.resend(challenge).await;
        let errand = bench.errand().await;
        let binding = errand.code.as_ref().unwrap();
        assert_eq!(binding.purpose, purpose);
        assert_eq!(binding.account, Some(alice.id));
        assert_eq!(bench.carry(errand, NEWER).await, code_mail(purpose, &alice));
        let newer = attempt(bench, challenge).await.unwrap();
        assert_eq!(newer.code_mac, Some(NEWER), "{purpose:?}");
        // As long as any code, from the resend on.
        bench.clock.advance(LIFETIME - TICK);
        assert!(is_open(bench, challenge).await);
        bench.clock.advance(TICK);
        assert!(!is_open(bench, challenge).await);
        bench.clock.advance(COOLDOWN);
    }
}

/// OT-06: ten a day for each purpose; then the owner is told, and no code comes. RL-03: but for the long one of a recovery.
pub async fn ten_wrong_codes_close_their_purpose_and_leave_the_long_code(bench: &Bench) {
    let alice = bench.account("alice").await;
    let session = long_session(bench, &alice).await;
    for purpose in PURPOSES {
        for _ in 0..MAX_WRONG_PER_DAY / MAX_ATTEMPTS {
            let challenge = mailed(bench, purpose, &alice, session, OLDER).await;
            for _ in 0..MAX_ATTEMPTS {
                assert!(attempt(bench, challenge).await.is_some());
            }
            bench.clock.advance(COOLDOWN);
        }
        let told = bench.carry_out(OLDER).await;
        assert_eq!(told, mail(&alice.email, Mail::CodesClosed));
        bench.clock.advance(COOLDOWN);

        let challenge = bench.request(wish(purpose, &alice, session)).await;
        let sent = bench.carry_out(NEWER).await;
        let seen = bench.store.challenge(challenge).await.unwrap().unwrap();
        if purpose == Purpose::Recovery {
            assert_eq!(sent, mail(&alice.email, Mail::RecoveryLongCode));
            assert_eq!(seen.long_code_mac, Some(long(NEWER)));
        } else {
            assert_eq!(sent, Prepared::Nothing);
        }
        assert!(attempt(bench, challenge).await.is_none());
        bench.clock.advance(COOLDOWN);
        bench.carry_out_all(NEWER).await;
    }
}

/// OT-06: what anybody can do in a day, by any mixture of new challenges, resends and purposes, also of changes to many addresses, is
/// ten guesses for each purpose.
pub async fn a_thousand_guesses_stay_inside_the_daily_budget(bench: &Bench) {
    const GUESSES: u32 = 1_000;
    let alice = bench.account("alice").await;
    let session = long_session(bench, &alice).await;
    let mut challenges: Vec<ChallengeId> = Vec::new();
    let mut made = 0;
    for guess in 0..GUESSES {
        let purpose = PURPOSES[usize::try_from(guess % 3).unwrap()];
        let wish = match (guess % 4, purpose) {
            (0, _) if !challenges.is_empty() => None,
            (_, Purpose::EmailChange) => Some(Wish::EmailChange {
                account: alice.id,
                session,
                new_email: email(&format!("new{guess}")),
            }),
            _ => Some(wish(purpose, &alice, session)),
        };
        match wish {
            Some(wish) => challenges.push(bench.request(wish).await),
            None => bench.resend(challenges[challenges.len() - 1]).await,
        }
        bench.carry_out_all(OLDER).await;
        let at = challenges
            .len()
            .saturating_sub(1 + usize::try_from(guess % 2).unwrap());
        let counted = attempt(bench, challenges[at]).await;
        made += u32::from(counted.is_some_and(|attempt| attempt.code_mac.is_some()));
        bench.clock.advance(80 * SECOND);
    }
    let most = MAX_WRONG_PER_DAY * u32::try_from(PURPOSES.len()).unwrap();
    assert!(made > 0 && made <= most, "{made}");
}

/// The address has become another account's between the drawing of the code and its mail.
pub async fn a_code_that_was_drawn_for_another_account_is_not_sent(bench: &Bench) {
    let alice = bench.account("alice").await;
    let session = long_session(bench, &alice).await;
    bench.clock.advance(COOLDOWN);
    let challenge = bench.request(Wish::Recovery(alice.email.clone())).await;
    let errand = bench.errand().await;
    let by = Client::default();
    let deleted = bench.store.delete_account(alice.id, session, by).await;
    assert!(deleted.unwrap().is_some());
    let told = bench.carry_out(OLDER).await;
    assert_eq!(told, mail(&alice.email, Mail::AccountDeleted));
    let again = bench.account("alice").await;
    assert_ne!(again.id, alice.id);

    let code = drawn(&errand, OLDER);
    let prepared = bench.store.prepare_mail(errand.id, code).await.unwrap();
    assert_eq!(prepared, Prepared::Later);
    let errand = bench.errand().await;
    assert_eq!(errand.code.as_ref().unwrap().account, Some(again.id));
    let sent = bench.carry(errand, NEWER).await;
    assert_eq!(sent, mail(&again.email, Mail::RecoveryCode));
    assert!(is_open(bench, challenge).await);
}

/// PW-16, ER-02: the asker sees a challenge like any other, the owner of the address gets a mail, and the address stays his.
pub async fn an_address_that_is_taken_is_told_to_its_owner(bench: &Bench) {
    let alice = bench.account("alice").await;
    let bob = bench.account("bob").await;
    let session = long_session(bench, &alice).await;
    let wish = Wish::EmailChange {
        account: alice.id,
        session,
        new_email: bob.email.clone(),
    };
    let challenge = bench.request(wish).await;
    let told = bench.carry_out(OLDER).await;
    assert_eq!(told, mail(&bob.email, Mail::AddressTaken));
    let asked = bench.carry_out(OLDER).await;
    assert_eq!(asked, mail(&alice.email, Mail::EmailChangeAsked));
    assert!(bench.store.challenge(challenge).await.unwrap().is_some());
    assert!(!is_open(bench, challenge).await);
}

/// What an overload has cost is given back, and no more.
pub async fn an_attempt_can_be_taken_back(bench: &Bench) {
    let alice = bench.account("alice").await;
    let session = long_session(bench, &alice).await;
    let challenge = mailed(bench, Purpose::Recovery, &alice, session, OLDER).await;
    for _ in 0..3 * MAX_ATTEMPTS {
        let counted = attempt(bench, challenge).await.unwrap();
        for _ in 0..2 {
            let taken_back = bench.other.take_back_code(challenge, counted.id);
            taken_back.await.unwrap();
        }
    }
    for _ in 0..MAX_ATTEMPTS {
        assert!(attempt(bench, challenge).await.is_some());
    }
    assert!(attempt(bench, challenge).await.is_none());
    assert!(attempt(bench, entropy::challenge_id()).await.is_none());
}
