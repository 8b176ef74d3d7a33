//! Envoy's foreign function `verify_signature`, for P-256 with SHA-256. Knows no wasmtime.

use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::{Signature, VerifyingKey};

/// The head of a P-256 `SubjectPublicKeyInfo` (RFC 5480 section 2); the uncompressed point follows.
const SPKI_P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// Reads `VerifySignatureArguments` and answers `VerifySignatureResult`, both protobuf.
///
/// `None` stands for BadArgument: arguments that cannot be read, or no key.
pub(crate) fn verify_signature(arguments: &[u8]) -> Option<Vec<u8>> {
    let fields = length_delimited_fields(arguments)?;
    let field = |number: u8| {
        let found = fields.iter().rev().find(|(tag, _)| *tag == number);
        found.map_or(&[][..], |(_, bytes)| *bytes)
    };
    let (hash, key, signature, text) = (field(1), field(2), field(3), field(4));
    // Exactly one of key and PEM key.
    if key.is_empty() == field(5).is_empty() {
        return None;
    }
    Some(if holds(hash, key, signature, text) {
        vec![0x08, 0x01]
    } else {
        failure("Failed to verify signature.")
    })
}

fn holds(hash: &[u8], key: &[u8], signature: &[u8], text: &[u8]) -> bool {
    let point = key.strip_prefix(&SPKI_P256[..]);
    let Some(Ok(key)) = point.map(VerifyingKey::from_sec1_bytes) else {
        return false;
    };
    let Ok(signature) = Signature::from_der(signature) else {
        return false;
    };
    hash.eq_ignore_ascii_case(b"sha256") && key.verify(text, &signature).is_ok()
}

/// The answer for a signature that does not hold.
pub(crate) fn failure(error: &str) -> Vec<u8> {
    let length = u8::try_from(error.len()).expect("a short text");
    [&[0x12, length], error.as_bytes()].concat()
}

/// Every field must be length-delimited (wire type 2) and below number 16.
fn length_delimited_fields(mut bytes: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut fields = Vec::new();
    while let Some((tag, rest)) = bytes.split_first() {
        if tag & 0x87 != 2 {
            return None;
        }
        let (length, rest) = varint(rest)?;
        fields.push((tag >> 3, rest.get(..length)?));
        bytes = rest.get(length..)?;
    }
    Some(fields)
}

fn varint(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0;
    for (at, byte) in bytes.iter().enumerate().take(4) {
        value |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[at + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use p256::ecdsa::SigningKey;
    use p256::ecdsa::signature::Signer as _;

    use super::*;

    fn arguments(hash: &str, key: &[u8], signature: &[u8], text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for (tag, part) in [
            (0x0a, hash.as_bytes()),
            (0x12, key),
            (0x1a, signature),
            (0x22, text),
        ] {
            out.extend([tag, u8::try_from(part.len() & 0x7f).unwrap() | 0x80]);
            out.push(u8::try_from(part.len() >> 7).unwrap());
            out.extend_from_slice(part);
        }
        out
    }

    /// The table of measurements on Envoy: DER is taken, raw r‖s is not, garbage is false and no arguments are an error.
    #[test]
    fn only_a_der_signature_over_exactly_the_text_holds() {
        let key = SigningKey::from_slice(&[7; 32]).unwrap();
        let point = key.verifying_key().to_encoded_point(false);
        let spki = [&SPKI_P256[..], point.as_bytes()].concat();
        let text = [b'x'; 300];
        let signature: Signature = key.sign(&text);
        let der = signature.to_der();
        let yes = Some(vec![0x08, 0x01]);
        let check = |hash, key: &[u8], signature: &[u8], text: &[u8]| {
            verify_signature(&arguments(hash, key, signature, text))
        };
        assert_eq!(check("SHA256", &spki, der.as_bytes(), &text), yes);
        for no in [
            check("sha256", &spki, &signature.to_bytes(), &text),
            check("md5", &spki, der.as_bytes(), &text),
            check("sha256", &spki, der.as_bytes(), &text[1..]),
            check("sha256", &spki[1..], der.as_bytes(), &text),
        ] {
            assert_eq!(no.unwrap()[0], 0x12);
        }
        assert_eq!(check("sha256", b"", der.as_bytes(), &text), None);
        assert_eq!(verify_signature(b"junk"), None);
    }
}
