//! What waits for a second factor, and sessions that are lifted.

use companion::delivery::Delivery;
use companion::entropy;
use companion::level::{Acr, FACTOR_CHALLENGE, Level};
use companion::store::{
    Attempt, Client, Factor, FactorChallenge, Login, Minted, Opens, Outcome, Prepared, Proof,
    Reauthentication, StepUp,
};
use token::{ChallengeId, SessionId};

use crate::bench::{Bench, at_once, count};
use crate::ending::end;
use crate::factors::{CODES, change, enrol, enrolled, totp};
use crate::person::{LIFETIMES, Person, refresh, successor};
use crate::{HOUR, MINUTE, SECOND, TICK};

fn challenge(owner: &Person, opens: Opens) -> FactorChallenge {
    FactorChallenge {
        id: entropy::challenge_id(),
        account: owner.id,
        email: owner.email.as_str().to_owned(),
        opens,
    }
}

fn login_of(owner: &Person) -> FactorChallenge {
    let opens = Opens::Login {
        login_epoch: owner.login_epoch,
        delivery: Delivery::Cookie,
        label: Some("laptop".to_owned()),
    };
    challenge(owner, opens)
}

/// A login whose password was right.
pub async fn wait_for_factor(bench: &Bench, owner: &Person) -> ChallengeId {
    let challenge = login_of(owner);
    let id = challenge.id;
    let added = bench.store.open_factor_challenge(challenge).await.unwrap();
    assert_eq!(added, Some(bench.clock.now().plus(FACTOR_CHALLENGE)));
    id
}

async fn wait_to_step_up(bench: &Bench, owner: &Person, session: SessionId) -> ChallengeId {
    let challenge = challenge(owner, Opens::StepUp(session));
    let id = challenge.id;
    let added = bench.store.open_factor_challenge(challenge).await.unwrap();
    assert!(added.is_some());
    id
}

pub async fn pass(
    bench: &Bench,
    owner: &Person,
    challenge: ChallengeId,
    factor: Factor,
) -> Option<Minted> {
    let login = Login {
        acr: Acr::Mfa,
        ..owner.login()
    };
    let passed = bench.other.pass_login(challenge, factor, login);
    passed.await.unwrap()
}

async fn lift(bench: &Bench, owner: &Person, session: SessionId, proof: Proof) -> Option<Minted> {
    let step_up = StepUp {
        account: owner.id,
        session,
        proof,
        lifetimes: LIFETIMES,
        by: Client::default(),
    };
    bench.other.step_up(step_up).await.unwrap()
}

async fn again(
    bench: &Bench,
    owner: &Person,
    session: SessionId,
    factor: Option<Factor>,
) -> Option<Minted> {
    let again = Reauthentication {
        account: owner.id,
        session,
        login_epoch: owner.login_epoch,
        factor,
        lifetimes: LIFETIMES,
        by: Client::default(),
    };
    bench.other.reauthenticate(again).await.unwrap()
}

pub async fn a_challenge_says_what_it_opens_for_five_minutes(bench: &Bench) {
    let (alice, session) = enrolled(bench, "alice").await;
    for opens in [login_of(&alice).opens, Opens::StepUp(session)] {
        let challenge = challenge(&alice, opens.clone());
        let id = challenge.id;
        let added = bench.store.open_factor_challenge(challenge).await.unwrap();
        assert_eq!(added, Some(bench.clock.now().plus(FACTOR_CHALLENGE)));
        bench.clock.advance(FACTOR_CHALLENGE - TICK);
        let found = bench.other.factor_challenge(id).await.unwrap().unwrap();
        assert_eq!((found.id, found.account), (id, alice.id));
        assert_eq!(found.email, alice.email.as_str());
        assert_eq!(found.opens, opens);
        bench.clock.advance(TICK);
        assert!(bench.other.factor_challenge(id).await.unwrap().is_none());
    }
    let unknown = entropy::challenge_id();
    assert!(
        bench
            .store
            .factor_challenge(unknown)
            .await
            .unwrap()
            .is_none()
    );
}

pub async fn without_an_app_nothing_waits_for_one(bench: &Bench) {
    let alice = bench.account("alice").await;
    let (session, _) = bench.session(&alice).await;
    for opens in [login_of(&alice).opens, Opens::StepUp(session)] {
        let challenge = challenge(&alice, opens);
        let added = bench.store.open_factor_challenge(challenge).await.unwrap();
        assert!(added.is_none());
    }
}

/// No mailed code opens it, and none is mailed.
pub async fn no_mailed_code_opens_what_waits_for_the_app(bench: &Bench) {
    let (alice, session) = enrolled(bench, "alice").await;
    for challenge in [
        wait_for_factor(bench, &alice).await,
        wait_to_step_up(bench, &alice, session).await,
    ] {
        assert!(opens_nothing(bench.store.attempt_code(challenge).await));
        bench.resend(challenge).await;
        let errand = bench.errand().await;
        let prepared = bench.carry(errand, [1; 32]).await;
        assert_eq!(prepared, Prepared::Nothing);
        assert!(opens_nothing(bench.store.attempt_code(challenge).await));
    }
}

/// Whether there is no code that could be right.
fn opens_nothing(attempt: Outcome<Option<Attempt>>) -> bool {
    let attempt = attempt.unwrap();
    attempt.is_none_or(|attempt| attempt.code_mac.is_none())
}

pub async fn a_factor_opens_the_login_that_waits_for_it_once(bench: &Bench) {
    let (alice, _) = enrolled(bench, "alice").await;
    let challenge = wait_for_factor(bench, &alice).await;
    let wrong = Factor::RecoveryCode(vec![[0; 32]]);
    assert!(pass(bench, &alice, challenge, wrong).await.is_none());
    let factor = totp(bench, &alice, 101).await;
    let minted = pass(bench, &alice, challenge, factor).await.unwrap();
    assert_eq!(minted.session.account, alice.id);
    assert_eq!(minted.session.level(minted.iat).acr, Acr::Mfa);
    assert_eq!(minted.exp, bench.now().plus(LIFETIMES.access));
    assert!(bench.is_alive(minted.session.id, &alice).await);
    let factor = totp(bench, &alice, 102).await;
    assert!(pass(bench, &alice, challenge, factor).await.is_none());
    let found = bench.store.factor_challenge(challenge).await.unwrap();
    assert!(found.is_none());
    // What opened nothing was not used up.
    let challenge = wait_for_factor(bench, &alice).await;
    let factor = totp(bench, &alice, 102).await;
    assert!(pass(bench, &alice, challenge, factor).await.is_some());
}

pub async fn a_login_that_waited_too_long_opens_nothing(bench: &Bench) {
    let (alice, _) = enrolled(bench, "alice").await;
    let challenge = wait_for_factor(bench, &alice).await;
    let factor = totp(bench, &alice, 101).await;
    bench.clock.advance(FACTOR_CHALLENGE);
    assert!(pass(bench, &alice, challenge, factor).await.is_none());
}

/// PW-17: all sessions were ended while the login waited. The code is still good.
pub async fn a_login_of_another_epoch_passes_nothing(bench: &Bench) {
    let (alice, _) = enrolled(bench, "alice").await;
    let challenge = wait_for_factor(bench, &alice).await;
    let by = Client::default();
    bench.store.end_sessions(alice.id, None, by).await.unwrap();
    let recovery = || Factor::RecoveryCode(vec![CODES[0]]);
    assert!(pass(bench, &alice, challenge, recovery()).await.is_none());
    let stale = bench.store.open_factor_challenge(login_of(&alice)).await;
    assert!(stale.unwrap().is_none());
    let account = bench.store.account_by_id(alice.id).await.unwrap().unwrap();
    let alice = Person {
        login_epoch: account.login_epoch,
        ..alice
    };
    // Told the new epoch, the old challenge is the one that it was read for.
    let challenge = wait_for_factor(bench, &alice).await;
    assert!(pass(bench, &alice, challenge, recovery()).await.is_some());
}

pub async fn a_factor_of_another_account_opens_nothing(bench: &Bench) {
    let (alice, _) = enrolled(bench, "alice").await;
    let mut mallory = bench.account("mallory").await;
    let (session, _) = bench.session(&mallory).await;
    enrol(bench, &mut mallory, session).await;
    let challenge = wait_for_factor(bench, &alice).await;
    let hers = totp(bench, &mallory, 101).await;
    assert!(pass(bench, &mallory, challenge, hers).await.is_none());
    let hers = totp(bench, &mallory, 101).await;
    let for_alice = Proof::Factor(challenge, hers);
    assert!(lift(bench, &mallory, session, for_alice).await.is_none());
}

/// SE-06: the generation stays, and the end of the session covers the new token.
pub async fn a_step_up_lifts_its_session_for_ten_minutes(bench: &Bench) {
    let (alice, session) = enrolled(bench, "alice").await;
    let before = bench.store.live_session(session, alice.id).await.unwrap();
    let before = before.unwrap();
    bench.clock.advance(20 * MINUTE);
    let challenge = wait_to_step_up(bench, &alice, session).await;
    let factor = totp(bench, &alice, 101).await;
    let proof = Proof::Factor(challenge, factor);
    let minted = lift(bench, &alice, session, proof).await.unwrap();
    let lifted = Level {
        acr: Acr::Mfa,
        auth_time: bench.now(),
    };
    assert_eq!(minted.iat, bench.now());
    assert_eq!(minted.exp, bench.now().plus(LIFETIMES.access));
    assert_eq!(minted.session.level(minted.iat), lifted);
    assert_eq!(minted.session.login, before.login);
    assert_eq!(minted.session.generation, before.generation);
    assert_eq!(minted.session.idle_deadline, before.idle_deadline);
    assert_eq!(minted.session.last_seen_at, before.last_seen_at);
    bench.clock.advance(10 * MINUTE - SECOND);
    let refreshed = successor(bench.store.rotate(refresh(session, 0)).await.unwrap());
    assert_eq!(refreshed.session.level(refreshed.iat), lifted);
    bench.clock.advance(SECOND);
    let refreshed = successor(bench.store.rotate(refresh(session, 1)).await.unwrap());
    assert_eq!(refreshed.session.level(refreshed.iat), before.login);
    // Once.
    let factor = Factor::RecoveryCode(vec![CODES[0]]);
    let again = Proof::Factor(challenge, factor);
    assert!(lift(bench, &alice, session, again).await.is_none());
}

pub async fn the_token_of_a_step_up_is_covered_by_the_end_of_its_session(bench: &Bench) {
    let (alice, session) = enrolled(bench, "alice").await;
    bench.clock.advance(MINUTE);
    let challenge = wait_to_step_up(bench, &alice, session).await;
    let factor = totp(bench, &alice, 101).await;
    let proof = Proof::Factor(challenge, factor);
    let lifted = lift(bench, &alice, session, proof).await.unwrap();
    bench.clock.advance(MINUTE);
    let factor = totp(bench, &alice, 102).await;
    let authenticated = again(bench, &alice, session, Some(factor)).await.unwrap();
    assert!(authenticated.exp > lifted.exp);
    assert_eq!(end(bench, session).await.latest_exp, authenticated.exp);
}

/// OT-13.
pub async fn a_step_up_lifts_no_other_session(bench: &Bench) {
    let (alice, session) = enrolled(bench, "alice").await;
    let login = wait_for_factor(bench, &alice).await;
    let first = totp(bench, &alice, 101).await;
    let other = pass(bench, &alice, login, first).await.unwrap().session.id;
    let challenge = wait_to_step_up(bench, &alice, session).await;
    let recovery = || Factor::RecoveryCode(vec![CODES[0]]);
    let moved = Proof::Factor(challenge, recovery());
    assert!(lift(bench, &alice, other, moved).await.is_none());
    // Nor does it open a login, nor a login's lift a session.
    assert!(pass(bench, &alice, challenge, recovery()).await.is_none());
    let login = wait_for_factor(bench, &alice).await;
    let login = Proof::Factor(login, recovery());
    assert!(lift(bench, &alice, session, login).await.is_none());
    let right = Proof::Factor(challenge, recovery());
    assert!(lift(bench, &alice, session, right).await.is_some());
}

pub async fn a_newer_challenge_of_a_session_takes_the_place_of_the_older(bench: &Bench) {
    let (alice, session) = enrolled(bench, "alice").await;
    let older = wait_to_step_up(bench, &alice, session).await;
    wait_to_step_up(bench, &alice, session).await;
    let found = bench.store.factor_challenge(older).await.unwrap();
    assert!(found.is_none());
}

/// The code is still good.
pub async fn a_session_that_is_over_is_not_lifted(bench: &Bench) {
    let (alice, session) = enrolled(bench, "alice").await;
    let waiting = wait_for_factor(bench, &alice).await;
    let challenge = wait_to_step_up(bench, &alice, session).await;
    end(bench, session).await;
    let recovery = || Factor::RecoveryCode(vec![CODES[0]]);
    let proof = Proof::Factor(challenge, recovery());
    assert!(lift(bench, &alice, session, proof).await.is_none());
    let factor = Some(recovery());
    assert!(again(bench, &alice, session, factor).await.is_none());
    let added = bench
        .store
        .open_factor_challenge(self::challenge(&alice, Opens::StepUp(session)));
    assert!(added.await.unwrap().is_none());
    let opened = pass(bench, &alice, waiting, recovery()).await.unwrap();
    bench.clock.advance(HOUR);
    let late = Some(Factor::RecoveryCode(vec![CODES[1]]));
    let session = opened.session.id;
    assert!(again(bench, &alice, session, late).await.is_none());
}

/// `acr` and `auth_time` describe one event: a step-up before it says nothing any more.
pub async fn a_reauthentication_sets_the_level_anew(bench: &Bench) {
    let mut alice = bench.account("alice").await;
    let (session, _) = bench.session(&alice).await;
    bench.clock.advance(11 * MINUTE);
    let minted = again(bench, &alice, session, None).await.unwrap();
    let level = |acr| Level {
        acr,
        auth_time: bench.now(),
    };
    assert_eq!(minted.session.level(minted.iat), level(Acr::Password));
    assert_eq!(minted.session.generation, 0);
    enrol(bench, &mut alice, session).await;
    // With an app the password is not enough.
    assert!(again(bench, &alice, session, None).await.is_none());
    bench.clock.advance(MINUTE);
    let factor = totp(bench, &alice, 101).await;
    let minted = again(bench, &alice, session, Some(factor)).await.unwrap();
    let level = Level {
        auth_time: bench.now(),
        ..level(Acr::Mfa)
    };
    assert_eq!(minted.session.login, level);
    assert_eq!(minted.session.step_up, None);
    bench.clock.advance(11 * MINUTE);
    let refreshed = successor(bench.store.rotate(refresh(session, 0)).await.unwrap());
    assert_eq!(refreshed.session.level(refreshed.iat), level);
}

/// PW-17: the password that was read is not the account's any more, or an app has been added or removed since.
pub async fn a_reauthentication_of_another_epoch_changes_nothing(bench: &Bench) {
    let (alice, session) = enrolled(bench, "alice").await;
    let by = change(&alice, session);
    assert!(bench.store.remove_totp(by).await.unwrap().is_some());
    assert!(again(bench, &alice, session, None).await.is_none());
}

/// TO-07: many right factors, one challenge.
pub async fn of_many_factors_at_once_one_opens_the_login(bench: &Bench) {
    let (alice, _) = enrolled(bench, "alice").await;
    let challenge = wait_for_factor(bench, &alice).await;
    let opened = at_once(bench, 16, |number, store| {
        let login = alice.login();
        async move {
            let factor = Factor::RecoveryCode(vec![CODES[number % 2]]);
            let passed = store.pass_login(challenge, factor, login);
            passed.await.unwrap().is_some()
        }
    })
    .await;
    assert_eq!(count(&opened, |opened| *opened), 1);
}
