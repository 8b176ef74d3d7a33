//! Codes of an authenticator app: RFC 6238 with SHA-1, six digits, 30 s, one step either side. SHA-1 is what every app can do, and
//! collisions of it say nothing about HMAC (RFC 6194 section 3.3).

use std::fmt::Write as _;
use std::time::Duration;

use hmac::{Hmac, Mac as _};
use sha1::Sha1;
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};
use zeroize::Zeroizing;

use crate::base32;
use crate::clock::Millis;
use crate::entropy;

/// How long a step lasts, in seconds.
const PERIOD: i64 = 30;
/// So many steps before and after the present one count too: clocks differ, and people type slowly (TO-04).
const WINDOW: i64 = 1;
const DIGITS: usize = 6;
/// An app that is not confirmed within so long is to be enrolled anew.
pub const ENROLMENT: Duration = Duration::from_secs(600);
/// As what the store counts the attempts at an account's codes, whatever they would open (TO-05).
pub const ATTEMPT: &str = "totp";

/// The secret that an app shares with the companion: 160 bits (RFC 4226 section 4). Wiped when dropped; has no `Debug`.
pub struct Secret(Zeroizing<[u8; 20]>);

impl Secret {
    /// A new one (TO-02).
    pub fn draw() -> Self {
        Self(Zeroizing::new(entropy::bytes()))
    }

    /// The one of these bytes; `None` when there are not 20 of them.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes = <[u8; 20]>::try_from(bytes).ok()?;
        Some(Self(Zeroizing::new(bytes)))
    }

    /// Its bytes, to be sealed.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// As apps take it: 32 characters of base32.
    pub fn text(&self) -> Zeroizing<String> {
        base32::encode(self.as_bytes())
    }

    /// The step whose code this is, of those around `now`; `None` when it is of none. How long it takes tells nothing.
    pub fn step_of(&self, code: &str, now: Millis) -> Option<u64> {
        let present = now.seconds().seconds().div_euclid(PERIOD);
        let (mut found, mut step_found) = (Choice::from(0), 0_u64);
        for step in (present - WINDOW)..=(present + WINDOW) {
            let Ok(step) = u64::try_from(step) else {
                continue;
            };
            // A length that differs is no secret.
            let is_it = self.code(step).as_bytes().ct_eq(code.as_bytes());
            step_found = u64::conditional_select(&step_found, &step, is_it);
            found |= is_it;
        }
        bool::from(found).then_some(step_found)
    }

    /// RFC 4226 section 5.3.
    fn code(&self, step: u64) -> Zeroizing<String> {
        #[expect(
            clippy::expect_used,
            reason = "HMAC takes keys of any length (RFC 2104 section 3)"
        )]
        let mut mac = Hmac::<Sha1>::new_from_slice(self.as_bytes()).expect("a key of 20 bytes");
        mac.update(&step.to_be_bytes());
        let digest: [u8; 20] = mac.finalize().into_bytes().into();
        let [.., last] = digest;
        let word = digest
            .get(usize::from(last & 15)..)
            .and_then(|rest| rest.first_chunk())
            .map_or(0, |word| u32::from_be_bytes(*word) & 0x7FFF_FFFF);
        Zeroizing::new(format!("{:0DIGITS$}", word % 1_000_000))
    }
}

/// What an app reads from the QR code. `service` is what it shows above the codes, `account` the line below.
pub fn uri(service: &str, account: &str, secret: &Secret) -> Zeroizing<String> {
    let (service, account) = (escaped(service), escaped(account));
    Zeroizing::new(format!(
        "otpauth://totp/{service}:{account}?secret={}&issuer={service}&algorithm=SHA1&digits={DIGITS}&period={PERIOD}",
        secret.text().as_str()
    ))
}

/// RFC 3986 section 2.1: all but the unreserved characters.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Millis {
        Millis(seconds * 1_000)
    }

    fn secret() -> Secret {
        Secret::from_bytes(b"12345678901234567890").unwrap()
    }

    /// TO-01: RFC 4226 appendix D.
    #[test]
    fn the_counter_vectors_of_rfc_4226_hold() {
        let codes = [
            "755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583",
            "399871", "520489",
        ];
        for (step, code) in (0..).zip(codes) {
            assert_eq!(secret().code(step).as_str(), code);
        }
    }

    /// TO-01: RFC 6238 appendix B, those of SHA-1, of whose eight digits the last six are ours.
    #[test]
    fn the_time_vectors_of_rfc_6238_hold() {
        for (seconds, code) in [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ] {
            let step = u64::try_from(seconds / PERIOD).unwrap();
            assert_eq!(secret().code(step).as_str(), &code[2..]);
            assert_eq!(secret().step_of(&code[2..], at(seconds)), Some(step));
        }
    }

    /// TO-04: one step either side, to the second.
    #[test]
    fn a_code_counts_in_its_own_step_and_in_the_ones_beside_it() {
        let step = 40_000_000;
        let begin = i64::try_from(step).unwrap() * PERIOD;
        let code = secret().code(step);
        for (seconds, counts) in [
            (begin - 31, false),
            (begin - 30, true),
            (begin, true),
            (begin + 29, true),
            (begin + 59, true),
            (begin + 60, false),
        ] {
            let found = secret().step_of(&code, at(seconds));
            assert_eq!(found, counts.then_some(step), "{}", seconds - begin);
        }
        for other in ["", "00000", "0000000", "abcdef"] {
            assert_eq!(secret().step_of(other, at(begin)), None);
        }
        // Before 1970 there are no steps; nothing overflows.
        assert_eq!(secret().step_of(&code, Millis(i64::MIN)), None);
    }

    /// TO-02.
    #[test]
    fn a_secret_has_160_bits_and_no_two_are_alike() {
        assert_eq!(Secret::draw().text().len(), 32);
        assert_ne!(Secret::draw().text(), Secret::draw().text());
        assert!(Secret::from_bytes(&[0; 19]).is_none() && Secret::from_bytes(&[0; 21]).is_none());
    }

    #[test]
    fn what_the_app_reads_names_service_and_account_and_nothing_can_be_added_to_it() {
        assert_eq!(
            uri("www.example.com", "a+b&secret=x@example.com", &secret()).as_str(),
            "otpauth://totp/www.example.com:a%2Bb%26secret%3Dx%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
             &issuer=www.example.com&algorithm=SHA1&digits=6&period=30"
        );
    }
}
