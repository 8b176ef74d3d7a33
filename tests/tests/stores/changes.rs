//! What changes an account: each with the end of the sessions that it ends, its event and its mail; and what comes too late for it.

use companion::code::{COOLDOWN, Purpose};
use companion::store::{
    AuditQuery, Changed, Client, EmailChange, Login, Mail, PasswordChange, Prepared, Recovery,
    RightCode, Wish,
};
use token::{ChallengeId, SessionId};

use crate::bench::{Bench, at_once, count, email, long, right_code};
use crate::codes::{NEWER, OLDER, attempt, hash_of, mail};
use crate::ending::told;
use crate::person::{Person, Verdict, refresh, successor, verdict};
use crate::purposes::{long_session, mailed, wish};
use crate::{DAY, HOUR, TICK};

const NEW: &str = "her new hash";

fn recovery(code: RightCode) -> Recovery {
    Recovery {
        code,
        password_hash: NEW.to_owned(),
        by: Client::default(),
    }
}

fn password_change(owner: &Person, session: SessionId) -> PasswordChange {
    PasswordChange {
        account: owner.id,
        session,
        known_hash: Some("a hash".to_owned()),
        password_hash: NEW.to_owned(),
        by: Client::default(),
    }
}

/// The code of a challenge, found to be right.
async fn right(bench: &Bench, challenge: ChallengeId) -> RightCode {
    right_code(challenge, &attempt(bench, challenge).await.unwrap())
}

fn email_change(owner: &Person, session: SessionId, code: RightCode) -> EmailChange {
    EmailChange {
        code,
        account: owner.id,
        session,
        by: Client::default(),
    }
}

/// Whether a login whose password was read with the account as it was then still opens a session.
async fn can_log_in(bench: &Bench, person: &Person) -> bool {
    let opened = bench.other.open_session(person.login()).await.unwrap();
    opened.is_some()
}

/// The newest events of the account, with their causes, newest first.
async fn events(bench: &Bench, owner: &Person, most: u32) -> Vec<(String, Option<String>)> {
    let wanted = AuditQuery {
        account: Some(owner.id),
        before: None,
        most,
    };
    let entries = bench.other.audit(wanted).await.unwrap();
    let shown = |entry: companion::store::AuditEntry| (entry.event, entry.cause);
    entries.into_iter().map(shown).collect()
}

/// Sessions of the account end with that cause, after the event.
async fn has_written(bench: &Bench, owner: &Person, event: &str, cause: &str, sessions: u32) {
    let written = events(bench, owner, sessions + 1).await;
    let (ends, change) = written.split_at(written.len() - 1);
    let ended = ("session_ended".to_owned(), Some(cause.to_owned()));
    assert!(ends.iter().all(|end| *end == ended), "{written:?}");
    assert_eq!(change, [(event.to_owned(), None)]);
}

/// The revocation has that many sessions, and is the one under which they are found.
async fn has_ended(bench: &Bench, owner: &Person, changed: &Changed, sessions: &[SessionId]) {
    let revocation = changed.revocation.unwrap();
    assert_eq!(changed.account, owner.id);
    assert_eq!(
        usize::try_from(revocation.sessions).unwrap(),
        sessions.len()
    );
    let read = bench.whole_feed().await;
    for session in sessions {
        assert!(read.revoked.iter().any(|(revoked, _)| revoked == session));
        assert!(!bench.is_alive(*session, owner).await);
    }
    let found = bench.other.revocation(revocation.number).await.unwrap();
    assert_eq!(told(&found.unwrap()), told(&revocation));
}

/// OT-10, PW-15, RV-02: the password, all sessions, the logins under way and all other challenges, at once.
pub async fn a_recovery_sets_the_password_and_ends_everything_else(bench: &Bench) {
    let alice = bench.account("alice").await;
    let sessions = [
        long_session(bench, &alice).await,
        long_session(bench, &alice).await,
    ];
    let step_up = mailed(bench, Purpose::StepUp, &alice, sessions[0], OLDER).await;
    let change = mailed(bench, Purpose::EmailChange, &alice, sessions[1], OLDER).await;
    let challenge = mailed(bench, Purpose::Recovery, &alice, sessions[0], OLDER).await;
    let code = right(bench, challenge).await;
    let changed = bench.store.recover(recovery(code)).await.unwrap().unwrap();
    has_ended(bench, &alice, &changed, &sessions).await;
    assert_eq!(hash_of(bench, &alice.email).await.as_deref(), Some(NEW));
    assert!(!can_log_in(bench, &alice).await);
    for challenge in [step_up, change, challenge] {
        assert!(bench.store.challenge(challenge).await.unwrap().is_none());
        assert!(attempt(bench, challenge).await.is_none());
    }
    has_written(bench, &alice, "account_recovered", "recovered", 2).await;
    let notice = mail(&alice.email, Mail::Recovered);
    assert_eq!(bench.carry_out(OLDER).await, notice);
    // Nor does a resend bring one of them back.
    bench.clock.advance(COOLDOWN);
    bench.resend(challenge).await;
    assert_eq!(bench.carry_out(NEWER).await, Prepared::Nothing);
}

/// OT-03, RL-03: the short code or the long one, once; the long one also where no attempt is left.
pub async fn a_recovery_is_opened_by_either_of_its_codes_once(bench: &Bench) {
    let alice = bench.account("alice").await;
    let session = long_session(bench, &alice).await;
    for is_long in [false, true] {
        let challenge = mailed(bench, Purpose::Recovery, &alice, session, OLDER).await;
        let code = || RightCode {
            challenge,
            code_mac: if is_long { long(OLDER) } else { OLDER },
            attempt: None,
        };
        while is_long && attempt(bench, challenge).await.is_some() {}
        let wrong = RightCode {
            code_mac: NEWER,
            ..code()
        };
        assert!(
            bench
                .store
                .recover(recovery(wrong))
                .await
                .unwrap()
                .is_none()
        );
        let recovered = bench.store.recover(recovery(code())).await.unwrap();
        assert!(recovered.is_some());
        let again = bench.other.recover(recovery(code())).await.unwrap();
        assert!(again.is_none());
        bench.clock.advance(COOLDOWN);
        bench.carry_out_all(NEWER).await;
    }
}

/// OT-04: the code of one purpose does nothing for another.
pub async fn a_code_does_what_it_was_sent_for_and_nothing_else(bench: &Bench) {
    let alice = bench.account("alice").await;
    let session = long_session(bench, &alice).await;
    for purpose in [Purpose::StepUp, Purpose::EmailChange, Purpose::Recovery] {
        let challenge = mailed(bench, purpose, &alice, session, OLDER).await;
        let code = || RightCode {
            challenge,
            code_mac: OLDER,
            attempt: None,
        };
        if purpose != Purpose::Recovery {
            let recovered = bench.store.recover(recovery(code())).await.unwrap();
            assert!(recovered.is_none(), "{purpose:?}");
        }
        if purpose != Purpose::EmailChange {
            let change = email_change(&alice, session, code());
            assert!(!bench.store.change_email(change).await.unwrap());
        }
        assert!(bench.store.challenge(challenge).await.unwrap().is_some());
    }
    assert_eq!(
        hash_of(bench, &alice.email).await.as_deref(),
        Some("a hash")
    );
    assert!(bench.is_alive(session, &alice).await);
}

/// PW-15, PW-17: all other sessions, and the logins under way; the one stays.
pub async fn a_change_of_the_password_ends_all_other_sessions(bench: &Bench) {
    let alice = bench.account("alice").await;
    let mine = long_session(bench, &alice).await;
    let others = [
        long_session(bench, &alice).await,
        long_session(bench, &alice).await,
    ];
    let recovery = mailed(bench, Purpose::Recovery, &alice, mine, OLDER).await;
    let change = password_change(&alice, mine);
    let changed = bench.store.change_password(change).await.unwrap().unwrap();
    has_ended(bench, &alice, &changed, &others).await;
    assert!(bench.is_alive(mine, &alice).await);
    successor(bench.other.rotate(refresh(mine, 0)).await.unwrap());
    assert_eq!(hash_of(bench, &alice.email).await.as_deref(), Some(NEW));
    assert!(!can_log_in(bench, &alice).await);
    assert!(attempt(bench, recovery).await.is_none());
    has_written(bench, &alice, "password_changed", "password_changed", 2).await;
    let notice = mail(&alice.email, Mail::PasswordChanged);
    assert_eq!(bench.carry_out(OLDER).await, notice);
}

/// Where there is no other session there is no revocation, but logins under way come to nothing all the same.
pub async fn a_change_of_the_password_needs_the_session_and_the_password_as_they_were(
    bench: &Bench,
) {
    let alice = bench.account("alice").await;
    let bob = bench.account("bob").await;
    let mine = long_session(bench, &alice).await;
    let of_bob = long_session(bench, &bob).await;
    let other_hash = PasswordChange {
        known_hash: Some("another hash".to_owned()),
        ..password_change(&alice, mine)
    };
    for change in [other_hash, password_change(&alice, of_bob)] {
        assert!(bench.store.change_password(change).await.unwrap().is_none());
    }
    let change = password_change(&alice, mine);
    let changed = bench.store.change_password(change).await.unwrap().unwrap();
    assert_eq!(changed.revocation, None);
    assert!(!can_log_in(bench, &alice).await);
    // The same again, as a second tab sends it.
    let change = password_change(&alice, mine);
    assert!(bench.other.change_password(change).await.unwrap().is_none());
    // After a step-up no password is shown.
    let change = PasswordChange {
        known_hash: None,
        ..password_change(&alice, mine)
    };
    assert!(bench.other.change_password(change).await.unwrap().is_some());
    let ended = bench.store.end_session(mine, None, Client::default());
    ended.await.unwrap();
    let change = PasswordChange {
        known_hash: None,
        ..password_change(&alice, mine)
    };
    assert!(bench.store.change_password(change).await.unwrap().is_none());
    assert!(bench.is_alive(of_bob, &bob).await);
}

/// PW-14, PW-16: the account moves, with its sessions; both addresses are told, and the old one is free.
pub async fn a_change_of_address_moves_the_account(bench: &Bench) {
    let alice = bench.account("alice").await;
    let session = long_session(bench, &alice).await;
    let recovery = mailed(bench, Purpose::Recovery, &alice, session, OLDER).await;
    let challenge = mailed(bench, Purpose::EmailChange, &alice, session, OLDER).await;
    let code = right(bench, challenge).await;
    let change = email_change(&alice, session, code);
    assert!(bench.store.change_email(change).await.unwrap());
    let new = email("new");
    for store in [&bench.store, &bench.other] {
        let found = store.account(&new).await.unwrap().unwrap();
        assert_eq!(found.id, alice.id);
        assert!(store.account(&alice.email).await.unwrap().is_none());
    }
    assert!(bench.is_alive(session, &alice).await);
    assert!(can_log_in(bench, &alice).await);
    // A code that went to the old address opens nothing.
    assert!(bench.store.challenge(recovery).await.unwrap().is_none());
    for to in [&alice.email, &new] {
        assert_eq!(bench.carry_out(OLDER).await, mail(to, Mail::EmailChanged));
    }
    let written = events(bench, &alice, 2).await;
    assert!(written.contains(&("email_changed".to_owned(), None)));
    bench.clock.advance(COOLDOWN);
    bench.account("alice").await;
}

/// OT-04: the code is for the session that asked, as long as it lives.
pub async fn a_change_of_address_is_for_the_session_that_asked(bench: &Bench) {
    let alice = bench.account("alice").await;
    let bob = bench.account("bob").await;
    let session = long_session(bench, &alice).await;
    let other = long_session(bench, &alice).await;
    let of_bob = long_session(bench, &bob).await;
    for (person, entered_in) in [(&alice, other), (&bob, of_bob), (&bob, session)] {
        let challenge = mailed(bench, Purpose::EmailChange, &alice, session, OLDER).await;
        let code = right(bench, challenge).await;
        let change = email_change(person, entered_in, code);
        assert!(!bench.store.change_email(change).await.unwrap());
        bench.clock.advance(COOLDOWN);
    }
    let challenge = mailed(bench, Purpose::EmailChange, &alice, session, OLDER).await;
    let code = right(bench, challenge).await;
    let ended = bench.store.end_session(session, None, Client::default());
    ended.await.unwrap();
    let change = email_change(&alice, session, code);
    assert!(!bench.store.change_email(change).await.unwrap());
    assert!(hash_of(bench, &email("new")).await.is_none());
}

/// Whoever is first has it.
pub async fn of_many_who_want_one_address_one_gets_it(bench: &Bench) {
    let mut waiting = Vec::new();
    for name in ["alice", "bob", "carol", "dave"] {
        let person = bench.account(name).await;
        let session = long_session(bench, &person).await;
        let challenge = mailed(bench, Purpose::EmailChange, &person, session, OLDER).await;
        waiting.push((person.id, session, challenge));
    }
    // And somebody who signs up with it.
    let sign_up = bench.sign_up(&email("new"), "a hash").await;
    bench.carry_out(OLDER).await;
    let sign_up = right(bench, sign_up).await.challenge;
    let moved = at_once(bench, 5, |number, store| {
        let waiting = waiting.get(number).copied();
        async move {
            let code = |challenge| RightCode {
                challenge,
                code_mac: OLDER,
                attempt: None,
            };
            let by = Client::default();
            match waiting {
                Some((account, session, challenge)) => {
                    let code = code(challenge);
                    let change = EmailChange {
                        code,
                        account,
                        session,
                        by,
                    };
                    store.change_email(change).await.unwrap()
                }
                None => {
                    let activation = companion::store::Activation {
                        code: code(sign_up),
                        account: companion::entropy::subject(),
                        by,
                    };
                    store.activate(activation).await.unwrap()
                }
            }
        }
    })
    .await;
    assert_eq!(count(&moved, |moved| *moved), 1, "{moved:?}");
    assert!(hash_of(bench, &email("new")).await.is_some());
}

/// RV-11, RR-10: nothing of it works any more, its address is free, and after a while nothing is left.
pub async fn a_deleted_account_is_gone_and_its_address_is_free(bench: &Bench) {
    let alice = bench.account("alice").await;
    let sessions = [
        long_session(bench, &alice).await,
        long_session(bench, &alice).await,
    ];
    let recovery = mailed(bench, Purpose::Recovery, &alice, sessions[0], OLDER).await;
    let by = Client::default;
    let unknown = SessionId::from_bytes([9; 16]);
    let deleted = bench.store.delete_account(alice.id, unknown, by()).await;
    assert!(deleted.unwrap().is_none());
    let deleted = bench.store.delete_account(alice.id, sessions[0], by());
    let deleted = deleted.await.unwrap().unwrap();
    has_ended(bench, &alice, &deleted, &sessions).await;
    has_written(bench, &alice, "account_deleted", "account_deleted", 2).await;
    assert!(bench.other.account(&alice.email).await.unwrap().is_none());
    assert!(!can_log_in(bench, &alice).await);
    assert!(attempt(bench, recovery).await.is_none());
    let again = bench.other.delete_account(alice.id, sessions[0], by());
    assert!(again.await.unwrap().is_none());
    assert!(!bench.store.enable_account(alice.id, by()).await.unwrap());
    let disabled = bench.store.disable_account(alice.id, by()).await.unwrap();
    assert!(disabled.is_none());
    let told = bench.carry_out(OLDER).await;
    assert_eq!(told, mail(&alice.email, Mail::AccountDeleted));
    bench.clock.advance(COOLDOWN);
    let again = bench.account("alice").await;
    assert_ne!(again.id, alice.id);

    bench.clock.advance(30 * DAY - COOLDOWN);
    bench.store.prune().await.unwrap();
    assert!(bench.store.profile(alice.id).await.unwrap().is_some());
    bench.clock.advance(TICK);
    bench.store.prune().await.unwrap();
    assert!(bench.store.profile(alice.id).await.unwrap().is_none());
    assert!(bench.store.profile(again.id).await.unwrap().is_some());
}

/// RV-11, RR-10, PW-12.
pub async fn a_disabled_account_is_closed_until_it_is_enabled(bench: &Bench) {
    let alice = bench.account("alice").await;
    let bob = bench.account("bob").await;
    let of_bob = long_session(bench, &bob).await;
    let sessions = [
        long_session(bench, &alice).await,
        long_session(bench, &alice).await,
    ];
    let challenge = mailed(bench, Purpose::Recovery, &alice, sessions[0], OLDER).await;
    let code = right(bench, challenge).await;
    let by = || Client {
        actor: Some("ops".to_owned()),
        ..Client::default()
    };
    let disabled = bench.store.disable_account(alice.id, by()).await;
    let disabled = disabled.unwrap().unwrap();
    has_ended(bench, &alice, &disabled, &sessions).await;
    has_written(bench, &alice, "account_disabled", "account_disabled", 2).await;
    assert!(!can_log_in(bench, &alice).await);
    let rotation = bench.other.rotate(refresh(sessions[0], 0)).await.unwrap();
    assert_eq!(verdict(&rotation), Verdict::Over);
    assert!(bench.store.recover(recovery(code)).await.unwrap().is_none());
    let again = bench.other.disable_account(alice.id, by()).await;
    assert_eq!(again.unwrap().unwrap().revocation, None);

    assert!(bench.store.enable_account(alice.id, by()).await.unwrap());
    // A login that began before is late, whatever has happened since.
    assert!(!can_log_in(bench, &alice).await);
    let account = bench.other.account(&alice.email).await.unwrap().unwrap();
    assert!(account.is_active);
    let alice = Person {
        login_epoch: account.login_epoch,
        ..alice
    };
    assert!(can_log_in(bench, &alice).await);
    for session in sessions {
        assert!(!bench.is_alive(session, &alice).await);
    }
    assert!(bench.is_alive(of_bob, &bob).await);
    let nobody = token::Subject::from_bytes([9; 16]);
    let disabled = bench.store.disable_account(nobody, by()).await.unwrap();
    assert!(disabled.is_none());
    assert!(!bench.store.enable_account(nobody, by()).await.unwrap());
}

/// SE-06, RR-10.
pub async fn a_change_of_roles_ends_the_sessions_unless_told_otherwise(bench: &Bench) {
    let alice = bench.account("alice").await;
    let session = long_session(bench, &alice).await;
    let by = Client::default;
    let roles = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let set = bench
        .store
        .set_roles(alice.id, roles(&["teller"]), false, by());
    assert_eq!(set.await.unwrap().unwrap().revocation, None);
    let minted = successor(bench.other.rotate(refresh(session, 0)).await.unwrap());
    assert_eq!(minted.roles, ["teller"]);
    assert!(can_log_in(bench, &alice).await);
    let all = bench.store.sessions_of(alice.id).await.unwrap();
    let all: Vec<_> = all.into_iter().map(|session| session.id).collect();
    let set = bench.store.set_roles(alice.id, roles(&[]), true, by());
    let changed = set.await.unwrap().unwrap();
    has_ended(bench, &alice, &changed, &all).await;
    has_written(bench, &alice, "roles_changed", "roles_changed", 2).await;
    assert!(!can_log_in(bench, &alice).await);
    let profile = bench.other.profile(alice.id).await.unwrap().unwrap();
    assert!(profile.roles.is_empty());
    assert_eq!(profile.email, alice.email.as_str());
    let nobody = token::Subject::from_bytes([9; 16]);
    let set = bench.store.set_roles(nobody, roles(&["x"]), true, by());
    assert!(set.await.unwrap().is_none());
}

/// OT-03: of each purpose.
pub async fn of_fifty_right_codes_at_once_one_changes_the_account(bench: &Bench) {
    let alice = bench.account("alice").await;
    let session = long_session(bench, &alice).await;
    let id = alice.id;
    for purpose in [Purpose::EmailChange, Purpose::Recovery] {
        let mut owner = copy_of(&alice);
        if purpose == Purpose::Recovery {
            owner.email = email("new");
        }
        let challenge = mailed(bench, purpose, &owner, session, OLDER).await;
        let changed = at_once(bench, 50, move |number, store| async move {
            let code = RightCode {
                challenge,
                code_mac: if purpose == Purpose::Recovery && number % 4 > 1 {
                    long(OLDER)
                } else {
                    OLDER
                },
                attempt: None,
            };
            // Of more than its connections a store may refuse some: none of them has changed anything.
            if purpose == Purpose::Recovery {
                let recovered = store.recover(recovery(code)).await;
                recovered.is_ok_and(|changed| changed.is_some())
            } else {
                let change = EmailChange {
                    code,
                    account: id,
                    session,
                    by: Client::default(),
                };
                store.change_email(change).await.unwrap_or(false)
            }
        })
        .await;
        assert_eq!(count(&changed, |changed| *changed), 1, "{purpose:?}");
        bench.clock.advance(COOLDOWN);
        bench.carry_out_all(NEWER).await;
    }
}

fn copy_of(person: &Person) -> Person {
    Person {
        id: person.id,
        email: person.email.clone(),
        login_epoch: person.login_epoch,
    }
}

/// PW-17: a thousand logins and refreshes, each racing a recovery, a change of password, a disabling or a deletion: whatever was alive
/// before, or began before, is dead after.
pub async fn no_login_and_no_refresh_outlives_the_change_that_it_races(bench: &Bench) {
    const ROUNDS: usize = 84;
    const RACERS: usize = 12;
    for round in 0..ROUNDS {
        let name = format!("a{round}");
        let person = bench.account(&name).await;
        let mine = long_session(bench, &person).await;
        let older = long_session(bench, &person).await;
        let challenge = mailed(bench, Purpose::Recovery, &person, mine, OLDER).await;
        let (id, epoch) = (person.id, person.login_epoch);
        let owner = copy_of(&person);
        let outcomes = at_once(bench, RACERS + 1, move |number, store| {
            let login = Login {
                login_epoch: epoch,
                ..owner.login()
            };
            let change = password_change(&owner, mine);
            async move {
                let by = Client::default();
                match number.checked_sub(1) {
                    None => {
                        let changed = match round % 4 {
                            0 => {
                                let code = RightCode {
                                    challenge,
                                    code_mac: OLDER,
                                    attempt: None,
                                };
                                store.recover(recovery(code)).await
                            }
                            1 => store.change_password(change).await,
                            2 => store.disable_account(id, by).await,
                            _ => store.delete_account(id, mine, by).await,
                        };
                        assert!(changed.unwrap().is_some());
                        None
                    }
                    Some(racer) if racer % 3 == 0 => {
                        store.rotate(refresh(older, 0)).await.unwrap();
                        None
                    }
                    Some(_) => {
                        let opened = store.open_session(login).await.unwrap();
                        opened.map(|minted| minted.session.id)
                    }
                }
            }
        })
        .await;
        for session in outcomes.into_iter().flatten().chain([older]) {
            assert!(!bench.is_alive(session, &person).await, "round {round}");
        }
        assert_eq!(bench.is_alive(mine, &person).await, round % 4 == 1);
        assert!(!can_log_in(bench, &person).await);
        bench.carry_out_all(NEWER).await;
        bench.clock.advance(COOLDOWN);
    }
    bench.clock.advance(HOUR);
}

/// A recovery that was asked for before, and is mailed after, is as good as any: its code goes to the owner.
pub async fn a_recovery_under_way_outlives_a_change_of_the_password(bench: &Bench) {
    let alice = bench.account("alice").await;
    let session = long_session(bench, &alice).await;
    let challenge = bench
        .request(wish(Purpose::Recovery, &alice, session))
        .await;
    let change = password_change(&alice, session);
    bench.store.change_password(change).await.unwrap().unwrap();
    let sent = bench.carry_out(OLDER).await;
    assert_eq!(sent, mail(&alice.email, Mail::RecoveryCode));
    let code = right(bench, challenge).await;
    let recovered = bench.store.recover(recovery(code)).await.unwrap();
    assert!(recovered.unwrap().revocation.is_some());
    let wish = Wish::Recovery(alice.email.clone());
    bench.request(wish).await;
}
