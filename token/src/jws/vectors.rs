//! Published signature vectors, through the very check that every token and page goes through. `tools/vectors` builds these tests for
//! wasm, and `tests/tests/filter_vectors` runs them there.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "test code: an overflow is a failed test"
)]

mod ed25519_edges;
mod wycheproof_sets;

use base64::Engine as _;
use jwt_compact::Algorithm as _;
use serde_json::{Value, json};

use super::{RawSignature, URL_SAFE_NO_PAD, Verifier};
use crate::{Algorithm, KeySet, SoftwareCheck, VerifyingKey};

/// Whether a JWS with this signature over `message` holds under the key; a signature of another length is none.
fn holds(key: &VerifyingKey, message: &[u8], signature: &[u8]) -> bool {
    let Ok(signature) = signature.try_into().map(RawSignature) else {
        return false;
    };
    let name = match key.algorithm() {
        Algorithm::Es256 => "ES256",
        Algorithm::EdDsa => "Ed25519",
    };
    let verifier = Verifier {
        name,
        check: &SoftwareCheck,
    };
    verifier.verify_signature(&signature, key, message)
}

/// The key, where it is fit to be in a key set.
fn key(mut members: Value) -> Option<VerifyingKey> {
    members["kid"] = json!("v");
    let keys = KeySet::parse_value(&json!({ "keys": [members] })).ok()?;
    keys.find("v").cloned()
}

/// An Ed25519 key by its 32 bytes.
fn ed25519(point: &[u8]) -> Option<VerifyingKey> {
    key(json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(point) }))
}

/// A P-256 key by its uncompressed point.
fn p256(point: &[u8]) -> Option<VerifyingKey> {
    let (x, y) = point.strip_prefix(&[4])?.split_at_checked(32)?;
    key(json!({ "kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y) }))
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
