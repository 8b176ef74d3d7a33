//! Makes tokens that the crate itself would never make: any header, any payload, well signed.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Signer as _;
use serde_json::{Value, json};
use token::{
    AccessClaims, AccessToken, Algorithm, Expected, KeySet, Rejection, SessionId, SigningKey,
    SoftwareCheck, TokenId, UnixTime,
};

pub(crate) const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);
pub(crate) const SECRET: [u8; 32] = [7; 32];
pub(crate) const ISSUER: &str = "https://www.example.com";

pub(crate) fn es256_key() -> SigningKey {
    SigningKey::from_secret(Algorithm::Es256, &SECRET).unwrap()
}

pub(crate) fn eddsa_key() -> SigningKey {
    SigningKey::from_secret(Algorithm::EdDsa, &SECRET).unwrap()
}

/// Both keys, as a verifier holds them.
pub(crate) fn key_set() -> KeySet {
    KeySet::new(vec![
        es256_key().verifying_key().clone(),
        eddsa_key().verifying_key().clone(),
    ])
    .unwrap()
}

pub(crate) fn claims() -> AccessClaims {
    AccessClaims {
        iss: ISSUER.into(),
        aud: vec!["https://www.example.com/api".into()],
        sub: "0123456789abcdef0123456789abcdef".into(),
        sid: SessionId::from_bytes([3; 16]),
        jti: TokenId::from_bytes([4; 16]),
        iat: NOW,
        exp: NOW.plus(Duration::from_secs(300)),
        auth_time: NOW,
        acr: "password".into(),
        amr: vec!["pwd".into()],
        client_id: "latchkey".into(),
        roles: vec!["teller".into()],
        scope: Some("transfer read".into()),
        email: None,
    }
}

pub(crate) fn payload() -> Value {
    serde_json::to_value(claims()).unwrap()
}

pub(crate) fn header() -> Value {
    json!({ "alg": "ES256", "typ": "at+jwt", "kid": es256_key().kid() })
}

pub(crate) fn encode(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// A token of these two texts, signed with the P-256 key.
pub(crate) fn es256(header: &str, payload: &str) -> String {
    es256_parts(&encode(header), &encode(payload))
}

pub(crate) fn es256_parts(header: &str, payload: &str) -> String {
    let key = p256::ecdsa::SigningKey::from_slice(&SECRET).unwrap();
    let signed = format!("{header}.{payload}");
    let signature: p256::ecdsa::Signature = key.sign(signed.as_bytes());
    format!("{signed}.{}", encode(signature.to_bytes()))
}

/// A token of these two texts, signed with the Ed25519 key.
pub(crate) fn eddsa(header: &str, payload: &str) -> String {
    let key = ed25519_dalek::SigningKey::from_bytes(&SECRET);
    let signed = format!("{}.{}", encode(header), encode(payload));
    format!(
        "{signed}.{}",
        encode(key.sign(signed.as_bytes()).to_bytes())
    )
}

pub(crate) fn audiences() -> Vec<String> {
    vec!["https://www.example.com/api".into()]
}

pub(crate) fn verify_at(raw: impl AsRef<[u8]>, now: UnixTime) -> Result<AccessToken, Rejection> {
    let expected = Expected {
        issuer: ISSUER,
        audiences: &audiences(),
        clock_skew: Duration::from_secs(30),
        max_lifetime: Duration::from_secs(900),
    };
    AccessToken::verify(raw.as_ref(), &key_set(), &SoftwareCheck, &expected, now)
}

pub(crate) fn verify(raw: impl AsRef<[u8]>) -> Result<AccessToken, Rejection> {
    verify_at(raw, NOW)
}

/// The good payload with one member replaced, or removed where `value` is `None`.
pub(crate) fn with_claim(name: &str, value: Option<Value>) -> String {
    changed(payload(), name, value)
}

pub(crate) fn with_header(name: &str, value: Option<Value>) -> String {
    changed(header(), name, value)
}

fn changed(mut object: Value, name: &str, value: Option<Value>) -> String {
    let members = object.as_object_mut().unwrap();
    match value {
        Some(value) => members.insert(name.into(), value),
        None => members.remove(name),
    };
    object.to_string()
}
