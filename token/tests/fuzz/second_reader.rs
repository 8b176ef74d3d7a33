//! A verifier of its own for access tokens: another JSON reader, another base64url decoder, another library's signatures (`ring`),
//! and the rules of security.md TV-* once more, written from them and not from ours.

use ring::signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey};
use token::{Algorithm, KeySet};

use crate::second_json::Json;

/// What both readers must agree on.
#[derive(Debug, PartialEq)]
pub(crate) struct Read {
    pub(crate) sub: String,
    pub(crate) aud: Vec<String>,
    pub(crate) exp: i64,
    pub(crate) sid: String,
}

pub(crate) struct Demands<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) audience: &'a str,
    pub(crate) now: i64,
}

/// `None` unless every rule holds.
pub(crate) fn read(raw: &[u8], keys: &KeySet, demands: &Demands<'_>) -> Option<Read> {
    let raw = std::str::from_utf8(raw)
        .ok()
        .filter(|raw| raw.len() <= 8 * 1024)?;
    let parts: Vec<&str> = raw.split('.').collect();
    let [header, payload, signature] = parts[..] else {
        return None;
    };
    if header.len() > 1024 {
        return None;
    }
    let signed = &raw[..header.len() + 1 + payload.len()];
    let header = Json::read(&decode(header)?)?;
    is_signed(&header, signed.as_bytes(), &decode(signature)?, keys).then_some(())?;
    claims(&Json::read(&decode(payload)?)?, demands)
}

fn is_signed(header: &Json, signed: &[u8], signature: &[u8], keys: &KeySet) -> bool {
    let text = |name| header.member(name).and_then(Json::text);
    let typ = text("typ").unwrap_or_default().to_ascii_lowercase();
    let is_plain = header.member("crit").is_none()
        && header.member("b64").is_none()
        && header.member("cty").is_none_or(|content| {
            content
                .text()
                .is_some_and(|text| text.eq_ignore_ascii_case("json"))
        });
    let key = text("kid").and_then(|kid| keys.iter().find(|key| key.kid() == kid));
    let (true, "at+jwt" | "application/at+jwt", Some(key)) = (is_plain, typ.as_str(), key) else {
        return false;
    };
    match (key.algorithm(), text("alg")) {
        (Algorithm::Es256, Some("ES256")) => {
            let point = &key.spki_der().unwrap()[26..];
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                .verify(signed, signature)
                .is_ok()
        }
        (Algorithm::EdDsa, Some("EdDSA" | "Ed25519")) => {
            let point = key.to_value()["x"].as_str().and_then(decode).unwrap();
            UnparsedPublicKey::new(&ED25519, point)
                .verify(signed, signature)
                .is_ok()
        }
        _ => false,
    }
}

fn claims(claims: &Json, demands: &Demands<'_>) -> Option<Read> {
    let Json::Object(_) = claims else { return None };
    let text = |name: &str| claims.member(name)?.text().filter(|text| !text.is_empty());
    let is_right =
        |name: &str, is_right: fn(&Json) -> bool| claims.member(name).is_none_or(is_right);
    let are_optional_right = ["acr", "client_id", "scope", "email"]
        .iter()
        .all(|name| is_right(name, |value| value.text().is_some()))
        && ["amr", "roles"]
            .iter()
            .all(|name| is_right(name, |value| value.texts().is_some()))
        && is_right("auth_time", |value| value.seconds().is_some());
    let aud = match claims.member("aud")? {
        Json::Text(one) => vec![one.as_str()],
        many => many.texts()?,
    };
    let seconds = |name: &str| claims.member(name)?.seconds();
    let (iat, exp) = (seconds("iat")?, seconds("exp")?);
    let nbf = match claims.member("nbf") {
        None => i64::MIN,
        Some(value) => value.seconds()?,
    };
    let sid = text("sid").filter(|sid| {
        sid.len() == 32
            && sid
                .bytes()
                .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    })?;
    text("jti")?;
    let latest = i128::from(demands.now) + 30;
    let is_good = are_optional_right
        && text("iss")? == demands.issuer
        && aud.contains(&demands.audience)
        && i128::from(demands.now) < i128::from(exp) + 30
        && i128::from(iat) <= latest
        && i128::from(nbf) <= latest
        && i128::from(exp) - i128::from(iat) <= 900;
    is_good
        .then(|| Read {
            sub: text("sub").unwrap_or_default().to_owned(),
            aud: aud.into_iter().map(str::to_owned).collect(),
            exp,
            sid: sid.to_owned(),
        })
        .filter(|read| !read.sub.is_empty())
}

/// RFC 7515 section 2, bit by bit.
fn decode(text: &str) -> Option<Vec<u8>> {
    let (mut bits, mut held, mut bytes) = (0_u32, 0, Vec::new());
    for byte in text.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held).unwrap());
            bits &= (1 << held) - 1;
        }
    }
    // A single character holds no byte, and bits that no byte took must be zero.
    (held < 6 && bits == 0).then_some(bytes)
}
