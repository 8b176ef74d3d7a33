//! Access tokens: one test per class of hostile token, all but the named defect being right.

use serde_json::{Value, json};
use token::{Rejection, issue};

use crate::forge::{
    NOW, claims, eddsa, eddsa_key, encode, es256, es256_key, es256_parts, header, payload, verify,
    verify_at, with_claim, with_header,
};

fn refused(raw: &str, why: Rejection) {
    assert_eq!(verify(raw).map(|_| ()), Err(why), "{raw}");
}

fn with_payload(payload: &str) -> String {
    es256(&header().to_string(), payload)
}

#[test]
fn an_issued_token_verifies_and_says_what_was_issued() {
    for key in [es256_key(), eddsa_key()] {
        let token = verify(issue(&claims(), &key)).unwrap();
        assert_eq!(token.issuer(), "https://www.example.com");
        assert_eq!(token.subject(), claims().sub);
        assert_eq!(token.session(), claims().sid);
        assert_eq!(token.token_id(), claims().jti.to_string());
        assert_eq!(token.issued_at(), NOW);
        assert_eq!(token.expires_at().seconds(), NOW.seconds() + 300);
        assert_eq!(token.auth_time(), Some(NOW));
        assert_eq!(token.acr(), Some("password"));
        assert_eq!(token.roles(), ["teller"]);
        assert_eq!(token.scopes().collect::<Vec<_>>(), ["transfer", "read"]);
        assert_eq!(token.claim("amr"), Some(&json!(["pwd"])));
        assert_eq!(token.claim("email"), None);
    }
}

/// TV-01, TV-12: the allow-list, byte for byte.
#[test]
fn no_other_algorithm_name_is_accepted() {
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
        json!("ed25519"),
        json!("Ed448"),
        json!(null),
        json!(256),
        json!(["ES256"]),
    ] {
        refused(
            &es256(&with_header("alg", Some(name)), &payload().to_string()),
            Rejection::WrongAlgorithm,
        );
    }
    refused(
        &es256(&with_header("alg", None), &payload().to_string()),
        Rejection::WrongAlgorithm,
    );
    let unsigned = format!(
        "{}.{}.",
        encode(with_header("alg", Some(json!("none")))),
        encode(payload().to_string())
    );
    assert!(verify(unsigned).is_err());
}

/// TV-03: the right key under the name of the other algorithm.
#[test]
fn a_key_takes_only_its_own_algorithm() {
    for name in ["EdDSA", "Ed25519"] {
        refused(
            &es256(
                &with_header("alg", Some(json!(name))),
                &payload().to_string(),
            ),
            Rejection::WrongAlgorithm,
        );
    }
    let header = with_header("kid", Some(json!(eddsa_key().kid())));
    refused(
        &eddsa(&header, &payload().to_string()),
        Rejection::WrongAlgorithm,
    );
}

/// TV-28.
#[test]
fn both_names_of_ed25519_are_read() {
    for name in ["EdDSA", "Ed25519"] {
        let header = json!({ "alg": name, "typ": "at+jwt", "kid": eddsa_key().kid() }).to_string();
        assert!(verify(eddsa(&header, &payload().to_string())).is_ok());
    }
}

/// TV-06: the token brings its own key.
#[test]
fn keys_in_the_header_change_nothing() {
    let attacker = p256_of_attacker();
    let mut header = header();
    header["jwk"] = attacker.verifying_key().to_value();
    header["jku"] = json!("http://127.0.0.1:1/keys");
    header["x5u"] = json!("http://127.0.0.1:1/cert");
    assert!(verify(es256(&header.to_string(), &payload().to_string())).is_ok());
    let mut forged = claims();
    forged.sub = "admin".into();
    let by_attacker = issue(&forged, &attacker);
    refused(&by_attacker, Rejection::UnknownKey);
}

fn p256_of_attacker() -> token::SigningKey {
    token::SigningKey::from_secret(token::Algorithm::Es256, &[9; 32]).unwrap()
}

/// TV-07.
#[test]
fn a_hostile_kid_is_an_unknown_key() {
    for kid in [
        json!("../../etc/passwd"),
        json!("' or 1=1"),
        json!("\u{0}\n"),
        json!("k".repeat(600)),
        json!(1),
        json!(null),
    ] {
        refused(
            &es256(&with_header("kid", Some(kid)), &payload().to_string()),
            Rejection::UnknownKey,
        );
    }
    refused(
        &es256(&with_header("kid", None), &payload().to_string()),
        Rejection::UnknownKey,
    );
}

/// TV-09, TV-10: DER, all zeros, r or s out of range, another key, a swapped payload.
#[test]
fn a_signature_that_does_not_hold_is_refused() {
    let good = es256(&header().to_string(), &payload().to_string());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    let order = (0..32)
        .map(|at| u8::from_str_radix(&order[2 * at..2 * at + 2], 16).unwrap())
        .collect::<Vec<_>>();
    let one = [[0; 31].as_slice(), &[1]].concat();
    let der = token::es256_to_der(&decoded(signature).try_into().unwrap()).unwrap();
    for bad in [
        vec![0; 64],
        vec![0xff; 64],
        [order.clone(), order.clone()].concat(),
        [one.clone(), order].concat(),
        [one.clone(), one].concat(),
        der,
        vec![],
        vec![1; 63],
        vec![1; 65],
    ] {
        let raw = format!("{signed}.{}", encode(&bad));
        let why = verify(raw).map(|_| ()).unwrap_err();
        assert!(
            matches!(why, Rejection::BadSignature | Rejection::Malformed),
            "{why}"
        );
    }
    let other = es256(
        &header().to_string(),
        &with_claim("sub", Some(json!("admin"))),
    );
    let swapped = format!("{}.{signature}", other.rsplit_once('.').unwrap().0);
    refused(&swapped, Rejection::BadSignature);
}

fn decoded(part: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(part)
        .unwrap()
}

/// TV-13: padding, another alphabet, white space and stray bits, each signed over exactly these characters.
#[test]
fn base64url_is_strict_even_where_the_signature_is_right() {
    let (header, payload) = (encode(header().to_string()), encode(payload().to_string()));
    for (header, payload) in [
        (format!("{header}="), payload.clone()),
        (header.clone(), format!("{payload}==")),
        (format!(" {header}"), payload.clone()),
        (header.clone(), format!("{payload}\n")),
        (header.clone(), format!("+{payload}")),
        (header.clone(), with_stray_bits(&payload)),
    ] {
        assert!(
            verify(es256_parts(&header, &payload)).is_err(),
            "{header}.{payload}"
        );
    }
    let good = es256_parts(&header, &payload);
    refused(&with_stray_bits(&good), Rejection::Malformed);
}

/// The same bytes under the next character, where the length leaves unused bits.
fn with_stray_bits(part: &str) -> String {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = part.chars().last().unwrap();
    let next = alphabet
        .chars()
        .nth((alphabet.find(last).unwrap() + 1) % 64)
        .unwrap();
    format!("{}{next}", &part[..part.len() - 1])
}

/// TV-14.
#[test]
fn only_three_parts_make_a_token() {
    let good = issue(&claims(), &es256_key());
    let (header, rest) = good.split_once('.').unwrap();
    for raw in [
        String::new(),
        ".".into(),
        "..".into(),
        "...".into(),
        header.into(),
        good.rsplit_once('.').unwrap().0.into(),
        format!("{good}."),
        format!(".{good}"),
        format!("{good}.{header}"),
        format!("{header}..{rest}"),
        format!("{good}.{good}"),
        format!(".{rest}"),
        json!({ "payload": "", "signatures": [] }).to_string(),
    ] {
        assert!(verify(&raw).is_err(), "{raw}");
    }
}

/// TV-15.
#[test]
fn header_and_payload_are_each_one_strict_json_object() {
    let good = payload().to_string();
    let open = good.strip_suffix('}').unwrap();
    for bad in [
        String::new(),
        "null".into(),
        "[]".into(),
        "\"a\"".into(),
        "{".into(),
        format!("{good}{good}"),
        format!("{good} x"),
        format!("{open},}}"),
        format!("{open},\"sub\":\"admin\"}}"),
        format!("{open},\"other\":1,\"other\":2}}"),
        format!("{open},\"deep\":{}{}}}", "[".repeat(200), "]".repeat(200)),
        format!("{open},\"n\":01}}"),
        format!("{open},\"n\":1e999}}"),
        format!("{open},'n':1}}"),
        format!("\u{feff}{good}"),
    ] {
        assert!(verify(with_payload(&bad)).is_err(), "{bad}");
    }
    let not_utf8 = [open.as_bytes(), b",\"x\":\"\xff\"}"].concat();
    assert!(
        verify(es256_parts(
            &encode(header().to_string()),
            &encode(not_utf8)
        ))
        .is_err()
    );
    let repeated = header().to_string().replacen('{', "{\"alg\":\"ES256\",", 1);
    refused(&es256(&repeated, &good), Rejection::Malformed);
}

/// TV-16.
#[test]
fn crit_and_b64_refuse_the_token_whatever_they_say() {
    for name in ["crit", "b64"] {
        for value in [
            json!([]),
            json!(["exp"]),
            json!(true),
            json!(false),
            json!(null),
            json!(""),
        ] {
            refused(
                &es256(&with_header(name, Some(value)), &payload().to_string()),
                Rejection::Malformed,
            );
        }
    }
}

/// TV-17.
#[test]
fn typ_must_say_access_token() {
    for typ in [
        "at+jwt",
        "AT+JWT",
        "application/at+jwt",
        "Application/At+Jwt",
    ] {
        assert!(
            verify(es256(
                &with_header("typ", Some(json!(typ))),
                &payload().to_string()
            ))
            .is_ok(),
            "{typ}"
        );
    }
    for typ in [
        json!("JWT"),
        json!("revocations+jwt"),
        json!(""),
        json!("at+jwt "),
        json!("application/application/at+jwt"),
        json!("x/at+jwt"),
        json!(null),
        json!(1),
    ] {
        refused(
            &es256(&with_header("typ", Some(typ)), &payload().to_string()),
            Rejection::WrongType,
        );
    }
    refused(
        &es256(&with_header("typ", None), &payload().to_string()),
        Rejection::WrongType,
    );
}

/// TV-18.
#[test]
fn the_issuer_is_matched_exactly() {
    for issuer in [
        "https://www.example.com/",
        "https://WWW.example.com",
        "http://www.example.com",
        "https://www.example.com.evil.test",
    ] {
        refused(
            &with_payload(&with_claim("iss", Some(json!(issuer)))),
            Rejection::WrongIssuer,
        );
    }
}

/// TV-19.
#[test]
fn one_of_the_audiences_must_be_ours() {
    let ours = "https://www.example.com/api";
    for audience in [json!(ours), json!([ours]), json!(["x", ours])] {
        assert!(verify(with_payload(&with_claim("aud", Some(audience)))).is_ok());
    }
    for audience in [
        json!("https://www.example.com/api/"),
        json!("https://www.example.com"),
        json!(["x"]),
    ] {
        refused(
            &with_payload(&with_claim("aud", Some(audience))),
            Rejection::WrongAudience,
        );
    }
    for audience in [
        json!(""),
        json!([]),
        json!([""]),
        json!(null),
        json!(1),
        json!({ ours: true }),
        json!([ours, 1]),
    ] {
        refused(
            &with_payload(&with_claim("aud", Some(audience))),
            Rejection::Malformed,
        );
    }
}

/// TV-20: the second of `exp + leeway` is already too late.
#[test]
fn a_token_dies_in_the_second_of_exp_plus_skew() {
    let raw = issue(&claims(), &es256_key());
    let last = NOW.seconds() + 300 + 30 - 1;
    assert!(verify_at(&raw, token::UnixTime::from_seconds(last)).is_ok());
    let dead = verify_at(&raw, token::UnixTime::from_seconds(last + 1));
    assert_eq!(dead.map(|_| ()), Err(Rejection::Expired));
}

/// TV-21.
#[test]
fn a_token_from_the_future_is_refused() {
    let at =
        |name, offset: i64| with_payload(&with_claim(name, Some(json!(NOW.seconds() + offset))));
    for name in ["iat", "nbf"] {
        assert!(verify(at(name, 30)).is_ok());
        refused(&at(name, 31), Rejection::NotYetValid);
    }
}

/// TV-22, TV-25: required claims, and the types of all that are used.
#[test]
fn a_claim_that_is_missing_or_of_another_type_is_never_absent() {
    for name in ["iss", "aud", "sub", "sid", "jti", "iat", "exp"] {
        refused(&with_payload(&with_claim(name, None)), Rejection::Malformed);
    }
    let wrong = [json!(null), json!(true), json!({}), json!([1]), json!(1.5)];
    for name in [
        "iss",
        "aud",
        "sub",
        "sid",
        "jti",
        "iat",
        "exp",
        "nbf",
        "auth_time",
        "acr",
        "amr",
        "client_id",
        "roles",
        "scope",
        "email",
    ] {
        for value in &wrong {
            refused(
                &with_payload(&with_claim(name, Some(value.clone()))),
                Rejection::Malformed,
            );
        }
    }
    for name in ["iss", "sub", "jti", "sid"] {
        refused(
            &with_payload(&with_claim(name, Some(json!("")))),
            Rejection::Malformed,
        );
    }
}

/// TV-23: every extreme number is an answer, not an overflow.
#[test]
fn extreme_numbers_are_refused_without_harm() {
    for name in ["iat", "exp", "nbf", "auth_time"] {
        for number in [
            "-9223372036854775808",
            "9223372036854775807",
            "18446744073709551615",
            "1e300",
            "-1e300",
            "-0.0",
            "1e18",
            "99999999999999999999999",
        ] {
            let text = with_claim(name, Some(json!("PLACE"))).replace("\"PLACE\"", number);
            let result = verify(with_payload(&text)).map(|_| ());
            // An old `nbf` or `auth_time` is no defect by itself.
            let is_harmless = matches!(name, "nbf" | "auth_time") && result.is_ok();
            assert!(result.is_err() || is_harmless, "{name} {number}");
        }
    }
}

/// TV-24.
#[test]
fn a_token_that_lives_too_long_is_refused() {
    let with_lifetime =
        |seconds: i64| with_payload(&with_claim("exp", Some(json!(NOW.seconds() + seconds))));
    assert!(verify(with_lifetime(900)).is_ok());
    refused(&with_lifetime(901), Rejection::TooLongLived);
}

/// TV-26.
#[test]
fn size_caps_come_before_any_decoding() {
    refused(&"!".repeat(8 * 1024 + 1), Rejection::TooLong);
    refused(
        &format!("{}.{}.x", "!".repeat(1025), "!"),
        Rejection::TooLong,
    );
}

/// TV-26, TV-30: six kilobytes of claims never become half a megabyte of values. As many roles as anybody has pass.
#[test]
fn claims_of_very_many_values_are_refused_before_they_are_read() {
    let roles: Vec<_> = (0..450).map(|role| format!("role{role}")).collect();
    assert!(verify(with_payload(&with_claim("roles", Some(json!(roles))))).is_ok());
    let punctuation = "[{".repeat(500) + "\\\"[{";
    assert!(verify(with_payload(&with_claim("x", Some(json!(punctuation))))).is_ok());
    for heavy in [
        json!(vec![1; 1000]),
        json!(vec![json!({ "": 1 }); 100]),
        json!(vec![json!([1]); 400]),
    ] {
        refused(
            &with_payload(&with_claim("x", Some(heavy))),
            Rejection::TooLong,
        );
    }
    let heavy = with_header("x", Some(json!(vec![json!({ "": 1 }); 80])));
    refused(&es256(&heavy, &payload().to_string()), Rejection::TooLong);
}

/// TV-29.
#[test]
fn claims_are_json_and_nothing_else() {
    assert!(
        verify(es256(
            &with_header("cty", Some(json!("json"))),
            &payload().to_string()
        ))
        .is_ok()
    );
    for content in [
        json!("cbor"),
        json!("JWT"),
        json!(""),
        json!(null),
        json!(1),
    ] {
        refused(
            &es256(&with_header("cty", Some(content)), &payload().to_string()),
            Rejection::Malformed,
        );
    }
}

/// TV-31.
#[test]
fn sid_has_one_spelling() {
    for sid in [
        "0303030303030303030303030303030",
        "03030303030303030303030303030303 ",
        "0303030303030303030303030303030G",
        "0303030303030303030303030303030A",
        "../303030303030303030303030303030",
    ] {
        refused(
            &with_payload(&with_claim("sid", Some(Value::from(sid)))),
            Rejection::Malformed,
        );
    }
}
