//! Passwords: what a client sends, and the policy for new ones. Knows nothing of hashes.

use zeroize::Zeroizing;

use crate::common::is_common;
use crate::email::Email;

/// Longer ones are refused before they are hashed (PW-01).
pub const MAX_BYTES: usize = 1024;
/// No policy may ask for less (PW-01).
pub const LEAST_CHARACTERS: usize = 8;

/// The estimate of guesses looks no further: it takes time that grows with the square of the length.
const ESTIMATED_CHARACTERS: usize = 32;

/// A password as a client sent it: wiped when dropped, shown nowhere.
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes it over, as the bytes that came: nothing is trimmed or folded (PW-03).
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// What is hashed.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// More than [`MAX_BYTES`].
    pub fn is_too_long(&self) -> bool {
        self.0.len() > MAX_BYTES
    }
}

/// Why a password is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weakness {
    /// Fewer characters than the policy asks for.
    TooShort,
    /// More than [`MAX_BYTES`].
    TooLong,
    /// A common one, or made of the address.
    EasyToGuess,
}

/// Checks a new password against the policy (PW-01, PW-04). No composition rules.
///
/// # Errors
/// The first [`Weakness`].
pub fn check(password: &Password, email: &Email, least_characters: usize) -> Result<(), Weakness> {
    let text = password.0.as_str();
    if password.is_too_long() {
        return Err(Weakness::TooLong);
    }
    if text.chars().count() < least_characters.max(LEAST_CHARACTERS) {
        return Err(Weakness::TooShort);
    }
    let context: Vec<&str> = email
        .as_str()
        .split(['@', '.', '+', '-', '_'])
        .chain([email.as_str(), "latchkey"])
        .collect();
    let beginning: Zeroizing<String> =
        Zeroizing::new(text.chars().take(ESTIMATED_CHARACTERS).collect());
    let is_guessable = zxcvbn::zxcvbn(&beginning, &context).score() < zxcvbn::Score::Two;
    if is_guessable || is_common(text, &context) {
        Err(Weakness::EasyToGuess)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::new(text.to_owned())
    }

    fn checked(text: &str) -> Result<(), Weakness> {
        check(
            &password(text),
            &Email::parse("alice.miller@example.com").unwrap(),
            15,
        )
    }

    /// PW-01: characters at the lower end, bytes at the upper.
    #[test]
    fn a_new_password_has_15_characters_and_1024_bytes_at_most() {
        assert_eq!(checked("tangled-orbit8"), Err(Weakness::TooShort));
        assert_eq!(checked("tangled-orbit84"), Ok(()));
        assert_eq!(checked("ünïcödé-söße-84"), Ok(()));
        let long = |bytes: usize| "correct horse battery staple ".repeat(40)[..bytes].to_owned();
        assert_eq!(checked(&long(1024)), Ok(()));
        assert_eq!(checked(&long(1025)), Err(Weakness::TooLong));
    }

    /// PW-04.
    #[test]
    fn common_passwords_and_the_own_address_are_refused() {
        for text in [
            "passwordpassword",
            "aaaaaaaaaaaaaaaaa",
            "123456789012345678",
            "qwertyuiopasdfghjkl",
            "alice.miller@example.com",
        ] {
            assert_eq!(checked(text), Err(Weakness::EasyToGuess), "{text}");
        }
    }
}
