//! Key sets: hygiene at load.

use serde_json::{Value, json};
use token::{Algorithm, GatewayKeys, KeySet, KeySetError, SigningKey};

use crate::forge::{eddsa_key, es256_key, key_set};

fn jwk() -> Value {
    es256_key().verifying_key().to_value()
}

fn with(name: &str, value: Value) -> Value {
    let mut key = jwk();
    key[name] = value;
    key
}

fn parse(keys: &[Value]) -> Result<KeySet, KeySetError> {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
}

/// KR-04: public members only, with `kid`, `alg` and `use`; and what is written is read again.
#[test]
fn a_written_set_is_public_and_reads_back() {
    let text = key_set().to_value();
    let members = |at: usize| {
        text["keys"][at]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(members(0), ["alg", "crv", "kid", "kty", "use", "x", "y"]);
    assert_eq!(members(1), ["alg", "crv", "kid", "kty", "use", "x"]);
    assert_eq!(
        KeySet::parse(text.to_string().as_bytes()).unwrap(),
        key_set()
    );
}

/// TV-04.
#[test]
fn symmetric_and_private_keys_and_repeated_names_refuse_the_set() {
    assert_eq!(
        parse(&[jwk(), json!({ "kty": "oct", "kid": "a" })]),
        Err(KeySetError::Symmetric)
    );
    assert_eq!(parse(&[with("d", json!("AA"))]), Err(KeySetError::Private));
    assert_eq!(
        parse(&[json!({ "kty": "RSA", "n": "AA", "e": "AQAB", "p": "AA" })]),
        Err(KeySetError::Private)
    );
    assert_eq!(parse(&[jwk(), jwk()]), Err(KeySetError::RepeatedKid));
    assert_eq!(parse(&[]), Err(KeySetError::Empty));
    assert_eq!(parse(&vec![jwk(); 65]), Err(KeySetError::TooMany));
}

/// TV-04: what cannot be used is reported and never used.
#[test]
fn other_kinds_of_keys_are_reported_and_never_used() {
    let rsa = json!({ "kty": "RSA", "kid": "r", "n": "AA", "e": "AQAB" });
    let p384 = json!({ "kty": "EC", "crv": "P-384", "kid": "p", "x": "AA", "y": "AA" });
    let mut encrypting = with("use", json!("enc"));
    encrypting["kid"] = json!("e");
    let set = parse(&[rsa, p384, encrypting, jwk()]).unwrap();
    assert_eq!((set.len(), set.ignored().len()), (1, 3));
    assert!(set.find("r").is_none() && set.find("p").is_none() && set.find("e").is_none());
    assert_eq!(
        parse(&[with("key_ops", json!(["sign"]))]),
        Err(KeySetError::Empty)
    );
}

/// TV-08: points, lengths, `alg`.
#[test]
fn a_defect_in_a_key_refuses_the_set() {
    let short = json!("AA");
    let off_curve = jwk()["y"].clone();
    for key in [
        with("x", short.clone()),
        with("y", short),
        with("x", off_curve),
        with("x", json!(1)),
        with("alg", json!("EdDSA")),
        with("alg", json!("none")),
        with("alg", json!(null)),
        with("kty", json!(1)),
        with("key_ops", json!("verify")),
        json!("key"),
    ] {
        assert!(
            matches!(
                parse(std::slice::from_ref(&key)),
                Err(KeySetError::Malformed(_))
            ),
            "{key}"
        );
    }
}

/// TV-08: small order and non-canonical points of Ed25519.
#[test]
fn weak_ed25519_points_are_refused() {
    let point = |bytes: [u8; 32]| json!({ "kty": "OKP", "crv": "Ed25519", "kid": "w", "x": crate::forge::encode(bytes) });
    let mut one = [0; 32];
    one[0] = 1;
    let mut above_the_prime = [0xff; 32];
    above_the_prime[0] = 0xf0;
    above_the_prime[31] = 0x7f;
    for bytes in [[0; 32], one, above_the_prime] {
        assert!(
            matches!(parse(&[point(bytes)]), Err(KeySetError::Malformed(_))),
            "{bytes:?}"
        );
    }
}

#[test]
fn a_set_that_is_not_strict_json_is_refused() {
    for text in [
        "",
        "[]",
        "{}",
        "{\"keys\":{}}",
        "{\"keys\":[],\"keys\":[]}",
        "{\"keys\":[1]}",
    ] {
        assert!(KeySet::parse(text.as_bytes()).is_err(), "{text}");
    }
}

/// KR-07: one key in both sets would let a token pass as a page.
#[test]
fn the_gateway_document_keeps_both_sets_apart() {
    let feed = SigningKey::from_secret(Algorithm::Es256, &[8; 32]).unwrap();
    let set = |key: &SigningKey| KeySet::new(vec![key.verifying_key().clone()]).unwrap();
    let good = GatewayKeys {
        version: 7,
        access: key_set(),
        feed: set(&feed),
    };
    assert_eq!(GatewayKeys::parse(good.to_json().as_bytes()).unwrap(), good);
    let shared = GatewayKeys {
        feed: set(&eddsa_key()),
        ..good.clone()
    };
    assert_eq!(
        GatewayKeys::parse(shared.to_json().as_bytes()),
        Err(KeySetError::RepeatedKid)
    );
    for bad in [
        good.to_json().replace("\"v\":1", "\"v\":2"),
        good.to_json().replace("\"version\":7", "\"version\":-7"),
        good.to_json().replace("\"feed\"", "\"food\""),
    ] {
        assert!(GatewayKeys::parse(bad.as_bytes()).is_err(), "{bad}");
    }
}

/// KR-07: one key under two names could sign both kinds.
#[test]
fn a_key_that_stands_in_both_sets_is_found_whatever_its_name() {
    let renamed = json!({ "keys": [with("kid", json!("another"))] });
    let document = json!({
        "v": 1, "version": 1, "access": { "keys": [jwk()] }, "feed": renamed,
    });
    assert_eq!(
        GatewayKeys::parse(document.to_string().as_bytes()),
        Err(KeySetError::RepeatedKid)
    );
}
