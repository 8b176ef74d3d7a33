//! One public key as a JWK (RFC 7517, RFC 7518 section 6.2, RFC 8037 section 2).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::{Algorithm, KeySetError};

/// The head of a P-256 `SubjectPublicKeyInfo` (RFC 5480 section 2); the uncompressed point follows.
const SPKI_P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A public key that checks signatures of exactly one algorithm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyingKey {
    kid: String,
    material: Material,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Material {
    P256 {
        key: p256::ecdsa::VerifyingKey,
        spki: Vec<u8>,
    },
    Ed25519(ed25519_dalek::VerifyingKey),
}

/// What became of one JWK of a set.
pub(crate) enum Jwk {
    Usable(VerifyingKey),
    /// A key of another kind or for another use; the text says which, for the operator.
    Ignored(String),
}

impl VerifyingKey {
    /// The name by which a token chooses it.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The one algorithm that it checks.
    pub const fn algorithm(&self) -> Algorithm {
        match self.material {
            Material::P256 { .. } => Algorithm::Es256,
            Material::Ed25519(_) => Algorithm::EdDsa,
        }
    }

    pub(crate) fn has_same_point_as(&self, other: &Self) -> bool {
        self.material == other.material
    }

    /// For ES256 the key as DER `SubjectPublicKeyInfo`, 91 bytes, as Envoy's `verify_signature` takes it.
    pub fn spki_der(&self) -> Option<&[u8]> {
        match &self.material {
            Material::P256 { spki, .. } => Some(spki),
            Material::Ed25519(_) => None,
        }
    }

    pub(crate) const fn p256(&self) -> Option<&p256::ecdsa::VerifyingKey> {
        match &self.material {
            Material::P256 { key, .. } => Some(key),
            Material::Ed25519(_) => None,
        }
    }

    pub(crate) const fn ed25519(&self) -> Option<&ed25519_dalek::VerifyingKey> {
        match &self.material {
            Material::Ed25519(key) => Some(key),
            Material::P256 { .. } => None,
        }
    }

    /// The key under its RFC 7638 thumbprint.
    pub(crate) fn from_p256(key: p256::ecdsa::VerifyingKey) -> Self {
        Self::named_by_thumbprint(Material::p256(key))
    }

    /// The key under its RFC 7638 thumbprint.
    pub(crate) fn from_ed25519(key: ed25519_dalek::VerifyingKey) -> Self {
        Self::named_by_thumbprint(Material::Ed25519(key))
    }

    fn named_by_thumbprint(material: Material) -> Self {
        // RFC 7638 section 3: the required members only, in the order of their names. `Map` keeps that order.
        let canonical = Value::Object(material.required_members()).to_string();
        Self {
            kid: URL_SAFE_NO_PAD.encode(Sha256::digest(canonical)),
            material,
        }
    }

    /// The JWK, public members only (KR-04).
    pub fn to_value(&self) -> Value {
        let mut members = self.material.required_members();
        members.insert("kid".into(), json!(self.kid));
        members.insert("alg".into(), json!(self.algorithm().name()));
        members.insert("use".into(), json!("sig"));
        Value::Object(members)
    }
}

impl Material {
    fn p256(key: p256::ecdsa::VerifyingKey) -> Self {
        let mut spki = SPKI_P256.to_vec();
        spki.extend_from_slice(key.to_encoded_point(false).as_bytes());
        Self::P256 { key, spki }
    }

    fn required_members(&self) -> Map<String, Value> {
        let (kty, crv, x, y) = match self {
            Self::P256 { key, .. } => {
                let point = key.to_encoded_point(false);
                let coordinate = |bytes: Option<&p256::FieldBytes>| {
                    bytes.map(|bytes| URL_SAFE_NO_PAD.encode(bytes))
                };
                ("EC", "P-256", coordinate(point.x()), coordinate(point.y()))
            }
            Self::Ed25519(key) => (
                "OKP",
                "Ed25519",
                Some(URL_SAFE_NO_PAD.encode(key.as_bytes())),
                None,
            ),
        };
        let coordinates = [("x", x), ("y", y)];
        let coordinates = coordinates
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), json!(value?))));
        [
            ("kty".to_owned(), json!(kty)),
            ("crv".to_owned(), json!(crv)),
        ]
        .into_iter()
        .chain(coordinates)
        .collect()
    }
}

/// Reads one JWK.
///
/// # Errors
/// A symmetric or private key, and a defect in a key of a kind that would be used (TV-04, TV-08).
pub(crate) fn parse(value: &Value) -> Result<Jwk, KeySetError> {
    let members = value
        .as_object()
        .ok_or(KeySetError::Malformed("a key is not an object"))?;
    let text = |name: &'static str| match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(KeySetError::Malformed(
            "a member of a key has the wrong type",
        )),
    };
    let kty = text("kty")?.ok_or(KeySetError::Malformed("a key has no `kty`"))?;
    if kty == "oct" {
        return Err(KeySetError::Symmetric);
    }
    // RFC 7518 section 6: every member that carries private material of any key type.
    if ["d", "p", "q", "dp", "dq", "qi", "oth", "k"]
        .iter()
        .any(|name| members.contains_key(*name))
    {
        return Err(KeySetError::Private);
    }
    let curve = text("crv")?.unwrap_or_default();
    let material = match (kty, curve) {
        ("EC", "P-256") => p256_material(text("x")?, text("y")?)?,
        ("OKP", "Ed25519") => ed25519_material(text("x")?)?,
        _ => {
            return Ok(Jwk::Ignored(format!(
                "kty {} crv {}",
                printable(kty),
                printable(curve)
            )));
        }
    };
    if !may_verify(members, text("use")?)? {
        return Ok(Jwk::Ignored("a key that is not for verifying".into()));
    }
    let Some(kid) = text("kid")?.filter(|kid| !kid.is_empty()) else {
        return Ok(Jwk::Ignored("a key without `kid`".into()));
    };
    let key = VerifyingKey {
        kid: kid.to_owned(),
        material,
    };
    match text("alg")?.map(Algorithm::from_name) {
        None => Ok(Jwk::Usable(key)),
        Some(Some((algorithm, _))) if algorithm == key.algorithm() => Ok(Jwk::Usable(key)),
        Some(_) => Err(KeySetError::Malformed(
            "`alg` of a key does not fit the key",
        )),
    }
}

/// RFC 7517 sections 4.2 and 4.3: `use` absent or `sig`, `key_ops` absent or containing `verify`.
fn may_verify(members: &Map<String, Value>, usage: Option<&str>) -> Result<bool, KeySetError> {
    let allows_operation = match members.get("key_ops") {
        None => true,
        Some(Value::Array(operations)) => operations.iter().any(|operation| operation == "verify"),
        Some(_) => {
            return Err(KeySetError::Malformed(
                "a member of a key has the wrong type",
            ));
        }
    };
    Ok(allows_operation && usage.is_none_or(|usage| usage == "sig"))
}

fn p256_material(x: Option<&str>, y: Option<&str>) -> Result<Material, KeySetError> {
    let mut point = [0x04; 65];
    let (_, coordinates) = point.split_at_mut(1);
    let (x_bytes, y_bytes) = coordinates.split_at_mut(32);
    x_bytes.copy_from_slice(&coordinate(x)?);
    y_bytes.copy_from_slice(&coordinate(y)?);
    p256::ecdsa::VerifyingKey::from_sec1_bytes(&point)
        .map(Material::p256)
        .map_err(|_| KeySetError::Malformed("the point of a key is not on P-256"))
}

fn ed25519_material(x: Option<&str>) -> Result<Material, KeySetError> {
    let bytes = coordinate(x)?;
    let key = ed25519_dalek::VerifyingKey::from_bytes(&bytes)
        .ok()
        .filter(|key| !key.is_weak() && is_canonical(&bytes));
    key.map(Material::Ed25519).ok_or(KeySetError::Malformed(
        "the point of a key is not a good Ed25519 point",
    ))
}

/// RFC 8032 section 5.1.3: y below 2^255 − 19.
fn is_canonical(point: &[u8; 32]) -> bool {
    let [low, middle @ .., high] = point;
    high & 0x7f != 0x7f || middle.iter().any(|byte| *byte != 0xff) || *low < 0xed
}

fn coordinate(text: Option<&str>) -> Result<[u8; 32], KeySetError> {
    let bytes = text.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or(KeySetError::Malformed(
            "a coordinate of a key is not 32 bytes of base64url",
        ))
}

/// What may stand in a log line.
fn printable(text: &str) -> String {
    text.chars()
        .take(16)
        .map(|c| if c.is_ascii_graphic() { c } else { '?' })
        .collect()
}
