//! ES256 through Envoy's own crypto, ten times faster than in the guest.

use std::cell::Cell;

use token::{Es256Check, SoftwareCheck, VerifyingKey, es256_to_der};

use super::metrics::Counter;
use super::raw::{self, Foreign};

/// `VerifySignatureResult { result: true }`; every other answer is a signature that does not hold.
const HOLDS: [u8; 2] = [0x08, 0x01];

/// Checks on the host; where the host has no such function, in the guest from then on.
pub(super) struct HostCheck {
    /// Decided at first use, because configuring must stay pure.
    lacks_host: Cell<bool>,
    native: Counter,
    guest: Counter,
}

impl HostCheck {
    pub(super) const fn new(native: Counter, guest: Counter) -> Self {
        Self {
            lacks_host: Cell::new(false),
            native,
            guest,
        }
    }
}

impl Es256Check for HostCheck {
    fn es256(&self, key: &VerifyingKey, message: &[u8], signature: &[u8; 64]) -> bool {
        if !self.lacks_host.get() {
            let Some(arguments) = arguments(key, message, signature) else {
                return false;
            };
            match raw::foreign_function("verify_signature", &arguments) {
                Foreign::Answer(result) => {
                    self.native.add(1);
                    return result == HOLDS;
                }
                Foreign::Missing => self.lacks_host.set(true),
                // A refusal is final: another way might accept what the host refused.
                Foreign::Failed => return false,
            }
        }
        self.guest.add(1);
        SoftwareCheck.es256(key, message, signature)
    }
}

/// `VerifySignatureArguments` as protobuf: hash, key as DER, signature as DER, text.
fn arguments(key: &VerifyingKey, message: &[u8], signature: &[u8; 64]) -> Option<Vec<u8>> {
    let signature = es256_to_der(signature)?;
    let mut bytes = Vec::with_capacity(message.len().saturating_add(200));
    for (tag, field) in [
        (0x0a, b"sha256".as_slice()),
        (0x12, key.spki_der()?),
        (0x1a, &signature),
        (0x22, message),
    ] {
        bytes.push(tag);
        push_varint(&mut bytes, field.len());
        bytes.extend_from_slice(field);
    }
    Some(bytes)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the low seven bits are what is meant"
)]
fn push_varint(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}
