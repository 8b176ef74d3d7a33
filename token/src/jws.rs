//! The signed form: JWS compact serialisation (RFC 7515 section 7.1) over `jwt-compact`, with that crate's gaps closed.
//!
//! The only file that calls `jwt-compact`. It makes and checks signatures over bytes; claims are read by its callers.

use std::borrow::Cow;
use std::num::NonZeroUsize;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwt_compact::{AlgorithmExt as _, AlgorithmSignature, Claims, Empty, Header, UntrustedToken};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::json::{is_light, object};
use crate::{Algorithm, Es256Check, KeySet, Rejection, SigningKey, VerifyingKey};

/// An access token longer than this is refused before anything is decoded (TV-26).
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// The header part of any JWS; longer ones are refused before they are decoded (TV-26).
pub const MAX_HEADER_PART_BYTES: usize = 1024;

/// What a JWS is for, told by its `typ` (RFC 8725 section 3.11).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// RFC 9068 section 2.1.
    AccessToken,
    /// A page of the revocation feed.
    Page,
}

impl Kind {
    const fn typ(self) -> &'static str {
        match self {
            Self::AccessToken => "at+jwt",
            Self::Page => "revocations+jwt",
        }
    }

    /// RFC 7515 section 4.1.9: a media type, compared without case, `application/` may be left out.
    fn is_named_by(self, typ: &str) -> bool {
        let prefix = "application/";
        let name = match typ.get(..prefix.len()) {
            Some(start) if start.eq_ignore_ascii_case(prefix) => {
                typ.get(prefix.len()..).unwrap_or_default()
            }
            _ => typ,
        };
        name.eq_ignore_ascii_case(self.typ())
    }
}

/// Signs `payload`, which must serialise to a JSON object.
pub(crate) fn sign(kind: Kind, payload: &impl Serialize, key: &SigningKey) -> String {
    let header = Header::empty()
        .with_token_type(kind.typ())
        .with_key_id(key.kid());
    let algorithm = Signer {
        name: key.algorithm().name(),
    };
    #[expect(
        clippy::expect_used,
        reason = "payloads are structs of strings and numbers, which always serialise"
    )]
    algorithm
        .token(&header, &Claims::new(payload), key)
        .expect("a payload that serialises")
}

/// Checks form, header and signature of `raw` and returns its payload. No claim has been looked at.
pub(crate) fn verify(
    kind: Kind,
    raw: &[u8],
    max_bytes: usize,
    keys: &KeySet,
    check: &dyn Es256Check,
) -> Result<Map<String, Value>, Rejection> {
    if raw.len() > max_bytes {
        return Err(Rejection::TooLong);
    }
    let raw = std::str::from_utf8(raw).map_err(|_| Rejection::Malformed)?;
    let mut parts = raw.split('.');
    let (Some(header), Some(payload), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Rejection::Malformed);
    };
    if header.len() > MAX_HEADER_PART_BYTES {
        return Err(Rejection::TooLong);
    }
    let header = decode(header)?;
    let payload = decode(payload)?;
    // `jwt-compact` reads claims before it checks the signature. A page holds many entries and is capped in bytes alone.
    if !is_light(&header) || (kind == Kind::AccessToken && !is_light(&payload)) {
        return Err(Rejection::TooLong);
    }
    let header = object(&header)?;
    let (algorithm, name) = read_header(kind, &header)?;
    let key = header
        .get("kid")
        .and_then(Value::as_str)
        .and_then(|kid| keys.find(kid))
        .ok_or(Rejection::UnknownKey)?;
    if key.algorithm() != algorithm {
        return Err(Rejection::WrongAlgorithm);
    }

    let token = UntrustedToken::new(raw).map_err(|_| Rejection::Malformed)?;
    let verifier = Verifier { name, check };
    verifier
        .validator::<Empty>(key)
        .validate(&token)
        .map_err(|error| match error {
            jwt_compact::ValidationError::MalformedClaims(_) => Rejection::Malformed,
            _ => Rejection::BadSignature,
        })?;
    object(&payload)
}

/// Every header member that could change the meaning of the token; keys that it carries or points to are never looked at (TV-06).
fn read_header(
    kind: Kind,
    header: &Map<String, Value>,
) -> Result<(Algorithm, &'static str), Rejection> {
    // RFC 7515 section 4.1.11 and RFC 7797: no extension is understood, so none is accepted.
    if header.contains_key("crit") || header.contains_key("b64") {
        return Err(Rejection::Malformed);
    }
    let is_json = |content: &Value| {
        content
            .as_str()
            .is_some_and(|content| content.eq_ignore_ascii_case("json"))
    };
    if header.get("cty").is_some_and(|content| !is_json(content)) {
        return Err(Rejection::Malformed);
    }
    let typ = header
        .get("typ")
        .and_then(Value::as_str)
        .ok_or(Rejection::WrongType)?;
    if !kind.is_named_by(typ) {
        return Err(Rejection::WrongType);
    }
    let name = header
        .get("alg")
        .and_then(Value::as_str)
        .ok_or(Rejection::WrongAlgorithm)?;
    Algorithm::from_name(name).ok_or(Rejection::WrongAlgorithm)
}

/// RFC 7515 section 2: base64url without padding, white space or stray bits.
fn decode(part: &str) -> Result<Vec<u8>, Rejection> {
    URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| Rejection::Malformed)
}

/// A signature of 64 bytes, whatever the algorithm.
struct RawSignature([u8; 64]);

impl AlgorithmSignature for RawSignature {
    const LENGTH: Option<NonZeroUsize> = NonZeroUsize::new(64);

    fn try_from_slice(slice: &[u8]) -> anyhow::Result<Self> {
        Ok(Self(slice.try_into()?))
    }

    fn as_bytes(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.0)
    }
}

struct Signer {
    name: &'static str,
}

impl jwt_compact::Algorithm for Signer {
    type SigningKey = SigningKey;
    type VerifyingKey = VerifyingKey;
    type Signature = RawSignature;

    fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed(self.name)
    }

    fn sign(&self, key: &SigningKey, message: &[u8]) -> RawSignature {
        RawSignature(key.sign(message))
    }

    fn verify_signature(&self, _: &RawSignature, _: &VerifyingKey, _: &[u8]) -> bool {
        false
    }
}

/// Checks under the name that the header gave, which [`read_header`] has bound to the key's algorithm.
struct Verifier<'a> {
    name: &'static str,
    check: &'a dyn Es256Check,
}

impl jwt_compact::Algorithm for Verifier<'_> {
    type SigningKey = SigningKey;
    type VerifyingKey = VerifyingKey;
    type Signature = RawSignature;

    fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed(self.name)
    }

    fn sign(&self, key: &SigningKey, message: &[u8]) -> RawSignature {
        RawSignature(key.sign(message))
    }

    fn verify_signature(
        &self,
        signature: &RawSignature,
        key: &VerifyingKey,
        message: &[u8],
    ) -> bool {
        match key.algorithm() {
            Algorithm::Es256 => {
                // Refuses r or s outside 1..n−1 before any host sees them (TV-10).
                let is_in_range = p256::ecdsa::Signature::from_slice(&signature.0).is_ok();
                is_in_range && self.check.es256(key, message, &signature.0)
            }
            // RFC 8032 section 5.1.7, and no small-order points (TV-11); plain `verify` is laxer.
            Algorithm::EdDsa => {
                let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
                key.ed25519()
                    .is_some_and(|key| key.verify_strict(message, &signature).is_ok())
            }
        }
    }
}

#[cfg(test)]
mod vectors;
