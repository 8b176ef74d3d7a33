//! Mailed codes: six digits, the long code beside them in a recovery mail, and what a challenge allows.
//!
//! What guessing can come to: ten attempts a day for each of the five purposes, so fifty at one account whatever mixture of resends,
//! new challenges and purposes they are spread over; one in 20,000 that any of them is right (OT-06). A long code has 130 bits, and
//! draws on no budget: nobody can use it up for its owner (RL-03).

use std::time::Duration;

use token::{ChallengeId, Subject};

use crate::entropy;
use crate::store::Mail;

/// How long a code opens its challenge (OT-02).
pub const LIFETIME: Duration = Duration::from_secs(600);
/// Attempts at one challenge (OT-05).
pub const MAX_ATTEMPTS: u32 = 5;
/// Wrong codes of one account, or of one address, and purpose in a day; then that purpose is closed to short codes (OT-06).
pub const MAX_WRONG_PER_DAY: u32 = 10;
/// Between two mails of one kind to one owner, unless `limits.mail_cooldown` says otherwise.
pub const COOLDOWN: Duration = Duration::from_secs(60);
/// The day of [`MAX_WRONG_PER_DAY`]; as long a sign-up waits for its code.
pub const DAY: Duration = Duration::from_secs(86_400);

/// What a code is good for; it is good for nothing else (OT-04).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Opens the account of a sign-up.
    Activation,
    /// Sets a new password where the old one is lost.
    Recovery,
    /// Lifts a session for a while.
    StepUp,
    /// Proves the address that an account is to have.
    EmailChange,
    /// The second factor of a login: a code that is never mailed.
    Login,
}

impl Purpose {
    /// All purposes.
    pub const ALL: [Self; 5] = [
        Self::Activation,
        Self::Recovery,
        Self::StepUp,
        Self::EmailChange,
        Self::Login,
    ];

    /// The word for it, in requests and in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Activation => "activation",
            Self::Recovery => "recovery",
            Self::StepUp => "step_up",
            Self::EmailChange => "email_change",
            Self::Login => "login",
        }
    }

    /// The purpose of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.name() == name)
    }

    /// The mail with its code, short codes being closed for today or not; `None`: none is sent.
    pub const fn mail(self, is_closed: bool) -> Option<Mail> {
        match (self, is_closed) {
            (Self::Activation, false) => Some(Mail::ActivationCode),
            (Self::Recovery, false) => Some(Mail::RecoveryCode),
            // Nobody guesses the long code, so that nobody can close the way back to its owner (RL-03).
            (Self::Recovery, true) => Some(Mail::RecoveryLongCode),
            (Self::StepUp, false) => Some(Mail::StepUpCode),
            (Self::EmailChange, false) => Some(Mail::EmailChangeCode),
            (Self::Activation | Self::StepUp | Self::EmailChange, true) | (Self::Login, _) => None,
        }
    }

    /// Whether nothing but a mailed code opens it. The others may be opened by the authenticator app.
    pub const fn is_by_mail_alone(self) -> bool {
        matches!(self, Self::Activation | Self::Recovery | Self::EmailChange)
    }
}

/// What the MAC of a code covers beside the code itself (OT-04, OT-09).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The purpose.
    pub purpose: Purpose,
    /// The challenge.
    pub challenge: ChallengeId,
    /// The account; `None` before there is one.
    pub account: Option<Subject>,
    /// The address that it is mailed to.
    pub email: String,
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

const LONG: usize = 26;
/// RFC 4648 section 6.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A long code: 26 base32 characters, 130 bits (OT-01).
pub fn draw_long() -> String {
    // 256 is a multiple of 32: each character is equally likely.
    entropy::bytes::<LONG>()
        .into_iter()
        .filter_map(|byte| BASE32.get(usize::from(byte % 32)))
        .map(|character| char::from(*character))
        .collect()
}

/// The long code that this text is, in its one spelling; `None` when it can be none.
pub fn as_long(text: &str) -> Option<String> {
    let text = text.to_ascii_uppercase();
    let is_long = text.len() == LONG && text.bytes().all(|byte| BASE32.contains(&byte));
    is_long.then_some(text)
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

    /// OT-01: 130 bits; chi-square over all characters of 4,000 codes, 31 degrees of freedom, p = 10^-6 at 89.
    #[test]
    fn a_long_code_is_26_characters_that_are_all_as_likely() {
        let mut counts = [0_u32; 32];
        for _ in 0..4_000 {
            let code = draw_long();
            assert_eq!(as_long(&code).as_deref(), Some(code.as_str()));
            assert_eq!(as_long(&code.to_lowercase()), Some(code.clone()));
            for character in code.bytes() {
                counts[BASE32.iter().position(|one| *one == character).unwrap()] += 1;
            }
        }
        let expected = 4_000.0 * 26.0 / 32.0;
        let chi: f64 = counts
            .iter()
            .map(|count| (f64::from(*count) - expected).powi(2) / expected)
            .sum();
        assert!(chi < 89.0, "{counts:?}");
        for text in [
            "",
            "123456",
            &"A".repeat(25),
            &"A".repeat(27),
            &"1".repeat(26),
        ] {
            assert_eq!(as_long(text), None, "{text}");
        }
    }

    #[test]
    fn purposes_are_known_by_their_names() {
        for purpose in Purpose::ALL {
            assert_eq!(Purpose::from_name(purpose.name()), Some(purpose));
        }
        assert_eq!(Purpose::from_name("Recovery"), None);
    }
}
