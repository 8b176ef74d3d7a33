//! Logins: which open a session, and what the session then is.

use companion::delivery::Delivery;
use companion::email::Email;
use companion::entropy;
use companion::level::{Acr, Level};
use companion::store::{Client, Ended, Lifetimes, Login, Minted};
use token::{SessionId, Subject};

use crate::bench::Bench;
use crate::person::{LIFETIMES, Person, refresh, successor};
use crate::{HOUR, MINUTE, SECOND, TICK};

async fn listed(bench: &Bench, owner: &Person) -> Vec<SessionId> {
    let sessions = bench.other.sessions_of(owner.id).await.unwrap();
    sessions.iter().map(|session| session.id).collect()
}

pub async fn the_time_is_that_of_the_clock(bench: &Bench) {
    bench.clock.advance(HOUR + TICK);
    for store in [&bench.store, &bench.other] {
        assert_eq!(store.now().await.unwrap().wall, bench.clock.now());
    }
}

pub async fn an_unknown_address_has_no_account(bench: &Bench) {
    bench.account("alice").await;
    let bob = Email::parse("bob@example.com").unwrap();
    assert!(bench.store.account(&bob).await.unwrap().is_none());
}

pub async fn a_login_opens_the_session_that_it_describes(bench: &Bench) {
    let alice = bench.account("alice").await;
    bench.clock.advance(TICK);
    let by = Client {
        ip: Some("192.0.2.1".to_owned()),
        user_agent: Some("curl/8".to_owned()),
        request_id: None,
        actor: None,
    };
    let login = Login {
        mac_key_version: 7,
        acr: Acr::Mfa,
        delivery: Delivery::Cookie,
        label: Some("the phone".to_owned()),
        by: by.clone(),
        ..alice.login()
    };
    let id = login.session;
    let Minted {
        iat,
        exp,
        session,
        roles,
        email,
        keys,
    } = bench.open(login).await;
    let now = bench.clock.now();
    assert_eq!(iat, now.seconds());
    assert_eq!(exp, now.seconds().plus(LIFETIMES.access));
    assert!(roles.is_empty());
    assert_eq!((email.as_str(), keys), (alice.email.as_str(), 1));
    assert_eq!((session.id, session.account), (id, alice.id));
    assert_eq!((session.generation, session.mac_key_version), (0, 7));
    let login = Level {
        acr: Acr::Mfa,
        auth_time: now.seconds(),
    };
    assert_eq!((session.login, session.step_up), (login, None));
    assert_eq!(session.delivery, Delivery::Cookie);
    assert_eq!((session.created_at, session.last_seen_at), (now, now));
    assert_eq!(session.idle_deadline, now.plus(LIFETIMES.idle));
    assert_eq!(session.absolute_deadline, now.plus(LIFETIMES.absolute));
    assert_eq!(session.client, by);
    assert_eq!(session.label.as_deref(), Some("the phone"));

    let told = format!("{session:?}");
    for store in [&bench.store, &bench.other] {
        let live = store.live_session(id, alice.id).await.unwrap().unwrap();
        assert_eq!(format!("{live:?}"), told);
        let usable = store.usable_session(id).await.unwrap().unwrap();
        assert_eq!(format!("{usable:?}"), told);
        let all = store.sessions_of(alice.id).await.unwrap();
        assert_eq!(format!("{all:?}"), format!("[{told}]"));
    }
    // Nothing has ended.
    assert_eq!(bench.head().await.number, 1);
}

pub async fn what_was_not_told_stays_untold(bench: &Bench) {
    let alice = bench.account("alice").await;
    let opened = bench.open(alice.login()).await.session;
    let live = bench.other.live_session(opened.id, alice.id).await;
    let live = live.unwrap().unwrap();
    assert_eq!(live.client, Client::default());
    assert_eq!(live.label, None);
}

/// PW-17: the password was read before all sessions ended.
pub async fn a_login_of_another_epoch_opens_nothing(bench: &Bench) {
    let alice = bench.account("alice").await;
    for login_epoch in [alice.login_epoch - 1, alice.login_epoch + 1] {
        let login = Login {
            login_epoch,
            ..alice.login()
        };
        assert!(bench.store.open_session(login).await.unwrap().is_none());
    }
    assert!(listed(bench, &alice).await.is_empty());
}

pub async fn a_login_of_an_unknown_account_opens_nothing(bench: &Bench) {
    let alice = bench.account("alice").await;
    let login = Login {
        account: entropy::subject(),
        ..alice.login()
    };
    assert!(bench.store.open_session(login).await.unwrap().is_none());
}

pub async fn sessions_are_listed_newest_first_and_to_their_owner_alone(bench: &Bench) {
    let alice = bench.account("alice").await;
    let bob = bench.account("bob").await;
    let mut sessions = Vec::new();
    for _ in 0..3 {
        bench.clock.advance(SECOND);
        sessions.insert(0, bench.session(&alice).await.0);
    }
    let (of_bob, _) = bench.session(&bob).await;
    // A refresh does not make a session newer.
    bench.clock.advance(SECOND);
    bench.store.rotate(refresh(sessions[2], 0)).await.unwrap();
    assert_eq!(listed(bench, &alice).await, sessions);
    assert_eq!(listed(bench, &bob).await, [of_bob]);
    assert!(bench.is_alive(of_bob, &bob).await);
    assert!(!bench.is_alive(of_bob, &alice).await);
    let nobody = Subject::from_bytes([9; 16]);
    assert!(bench.store.sessions_of(nobody).await.unwrap().is_empty());
}

pub async fn beyond_the_most_the_session_unused_for_longest_ends(bench: &Bench) {
    let alice = bench.account("alice").await;
    let bob = bench.account("bob").await;
    let (of_bob, _) = bench.session(&bob).await;
    let mut sessions = Vec::new();
    let mut exps = Vec::new();
    for _ in 0..3 {
        bench.clock.advance(SECOND);
        let (session, exp) = bench.session(&alice).await;
        sessions.push(session);
        exps.push(exp);
    }
    bench.clock.advance(SECOND);
    successor(bench.store.rotate(refresh(sessions[0], 0)).await.unwrap());
    let login = |most| Login {
        most,
        ..alice.login()
    };
    // As many as there may be.
    let fourth = bench.open(login(4)).await.session.id;
    assert_eq!(bench.head().await.number, 1);

    bench.clock.advance(SECOND);
    let fifth = bench.open(login(4)).await.session.id;
    assert!(!bench.is_alive(sessions[1], &alice).await);
    for session in [sessions[0], sessions[2], fourth, fifth] {
        assert!(bench.is_alive(session, &alice).await);
    }
    let read = bench.whole_feed().await;
    assert_eq!((read.seq, read.revoked), (2, vec![(sessions[1], exps[1])]));

    // Where fewer are allowed than there are, all beyond end.
    bench.clock.advance(SECOND);
    let last = bench.open(login(1)).await.session.id;
    assert_eq!(listed(bench, &alice).await, [last]);
    assert_eq!(bench.whole_feed().await.revoked.len(), 5);
    assert!(bench.is_alive(of_bob, &bob).await);

    // Each has a receipt, as if it had been logged out.
    for session in sessions {
        let ended = bench.store.end_session(session, None, Client::default());
        let Ended::By(revocation) = ended.await.unwrap() else {
            panic!("no receipt");
        };
        let found = bench.other.revocation(revocation.number).await.unwrap();
        assert_eq!(found.unwrap().mark, revocation.mark);
    }
    assert_eq!(bench.head().await.number, 6);
}

/// Also where the deadline lies inside a second: an `exp` has whole ones.
pub async fn nothing_outlives_the_absolute_deadline(bench: &Bench) {
    let alice = bench.account("alice").await;
    bench.clock.advance(SECOND - TICK);
    let lifetimes = Lifetimes {
        absolute: 100 * SECOND,
        ..LIFETIMES
    };
    let login = Login {
        lifetimes,
        ..alice.login()
    };
    let began = bench.now();
    let deadline = bench.clock.now().plus(100 * SECOND);
    let opened = bench.open(login).await;
    assert_eq!(opened.exp, began.plus(100 * SECOND));
    assert_eq!(opened.session.absolute_deadline, deadline);
    assert_eq!(opened.session.idle_deadline, deadline);

    bench.clock.advance(30 * SECOND);
    // The lifetimes of today do not move a deadline of then.
    let rotated = successor(
        bench
            .store
            .rotate(refresh(opened.session.id, 0))
            .await
            .unwrap(),
    );
    assert_eq!(rotated.exp, began.plus(100 * SECOND));
    assert_eq!(rotated.session.absolute_deadline, deadline);
    assert_eq!(rotated.session.idle_deadline, deadline);
    let session = opened.session.id;
    let ended = bench.store.end_session(session, None, Client::default());
    ended.await.unwrap();
    let read = bench.whole_feed().await;
    assert_eq!(read.revoked, [(session, rotated.exp)]);
}

pub async fn a_session_is_over_at_either_deadline(bench: &Bench) {
    let alice = bench.account("alice").await;
    for (idle, absolute) in [(MINUTE, HOUR), (HOUR, MINUTE)] {
        let lifetimes = Lifetimes {
            idle,
            absolute,
            ..LIFETIMES
        };
        let login = Login {
            lifetimes,
            ..alice.login()
        };
        let session = bench.open(login).await.session.id;
        bench.clock.advance(MINUTE - TICK);
        assert!(bench.is_alive(session, &alice).await);
        assert_eq!(listed(bench, &alice).await, [session]);
        bench.clock.advance(TICK);
        assert!(!bench.is_alive(session, &alice).await);
        assert!(listed(bench, &alice).await.is_empty());
    }
    // Time has ended them, nobody has revoked anything.
    assert_eq!(bench.head().await.number, 1);
}

/// A token that was signed with a longer life lives on when later ones are shorter.
pub async fn the_latest_exp_never_moves_back(bench: &Bench) {
    let alice = bench.account("alice").await;
    let (session, first_exp) = bench.session(&alice).await;
    let with_access = |generation, access| {
        let mut refresh = refresh(session, generation);
        refresh.lifetimes.access = access;
        refresh
    };
    let shorter = bench.store.rotate(with_access(0, MINUTE)).await.unwrap();
    assert_eq!(successor(shorter).exp, bench.now().plus(MINUTE));
    let longer = bench.store.rotate(with_access(1, HOUR)).await.unwrap();
    let longest_exp = successor(longer).exp;
    assert!(longest_exp > first_exp);
    let shorter = bench.store.rotate(with_access(2, MINUTE)).await.unwrap();
    assert_eq!(successor(shorter).exp, bench.now().plus(MINUTE));

    let (other, other_exp) = bench.session(&alice).await;
    let mut shorter = refresh(other, 0);
    shorter.lifetimes.access = MINUTE;
    bench.store.rotate(shorter).await.unwrap();
    let by = Client::default();
    let ended = bench.store.end_sessions(alice.id, None, by).await.unwrap();
    assert_eq!(ended.unwrap().latest_exp, longest_exp);
    let mut expected = vec![(session, longest_exp), (other, other_exp)];
    expected.sort();
    let mut revoked = bench.whole_feed().await.revoked;
    revoked.sort();
    assert_eq!(revoked, expected);
}

/// SE-02: by its owner, and by nobody else; what has ended or expired is not there to be renamed.
pub async fn a_session_is_renamed_by_its_owner_while_it_lives(bench: &Bench) {
    let [alice, bob] = [bench.account("alice").await, bench.account("bob").await];
    let (one, other) = (
        bench.open(alice.login()).await,
        bench.open(alice.login()).await,
    );
    let rename = async |session, owner: &Person, label: Option<&str>| {
        let label = label.map(ToOwned::to_owned);
        let renamed = bench.store.rename_session(session, owner.id, label).await;
        renamed.unwrap().map(|session| session.label)
    };
    let id = one.session.id;
    let label = Some("the phone".to_owned());
    assert_eq!(
        rename(id, &alice, Some("the phone")).await,
        Some(label.clone())
    );
    assert_eq!(rename(id, &bob, None).await, None);
    assert_eq!(rename(entropy::session_id(), &alice, None).await, None);
    let labels = async || {
        let sessions = bench.other.sessions_of(alice.id).await.unwrap();
        let mut labels: Vec<_> = sessions.into_iter().map(|session| session.label).collect();
        labels.sort();
        labels
    };
    assert_eq!(labels().await, [None, label]);
    assert_eq!(rename(id, &alice, None).await, Some(None));
    assert_eq!(labels().await, [None, None]);
    let by = Client::default();
    bench.store.end_session(id, None, by).await.unwrap();
    assert_eq!(rename(id, &alice, Some("x")).await, None);
    bench.clock.advance(LIFETIMES.idle);
    assert_eq!(rename(other.session.id, &alice, Some("x")).await, None);
}
