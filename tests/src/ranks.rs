//! The test of Mann and Whitney (1947): whether two samples could well come from one distribution. Knows numbers alone.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// The probability that two samples of one distribution differ in their ranks by as much as these, or more; two-sided, by the normal
/// approximation, with the corrections for ties and for continuity. Fewer than some twenty numbers in each make it inexact; without any,
/// or when all are equal, it is 1.
#[expect(
    clippy::cast_precision_loss,
    reason = "samples of far fewer than 2^52 numbers"
)]
pub fn mann_whitney(one: &[f64], two: &[f64]) -> f64 {
    let (ones, twos) = (one.len() as f64, two.len() as f64);
    let all = ones + twos;
    let mut ranked: Vec<(f64, bool)> = one.iter().map(|value| (*value, true)).collect();
    ranked.extend(two.iter().map(|value| (*value, false)));
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
    // Equal values share the mean of their ranks.
    let (mut rank_sum, mut ties, mut below) = (0.0, 0.0, 0.0);
    for group in ranked.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()) {
        let size = group.len() as f64;
        let of_one = group.iter().filter(|(_, is_one)| *is_one).count() as f64;
        rank_sum += of_one * f64::midpoint(2.0 * below + size, 1.0);
        ties += size.powi(3) - size;
        below += size;
    }
    let u = rank_sum - ones * (ones + 1.0) / 2.0;
    let mean = ones * twos / 2.0;
    let variance = ones * twos / 12.0 * (all + 1.0 - ties / (all * (all - 1.0)));
    if variance.is_nan() || variance <= 0.0 {
        return 1.0;
    }
    let distance = ((u - mean).abs() - 0.5).max(0.0);
    erfc(distance / variance.sqrt() * FRAC_1_SQRT_2).min(1.0)
}

/// The middle of a sample; 0 of none.
pub fn median(sample: &[f64]) -> f64 {
    quantile(sample, 0.5)
}

/// The value below which this share of a sample lies, by the nearest rank; 0 of none.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "samples of far fewer than 2^52 numbers, shares between 0 and 1"
)]
pub fn quantile(sample: &[f64], share: f64) -> f64 {
    let mut sorted = sample.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied().unwrap_or_default()
}

/// The complementary error function of a number that is not negative: its power series near 0, its continued fraction beyond (NIST
/// Digital Library of Mathematical Functions, 7.6.1 and 7.9.1).
fn erfc(x: f64) -> f64 {
    if x < 2.0 {
        let (mut term, mut sum, mut n) = (x, x, 0.0);
        while term.abs() > 1e-17 {
            n += 1.0;
            term *= -x * x / n;
            sum += term / (2.0 * n + 1.0);
        }
        return 1.0 - 2.0 / PI.sqrt() * sum;
    }
    // From the inside out; sixty steps are more than enough from 2 on.
    let tail = (1..=60)
        .rev()
        .fold(x, |below, step| x + f64::from(step) / 2.0 / below);
    (-x * x).exp() / PI.sqrt() / tail
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_near(found: f64, expected: f64) -> bool {
        (found - expected).abs() <= expected.abs() * 1e-9
    }

    /// To ten digits, from tables.
    #[test]
    fn the_error_function_is_that_of_the_tables() {
        for (x, expected) in [
            (0.0, 1.0),
            (0.5, 0.479_500_122_186_953_5),
            (1.0, 0.157_299_207_050_285_13),
            (1.999, 0.004_698_443_348_629_488),
            (2.0, 0.004_677_734_981_047_266),
            (3.0, 2.209_049_699_858_544e-5),
            (5.0, 1.537_459_794_428_035e-12),
        ] {
            assert!(is_near(erfc(x), expected), "{x}: {}", erfc(x));
        }
    }

    /// The first is the example in the manual of SciPy's `mannwhitneyu`; the second, with ties, was computed by hand.
    const KNOWN: [(&[f64], &[f64], f64); 2] = [
        (
            &[19.0, 22.0, 16.0, 29.0, 24.0],
            &[20.0, 11.0, 17.0, 12.0],
            0.111_346_886_533_140_41,
        ),
        (
            &[1.0, 2.0, 2.0, 3.0, 3.0, 3.0, 4.0],
            &[2.0, 3.0, 4.0, 4.0, 5.0, 5.0],
            0.078_262_429_477_146_25,
        ),
    ];

    #[test]
    fn known_samples_have_their_known_probabilities() {
        let numbers = |range: std::ops::Range<i32>| range.map(f64::from).collect::<Vec<_>>();
        for (one, two, expected) in KNOWN {
            let found = mann_whitney(one, two);
            assert!(is_near(found, expected), "{one:?} {two:?}: {found}");
            // It is the same whichever comes first.
            assert!(is_near(mann_whitney(two, one), expected));
        }
        // Apart altogether; one shifted by half its width; the same.
        assert!(mann_whitney(&numbers(0..600), &numbers(600..1200)) < 1e-190);
        assert!(mann_whitney(&numbers(0..600), &numbers(300..900)) < 1e-60);
        assert!(mann_whitney(&numbers(0..600), &numbers(0..600)) > 0.99);
        assert!(is_near(mann_whitney(&[1.0; 5], &[1.0; 7]), 1.0));
        assert!(is_near(mann_whitney(&[], &[1.0]), 1.0));
    }

    #[test]
    fn a_quantile_is_a_value_of_the_sample() {
        let sample = [5.0, 1.0, 4.0, 2.0, 3.0];
        for (share, expected) in [
            (0.0, 1.0),
            (0.2, 1.0),
            (0.21, 2.0),
            (0.5, 3.0),
            (0.99, 5.0),
            (1.0, 5.0),
        ] {
            assert!(is_near(quantile(&sample, share), expected), "{share}");
        }
        assert!(is_near(median(&[2.0, 1.0]), 1.0));
        assert!(median(&[]).abs() < 1e-9);
    }
}
