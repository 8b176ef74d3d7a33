//! Mailed codes: six digits, and what a challenge allows.

use std::time::Duration;

use crate::entropy;

/// How long a code opens its challenge (OT-02).
pub const LIFETIME: Duration = Duration::from_secs(600);
/// Attempts at one challenge (OT-05).
pub const MAX_ATTEMPTS: u32 = 5;
/// Wrong codes of one address and purpose in a day; then that purpose is closed to short codes (OT-06).
pub const MAX_WRONG_PER_DAY: u32 = 10;
/// Between two mails of one kind to one address, and between two codes of one challenge.
pub const COOLDOWN: Duration = Duration::from_secs(60);
/// The day of [`MAX_WRONG_PER_DAY`]; as long a sign-up waits for its code.
pub const DAY: Duration = Duration::from_secs(86_400);

/// What a code is good for; it is good for nothing else (OT-04).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Opens the account of a sign-up.
    Activation,
}

impl Purpose {
    /// The word for it, in requests and in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Activation => "activation",
        }
    }

    /// The purpose of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        (name == Self::Activation.name()).then_some(Self::Activation)
    }
}

/// Six digits, leading zeros kept, each value equally likely (OT-01).
pub fn draw() -> String {
    // The largest multiple of 10^6 below 2^32: values above it would make small codes likelier.
    const BOUND: u32 = u32::MAX - u32::MAX % 1_000_000;
    loop {
        let value = u32::from_be_bytes(entropy::bytes());
        if value < BOUND {
            return format!("{:06}", value % 1_000_000);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// OT-01: chi-square per position over 20,000 codes; 9 degrees of freedom, p = 10^-6 at 45.
    #[test]
    fn every_digit_is_as_likely_as_any_other() {
        let mut counts = [[0_u32; 10]; 6];
        for _ in 0..20_000 {
            for (position, digit) in draw().bytes().enumerate() {
                counts[position][usize::from(digit - b'0')] += 1;
            }
        }
        for position in counts {
            let chi: f64 = position
                .iter()
                .map(|count| (f64::from(*count) - 2_000.0).powi(2) / 2_000.0)
                .sum();
            assert!(chi < 45.0, "{position:?}");
        }
    }
}
