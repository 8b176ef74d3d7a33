use proptest::prelude::*;

use super::*;

const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);

fn entry(id: u8, offset: i64) -> Entry {
    (
        SessionId::from_bytes([id; 16]),
        UnixTime::from_seconds(NOW.seconds().saturating_add(offset)),
    )
}

#[test]
fn a_bucket_reads_back() {
    for entries in [vec![], vec![entry(1, 0)], vec![entry(1, 0), entry(2, -5)]] {
        assert_eq!(decode(&encode(&entries)), Ok(entries));
    }
}

/// FR-24: another format, another version, every truncation and every extension.
#[test]
fn what_is_not_exactly_a_bucket_is_unreadable() {
    let good = encode(&[entry(1, 0), entry(2, 0)]);
    for cut in 0..good.len() {
        assert_eq!(decode(&good[..cut]), Err(Unreadable), "cut at {cut}");
    }
    assert_eq!(decode(&[good.as_slice(), &[0]].concat()), Err(Unreadable));
    assert_eq!(
        decode(&[good.as_slice(), &[0; 24]].concat()),
        Err(Unreadable)
    );
    for at in 0..8 {
        let mut other = good.clone();
        other[at] ^= 1;
        assert_eq!(decode(&other), Err(Unreadable), "byte {at}");
    }
}

/// RV-08: an entry stays until its `exp` plus the largest skew, and not a second longer than that.
#[test]
fn an_entry_stays_for_exp_plus_the_largest_skew() {
    assert_eq!(unite(&[entry(1, -60)], &[], NOW), vec![entry(1, -60)]);
    assert_eq!(unite(&[entry(1, -61)], &[], NOW), vec![]);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), id in any::<[u8; 16]>()) {
        let _ = contains(&bytes, SessionId::from_bytes(id));
    }

    /// RV-06: no order and no repetition of pages takes an entry back before it expires.
    #[test]
    fn uniting_only_adds(pages in prop::collection::vec(prop::collection::vec((0..20_u8, -59..600_i64), 0..8), 0..12)) {
        let mut held = Vec::new();
        let mut ever = std::collections::BTreeMap::<u8, i64>::new();
        for page in pages {
            let page: Vec<_> = page.into_iter().map(|(id, offset)| { let latest = ever.entry(id).or_insert(offset); *latest = (*latest).max(offset); entry(id, offset) }).collect();
            held = unite(&held, &page, NOW);
            for (id, latest) in &ever {
                prop_assert!(held.contains(&entry(*id, *latest)));
            }
        }
    }
}
