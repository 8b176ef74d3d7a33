//! Pruning: what goes after its time, and what must never go.

use std::time::Duration;

use companion::clock::Millis;
use companion::code::{MAX_ATTEMPTS, MAX_WRONG_PER_DAY};
use companion::store::{
    Client, CursorFound, Ended, Lifetimes, Login, MasterKeyVersion, NextErrand, Prepared,
    RegisteredGateway,
};
use companion::throttle::{Closed, Limit};
use token::{Cursor, GatewayId, SessionId, UnixTime};

use crate::bench::{Bench, START, email, publish_many};
use crate::ending::{end, told};
use crate::person::{LIFETIMES, Verdict, refresh, verdict};
use crate::{DAY, HOUR, MINUTE, SECOND, TICK};

/// A row of the feed stays for so long, whenever its tokens expire.
const IN_THE_FEED: Duration = Duration::from_secs(600);
/// How long an ended session keeps its receipt.
const IN_MEMORY: Duration = Duration::from_secs(30 * 86_400);

/// Publishes a session until then.
async fn publish(bench: &Bench, name: u8, exp: UnixTime) -> Cursor {
    let session = SessionId::from_bytes([name; 16]);
    let published = bench
        .store
        .revoke_unknown(session, Some(exp), Client::default())
        .await;
    let published = published.unwrap().unwrap();
    Cursor {
        number: published.number,
        mark: Some(published.mark),
    }
}

/// The sessions in the feed, by the byte of their names, after a pruning.
async fn kept(bench: &Bench) -> Vec<u8> {
    bench.store.prune().await.unwrap();
    let revoked = bench.whole_feed().await.revoked;
    revoked.iter().map(|(id, _)| id.as_bytes()[0]).collect()
}

/// For ten minutes, whatever its `exp`; then until no gateway's clock can take such a token for valid.
pub async fn a_row_of_the_feed_stays_while_it_is_needed(bench: &Bench) {
    bench.add_keys().await;
    bench.clock.advance(HOUR);
    publish(bench, 1, bench.now()).await;
    publish(bench, 2, bench.now().plus(HOUR)).await;
    publish(bench, 3, bench.now().plus(2 * HOUR)).await;
    bench.clock.advance(IN_THE_FEED);
    assert_eq!(kept(bench).await, [1, 2, 3]);
    bench.clock.advance(TICK);
    assert_eq!(kept(bench).await, [2, 3]);
    // Two minutes after its `exp`, as it is served.
    bench.clock.advance(HOUR - IN_THE_FEED + 2 * MINUTE);
    assert_eq!(kept(bench).await, [2, 3]);
    bench.clock.advance(SECOND);
    assert_eq!(kept(bench).await, [3]);
}

/// The cursors of gateways that are up to date, and of those that have only the keys, find their marks.
pub async fn the_newest_row_and_that_of_the_keys_never_go(bench: &Bench) {
    bench.add_keys().await;
    let keys = bench.head().await;
    let middle = publish(bench, 1, START.plus(HOUR)).await;
    let newest = publish(bench, 2, START.plus(HOUR)).await;
    bench.clock.advance(500 * DAY);
    assert_eq!(kept(bench).await, [2]);
    for (cursor, found) in [
        (keys, CursorFound::Known),
        (middle, CursorFound::Pruned),
        (newest, CursorFound::Known),
    ] {
        assert_eq!(bench.feed(cursor).await.cursor, found);
    }
    // The numbers go on.
    let next = publish(bench, 3, bench.now().plus(HOUR)).await;
    assert_eq!(next.number, newest.number + 1);
    bench.clock.advance(DAY);
    assert_eq!(kept(bench).await, [3]);
}

/// However many there are: it goes in small steps, but to the end.
pub async fn one_pruning_removes_all_that_may_go(bench: &Bench) {
    bench.add_keys().await;
    let exp = bench.now().plus(HOUR);
    publish_many(bench, 0..1_200, exp).await;
    bench.clock.advance(DAY);
    assert_eq!(kept(bench).await.len(), 1);
    assert_eq!(bench.head().await.number, 1_201);
}

pub async fn an_ended_session_keeps_its_receipt_for_thirty_days(bench: &Bench) {
    let alice = bench.account("alice").await;
    let (session, _) = bench.session(&alice).await;
    let revocation = end(bench, session).await;
    bench.clock.advance(IN_MEMORY);
    bench.store.prune().await.unwrap();
    assert_eq!(told(&end(bench, session).await), told(&revocation));
    let found = bench.other.revocation(revocation.number).await.unwrap();
    assert_eq!(told(&found.unwrap()), told(&revocation));

    bench.clock.advance(TICK);
    bench.store.prune().await.unwrap();
    let again = bench.store.end_session(session, None, Client::default());
    assert_eq!(again.await.unwrap(), Ended::Unknown);
    let found = bench.other.revocation(revocation.number).await.unwrap();
    assert_eq!(found, None);
}

/// Thirty days after its absolute deadline; one that can still be refreshed stays, however old.
pub async fn a_session_that_is_over_goes_and_one_that_lives_stays(bench: &Bench) {
    let alice = bench.account("alice").await;
    let login = |absolute| Login {
        lifetimes: Lifetimes {
            idle: 90 * DAY,
            absolute,
            ..LIFETIMES
        },
        ..alice.login()
    };
    let over = bench.open(login(HOUR)).await.session.id;
    let over_later = bench.open(login(2 * HOUR)).await.session.id;
    let alive = bench.open(login(400 * DAY)).await.session.id;
    bench.clock.advance(HOUR + IN_MEMORY + TICK);
    bench.store.prune().await.unwrap();
    let ended = bench.store.end_session(over, None, Client::default());
    assert_eq!(ended.await.unwrap(), Ended::Unknown);
    end(bench, over_later).await;
    assert!(bench.is_alive(alive, &alice).await);
    let rotation = bench.store.rotate(refresh(alive, 0)).await.unwrap();
    assert_eq!(verdict(&rotation), Verdict::Rotated);
}

pub async fn an_errand_goes_after_a_day(bench: &Bench) {
    bench.sign_up(&email("alice"), "a hash").await;
    let old = bench.errand().await.id;
    bench.store.retry_errand(old, 2 * DAY).await.unwrap();
    bench.clock.advance(TICK);
    bench.sign_up(&email("bob"), "a hash").await;
    bench.clock.advance(DAY);
    bench.store.prune().await.unwrap();
    let young = bench.errand().await.id;
    assert_ne!(young, old);
    bench.store.finish_errand(young).await.unwrap();
    assert!(bench.has_no_errand().await);
}

/// RL-09: nobody frees himself by waiting for a pruning.
pub async fn what_still_limits_stays(bench: &Bench) {
    let alice = email("alice");
    for _ in 0..MAX_WRONG_PER_DAY / MAX_ATTEMPTS {
        let challenge = bench.sign_up(&alice, "a hash").await;
        bench.carry_out([1; 32]).await;
        for _ in 0..MAX_ATTEMPTS {
            let attempt = bench.store.attempt_code(challenge).await.unwrap();
            assert!(attempt.is_some());
        }
        bench.clock.advance(MINUTE);
    }
    bench.carry_out([1; 32]).await;
    bench.clock.advance(DAY - 3 * MINUTE);
    bench.store.prune().await.unwrap();
    bench.sign_up(&alice, "a hash").await;
    assert_eq!(bench.carry_out([1; 32]).await, Prepared::Nothing);

    let bob = email("bob");
    bench.sign_up(&bob, "a hash").await;
    bench.carry_out([1; 32]).await;
    let hourly = Limit::new(1, 1, HOUR);
    let bucket = || vec![([1; 16], hourly)];
    assert_eq!(bench.store.take(bucket()).await.unwrap(), None);
    for _ in 0..5 {
        bench.store.reserve_attempt([1; 16], 100).await.unwrap();
    }
    bench.store.prune().await.unwrap();
    assert!(bench.store.take(bucket()).await.unwrap().is_some());
    let closed = bench.store.reserve_attempt([1; 16], 100).await.unwrap();
    assert_eq!(closed, Some(Closed::For(SECOND)));
    bench.sign_up(&bob, "a hash").await;
    assert_eq!(bench.carry_out([1; 32]).await, Prepared::Later);
    assert!(matches!(
        bench.store.next_errand().await.unwrap(),
        NextErrand::In(_)
    ));
}

/// A code in the mail, the account, the keys, the master key's check value.
pub async fn what_is_in_use_stays(bench: &Bench) {
    let alice = bench.account("alice").await;
    let master_key = MasterKeyVersion {
        version: 1,
        check_value: [1; 32],
    };
    assert!(bench.store.add_master_key(master_key).await.unwrap());
    let challenge = bench.sign_up(&email("bob"), "a hash").await;
    bench.carry_out([1; 32]).await;
    bench.store.prune().await.unwrap();
    let attempt = bench.store.attempt_code(challenge).await.unwrap();
    assert!(attempt.is_some());
    bench.clock.advance(500 * DAY);
    bench.store.prune().await.unwrap();
    let account = bench.store.account(&alice.email).await.unwrap();
    assert_eq!(account.unwrap().id, alice.id);
    let keys = bench.store.keys().await.unwrap();
    assert_eq!((keys.version, keys.keys.len()), (1, 2));
    assert_eq!(bench.store.master_keys().await.unwrap(), [master_key]);
}

pub async fn a_gateway_goes_a_day_after_it_fell_silent(bench: &Bench) {
    for (name, live_for) in [(1, MINUTE), (2, 2 * MINUTE)] {
        let gateway = RegisteredGateway {
            id: GatewayId::from_bytes([name; 16]),
            staleness: None,
            live_until: bench.clock.now().plus(live_for),
            acknowledged: 0,
        };
        bench.store.register_gateway(gateway).await.unwrap();
    }
    let names = async || {
        bench.store.prune().await.unwrap();
        let known = bench.other.gateways(Millis(0)).await.unwrap().gateways;
        let mut names: Vec<_> = known.iter().map(|known| known.id.as_bytes()[0]).collect();
        names.sort_unstable();
        names.dedup();
        names
    };
    bench.clock.advance(MINUTE + DAY);
    assert_eq!(names().await, [1, 2]);
    bench.clock.advance(TICK);
    assert_eq!(names().await, [2]);
}
