//! Authenticator apps and recovery codes: enrolled, used once, limited, removed.

use std::collections::BTreeSet;

use companion::code::MAX_WRONG_PER_DAY;
use companion::store::{
    AppSecret, Client, Factor, FactorChange, FactorChanged, Mail, TotpAttempt, TotpCode, Which,
};
use companion::totp::ENROLMENT;
use token::{SessionId, Subject};

use crate::bench::{Bench, at_once, count};
use crate::codes::mail;
use crate::person::Person;
use crate::step_ups::{pass, wait_for_factor};
use crate::{DAY, MINUTE, TICK};

/// What the vault would have made of secrets.
pub const APP: &[u8] = b"a sealed secret";
const OTHER_APP: &[u8] = b"another sealed secret";
/// The MACs of recovery codes.
pub const CODES: [[u8; 32]; 2] = [[7; 32], [8; 32]];
const NEW_CODES: [[u8; 32]; 2] = [[9; 32], [10; 32]];

pub fn change(owner: &Person, session: SessionId) -> FactorChange {
    FactorChange {
        account: owner.id,
        session,
        by: Client::default(),
    }
}

pub async fn begin(bench: &Bench, owner: &Person, session: SessionId, app: &[u8]) -> bool {
    let by = change(owner, session);
    bench.store.begin_totp(by, app.to_vec()).await.unwrap()
}

/// An attempt that is counted, with the secret that it is at.
async fn counted(bench: &Bench, account: Subject, which: Which) -> Option<(u64, Vec<u8>)> {
    match bench.other.attempt_totp(account, which).await.unwrap() {
        TotpAttempt::Counted { id, sealed, at } => {
            assert_eq!(at, bench.clock.now());
            Some((id, sealed))
        }
        TotpAttempt::NoApp => None,
        TotpAttempt::Closed(wait) => panic!("closed for {wait:?}"),
    }
}

/// A right code of that step.
pub async fn code(bench: &Bench, owner: &Person, which: Which, step: u64) -> TotpCode {
    let (attempt, sealed) = counted(bench, owner.id, which).await.unwrap();
    TotpCode {
        step,
        sealed,
        attempt,
    }
}

pub async fn totp(bench: &Bench, owner: &Person, step: u64) -> Factor {
    Factor::Totp(code(bench, owner, Which::Confirmed, step).await)
}

pub async fn confirm(
    bench: &Bench,
    owner: &Person,
    session: SessionId,
    code: TotpCode,
) -> Option<FactorChanged> {
    let by = change(owner, session);
    let confirmed = bench.store.confirm_totp(by, code, CODES.to_vec());
    confirmed.await.unwrap()
}

/// An account with an app whose step 100 was the last, and the one session that it has left.
pub async fn enrolled(bench: &Bench, name: &str) -> (Person, SessionId) {
    let mut owner = bench.account(name).await;
    let (session, _) = bench.session(&owner).await;
    enrol(bench, &mut owner, session).await;
    (owner, session)
}

pub async fn enrol(bench: &Bench, owner: &mut Person, session: SessionId) {
    assert!(begin(bench, owner, session, APP).await);
    let code = code(bench, owner, Which::Pending, 100).await;
    assert!(confirm(bench, owner, session, code).await.is_some());
    assert_eq!(
        bench.carry_out([1; 32]).await,
        mail(&owner.email, Mail::TotpAdded)
    );
    let account = bench.store.account_by_id(owner.id).await.unwrap().unwrap();
    assert!(account.has_totp);
    owner.login_epoch = account.login_epoch;
}

/// Whether the factor opens a login.
async fn opens(bench: &Bench, owner: &Person, factor: Factor) -> bool {
    let challenge = wait_for_factor(bench, owner).await;
    pass(bench, owner, challenge, factor).await.is_some()
}

pub async fn an_app_counts_only_when_it_is_confirmed(bench: &Bench) {
    let alice = bench.account("alice").await;
    let (session, _) = bench.session(&alice).await;
    let has_totp = async || {
        let account = bench.other.account(&alice.email).await.unwrap().unwrap();
        assert_eq!(account.id, alice.id);
        assert_eq!(account.email, alice.email.as_str());
        account.has_totp
    };
    assert!(counted(bench, alice.id, Which::Pending).await.is_none());
    assert!(begin(bench, &alice, session, APP).await);
    assert!(!has_totp().await);
    assert!(counted(bench, alice.id, Which::Confirmed).await.is_none());
    let code = code(bench, &alice, Which::Pending, 100).await;
    assert_eq!(code.sealed, APP);
    assert!(confirm(bench, &alice, session, code).await.is_some());
    assert!(has_totp().await);
    assert!(counted(bench, alice.id, Which::Pending).await.is_none());
    assert_eq!(
        counted(bench, alice.id, Which::Confirmed).await.unwrap().1,
        APP
    );
}

pub async fn an_enrolment_can_be_confirmed_for_ten_minutes(bench: &Bench) {
    let alice = bench.account("alice").await;
    let (session, _) = bench.session(&alice).await;
    assert!(begin(bench, &alice, session, APP).await);
    bench.clock.advance(ENROLMENT - TICK);
    let code = code(bench, &alice, Which::Pending, 100).await;
    bench.clock.advance(TICK);
    assert!(counted(bench, alice.id, Which::Pending).await.is_none());
    assert!(confirm(bench, &alice, session, code).await.is_none());
    let account = bench.store.account_by_id(alice.id).await.unwrap().unwrap();
    assert!(!account.has_totp);
}

/// ST-06, RR-16: all secrets that another head has, one after the other; what has changed meanwhile is left alone.
pub async fn secrets_under_an_older_key_are_sealed_anew(bench: &Bench) {
    let mut owners = Vec::new();
    for name in ["alice", "bob", "carol"] {
        let (owner, session) = enrolled(bench, name).await;
        bench.clock.advance(MINUTE);
        owners.push((owner, session));
    }
    // Alice has one to be confirmed besides.
    let (alice, session) = &owners[0];
    assert!(begin(bench, alice, *session, OTHER_APP).await);
    let mut left = BTreeSet::new();
    let mut after = None;
    loop {
        let head = *b"NEWER";
        let found = bench.other.secrets_not_under(head, after, 1).await.unwrap();
        assert!(found.len() <= 1);
        let Some(last) = found.last() else { break };
        after = Some((last.account, last.which));
        for secret in found {
            let is_pending = secret.which == Which::Pending;
            let wanted = if is_pending { OTHER_APP } else { APP };
            assert_eq!(secret.sealed, wanted);
            assert!(left.insert((secret.account, is_pending)));
            let sealed = [b"NEWER ", wanted].concat();
            bench.store.reseal_totp(secret, sealed).await.unwrap();
        }
    }
    assert_eq!(left.len(), 4);
    let late = AppSecret {
        account: alice.id,
        which: Which::Confirmed,
        sealed: APP.to_vec(),
    };
    bench
        .other
        .reseal_totp(late, b"late".to_vec())
        .await
        .unwrap();
    let (_, sealed) = counted(bench, alice.id, Which::Confirmed).await.unwrap();
    assert_eq!(sealed, [b"NEWER ", APP].concat());
    let all = bench.other.secrets_not_under(*b"OLDER", None, 100);
    assert_eq!(all.await.unwrap().len(), 4);
    // The step that was accepted stays so.
    let used = totp(bench, alice, 100).await;
    assert!(!opens(bench, alice, used).await);
}

/// The code is of the app that it was compared with, not of the one that has taken its place since.
pub async fn a_newer_enrolment_takes_the_place_of_the_older(bench: &Bench) {
    let alice = bench.account("alice").await;
    let (session, _) = bench.session(&alice).await;
    assert!(begin(bench, &alice, session, APP).await);
    let older = code(bench, &alice, Which::Pending, 100).await;
    assert!(begin(bench, &alice, session, OTHER_APP).await);
    assert!(confirm(bench, &alice, session, older).await.is_none());
    let newer = code(bench, &alice, Which::Pending, 100).await;
    assert_eq!(newer.sealed, OTHER_APP);
    assert!(confirm(bench, &alice, session, newer).await.is_some());
}

/// PW-15.
pub async fn a_confirmed_app_ends_the_other_sessions_and_the_logins_under_way(bench: &Bench) {
    let alice = bench.account("alice").await;
    let (mine, _) = bench.session(&alice).await;
    let others = [bench.session(&alice).await, bench.session(&alice).await];
    assert!(begin(bench, &alice, mine, APP).await);
    let code = code(bench, &alice, Which::Pending, 100).await;
    let changed = confirm(bench, &alice, mine, code).await.unwrap();
    let revocation = changed.revocation.unwrap();
    assert_eq!(revocation.sessions, 2);
    assert_eq!(revocation.latest_exp, others[1].1);
    let read = bench.whole_feed().await;
    assert_eq!((read.seq, read.revoked.len()), (revocation.number, 2));
    assert!(bench.is_alive(mine, &alice).await);
    for (other, _) in others {
        assert!(!bench.is_alive(other, &alice).await);
    }
    let late = bench.store.open_session(alice.login()).await.unwrap();
    assert!(late.is_none());
}

pub async fn an_app_counts_until_its_replacement_is_confirmed(bench: &Bench) {
    let (alice, session) = enrolled(bench, "alice").await;
    assert!(begin(bench, &alice, session, OTHER_APP).await);
    let old = totp(bench, &alice, 101).await;
    assert!(opens(bench, &alice, old).await);
    let old = code(bench, &alice, Which::Confirmed, 102).await;
    assert_eq!(old.sealed, APP);
    let new = code(bench, &alice, Which::Pending, 102).await;
    let changed = confirm(bench, &alice, session, new).await.unwrap();
    assert_eq!(changed.revocation.unwrap().sessions, 1);
    let account = bench.store.account_by_id(alice.id).await.unwrap().unwrap();
    let alice = Person {
        login_epoch: account.login_epoch,
        ..alice
    };
    // A code that was compared with the old one opens nothing any more.
    assert!(!opens(bench, &alice, Factor::Totp(old)).await);
    assert_eq!(
        counted(bench, alice.id, Which::Confirmed).await.unwrap().1,
        OTHER_APP
    );
}

pub async fn with_the_app_go_its_recovery_codes_and_the_other_sessions(bench: &Bench) {
    let (alice, session) = enrolled(bench, "alice").await;
    let first = totp(bench, &alice, 101).await;
    assert!(opens(bench, &alice, first).await);
    assert!(begin(bench, &alice, session, OTHER_APP).await);
    let waiting = wait_for_factor(bench, &alice).await;
    let by = change(&alice, session);
    let removed = bench.store.remove_totp(by.clone()).await.unwrap();
    assert_eq!(removed.unwrap().revocation.unwrap().sessions, 1);
    assert!(bench.is_alive(session, &alice).await);
    let told = bench.carry_out([1; 32]).await;
    assert_eq!(told, mail(&alice.email, Mail::TotpRemoved));
    let account = bench.store.account_by_id(alice.id).await.unwrap().unwrap();
    assert!(!account.has_totp && account.login_epoch > alice.login_epoch);
    for which in [Which::Confirmed, Which::Pending] {
        assert!(counted(bench, alice.id, which).await.is_none());
    }
    let recovery = Factor::RecoveryCode(vec![CODES[0]]);
    assert!(pass(bench, &alice, waiting, recovery).await.is_none());
    assert!(bench.store.remove_totp(by).await.unwrap().is_none());
}

pub async fn a_session_that_has_ended_changes_no_factor(bench: &Bench) {
    let (alice, session) = enrolled(bench, "alice").await;
    assert!(begin(bench, &alice, session, OTHER_APP).await);
    let code = code(bench, &alice, Which::Pending, 101).await;
    let by = Client::default();
    bench.store.end_session(session, None, by).await.unwrap();
    assert!(!begin(bench, &alice, session, APP).await);
    assert!(confirm(bench, &alice, session, code).await.is_none());
    let by = change(&alice, session);
    assert!(bench.store.remove_totp(by.clone()).await.unwrap().is_none());
    let codes = NEW_CODES.to_vec();
    assert!(!bench.store.replace_recovery_codes(by, codes).await.unwrap());
    assert_eq!(
        counted(bench, alice.id, Which::Confirmed).await.unwrap().1,
        APP
    );
    assert!(opens(bench, &alice, Factor::RecoveryCode(vec![CODES[0]])).await);
}

/// Neither does that of somebody else.
pub async fn a_session_of_another_account_changes_no_factor(bench: &Bench) {
    let (alice, _) = enrolled(bench, "alice").await;
    let mallory = bench.account("mallory").await;
    let (session, _) = bench.session(&mallory).await;
    assert!(!begin(bench, &alice, session, OTHER_APP).await);
    let by = change(&alice, session);
    assert!(bench.store.remove_totp(by).await.unwrap().is_none());
}

/// TO-03: once, and none before it either; the one that confirmed the app has been.
pub async fn a_time_step_is_accepted_once(bench: &Bench) {
    let (alice, _) = enrolled(bench, "alice").await;
    for (step, is_good) in [
        (99, false),
        (100, false),
        (102, true),
        (102, false),
        (101, false),
        (103, true),
    ] {
        let factor = totp(bench, &alice, step).await;
        assert_eq!(opens(bench, &alice, factor).await, is_good, "{step}");
    }
    // Right codes, if too late: they count as none (design section 10).
    for _ in 0..MAX_WRONG_PER_DAY {
        assert!(counted(bench, alice.id, Which::Confirmed).await.is_some());
    }
}

/// TO-08.
pub async fn a_recovery_code_opens_once(bench: &Bench) {
    let (alice, _) = enrolled(bench, "alice").await;
    let code = || Factor::RecoveryCode(vec![CODES[0]]);
    assert!(!opens(bench, &alice, Factor::RecoveryCode(vec![NEW_CODES[0]])).await);
    assert!(opens(bench, &alice, code()).await);
    let told = bench.carry_out([1; 32]).await;
    assert_eq!(told, mail(&alice.email, Mail::RecoveryCodeUsed));
    assert!(!opens(bench, &alice, code()).await);
    assert!(opens(bench, &alice, Factor::RecoveryCode(vec![CODES[1]])).await);
}

/// TO-08, PW-16.
pub async fn new_recovery_codes_kill_the_old(bench: &Bench) {
    let (alice, session) = enrolled(bench, "alice").await;
    let by = change(&alice, session);
    let replaced = bench.store.replace_recovery_codes(by, NEW_CODES.to_vec());
    assert!(replaced.await.unwrap());
    let told = bench.carry_out([1; 32]).await;
    assert_eq!(told, mail(&alice.email, Mail::RecoveryCodesReplaced));
    assert!(bench.is_alive(session, &alice).await);
    for old in CODES {
        assert!(!opens(bench, &alice, Factor::RecoveryCode(vec![old])).await);
    }
    for new in NEW_CODES {
        assert!(opens(bench, &alice, Factor::RecoveryCode(vec![new])).await);
    }
}

pub async fn without_an_app_there_are_no_recovery_codes(bench: &Bench) {
    let alice = bench.account("alice").await;
    let (session, _) = bench.session(&alice).await;
    let by = change(&alice, session);
    let none = bench.store.replace_recovery_codes(by, CODES.to_vec());
    assert!(!none.await.unwrap());
    assert!(bench.has_no_errand().await);
}

/// TO-05: whatever the codes would have opened; the owner hears of it once, and a day after the first there is one more.
pub async fn ten_wrong_codes_of_a_day_close_the_app(bench: &Bench) {
    let (alice, session) = enrolled(bench, "alice").await;
    assert!(begin(bench, &alice, session, OTHER_APP).await);
    for number in 0..MAX_WRONG_PER_DAY {
        assert!(bench.has_no_errand().await, "{number}");
        let which = [Which::Confirmed, Which::Pending][usize::from(number == 3)];
        assert!(counted(bench, alice.id, which).await.is_some());
        bench.clock.advance(MINUTE);
    }
    let waited = MAX_WRONG_PER_DAY * MINUTE;
    let closed_for = async || match bench
        .other
        .attempt_totp(alice.id, Which::Confirmed)
        .await
        .unwrap()
    {
        TotpAttempt::Closed(wait) => wait,
        _ => panic!("it is open"),
    };
    assert_eq!(closed_for().await, DAY - waited);
    let told = bench.carry_out([1; 32]).await;
    assert_eq!(told, mail(&alice.email, Mail::TotpClosed));
    assert!(bench.has_no_errand().await);
    // A recovery code needs no budget.
    assert!(opens(bench, &alice, Factor::RecoveryCode(vec![CODES[0]])).await);
    bench.clock.advance(DAY - waited - TICK);
    assert_eq!(closed_for().await, TICK);
    bench.clock.advance(TICK);
    assert!(counted(bench, alice.id, Which::Confirmed).await.is_some());
    assert_eq!(closed_for().await, MINUTE);
}

/// Also the last one that is allowed; then nobody is told of ten wrong ones.
pub async fn a_right_code_of_the_app_gives_its_attempt_back(bench: &Bench) {
    let (alice, _) = enrolled(bench, "alice").await;
    for _ in 1..MAX_WRONG_PER_DAY {
        assert!(counted(bench, alice.id, Which::Confirmed).await.is_some());
    }
    for step in 101..104 {
        let right = totp(bench, &alice, step).await;
        assert!(opens(bench, &alice, right).await);
        assert!(bench.has_no_errand().await);
    }
}

/// TO-03: whatever it would open. Those that were too late have cost nothing.
pub async fn of_many_codes_of_one_step_at_once_one_opens(bench: &Bench) {
    let (alice, _) = enrolled(bench, "alice").await;
    for step in 101..104 {
        let mut waiting = Vec::new();
        for _ in 0..16 {
            waiting.push(wait_for_factor(bench, &alice).await);
        }
        let opened = at_once(bench, 16, |number, store| {
            let (account, login, challenge) = (alice.id, alice.login(), waiting[number]);
            async move {
                let attempt = store.attempt_totp(account, Which::Confirmed).await.unwrap();
                let TotpAttempt::Counted { id, sealed, .. } = attempt else {
                    return false;
                };
                let code = TotpCode {
                    step,
                    sealed,
                    attempt: id,
                };
                let passed = store.pass_login(challenge, Factor::Totp(code), login);
                passed.await.unwrap().is_some()
            }
        })
        .await;
        assert_eq!(count(&opened, |opened| *opened), 1);
    }
}

/// TO-08.
pub async fn of_many_uses_of_one_recovery_code_at_once_one_opens(bench: &Bench) {
    let (alice, _) = enrolled(bench, "alice").await;
    let mut waiting = Vec::new();
    for _ in 0..16 {
        waiting.push(wait_for_factor(bench, &alice).await);
    }
    let opened = at_once(bench, 16, |number, store| {
        let (login, challenge) = (alice.login(), waiting[number]);
        async move {
            let factor = Factor::RecoveryCode(vec![CODES[0]]);
            let passed = store.pass_login(challenge, factor, login);
            passed.await.unwrap().is_some()
        }
    })
    .await;
    assert_eq!(count(&opened, |opened| *opened), 1);
}
