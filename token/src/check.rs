//! The ES256 signature check as a parameter: in software here, in Envoy's own crypto where the filter has it.

use p256::ecdsa::Signature;
use p256::ecdsa::signature::Verifier as _;

use crate::VerifyingKey;

/// Checks ES256 signatures. Ed25519 is not part of it: no host checks it, so it always runs in software.
pub trait Es256Check {
    /// True only when `signature` (r‖s, both already known to lie in 1..n−1) over `message` was made by `key`.
    ///
    /// An implementation that cannot tell must answer false.
    fn es256(&self, key: &VerifyingKey, message: &[u8], signature: &[u8; 64]) -> bool;
}

/// The check in pure Rust.
#[derive(Clone, Copy, Debug, Default)]
pub struct SoftwareCheck;

impl Es256Check for SoftwareCheck {
    fn es256(&self, key: &VerifyingKey, message: &[u8], signature: &[u8; 64]) -> bool {
        let Some(key) = key.p256() else { return false };
        Signature::from_slice(signature)
            .is_ok_and(|signature| key.verify(message, &signature).is_ok())
    }
}

/// Rewrites an ES256 signature from the form of JWS (r‖s, RFC 7518 section 3.4) to ASN.1 DER, which hosts ask for.
///
/// `None` when r or s is zero.
pub fn es256_to_der(signature: &[u8; 64]) -> Option<Vec<u8>> {
    let (r, s) = signature.split_at(32);
    let (r, s) = (der_integer(r)?, der_integer(s)?);
    let length = u8::try_from(r.len().checked_add(s.len())?).ok()?;
    let mut der = Vec::with_capacity(72);
    der.extend_from_slice(&[0x30, length]);
    der.extend_from_slice(&r);
    der.extend_from_slice(&s);
    Some(der)
}

/// INTEGER of X.690 section 8.3: the fewest octets, the first bit clear so that it stays positive.
fn der_integer(number: &[u8]) -> Option<Vec<u8>> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let digits = number.get(zeros..).filter(|digits| !digits.is_empty())?;
    let is_padded = digits.first().is_some_and(|byte| byte & 0x80 != 0);
    let length = u8::try_from(digits.len().checked_add(usize::from(is_padded))?).ok()?;
    let mut der = vec![0x02, length];
    if is_padded {
        der.push(0);
    }
    der.extend_from_slice(digits);
    Some(der)
}
