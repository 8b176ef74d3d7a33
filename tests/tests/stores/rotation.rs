//! Refresh tokens: which generation moves on, which repeats, and which is theft.

use std::time::Duration;

use companion::store::{
    Client, Ended, Lifetimes, Login, Mail, Prepared, Refresh, Rotation, Session,
};
use token::SessionId;

use crate::bench::Bench;
use crate::person::{GRACE, LIFETIMES, Person, Verdict, refresh, successor, verdict};
use crate::{HOUR, MINUTE, SECOND, TICK};

async fn present(bench: &Bench, session: SessionId, generation: u64) -> Verdict {
    let refresh = refresh(session, generation);
    verdict(&bench.other.rotate(refresh).await.unwrap())
}

/// A session that has come to that generation just now.
async fn session_at(bench: &Bench, owner: &Person, generation: u64) -> SessionId {
    let (session, _) = bench.session(owner).await;
    for generation in 0..generation {
        assert_eq!(present(bench, session, generation).await, Verdict::Rotated);
    }
    session
}

/// All that the owner can see of the session.
async fn seen(bench: &Bench, session: SessionId, owner: &Person) -> String {
    let live = bench.store.live_session(session, owner.id).await.unwrap();
    format!("{:?}", live.unwrap())
}

/// The session has ended as theft ends one: published once, its owner told once, and no generation works.
async fn ended_as_stolen(bench: &Bench, session: SessionId, owner: &Person) {
    assert!(!bench.is_alive(session, owner).await);
    let read = bench.whole_feed().await;
    let exp = bench.now().plus(LIFETIMES.access);
    let rows: Vec<_> = read.revoked.iter().filter(|row| row.0 == session).collect();
    assert!(rows.len() == 1 && rows[0].1 <= exp, "{rows:?}");
    for generation in 0..5 {
        assert_eq!(present(bench, session, generation).await, Verdict::Over);
    }
    assert_eq!(bench.head().await.number, read.seq);
    let mail = bench.carry_out([0; 32]).await;
    let notice = Prepared::Send {
        to: owner.email.as_str().to_owned(),
        mail: Mail::RefreshTokenReused,
    };
    assert_eq!(mail, notice);
    assert!(bench.has_no_errand().await);
    // It has a receipt like any end.
    let ended = bench.store.end_session(session, None, Client::default());
    let Ended::By(revocation) = ended.await.unwrap() else {
        panic!("no receipt");
    };
    assert_eq!((revocation.number, revocation.sessions), (read.seq, 1));
}

pub async fn a_refresh_moves_the_session_by_one(bench: &Bench) {
    let alice = bench.account("alice").await;
    let before = bench.open(alice.login()).await.session;
    let by = Client {
        ip: Some("2001:db8::1".to_owned()),
        user_agent: Some("another".to_owned()),
        request_id: None,
        actor: None,
    };
    for generation in 0..3 {
        bench.clock.advance(MINUTE + TICK);
        let request = Refresh {
            mac_key_version: 2,
            by: by.clone(),
            ..refresh(before.id, generation)
        };
        let now = bench.clock.now();
        let Rotation::Rotated(minted) = bench.store.rotate(request).await.unwrap() else {
            panic!("not rotated");
        };
        assert_eq!(minted.iat, now.seconds());
        assert_eq!(minted.exp, now.seconds().plus(LIFETIMES.access));
        assert!(minted.roles.is_empty());
        let expected = Session {
            generation: generation + 1,
            mac_key_version: 2,
            last_seen_at: now,
            idle_deadline: now.plus(LIFETIMES.idle),
            client: by.clone(),
            ..before.clone()
        };
        let expected = format!("{expected:?}");
        assert_eq!(format!("{:?}", minted.session), expected);
        assert_eq!(seen(bench, before.id, &alice).await, expected);
    }
    assert_eq!(bench.head().await.number, 1);
    assert!(bench.has_no_errand().await);
}

/// RR-04: whatever the caller asks for this time.
pub async fn a_parent_within_the_grace_gets_the_same_successor(bench: &Bench) {
    let alice = bench.account("alice").await;
    let session = session_at(bench, &alice, 1).await;
    bench.clock.advance(SECOND);
    let first = successor(bench.store.rotate(refresh(session, 1)).await.unwrap());
    let before = seen(bench, session, &alice).await;
    for wait in [TICK, GRACE - TICK - TICK] {
        bench.clock.advance(wait);
        let again = Refresh {
            mac_key_version: 9,
            lifetimes: Lifetimes {
                access: HOUR,
                idle: MINUTE,
                absolute: MINUTE,
            },
            by: Client {
                ip: Some("192.0.2.9".to_owned()),
                user_agent: None,
                request_id: None,
                actor: None,
            },
            ..refresh(session, 1)
        };
        let Rotation::Repeated(repeated) = bench.other.rotate(again).await.unwrap() else {
            panic!("not repeated");
        };
        assert_eq!(format!("{:?}", repeated.session), before);
        assert_eq!((repeated.iat, repeated.exp), (bench.now(), first.exp));
        assert_eq!(seen(bench, session, &alice).await, before);
    }
    assert_eq!(bench.head().await.number, 1);
    assert!(bench.has_no_errand().await);

    // The successor lives on, and the parent of old is now a grandparent.
    assert_eq!(present(bench, session, 2).await, Verdict::Rotated);
    assert_eq!(present(bench, session, 1).await, Verdict::Reused);
}

/// The grace is counted from the rotation; repeats do not stretch it.
pub async fn a_parent_after_the_grace_is_theft(bench: &Bench) {
    let alice = bench.account("alice").await;
    let session = session_at(bench, &alice, 1).await;
    let (other, _) = bench.session(&alice).await;
    bench.clock.advance(GRACE - TICK);
    assert_eq!(present(bench, session, 0).await, Verdict::Repeated);
    bench.clock.advance(TICK);
    assert_eq!(present(bench, session, 0).await, Verdict::Reused);
    ended_as_stolen(bench, session, &alice).await;
    assert!(bench.is_alive(other, &alice).await);
}

pub async fn without_a_grace_the_parent_is_theft_at_once(bench: &Bench) {
    let alice = bench.account("alice").await;
    let session = session_at(bench, &alice, 1).await;
    let mut strict = refresh(session, 0);
    strict.grace = Duration::ZERO;
    let rotation = bench.store.rotate(strict).await.unwrap();
    assert_eq!(verdict(&rotation), Verdict::Reused);
    ended_as_stolen(bench, session, &alice).await;
}

pub async fn a_grandparent_is_theft_within_the_grace_too(bench: &Bench) {
    let alice = bench.account("alice").await;
    for back in [2, 4] {
        let session = session_at(bench, &alice, 4).await;
        let (other, _) = bench.session(&alice).await;
        assert_eq!(present(bench, session, 4 - back).await, Verdict::Reused);
        ended_as_stolen(bench, session, &alice).await;
        assert!(bench.is_alive(other, &alice).await);
        bench.clock.advance(MINUTE);
    }
}

/// RR-17: the store was restored, or the key has leaked.
pub async fn a_generation_ahead_of_the_store_ends_the_session(bench: &Bench) {
    let alice = bench.account("alice").await;
    for ahead in [1, 100] {
        let session = session_at(bench, &alice, 1).await;
        assert_eq!(present(bench, session, 1 + ahead).await, Verdict::Ahead);
        ended_as_stolen(bench, session, &alice).await;
        bench.clock.advance(MINUTE);
    }
}

/// No generation of it, and without a word to anybody: it may be the owner's laptop, opened after months.
pub async fn a_session_past_a_deadline_is_over(bench: &Bench) {
    let alice = bench.account("alice").await;
    for (idle, absolute) in [(MINUTE, HOUR), (HOUR, MINUTE)] {
        let lifetimes = Lifetimes {
            idle,
            absolute,
            ..LIFETIMES
        };
        let mut sessions = Vec::new();
        for generation in 0..4 {
            let login = Login {
                lifetimes,
                ..alice.login()
            };
            let session = bench.open(login).await.session.id;
            for generation in 0..2 {
                let refresh = Refresh {
                    lifetimes,
                    ..refresh(session, generation)
                };
                successor(bench.store.rotate(refresh).await.unwrap());
            }
            sessions.push((session, generation));
        }
        bench.clock.advance(MINUTE);
        for (session, generation) in sessions {
            assert_eq!(present(bench, session, generation).await, Verdict::Over);
        }
    }
    assert_eq!(bench.head().await.number, 1);
    assert!(bench.has_no_errand().await);
}

pub async fn a_session_can_be_refreshed_until_its_deadline(bench: &Bench) {
    let alice = bench.account("alice").await;
    let (session, _) = bench.session(&alice).await;
    let opened_at = bench.clock.now();
    let mut generation = 0;
    while bench.clock.now().plus(LIFETIMES.idle) < opened_at.plus(LIFETIMES.absolute) {
        bench.clock.advance(LIFETIMES.idle - TICK);
        assert_eq!(present(bench, session, generation).await, Verdict::Rotated);
        generation += 1;
    }
    let left = opened_at.plus(LIFETIMES.absolute).since(bench.clock.now());
    bench.clock.advance(left - TICK);
    assert_eq!(present(bench, session, generation).await, Verdict::Rotated);
    bench.clock.advance(TICK);
    generation += 1;
    assert_eq!(present(bench, session, generation).await, Verdict::Over);
}

pub async fn a_session_that_has_ended_is_over(bench: &Bench) {
    let alice = bench.account("alice").await;
    let session = session_at(bench, &alice, 2).await;
    let by = Client::default();
    bench.store.end_session(session, None, by).await.unwrap();
    let head = bench.head().await;
    for generation in 0..4 {
        assert_eq!(present(bench, session, generation).await, Verdict::Over);
    }
    assert_eq!(bench.head().await, head);
    assert!(bench.has_no_errand().await);
}

pub async fn an_unknown_session_is_over(bench: &Bench) {
    bench.account("alice").await;
    let unknown = SessionId::from_bytes([9; 16]);
    assert_eq!(present(bench, unknown, 0).await, Verdict::Over);
    assert_eq!(bench.head().await.number, 1);
}
