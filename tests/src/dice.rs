//! Chance that can be had again: the same seed gives the same numbers (Steele, Lea and Flood, 2014: SplitMix).

/// What is added for each number.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// A source of numbers.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The one of that seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The same once it has given so many numbers.
    pub const fn after(seed: u64, count: u64) -> Self {
        Self(seed.wrapping_add(count.wrapping_mul(STEP)))
    }

    /// A number below `bound`, which is not 0.
    ///
    /// # Panics
    /// When `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }

    /// One of these.
    ///
    /// # Panics
    /// When there are none.
    pub fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        let at = self.below(choices.len() as u64);
        choices[usize::try_from(at).unwrap_or_default()]
    }

    /// True in so many of a hundred cases.
    pub fn in_hundred(&mut self, cases: u64) -> bool {
        self.below(100) < cases
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_its_numbers_again_and_another_seed_others() {
        let rolls = |seed| {
            let mut dice = Dice::new(seed);
            (0..20).map(|_| dice.below(1_000)).collect::<Vec<_>>()
        };
        assert_eq!(rolls(7), rolls(7));
        assert_ne!(rolls(7), rolls(8));
        assert!(rolls(7).iter().all(|roll| *roll < 1_000));
        assert_eq!(Dice::after(7, 5).below(1_000), rolls(7)[5]);
    }

    #[test]
    fn ten_in_a_hundred_are_about_a_tenth() {
        let mut dice = Dice::new(1);
        let hits = (0..10_000).filter(|_| dice.in_hundred(10)).count();
        assert!((800..1_200).contains(&hits), "{hits}");
    }
}
