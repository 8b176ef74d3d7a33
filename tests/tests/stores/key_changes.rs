//! Changes of the key set: rotation, retirement, removal.

use std::time::Duration;

use companion::key_life::{Life, signer};
use companion::store::{Client, KeyChange, KeyUse, SealedKey, Store};
use token::Algorithm;

use crate::bench::{Bench, at_once, count};
use crate::person::{refresh, successor};
use crate::{DAY, MINUTE, TICK};

const AHEAD: Duration = Duration::from_secs(600);

fn key(kid: &str, usage: KeyUse) -> SealedKey {
    SealedKey {
        kid: kid.to_owned(),
        usage,
        algorithm: Algorithm::EdDsa,
        sealed: kid.as_bytes().to_vec(),
    }
}

fn access(kid: &str) -> SealedKey {
    key(kid, KeyUse::Access)
}

fn change(of: u64, add: &[&str], remove: &[&str]) -> KeyChange {
    KeyChange {
        of,
        add: add.iter().map(|kid| access(kid)).collect(),
        ahead: AHEAD,
        remove: remove.iter().map(|&kid| kid.to_owned()).collect(),
        by: Client::default(),
    }
}

async fn changed(bench: &Bench, add: &[&str], remove: &[&str]) -> u64 {
    let of = bench.store.keys().await.unwrap().version;
    let changed = bench.store.change_keys(change(of, add, remove)).await;
    changed.unwrap().unwrap()
}

/// The access keys, oldest first: name, since when published, from when on signing.
async fn access_keys(store: &dyn Store) -> Vec<(String, Life)> {
    let keys = store.keys().await.unwrap().keys;
    let of_use = keys
        .into_iter()
        .filter(|stored| stored.life.usage == KeyUse::Access);
    of_use.map(|stored| (stored.key.kid, stored.life)).collect()
}

async fn signing(bench: &Bench) -> String {
    let keys = access_keys(bench.other.as_ref()).await;
    let at = signer(keys.iter().map(|(_, life)| *life), bench.clock.now()).unwrap();
    keys[at].0.clone()
}

/// KR-01.
pub async fn a_key_is_published_at_once_and_signs_later(bench: &Bench) {
    bench.add_keys().await;
    bench.clock.advance(DAY);
    let now = bench.clock.now();
    let number = changed(bench, &["next"], &[]).await;
    assert_eq!(number, 2);
    for store in [&bench.store, &bench.other] {
        assert_eq!(store.keys().await.unwrap().version, 2);
        let keys = access_keys(store.as_ref()).await;
        assert_eq!(keys[0].0, "first-access");
        let next = Life {
            usage: KeyUse::Access,
            published_at: now,
            signs_from: now.plus(AHEAD),
        };
        assert_eq!(keys[1], ("next".to_owned(), next));
    }
    assert_eq!(bench.head().await.number, 2);
    assert_eq!(bench.whole_feed().await.keys, 2);
    bench.clock.advance(AHEAD - TICK);
    assert_eq!(signing(bench).await, "first-access");
    bench.clock.advance(TICK);
    assert_eq!(signing(bench).await, "next");
}

/// KR-01: of several companions that find one due one publishes it.
pub async fn of_many_changes_of_one_set_one_is_made(bench: &Bench) {
    bench.add_keys().await;
    let made = at_once(bench, 8, |number, store| async move {
        let name = format!("key-{number}");
        let change = change(1, &[&name], &["first-access"]);
        store.change_keys(change).await.unwrap()
    })
    .await;
    assert_eq!(count(&made, |made| *made == Some(2)), 1);
    assert_eq!(count(&made, Option::is_none), 7);
    let keys = access_keys(bench.store.as_ref()).await;
    assert_eq!(keys.len(), 1);
    let made = made.iter().position(Option::is_some).unwrap();
    assert_eq!(keys[0].0, format!("key-{made}"));
    assert_eq!(bench.head().await.number, 2);
}

/// KR-02: a key that has left the set is in no read, and the change has a number.
pub async fn a_retired_key_leaves_with_a_number(bench: &Bench) {
    bench.add_keys().await;
    changed(bench, &["next"], &[]).await;
    assert_eq!(changed(bench, &[], &["first-access"]).await, 3);
    let keys = access_keys(bench.other.as_ref()).await;
    assert_eq!(keys.len(), 1);
    assert_eq!(keys[0].0, "next");
    assert_eq!(bench.whole_feed().await.keys, 3);
}

/// KR-03: the next one signs at once, though its time had not come; the receipt is that of the change.
pub async fn a_removed_key_is_gone_at_once_and_the_next_signs(bench: &Bench) {
    bench.add_keys().await;
    changed(bench, &["next"], &[]).await;
    bench.clock.advance(MINUTE);
    let by = Client::default();
    let removed = bench
        .store
        .remove_key("first-access".to_owned(), access("spare"), by)
        .await;
    let receipt = removed.unwrap().unwrap();
    assert_eq!((receipt.number, receipt.sessions), (3, 0));
    assert!(receipt.latest_exp > bench.now().plus(DAY - MINUTE));
    let keys = access_keys(bench.other.as_ref()).await;
    assert_eq!(keys.len(), 1);
    assert_eq!(
        (keys[0].0.as_str(), keys[0].1.signs_from),
        ("next", bench.clock.now())
    );
    let read = bench.whole_feed().await;
    assert_eq!((read.seq, read.keys, read.mark), (3, 3, Some(receipt.mark)));
    let found = bench.other.revocation(3).await.unwrap().unwrap();
    assert_eq!((found.mark, found.sessions), (receipt.mark, 0));
}

/// KR-03: a use is never without a key.
pub async fn the_last_key_of_a_use_gives_way_to_the_spare(bench: &Bench) {
    bench.add_keys().await;
    let remove = |kid: &str, spare| {
        let (store, kid) = (bench.handle(0), kid.to_owned());
        async move {
            store
                .remove_key(kid, spare, Client::default())
                .await
                .unwrap()
        }
    };
    assert!(
        remove("first-feed", key("spare", KeyUse::Feed))
            .await
            .is_some()
    );
    let keys = bench.other.keys().await.unwrap().keys;
    let feed: Vec<_> = keys
        .iter()
        .filter(|stored| stored.life.usage == KeyUse::Feed)
        .collect();
    assert_eq!(feed.len(), 1);
    assert_eq!(feed[0].key.kid, "spare");
    assert_eq!(feed[0].key.sealed, b"spare");
    assert_eq!(feed[0].life.signs_from, bench.clock.now());
    assert_eq!(keys.len(), 2);
    // Twice is once, and a key that never was is none.
    let head = bench.head().await;
    assert!(
        remove("first-feed", key("other", KeyUse::Feed))
            .await
            .is_none()
    );
    assert!(remove("never", access("other")).await.is_none());
    assert_eq!(bench.head().await, head);
}

/// A key that does not sign can go without another one starting before its time.
pub async fn without_a_key_that_does_not_sign_nothing_starts_early(bench: &Bench) {
    bench.add_keys().await;
    bench.clock.advance(DAY);
    changed(bench, &["second"], &[]).await;
    bench.clock.advance(AHEAD);
    changed(bench, &["third"], &[]).await;
    let third = access_keys(bench.store.as_ref()).await[2].1;
    let remove = |kid: &str| {
        let (store, kid) = (bench.handle(1), kid.to_owned());
        async move {
            let spare = access("spare");
            store
                .remove_key(kid, spare, Client::default())
                .await
                .unwrap()
        }
    };
    assert!(remove("first-access").await.is_some());
    assert_eq!(access_keys(bench.store.as_ref()).await[1].1, third);
    assert_eq!(signing(bench).await, "second");
    assert!(remove("third").await.is_some());
    assert_eq!(signing(bench).await, "second");
    assert!(remove("second").await.is_some());
    assert_eq!(signing(bench).await, "spare");
}

/// RR-16: no change of the set, and nothing for a key that is another by now.
pub async fn a_key_can_be_sealed_anew(bench: &Bench) {
    bench.add_keys().await;
    let head = bench.head().await;
    let sealed = async || {
        let keys = bench.other.keys().await.unwrap().keys;
        let access = keys
            .into_iter()
            .find(|stored| stored.life.usage == KeyUse::Access);
        access.unwrap().key.sealed
    };
    let before = sealed().await;
    let reseal = |from: Vec<u8>, to: &[u8]| {
        let kid = "first-access".to_owned();
        bench.store.reseal_key(kid, from, to.to_vec())
    };
    reseal(vec![9], b"other").await.unwrap();
    assert_eq!(sealed().await, before);
    reseal(before, b"new").await.unwrap();
    assert_eq!(sealed().await, b"new");
    assert_eq!(bench.head().await, head);
}

/// KR-01: what is minted names the set that it was minted under, so that no removed key signs it.
pub async fn what_is_minted_names_the_key_set(bench: &Bench) {
    let alice = bench.account("alice").await;
    let minted = bench.open(alice.login()).await;
    assert_eq!(
        (minted.keys, minted.email.as_str()),
        (1, "alice@example.com")
    );
    let number = changed(bench, &["next"], &[]).await;
    assert_eq!(bench.open(alice.login()).await.keys, number);
    for _ in 0..2 {
        // Rotated, then repeated.
        let rotation = bench.other.rotate(refresh(minted.session.id, 0)).await;
        let minted = successor(rotation.unwrap());
        assert_eq!(
            (minted.keys, minted.email.as_str()),
            (number, "alice@example.com")
        );
    }
}

pub async fn the_first_keys_sign_at_once(bench: &Bench) {
    bench.add_keys().await;
    let now = bench.clock.now();
    for stored in bench.store.keys().await.unwrap().keys {
        assert_eq!(
            (stored.life.published_at, stored.life.signs_from),
            (now, now)
        );
    }
    bench.clock.advance(DAY);
    let number = bench
        .store
        .replace_keys(crate::bench::key_set("second"), Client::default())
        .await
        .unwrap();
    assert_eq!(number, 2);
    let keys = bench.other.keys().await.unwrap().keys;
    assert_eq!(keys.len(), 2);
    assert!(
        keys.iter()
            .all(|stored| stored.life.signs_from == bench.clock.now())
    );
}
