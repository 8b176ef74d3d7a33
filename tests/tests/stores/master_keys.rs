//! What tells the versions of the master key.

use companion::store::MasterKeyVersion;

use crate::bench::{Bench, at_once};

fn version(version: u32, byte: u8) -> MasterKeyVersion {
    MasterKeyVersion {
        version,
        check_value: [byte; 32],
    }
}

pub async fn an_empty_store_belongs_to_no_master_key(bench: &Bench) {
    assert!(bench.store.master_keys().await.unwrap().is_empty());
}

/// RR-16.
pub async fn a_version_that_was_noted_stays_what_it_is(bench: &Bench) {
    assert!(bench.store.add_master_key(version(1, 1)).await.unwrap());
    assert!(bench.other.add_master_key(version(2, 2)).await.unwrap());
    for store in [&bench.store, &bench.other] {
        assert!(!store.add_master_key(version(1, 3)).await.unwrap());
        assert!(!store.add_master_key(version(2, 1)).await.unwrap());
        assert!(store.add_master_key(version(1, 1)).await.unwrap());
        let mut known = store.master_keys().await.unwrap();
        known.sort_unstable_by_key(|known| known.version);
        assert_eq!(known, [version(1, 1), version(2, 2)]);
    }
}

pub async fn of_many_keys_at_once_one_becomes_the_version(bench: &Bench) {
    let taken = at_once(bench, 8, |number, store| async move {
        let key = version(1, u8::try_from(number).unwrap());
        store.add_master_key(key).await.unwrap()
    })
    .await;
    assert_eq!(taken.iter().filter(|is_taken| **is_taken).count(), 1);
    let known = bench.other.master_keys().await.unwrap();
    assert_eq!(known.len(), 1);
    let taken = taken.iter().position(|is_taken| *is_taken).unwrap();
    assert_eq!(usize::from(known[0].check_value[0]), taken);
}
