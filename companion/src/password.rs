//! Passwords: the policy, and argon2id behind a gate that bounds how many run at once.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::email::Email;
use crate::entropy;

/// Longer ones are refused before they are hashed (PW-01).
pub const MAX_BYTES: usize = 1024;
/// No policy may ask for less (PW-01).
pub const LEAST_CHARACTERS: usize = 8;

const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Beyond these a stored hash is refused, so that a planted one cannot exhaust the machine (PW-07).
const MOST_MEMORY_KIB: u32 = 256 * 1024;
const MOST_PASSES: u32 = 10;
const MOST_LANES: u32 = 16;

/// So many logins may wait for each one that runs.
const QUEUE: usize = 8;
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// The estimate of guesses looks no further: it takes time that grows with the square of the length.
const ESTIMATED_CHARACTERS: usize = 32;

/// A password as a client sent it: wiped when dropped, shown nowhere.
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes it over, as the bytes that came: nothing is trimmed or folded (PW-03).
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
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
    if is_guessable {
        Err(Weakness::EasyToGuess)
    } else {
        Ok(())
    }
}

/// The gate is full, or its wait was too long: 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overloaded;

/// Hashes and checks passwords, a bounded number at a time (RL-07).
#[derive(Clone)]
pub struct Hasher {
    permits: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    most_waiting: usize,
    /// What an unknown account is checked against: same cost, never right.
    dummy: Arc<str>,
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hasher")
    }
}

impl Hasher {
    /// At most `permits` at a time: more than the number of cores only makes each slower.
    pub fn new(permits: usize) -> Self {
        let nobody_knows = Password::new(format!("{:032x}", u128::from_be_bytes(entropy::bytes())));
        Self {
            permits: Arc::new(Semaphore::new(permits)),
            waiting: Arc::default(),
            most_waiting: permits.saturating_mul(QUEUE),
            dummy: hash(&nobody_knows).into(),
        }
    }

    /// Checks a new password against the policy; behind the gate, because the estimate of guesses takes its time.
    ///
    /// # Errors
    /// [`Overloaded`]; inside, the [`Weakness`].
    pub async fn check(
        &self,
        password: Password,
        email: &Email,
        least_characters: usize,
    ) -> Result<Result<Password, Weakness>, Overloaded> {
        let email = email.clone();
        self.run(move || check(&password, &email, least_characters).map(|()| password))
            .await
    }

    /// A PHC string of argon2id v=19 with a salt of its own.
    ///
    /// # Errors
    /// [`Overloaded`].
    pub async fn hash(&self, password: Password) -> Result<String, Overloaded> {
        self.run(move || hash(&password)).await
    }

    /// Whether the password is that of `stored`; without one, as much work and false (PW-09).
    ///
    /// # Errors
    /// [`Overloaded`].
    pub async fn verify(
        &self,
        password: Password,
        stored: Option<String>,
    ) -> Result<bool, Overloaded> {
        let dummy = Arc::clone(&self.dummy);
        self.run(move || match stored {
            Some(stored) => verify(&password, &stored),
            None => {
                verify(&password, &dummy);
                false
            }
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Overloaded> {
        let place = Place::take(
            &self.waiting,
            self.most_waiting
                .saturating_add(self.permits.available_permits()),
        )?;
        let permit = tokio::time::timeout(LONGEST_WAIT, Arc::clone(&self.permits).acquire_owned());
        let permit = permit
            .await
            .map_err(|_| Overloaded)?
            .map_err(|_| Overloaded)?;
        drop(place);
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            // Held until the work is done, also when its caller has gone away.
            drop(permit);
            result
        });
        done.await.map_err(|_| Overloaded)
    }
}

/// A place in the queue.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(waiting: &Arc<AtomicUsize>, most: usize) -> Result<Self, Overloaded> {
        let place = Self(Arc::clone(waiting));
        if waiting.fetch_add(1, Ordering::SeqCst) < most {
            Ok(place)
        } else {
            Err(Overloaded)
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[expect(
    clippy::expect_used,
    reason = "constant parameters within the bounds of RFC 9106 section 3.1"
)]
fn argon2id() -> Argon2<'static> {
    Argon2::new(
        Algorithm::Argon2id,
        Version::V0x13,
        Params::new(MEMORY_KIB, PASSES, LANES, None).expect("valid"),
    )
}

#[expect(
    clippy::expect_used,
    reason = "a salt of 16 bytes and a password of at most 1024 are within RFC 9106 section 3.1"
)]
fn hash(password: &Password) -> String {
    let salt = SaltString::encode_b64(&entropy::bytes::<16>()).expect("16 bytes");
    argon2id()
        .hash_password(password.0.as_bytes(), &salt)
        .expect("a short password")
        .to_string()
}

fn verify(password: &Password, stored: &str) -> bool {
    let Ok(stored) = PasswordHash::new(stored) else {
        return false;
    };
    let is_bounded = Params::try_from(&stored).is_ok_and(|params| {
        params.m_cost() <= MOST_MEMORY_KIB
            && params.t_cost() <= MOST_PASSES
            && params.p_cost() <= MOST_LANES
    });
    // The comparison is constant in time (`password_hash::Output`).
    is_bounded
        && argon2id()
            .verify_password(password.0.as_bytes(), &stored)
            .is_ok()
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

    /// PW-06: argon2id v=19, m=19456, t=2, p=1, a salt of its own.
    #[tokio::test]
    async fn a_hash_has_the_parameters_of_the_standard_and_its_own_salt() {
        let hasher = Hasher::new(2);
        let first = hasher.hash(password("correct horse")).await.unwrap();
        let second = hasher.hash(password("correct horse")).await.unwrap();
        assert!(
            first.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{first}"
        );
        assert_ne!(first, second);
        assert_eq!(
            hasher
                .verify(password("correct horse"), Some(first.clone()))
                .await,
            Ok(true)
        );
        // PW-03: nothing is trimmed or folded.
        for other in ["correct horse ", "Correct horse", "correct  horse", ""] {
            assert_eq!(
                hasher.verify(password(other), Some(first.clone())).await,
                Ok(false),
                "{other}"
            );
        }
        assert_eq!(
            hasher.verify(password("correct horse"), None).await,
            Ok(false)
        );
    }

    /// PW-07: malformed and oversized strings are no hashes.
    #[test]
    fn a_planted_hash_is_refused_before_it_costs_anything() {
        let salt = "c29tZXNhbHRzb21lc2FsdA";
        let tag = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        for parameters in [
            "m=4000000,t=2,p=1",
            "m=19456,t=4000000,p=1",
            "m=19456,t=2,p=200",
        ] {
            assert!(!verify(
                &password("x"),
                &format!("$argon2id$v=19${parameters}${salt}${tag}")
            ));
        }
        for text in ["", "$", "plain", "$argon2id$v=19$m=1$x$y"] {
            assert!(!verify(&password("x"), text));
        }
    }

    /// RL-07.
    #[tokio::test]
    async fn beyond_the_queue_there_is_an_answer_at_once() {
        let hasher = Hasher::new(1);
        let logins: Vec<_> = (0..40)
            .map(|_| {
                let hasher = hasher.clone();
                tokio::spawn(async move { hasher.verify(password("x"), None).await })
            })
            .collect();
        let mut refused = 0;
        for login in logins {
            refused += usize::from(login.await.unwrap().is_err());
        }
        assert!((20..40).contains(&refused), "{refused}");
    }
}
