//! The first signing keys.

use companion::store::{SealedKey, StoredKey};
use token::Cursor;

use crate::bench::{Bench, at_once, key_set};
use crate::ending::end;

/// All that is stored of a key set.
fn told(keys: &[SealedKey]) -> Vec<(String, String, Vec<u8>)> {
    let told = |key: &SealedKey| {
        let what = format!("{} {:?} {:?}", key.kid, key.usage, key.algorithm);
        (key.kid.clone(), what, key.sealed.clone())
    };
    let mut told: Vec<_> = keys.iter().map(told).collect();
    told.sort();
    told
}

fn stored(keys: &[StoredKey]) -> Vec<SealedKey> {
    keys.iter().map(|stored| stored.key.clone()).collect()
}

pub async fn an_empty_store_has_no_keys(bench: &Bench) {
    let keys = bench.store.keys().await.unwrap();
    assert_eq!(keys.version, 0);
    assert!(keys.keys.is_empty());
}

pub async fn the_first_keys_are_number_1_of_the_feed(bench: &Bench) {
    bench.add_keys().await;
    for store in [&bench.store, &bench.other] {
        let keys = store.keys().await.unwrap();
        assert_eq!(keys.version, 1);
        assert_eq!(told(&stored(&keys.keys)), told(&key_set("first")));
        let read = store.read_feed(Cursor::START).await.unwrap();
        assert_eq!((read.seq, read.keys), (1, 1));
        assert!(read.has_rows && !read.more && read.mark.is_some());
        assert!(read.revoked.is_empty());
    }
}

pub async fn there_are_first_keys_only_once(bench: &Bench) {
    bench.add_keys().await;
    let head = bench.head().await;
    bench.other.add_first_keys(key_set("second")).await.unwrap();
    let keys = bench.store.keys().await.unwrap();
    assert_eq!(keys.version, 1);
    assert_eq!(told(&stored(&keys.keys)), told(&key_set("first")));
    assert_eq!(bench.head().await, head);
}

/// An end has a number, and is no change of keys.
pub async fn the_version_moves_with_the_keys_alone(bench: &Bench) {
    let alice = bench.account("alice").await;
    let (session, _) = bench.session(&alice).await;
    assert_eq!(end(bench, session).await.number, 2);
    assert_eq!(bench.other.keys().await.unwrap().version, 1);
    assert_eq!(bench.whole_feed().await.keys, 1);
}

/// Two companions that start on an empty store must not sign with keys that the other does not publish.
pub async fn of_many_first_key_sets_at_once_one_is_kept_whole(bench: &Bench) {
    at_once(bench, 8, |number, store| async move {
        let keys = key_set(&number.to_string());
        store.add_first_keys(keys).await.unwrap();
    })
    .await;
    let keys = bench.store.keys().await.unwrap();
    assert_eq!(keys.version, 1);
    let is_kept = |number: usize| told(&stored(&keys.keys)) == told(&key_set(&number.to_string()));
    assert_eq!((0..8).filter(|number| is_kept(*number)).count(), 1);
    assert_eq!(bench.head().await.number, 1);
}
