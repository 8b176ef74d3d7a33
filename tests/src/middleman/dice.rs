//! Chance that is the same on each run.

/// Whether number `number` of this seed is the one in `one_in`: never for 0.
pub(super) fn hits(seed: u64, number: u64, one_in: u32) -> bool {
    mixed(seed ^ mixed(number)).checked_rem(u64::from(one_in)) == Some(0)
}

/// The last step of `SplitMix64`: near numbers come out far apart.
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::hits;

    fn hits_of(seed: u64, one_in: u32) -> Vec<u64> {
        (0..3000)
            .filter(|number| hits(seed, *number, one_in))
            .collect()
    }

    #[test]
    fn about_one_in_so_many_is_hit() {
        assert!((800..1200).contains(&hits_of(7, 3).len()));
        assert_eq!(hits_of(7, 1).len(), 3000);
        assert!(hits_of(7, 0).is_empty());
    }

    #[test]
    fn seeds_differ_and_each_is_the_same_again() {
        assert_eq!(hits_of(7, 3), hits_of(7, 3));
        assert_ne!(hits_of(7, 3), hits_of(8, 3));
    }
}
