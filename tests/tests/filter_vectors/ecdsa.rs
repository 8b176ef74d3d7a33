//! ES256: to any signature with a fitting r there is a key under which it holds (SEC 1 section 4.1.6, public key recovery).

use p256::ecdsa::VerifyingKey;
use p256::elliptic_curve::PrimeField as _;
use p256::elliptic_curve::bigint::{ArrayEncoding as _, CheckedAdd as _, Encoding as _, U256};
use p256::elliptic_curve::ops::Reduce as _;
use p256::elliptic_curve::sec1::FromEncodedPoint as _;
use p256::{AffinePoint, EncodedPoint, ProjectivePoint, Scalar};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::*;

/// The order of P-256 (SEC 2 section 2.4.2).
const N: U256 =
    U256::from_be_hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");

fn scalar(number: U256) -> Scalar {
    Scalar::from_repr(number.to_be_byte_array()).expect("below n")
}

fn jwk(kid: &str, key: &VerifyingKey) -> Value {
    let point = key.to_encoded_point(false);
    let coordinate = |bytes: Option<&p256::FieldBytes>| encode(bytes.expect("a coordinate"));
    json!({ "kty": "EC", "crv": "P-256", "kid": kid, "x": coordinate(point.x()), "y": coordinate(point.y()) })
}

/// r and s, 32 bytes each, whatever they are.
fn token(signed: &str, r: U256, s: U256) -> String {
    format!(
        "{signed}.{}",
        encode([r.to_be_bytes(), s.to_be_bytes()].concat())
    )
}

/// Where the point of a signature lies, whose x modulo n is r.
#[derive(Clone, Copy)]
struct Place {
    is_odd: bool,
    is_beyond_n: bool,
}

/// The first r from `from` on that is the x of a point (about every second number is), with a key under which (r, s) holds.
fn recovered(signed: &str, from: U256, step: &U256, s: U256, place: Place) -> (U256, VerifyingKey) {
    let digest = Scalar::reduce_bytes(&Sha256::digest(signed));
    let mut r = from;
    for _ in 0..100 {
        if let Some(point) = point(r, place) {
            let inverse = Option::<Scalar>::from(scalar(r).invert()).expect("r is not zero");
            let key = (point * scalar(s) - ProjectivePoint::GENERATOR * digest) * inverse;
            return (
                r,
                VerifyingKey::from_affine(key.to_affine()).expect("not the identity"),
            );
        }
        r = r.wrapping_add(step);
    }
    panic!("there are not that many numbers in a row without a point");
}

fn point(r: U256, place: Place) -> Option<ProjectivePoint> {
    let x = if place.is_beyond_n {
        Option::<U256>::from(r.checked_add(&N))?
    } else {
        r
    };
    let sign = if place.is_odd { 3 } else { 2 };
    let encoded = [[sign].as_slice(), &x.to_be_bytes()].concat();
    let encoded = EncodedPoint::from_bytes(encoded).ok()?;
    Option::from(AffinePoint::from_encoded_point(&encoded).map(ProjectivePoint::from))
}

/// TV-10: what holds passes, and nothing beside it does.
#[test]
fn ecdsa_signatures_at_the_edges_are_told_apart() {
    let small = |number: u64| U256::from(number);
    let below_n = |number: u64| N.wrapping_sub(&small(number));
    let half = N.shr_vartime(1);
    let middle =
        U256::from_be_hex("5555555555555555555555555555555555555555555555555555555555555555");
    // Small r, small r whose point has x = r + n, large r, r with a leading zero.
    let place = |is_odd, is_beyond_n| Place {
        is_odd,
        is_beyond_n,
    };
    let minus_one = U256::MAX;
    let rs = [
        (small(1), U256::ONE, place(false, false)),
        (small(1), U256::ONE, place(true, true)),
        (below_n(1), minus_one, place(true, false)),
        (middle.shr_vartime(12), U256::ONE, place(false, false)),
    ];
    let ss = [
        small(1),
        small(2),
        half,
        half.wrapping_add(&U256::ONE),
        below_n(2),
        below_n(1),
        middle.shr_vartime(9),
    ];
    let mut cases = Vec::new();
    for (number, (from, step, place)) in rs.into_iter().enumerate() {
        for (at, s) in ss.into_iter().enumerate() {
            let kid = format!("k{number}{at}");
            let signed = signed("ES256", &kid);
            let (r, key) = recovered(&signed, from, &step, s, place);
            let key = jwk(&kid, &key);
            let mut add = |class: &str, r: U256, s: U256, is_good| {
                let class = format!("{class}, r {number}, s {at}");
                let token = token(&signed, r, s);
                cases.push(Case {
                    class,
                    key: key.clone(),
                    token,
                    is_good,
                });
            };
            add("as it is", r, s, true);
            // The twin of every ECDSA signature holds too; JWS does not forbid it, and tokens are told by their session.
            add("twin", r, N.wrapping_sub(&s), true);
            add("another s", r, s.add_mod(&U256::from(3_u64), &N), false);
            add("another r", r.add_mod(&U256::ONE, &N), s, false);
            add("swapped", s, r, s == r);
            add("r negated", N.wrapping_sub(&r), s, false);
            add("r = 0", U256::ZERO, s, false);
            add("s = 0", r, U256::ZERO, false);
            add("both 0", U256::ZERO, U256::ZERO, false);
            add("r = n", N, s, false);
            add("s = n", r, N, false);
            add("all ones", U256::MAX, U256::MAX, false);
            let plus_n = |number: U256| Option::<U256>::from(number.checked_add(&N));
            if let Some(r) = plus_n(r) {
                add("r + n", r, s, false);
            }
            if let Some(s) = plus_n(s) {
                add("s + n", r, s, false);
            }
        }
    }
    assert!(cases.len() > 300, "{}", cases.len());
    check(&cases);
}
