//! Many at once on sessions, over both handles: refreshes, logins, ends, and the reader beside them.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use companion::store::{Client, CursorFound, Ended, Login, Minted, Refresh, Store};
use token::{Cursor, SessionId};

use crate::bench::{Bench, at_once, count, cursor_of};
use crate::ending::told;
use crate::person::{Verdict, refresh, successor, verdict};
use crate::{MINUTE, SECOND};

/// RR-03: tabs of one browser.
pub async fn of_many_refreshes_of_one_generation_one_rotates(bench: &Bench) {
    let alice = bench.account("alice").await;
    for _ in 0..5 {
        let (session, _) = bench.session(&alice).await;
        let rotations = at_once(bench, 16, |number, store| async move {
            let refresh = Refresh {
                mac_key_version: u32::try_from(number).unwrap(),
                ..refresh(session, 0)
            };
            store.rotate(refresh).await.unwrap()
        })
        .await;
        let verdicts: Vec<_> = rotations.iter().map(verdict).collect();
        assert_eq!(count(&verdicts, |one| *one == Verdict::Rotated), 1);
        assert_eq!(count(&verdicts, |one| *one == Verdict::Repeated), 15);
        let told = |minted: Minted| (minted.exp, format!("{:?}", minted.session));
        let told: HashSet<_> = rotations.into_iter().map(successor).map(told).collect();
        assert_eq!(told.len(), 1);
        let live = bench.store.live_session(session, alice.id).await.unwrap();
        assert_eq!(live.unwrap().generation, 1);
    }
}

/// The promise of a logout: no token of the session outlives its row in the feed, and after the end there is no new one.
pub async fn no_refresh_outlives_the_end_that_it_races(bench: &Bench) {
    let alice = bench.account("alice").await;
    for round in 0..20 {
        let (session, first_exp) = bench.session(&alice).await;
        let after = bench.head().await;
        let has_ended = Arc::new(AtomicBool::new(false));
        let exps = at_once(bench, 17, |number, store| {
            let has_ended = Arc::clone(&has_ended);
            async move {
                if number == 0 {
                    for _ in 0..round {
                        tokio::task::yield_now().await;
                    }
                    let by = Client::default();
                    let ended = store.end_session(session, None, by).await.unwrap();
                    assert!(matches!(ended, Ended::By(_)));
                    has_ended.store(true, Ordering::SeqCst);
                    return Vec::new();
                }
                let mut exps = Vec::new();
                loop {
                    let is_over = has_ended.load(Ordering::SeqCst);
                    let mut refresh = refresh(session, 0);
                    refresh.lifetimes.access += u32::try_from(number).unwrap() * SECOND;
                    let rotation = store.rotate(refresh).await.unwrap();
                    if verdict(&rotation) == Verdict::Over {
                        return exps;
                    }
                    assert!(!is_over, "{:?} after the end", verdict(&rotation));
                    exps.push(successor(rotation).exp);
                }
            }
        })
        .await;
        let read = bench.feed(after).await;
        let [(revoked, latest_exp)] = read.revoked[..] else {
            panic!("{:?}", read.revoked);
        };
        assert_eq!(revoked, session);
        assert!(exps.iter().flatten().all(|exp| *exp <= latest_exp));
        assert!(first_exp <= latest_exp);
    }
}

/// A reader that saw a later number first would acknowledge the earlier one, and its gateway would never hear of that session.
pub async fn a_reader_misses_none_of_many_ends(bench: &Bench) {
    const ENDS: usize = 32;
    let alice = bench.account("alice").await;
    for _ in 0..3 {
        let mut sessions = Vec::new();
        for _ in 0..ENDS {
            sessions.push(bench.session(&alice).await.0);
        }
        let after = bench.head().await;
        let expected: HashSet<_> = sessions.iter().copied().collect();
        let ended = Arc::new(AtomicUsize::new(0));
        let read = at_once(bench, ENDS + 2, |number, store| {
            let session = sessions.get(number).copied();
            let ended = Arc::clone(&ended);
            async move {
                let Some(session) = session else {
                    return read_until(store, after, move || ended.load(Ordering::SeqCst) == ENDS)
                        .await;
                };
                let by = Client::default();
                store.end_session(session, None, by).await.unwrap();
                ended.fetch_add(1, Ordering::SeqCst);
                Vec::new()
            }
        })
        .await;
        for read in &read[ENDS..] {
            assert_eq!(read.len(), ENDS);
            let read: HashSet<_> = read.iter().copied().collect();
            assert_eq!(read, expected);
        }
    }
}

/// Pages on as a gateway does, until nothing is left after `is_done`.
async fn read_until(
    store: Arc<dyn Store>,
    mut cursor: Cursor,
    is_done: impl Fn() -> bool,
) -> Vec<SessionId> {
    let mut sessions = Vec::new();
    loop {
        let was_done = is_done();
        let read = store.read_feed(cursor).await.unwrap();
        assert_eq!(read.cursor, CursorFound::Known);
        // Without gaps: each number is a session's.
        let rows = u64::try_from(read.revoked.len()).unwrap();
        assert_eq!(read.seq, cursor.number + rows);
        sessions.extend(read.revoked.iter().map(|(session, _)| *session));
        if was_done && !read.has_rows {
            return sessions;
        }
        cursor = cursor_of(&read);
    }
}

pub async fn many_ends_of_one_session_are_one_revocation(bench: &Bench) {
    let alice = bench.account("alice").await;
    let (session, _) = bench.session(&alice).await;
    let ended = at_once(bench, 16, |_, store| async move {
        let by = Client::default();
        match store.end_session(session, None, by).await.unwrap() {
            Ended::By(revocation) => told(&revocation),
            other => panic!("{other:?}"),
        }
    })
    .await;
    assert!(ended.iter().all(|one| *one == ended[0]));
    assert_eq!(bench.head().await.number, 2);
}

/// RR-12.
pub async fn many_replays_at_once_are_one_theft(bench: &Bench) {
    let alice = bench.account("alice").await;
    let (session, _) = bench.session(&alice).await;
    successor(bench.store.rotate(refresh(session, 0)).await.unwrap());
    bench.clock.advance(MINUTE);
    let verdicts = at_once(bench, 16, |_, store| async move {
        verdict(&store.rotate(refresh(session, 0)).await.unwrap())
    })
    .await;
    assert_eq!(count(&verdicts, |one| *one == Verdict::Reused), 1);
    assert_eq!(count(&verdicts, |one| *one == Verdict::Over), 15);
    assert_eq!(bench.head().await.number, 2);
    bench.carry_out([0; 32]).await;
    assert!(bench.has_no_errand().await);
}

pub async fn many_logins_at_once_stay_within_the_most(bench: &Bench) {
    let alice = bench.account("alice").await;
    at_once(bench, 16, |_, store| {
        let login = Login {
            most: 4,
            ..alice.login()
        };
        async move { assert!(store.open_session(login).await.unwrap().is_some()) }
    })
    .await;
    let listed = bench.store.sessions_of(alice.id).await.unwrap();
    assert_eq!(listed.len(), 4);
    assert_eq!(bench.whole_feed().await.revoked.len(), 12);
}

/// PW-17: whoever logs out everywhere, because a password is known, is logged out everywhere.
pub async fn no_login_outlives_the_end_of_all_that_it_races(bench: &Bench) {
    for round in 0..8 {
        let alice = bench.account(&format!("alice{round}")).await;
        let opened = at_once(bench, 9, |number, store| {
            let login = alice.login();
            let account = alice.id;
            async move {
                if number == round {
                    let by = Client::default();
                    store.end_sessions(account, None, by).await.unwrap();
                    return None;
                }
                let id = login.session;
                let opened = store.open_session(login).await.unwrap();
                opened.map(|minted| {
                    assert_eq!(minted.session.id, id);
                    id
                })
            }
        })
        .await;
        let listed = bench.store.sessions_of(alice.id).await.unwrap();
        assert!(listed.is_empty());
        let revoked = bench.whole_feed().await.revoked;
        for session in opened.into_iter().flatten() {
            assert_eq!(count(&revoked, |(id, _)| *id == session), 1);
        }
    }
}

/// However they meet, none fails, and each session ends once.
pub async fn ends_of_all_and_of_each_do_not_hinder_each_other(bench: &Bench) {
    const SESSIONS: usize = 8;
    let mut people = Vec::new();
    for name in ["alice", "bob", "carol", "dave"] {
        people.push(bench.account(name).await);
    }
    for owner in people {
        let mut sessions = Vec::new();
        for _ in 0..SESSIONS {
            sessions.push(bench.session(&owner).await.0);
        }
        let after = bench.head().await;
        at_once(bench, 4 * SESSIONS, |number, store| {
            let session = sessions[number / 4];
            let account = owner.id;
            let by = Client::default();
            async move {
                match number % 4 {
                    0 => drop(store.end_sessions(account, None, by).await.unwrap()),
                    1 => drop(store.end_session(session, None, by).await.unwrap()),
                    2 => drop(store.rotate(refresh(session, 0)).await.unwrap()),
                    // As theft ends it.
                    _ => drop(store.rotate(refresh(session, 7)).await.unwrap()),
                }
            }
        })
        .await;
        let read = bench.feed(after).await;
        let revoked: HashSet<_> = read.revoked.iter().map(|(session, _)| *session).collect();
        assert_eq!(read.revoked.len(), SESSIONS);
        assert_eq!(revoked, sessions.into_iter().collect());
    }
}
