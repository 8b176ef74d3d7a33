//! Tokens that no issuer of ours makes: any header, any payload, any encoding, and well signed where the defect lies elsewhere.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use ed25519_dalek::Signer as _;
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use token::{Algorithm, UnixTime};

use crate::issuer::{AUDIENCE, ISSUER, Issuer, Session, secret_bytes};

/// The secret of [`crate::issuer::issuer`].
const SECRET: u8 = 7;

/// A hostile token, and the requirement that refuses it.
pub struct Hostile {
    /// What is wrong with it.
    pub class: &'static str,
    /// The token.
    pub token: String,
}

/// base64url without padding.
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The header of a good token.
pub fn header(issuer: &Issuer) -> Value {
    json!({ "alg": "ES256", "typ": "at+jwt", "kid": issuer.access_key().kid() })
}

/// The payload of a good token, issued at `now`.
pub fn payload(issuer: &Issuer, session: &Session, now: UnixTime) -> Value {
    serde_json::to_value(issuer.claims(session, now)).expect("claims serialise")
}

/// A token of exactly these texts, signed with the ES256 key of the trusted issuer.
pub fn es256(header: &str, payload: &str) -> String {
    es256_parts(&encode(header), &encode(payload))
}

/// A token of exactly these two parts, signed with the ES256 key of the trusted issuer.
pub fn es256_parts(header: &str, payload: &str) -> String {
    let signed = format!("{header}.{payload}");
    let signature = es256_signature(&signed).to_bytes();
    format!("{signed}.{}", encode(signature))
}

fn es256_signature(signed: &str) -> p256::ecdsa::Signature {
    let key = p256::ecdsa::SigningKey::from_slice(&secret_bytes(SECRET)).expect("a scalar");
    key.sign(signed.as_bytes())
}

/// A token of exactly these texts, signed with the Ed25519 key of the trusted issuer.
pub fn eddsa(header: &str, payload: &str) -> String {
    let key = ed25519_dalek::SigningKey::from_bytes(&secret_bytes(SECRET));
    let signed = format!("{}.{}", encode(header), encode(payload));
    let signature = key.sign(signed.as_bytes()).to_bytes();
    format!("{signed}.{}", encode(signature))
}

/// A token of exactly these texts with an HMAC under any bytes as the key.
pub fn hs256(header: &str, payload: &str, key: &[u8]) -> String {
    let signed = format!("{}.{}", encode(header), encode(payload));
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length will do");
    mac.update(signed.as_bytes());
    format!("{signed}.{}", encode(mac.finalize().into_bytes()))
}

/// The object with one member set, or left out where `value` is `None`.
pub fn with(mut object: Value, name: &str, value: Option<Value>) -> String {
    let members = object.as_object_mut().expect("an object");
    match value {
        Some(value) => members.insert(name.to_owned(), value),
        None => members.remove(name),
    };
    object.to_string()
}

/// One token for each hostile class, for a session that is alive; every one must be refused from `now` on, and 10 s later still.
pub fn hostile(issuer: &Issuer, session: &Session, now: UnixTime) -> Vec<Hostile> {
    let mut all = Vec::new();
    let mut add = |class, token| all.push(Hostile { class, token });
    headers(issuer, session, now, &mut add);
    signatures(issuer, session, now, &mut add);
    encodings(issuer, session, now, &mut add);
    claims(issuer, session, now, &mut add);
    all
}

type Add<'a> = dyn FnMut(&'static str, String) + 'a;

fn headers(issuer: &Issuer, session: &Session, now: UnixTime, add: &mut Add<'_>) {
    let (good, payload) = (header(issuer), payload(issuer, session, now).to_string());
    let with_header = |name: &str, value| es256(&with(good.clone(), name, value), &payload);
    for name in [
        json!("none"),
        json!("None"),
        json!(""),
        json!("es256"),
        json!("ES256 "),
        json!("ES384"),
        json!("HS256"),
        json!("RS256"),
        json!("PS256"),
        json!("EdDSA"),
        json!("Ed25519"),
        json!(null),
        json!(256),
        json!(["ES256"]),
    ] {
        add("TV-01 TV-03 algorithm", with_header("alg", Some(name)));
    }
    add("TV-01 no algorithm", with_header("alg", None));
    let none = with(good.clone(), "alg", Some(json!("none")));
    for signature in ["", "AA"] {
        let token = format!("{}.{}.{signature}", encode(&none), encode(&payload));
        add("TV-01 unsigned", token);
    }
    let hs256_header = with(good.clone(), "alg", Some(json!("HS256")));
    let public = issuer.access_key().verifying_key();
    let spki = public.spki_der().unwrap_or_default();
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        STANDARD.encode(spki)
    );
    let jwk = public.to_value().to_string();
    for key in [spki, pem.as_bytes(), jwk.as_bytes(), b""] {
        add(
            "TV-03 TV-12 public key as MAC secret",
            hs256(&hs256_header, &payload, key),
        );
        add(
            "TV-03 TV-12 MAC under the right name",
            hs256(&good.to_string(), &payload, key),
        );
    }
    for kid in [
        json!("../../etc/passwd"),
        json!("https://www.example.com/keys?kid=1"),
        json!("' or 1=1 --"),
        json!("\u{0}\r\n\u{1b}[31m"),
        json!("k".repeat(500)),
        json!(1),
        json!(null),
        json!([issuer.access_key().kid()]),
    ] {
        add("TV-07 kid", with_header("kid", Some(kid)));
    }
    add("TV-07 no kid", with_header("kid", None));
    for crit in [json!([]), json!(["exp"]), json!("exp"), json!(null)] {
        add("TV-16 crit", with_header("crit", Some(crit)));
    }
    for b64 in [json!(false), json!(true), json!(null)] {
        add("TV-16 b64", with_header("b64", Some(b64)));
    }
    for typ in [
        json!("JWT"),
        json!("revocations+jwt"),
        json!("rt+jwt"),
        json!("at+jwt "),
        json!("text/at+jwt"),
        json!(""),
        json!(null),
        json!(["at+jwt"]),
    ] {
        add("TV-17 typ", with_header("typ", Some(typ)));
    }
    add("TV-17 no typ", with_header("typ", None));
    add(
        "TV-29 content type",
        with_header("cty", Some(json!("cbor"))),
    );
    add(
        "TV-26 header size",
        with_header("x", Some(json!("x".repeat(1_000)))),
    );
    let by_attacker = Issuer::named(ISSUER, 99);
    let mut forged = header(&by_attacker);
    forged["jwk"] = by_attacker.access_key().verifying_key().to_value();
    forged["jku"] = json!("http://127.0.0.1:1/keys");
    forged["x5u"] = json!("http://127.0.0.1:1/cert");
    add(
        "TV-06 key in the header",
        es256(&forged.to_string(), &payload),
    );
    forged["kid"] = good["kid"].clone();
    let signed_elsewhere =
        token::issue(&by_attacker.claims(session, now), by_attacker.access_key());
    let signature = signed_elsewhere.rsplit('.').next().unwrap_or_default();
    let token = format!(
        "{}.{}.{signature}",
        encode(forged.to_string()),
        encode(&payload)
    );
    add("TV-06 key in the header, our kid", token);
}

fn signatures(issuer: &Issuer, session: &Session, now: UnixTime, add: &mut Add<'_>) {
    let good = issuer.access_token_at(session, now);
    let (signed, signature) = good.rsplit_once('.').expect("three parts");
    let bytes = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    let order: Vec<u8> = (0..32).map(|at| ORDER[at]).collect();
    let zero = vec![0; 32];
    let one = [&[0; 31][..], &[1]].concat();
    let (r, s) = bytes.split_at(32);
    let der = es256_signature(signed).to_der().as_bytes().to_vec();
    let mut flipped = bytes.clone();
    flipped[40] ^= 1;
    for bad in [
        [zero.clone(), zero.clone()].concat(),
        [r.to_vec(), zero.clone()].concat(),
        [zero, s.to_vec()].concat(),
        [order.clone(), s.to_vec()].concat(),
        [r.to_vec(), order.clone()].concat(),
        [order.clone(), order].concat(),
        [one.clone(), one].concat(),
        vec![0xff; 64],
        flipped,
        [s, r].concat(),
        bytes[..63].to_vec(),
        [&bytes[..], &[0]].concat(),
    ] {
        add("TV-09 TV-10 signature", format!("{signed}.{}", encode(bad)));
    }
    add("TV-10 DER signature", format!("{signed}.{}", encode(der)));
    let mut other = payload(issuer, session, now);
    other["sub"] = json!("00000000000000000000000000000000");
    let swapped = format!(
        "{}.{}.{signature}",
        encode(header(issuer).to_string()),
        encode(other.to_string())
    );
    add("TV-09 payload swapped under the signature", swapped);
    let other_issuer = Issuer::named("https://other.example.com", 8);
    add(
        "TV-18 other issuer",
        other_issuer.access_token_at(session, now),
    );
    let same_name = Issuer::named(ISSUER, 8);
    add(
        "TV-18 other key under our name",
        same_name.access_token_at(session, now),
    );
    let feed = token::issue(&issuer.claims(session, now), issuer.feed_key());
    add("KR-07 signed with the feed key", feed);
}

fn encodings(issuer: &Issuer, session: &Session, now: UnixTime, add: &mut Add<'_>) {
    let good = issuer.access_token_at(session, now);
    let (header, payload) = (
        header(issuer).to_string(),
        payload(issuer, session, now).to_string(),
    );
    let (header64, payload64) = (encode(&header), encode(&payload));
    for (header, payload) in [
        (format!("{header64}="), payload64.clone()),
        (
            header64.clone(),
            URL_SAFE.encode(format!("{payload} ")) + "=",
        ),
        (format!("+{header64}"), payload64.clone()),
        (header64.clone(), format!("{payload64}/")),
        (header64.clone(), with_stray_bits(&payload)),
    ] {
        add("TV-13 base64", es256_parts(&header, &payload));
    }
    let parts: Vec<&str> = good.split('.').collect();
    for token in [
        parts[..2].join("."),
        format!("{good}.{}", parts[2]),
        format!(".{}.{}", parts[1], parts[2]),
        format!("{}..{}", parts[0], parts[2]),
        format!("{}.{}.", parts[0], parts[1]),
        "..".to_owned(),
        ".".to_owned(),
        "x".to_owned(),
        [parts[0], parts[1], parts[2], parts[0], parts[1]].join("."),
    ] {
        add("TV-14 structure", token);
    }
    for text in [
        payload.replacen('{', "{\"sub\":\"0123456789abcdef0123456789abcdef\",", 1),
        payload.replacen('{', "{\"unused\":1,\"unused\":2,", 1),
        payload.replacen(
            "\"sid\"",
            "\"\\u0073id\":\"00000000000000000000000000000000\",\"sid\"",
            1,
        ),
        format!("{payload}{{}}"),
        format!("{payload}x"),
        format!("[{payload}]"),
        format!("\u{feff}{payload}"),
        payload.replacen('{', "{\"deep\":", 1).replacen(
            "\"deep\":",
            &format!("\"deep\":{}{},", "[".repeat(200), "]".repeat(200)),
            1,
        ),
        payload.replacen('{', "{,", 1),
        String::new(),
        "null".to_owned(),
        "\"text\"".to_owned(),
    ] {
        add("TV-15 JSON", es256(&header, &text));
    }
    let not_utf8 = [
        payload.as_bytes().strip_suffix(b"}").unwrap_or_default(),
        b",\"x\":\"\xff\"}",
    ]
    .concat();
    add("TV-15 UTF-8", es256_parts(&header64, &encode(not_utf8)));
    add(
        "TV-15 repeated header member",
        es256(&header.replacen('{', "{\"alg\":\"ES256\",", 1), &payload),
    );
    let long = with(
        serde_json::from_str(&payload).expect("JSON"),
        "x",
        Some(json!("x".repeat(8_000))),
    );
    add("TV-26 token size", es256(&header, &long));
}

fn claims(issuer: &Issuer, session: &Session, now: UnixTime, add: &mut Add<'_>) {
    let (header, good) = (header(issuer).to_string(), payload(issuer, session, now));
    let mut claim =
        |class, name: &str, value| add(class, es256(&header, &with(good.clone(), name, value)));
    let wrong_types = [
        json!(null),
        json!(1.5),
        json!({}),
        json!([1]),
        json!(true),
        json!([null]),
    ];
    for name in ["iss", "aud", "sub", "sid", "jti", "iat", "exp"] {
        claim("TV-25 required claim missing", name, None);
        claim("TV-25 required claim empty", name, Some(json!("")));
        for value in &wrong_types {
            claim("TV-22 TV-25 claim type", name, Some(value.clone()));
        }
    }
    for name in ["nbf", "auth_time", "acr", "roles", "scope"] {
        for value in [json!(null), json!({}), json!([1]), json!(true)] {
            claim("TV-22 claim type", name, Some(value));
        }
    }
    for iss in [
        "https://www.example.com/",
        "HTTPS://www.example.com",
        "https://www.example.com.evil.test",
        "https://www.example.co",
    ] {
        claim("TV-18 iss", "iss", Some(json!(iss)));
    }
    for aud in [
        json!("https://www.example.com"),
        json!([]),
        json!([""]),
        json!([AUDIENCE.to_uppercase()]),
        json!([format!("{AUDIENCE}/")]),
        json!([AUDIENCE, 1]),
    ] {
        claim("TV-19 aud", "aud", Some(aud));
    }
    for sid in [
        "",
        "0",
        "0123456789ABCDEF0123456789ABCDEF",
        "0123456789abcdef0123456789abcde",
        "0123456789abcdef0123456789abcdef0",
        "../../../../../../../../../state",
        "0123456789abcdef 123456789abcdef",
    ] {
        claim("TV-31 sid grammar", "sid", Some(json!(sid)));
    }
    let at = |seconds: i64| Some(json!(now.seconds() + seconds));
    claim("TV-20 expired", "exp", at(-30));
    claim("TV-21 issued ahead", "iat", at(45));
    claim("TV-21 not yet valid", "nbf", at(45));
    claim("TV-24 too long-lived", "exp", at(901));
    for name in ["iat", "exp", "nbf"] {
        for number in [
            json!(i64::MIN),
            json!(u64::MAX),
            json!(1e300),
            json!(-1e300),
            json!(now.seconds() as f64),
            json!(now.seconds().to_string()),
        ] {
            claim("TV-23 claim range", name, Some(number));
        }
    }
    claim("TV-23 exp at the end of time", "exp", Some(json!(i64::MAX)));
    claim(
        "TV-23 iat at the beginning of time",
        "iat",
        Some(json!(i64::MIN)),
    );
    claim("TV-23 nbf at the end of time", "nbf", Some(json!(i64::MAX)));
    for value in [
        "a\r\nx-auth-roles: admin",
        "a\u{0}",
        "a\u{7f}",
        " a",
        "a ",
        "ä",
    ] {
        claim(
            "FR-06 control characters in an injected claim",
            "sub",
            Some(json!(value)),
        );
    }
    for roles in [
        json!(["teller,admin"]),
        json!([""]),
        json!(["a b"]),
        json!(["a\nb"]),
        json!(["r".repeat(65)]),
    ] {
        claim(
            "FR-06 a role that would forge another",
            "roles",
            Some(roles),
        );
    }
}

/// The order of P-256.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6,
    0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// The same bytes by a lax decoder: the unused bits of the last character are not zero.
fn with_stray_bits(payload: &str) -> String {
    let room = if payload.len().is_multiple_of(3) {
        " "
    } else {
        ""
    };
    let part = encode(format!("{payload}{room}"));
    let (rest, last) = part.split_at(part.len() - 1);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let at = alphabet.find(last).expect("a character of the alphabet");
    format!("{rest}{}", &alphabet[at + 1..=at + 1])
}

/// The two spellings of Ed25519 that must be read (TV-28), for an issuer made [`Issuer::with_eddsa`].
pub fn both_spellings_of_ed25519(issuer: &Issuer, session: &Session, now: UnixTime) -> [String; 2] {
    let kid = issuer.signing_with(Algorithm::EdDsa).kid();
    let payload = serde_json::to_string(&issuer.claims(session, now)).expect("claims serialise");
    ["EdDSA", "Ed25519"].map(|name| {
        let header = json!({ "alg": name, "typ": "at+jwt", "kid": kid });
        eddsa(&header.to_string(), &payload)
    })
}
