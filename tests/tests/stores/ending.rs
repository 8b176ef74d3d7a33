//! The end of sessions: published in the same transaction, under one number each, with a receipt.

use std::collections::HashSet;

use companion::receipt::{Revocation, SERVED_AFTER_EXP};
use companion::store::{AuditQuery, Client, Ended, Lifetimes, Login};
use token::{Cursor, Mark, SessionId, UnixTime};

use crate::bench::{Bench, LONGEST_TOKEN, START, cursor_of};
use crate::person::{LIFETIMES, Person, refresh, successor};
use crate::{HOUR, MINUTE, SECOND, TICK};

/// A revocation without the moment of its commit, which is known only roughly when it is read again.
type Told = (u64, Mark, u64, UnixTime);

pub fn told(revocation: &Revocation) -> Told {
    (
        revocation.number,
        revocation.mark,
        revocation.sessions,
        revocation.latest_exp,
    )
}

pub async fn end(bench: &Bench, session: SessionId) -> Revocation {
    let ended = bench.store.end_session(session, None, Client::default());
    match ended.await.unwrap() {
        Ended::By(revocation) => revocation,
        other => panic!("{other:?}"),
    }
}

async fn end_all(bench: &Bench, owner: &Person, except: Option<SessionId>) -> Option<Revocation> {
    let by = Client::default();
    bench
        .store
        .end_sessions(owner.id, except, by)
        .await
        .unwrap()
}

/// Whether a login whose password was read with the account as it was then still opens a session.
async fn can_log_in(bench: &Bench, person: &Person) -> bool {
    let opened = bench.other.open_session(person.login()).await.unwrap();
    opened.is_some()
}

pub async fn an_end_is_published_under_its_number_with_the_latest_exp(bench: &Bench) {
    let alice = bench.account("alice").await;
    let (session, _) = bench.session(&alice).await;
    let (other, _) = bench.session(&alice).await;
    bench.clock.advance(MINUTE);
    let exp = successor(bench.store.rotate(refresh(session, 0)).await.unwrap()).exp;
    bench.clock.advance(SECOND);
    let revocation = end(bench, session).await;
    assert_eq!((revocation.number, revocation.sessions), (2, 1));
    assert_eq!(revocation.latest_exp, exp);
    assert_eq!(revocation.committed_at, bench.clock.now());
    let read = bench.whole_feed().await;
    assert_eq!((read.seq, read.mark), (2, Some(revocation.mark)));
    assert_eq!(read.revoked, [(session, exp)]);
    assert!(!bench.is_alive(session, &alice).await);
    assert!(bench.is_alive(other, &alice).await);
    let listed = bench.other.sessions_of(alice.id).await.unwrap();
    assert_eq!(listed.len(), 1);
    // A logout of one session stops no login.
    assert!(can_log_in(bench, &alice).await);
}

pub async fn a_session_of_another_account_is_unknown(bench: &Bench) {
    let alice = bench.account("alice").await;
    let bob = bench.account("bob").await;
    let (session, _) = bench.session(&alice).await;
    let by = Client::default;
    let ended = bench.store.end_session(session, Some(bob.id), by());
    assert_eq!(ended.await.unwrap(), Ended::Unknown);
    assert!(bench.is_alive(session, &alice).await);
    assert_eq!(bench.head().await.number, 1);
    let ended = bench.store.end_session(session, Some(alice.id), by());
    assert!(matches!(ended.await.unwrap(), Ended::By(_)));
    assert!(!bench.is_alive(session, &alice).await);
    // Nor does it say that it has ended.
    let ended = bench.store.end_session(session, Some(bob.id), by());
    assert_eq!(ended.await.unwrap(), Ended::Unknown);
}

pub async fn a_session_that_never_was_is_unknown(bench: &Bench) {
    let alice = bench.account("alice").await;
    let unknown = SessionId::from_bytes([9; 16]);
    for account in [None, Some(alice.id)] {
        let ended = bench.store.end_session(unknown, account, Client::default());
        assert_eq!(ended.await.unwrap(), Ended::Unknown);
    }
    assert_eq!(bench.head().await.number, 1);
}

pub async fn an_end_that_is_repeated_is_the_same_revocation(bench: &Bench) {
    let alice = bench.account("alice").await;
    let (session, _) = bench.session(&alice).await;
    let first = end(bench, session).await;
    bench.clock.advance(HOUR);
    for store in [&bench.store, &bench.other] {
        for account in [None, Some(alice.id)] {
            let again = store.end_session(session, account, Client::default());
            let Ended::By(again) = again.await.unwrap() else {
                panic!("no receipt");
            };
            assert_eq!(told(&again), told(&first));
            assert!(again.committed_at >= first.committed_at);
        }
    }
    assert_eq!(bench.head().await.number, 2);
}

/// Its access token may outlive it.
pub async fn a_session_past_its_deadline_can_be_ended(bench: &Bench) {
    let alice = bench.account("alice").await;
    for ends_all in [false, true] {
        let login = Login {
            lifetimes: Lifetimes {
                idle: MINUTE,
                ..LIFETIMES
            },
            ..alice.login()
        };
        let opened = bench.open(login).await;
        bench.clock.advance(MINUTE);
        assert!(!bench.is_alive(opened.session.id, &alice).await);
        assert!(opened.exp > bench.now());
        let revocation = if ends_all {
            end_all(bench, &alice, None).await.unwrap()
        } else {
            end(bench, opened.session.id).await
        };
        assert_eq!(revocation.latest_exp, opened.exp);
        let read = bench.whole_feed().await;
        assert_eq!(read.revoked.last(), Some(&(opened.session.id, opened.exp)));
    }
}

pub async fn all_sessions_end_under_one_receipt(bench: &Bench) {
    let alice = bench.account("alice").await;
    let bob = bench.account("bob").await;
    let (of_bob, _) = bench.session(&bob).await;
    let (ended_before, _) = bench.session(&alice).await;
    let earlier = end(bench, ended_before).await;
    let mut sessions = Vec::new();
    for _ in 0..3 {
        bench.clock.advance(SECOND);
        sessions.push(bench.session(&alice).await);
    }
    let revocation = end_all(bench, &alice, None).await.unwrap();
    assert_eq!((revocation.number, revocation.sessions), (5, 3));
    assert_eq!(revocation.latest_exp, sessions[2].1);
    let read = bench.feed(cursor(&earlier)).await;
    assert_eq!((read.seq, read.mark), (5, Some(revocation.mark)));
    let mut revoked = read.revoked;
    revoked.sort_by_key(|(_, exp)| *exp);
    assert_eq!(revoked, sessions);
    for (session, _) in sessions {
        assert!(!bench.is_alive(session, &alice).await);
        assert_eq!(told(&end(bench, session).await), told(&revocation));
    }
    assert_eq!(told(&end(bench, ended_before).await), told(&earlier));
    assert!(bench.is_alive(of_bob, &bob).await);
    assert!(can_log_in(bench, &bob).await);
    assert_eq!(end_all(bench, &alice, None).await, None);
}

/// PW-17: with all sessions end the logins that are under way, also where there is no session yet.
pub async fn with_all_sessions_end_the_logins_under_way(bench: &Bench) {
    let alice = bench.account("alice").await;
    assert_eq!(end_all(bench, &alice, None).await, None);
    assert!(!can_log_in(bench, &alice).await);
    let account = bench.other.account(&alice.email).await.unwrap().unwrap();
    let alice = Person {
        login_epoch: account.login_epoch,
        ..alice
    };
    let (session, _) = bench.session(&alice).await;
    end_all(bench, &alice, Some(session)).await;
    assert!(!can_log_in(bench, &alice).await);
    assert!(bench.is_alive(session, &alice).await);
    assert_eq!(bench.head().await.number, 1);
}

pub async fn all_others_end_and_the_one_stays(bench: &Bench) {
    let alice = bench.account("alice").await;
    let (one, _) = bench.session(&alice).await;
    let (two, _) = bench.session(&alice).await;
    let (three, _) = bench.session(&alice).await;
    let revocation = end_all(bench, &alice, Some(two)).await.unwrap();
    assert_eq!((revocation.number, revocation.sessions), (3, 2));
    let revoked = bench.whole_feed().await.revoked;
    let revoked: HashSet<_> = revoked.into_iter().map(|(session, _)| session).collect();
    assert_eq!(revoked, HashSet::from([one, three]));
    assert!(bench.is_alive(two, &alice).await);
    successor(bench.other.rotate(refresh(two, 0)).await.unwrap());
}

pub async fn numbers_grow_by_one_each_with_a_mark_of_its_own(bench: &Bench) {
    let alice = bench.account("alice").await;
    let mut cursor = bench.head().await;
    let mut marks = HashSet::from([cursor.mark.unwrap()]);
    for number in 2..12 {
        let (session, _) = bench.session(&alice).await;
        let revocation = end(bench, session).await;
        assert_eq!(revocation.number, number);
        assert!(marks.insert(revocation.mark));
        let read = bench.feed(cursor).await;
        assert_eq!(read.revoked.len(), 1);
        assert_eq!(read.revoked[0].0, session);
        cursor = cursor_of(&read);
        assert_eq!(cursor, self::cursor(&revocation));
    }
}

pub async fn a_receipt_is_found_by_its_number(bench: &Bench) {
    let alice = bench.account("alice").await;
    let (first, _) = bench.session(&alice).await;
    let first = end(bench, first).await;
    for _ in 0..3 {
        bench.session(&alice).await;
    }
    let all = end_all(bench, &alice, None).await.unwrap();
    bench.clock.advance(MINUTE);
    for store in [&bench.store, &bench.other] {
        for revocation in [&first, &all] {
            let found = store.revocation(revocation.number).await.unwrap();
            assert_eq!(told(&found.unwrap()), told(revocation));
        }
        // The keys, what went under a higher number, what is not there yet.
        for number in [0, 1, 3, 4, 6] {
            assert_eq!(store.revocation(number).await.unwrap(), None);
        }
    }
}

/// The number of what was lost may be given again; until `exp` of the token that named the session, and no shorter.
pub async fn an_unknown_session_is_published_until_its_token_expires(bench: &Bench) {
    bench.add_keys().await;
    let lost = SessionId::from_bytes([9; 16]);
    let revoke = |exp| bench.store.revoke_unknown(lost, exp, Client::default());
    let exp = START.plus(HOUR);
    let first = revoke(Some(exp)).await.unwrap().unwrap();
    assert_eq!(told(&first), (2, first.mark, 1, exp));
    assert_eq!(first.committed_at, bench.clock.now());
    let read = bench.whole_feed().await;
    assert_eq!((read.seq, read.mark), (2, Some(first.mark)));
    assert_eq!(read.revoked, [(lost, exp)]);
    let found = bench.other.revocation(2).await.unwrap().unwrap();
    assert_eq!(told(&found), told(&first));

    // Again, or with a token that expires earlier, it is the same.
    bench.clock.advance(MINUTE);
    for exp in [Some(exp), Some(START), None] {
        let again = revoke(exp).await.unwrap().unwrap();
        assert_eq!(told(&again), told(&first));
    }
    let later = exp.plus(SECOND);
    let second = revoke(Some(later)).await.unwrap().unwrap();
    assert_eq!((second.number, second.latest_exp), (3, later));
    let read = bench.whole_feed().await;
    assert_eq!(read.revoked, [(lost, exp), (lost, later)]);
    // AU-01: each that was published, and no other.
    let all = AuditQuery {
        account: None,
        before: None,
        most: 10,
    };
    let written = bench.other.audit(all).await.unwrap();
    let ends = written.iter().filter(|entry| entry.session == Some(lost));
    let ends: Vec<_> = ends
        .map(|entry| (entry.event.as_str(), entry.cause.as_deref()))
        .collect();
    assert_eq!(ends, [("session_ended", Some("logged_out")); 2]);
}

/// Of the session there may be tokens that nobody has presented.
pub async fn an_unknown_session_is_published_as_long_as_a_lost_token_may_live(bench: &Bench) {
    bench.add_keys().await;
    let last_exp = START.plus(LONGEST_TOKEN);
    for (byte, exp) in [(8, None), (9, Some(START.plus(SECOND)))] {
        let session = SessionId::from_bytes([byte; 16]);
        let revocation = bench
            .store
            .revoke_unknown(session, exp, Client::default())
            .await
            .unwrap();
        assert_eq!(revocation.unwrap().latest_exp, last_exp);
    }
    let read = bench.whole_feed().await;
    assert!(read.revoked.iter().all(|(_, exp)| *exp == last_exp));
    assert_eq!(read.revoked.len(), 2);
}

pub async fn an_unknown_session_that_all_have_forgotten_is_not_published(bench: &Bench) {
    bench.add_keys().await;
    let session = SessionId::from_bytes([9; 16]);
    let revoke = |exp| bench.store.revoke_unknown(session, exp, Client::default());
    bench.clock.advance(LONGEST_TOKEN + SERVED_AFTER_EXP - TICK);
    assert!(revoke(None).await.unwrap().is_some());
    let head = bench.head().await;
    bench.clock.advance(TICK);
    assert_eq!(revoke(None).await.unwrap(), None);
    assert_eq!(revoke(Some(START)).await.unwrap(), None);
    assert_eq!(bench.head().await, head);
    let exp = Some(bench.now());
    assert!(revoke(exp).await.unwrap().is_some());
}

fn cursor(revocation: &Revocation) -> Cursor {
    Cursor {
        number: revocation.number,
        mark: Some(revocation.mark),
    }
}
