//! Ed25519: keys and R with parts of small order, S beyond L.

use curve25519_dalek::EdwardsPoint;
use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::IsIdentity as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha512};

use super::*;

/// The order of the base point, little-endian (RFC 8032 section 5.1).
const L: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

fn jwk(kid: &str, point: &[u8; 32]) -> Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": encode(point) })
}

fn point(scalar: u64, small: &EdwardsPoint) -> [u8; 32] {
    (ED25519_BASEPOINT_POINT * Scalar::from(scalar) + small)
        .compress()
        .0
}

fn challenge(r: &[u8; 32], key: &[u8; 32], signed: &str) -> Scalar {
    let digest = Sha512::new()
        .chain_update(r)
        .chain_update(key)
        .chain_update(signed);
    Scalar::from_bytes_mod_order_wide(&digest.finalize().into())
}

fn plus_l(s: &[u8; 32]) -> [u8; 32] {
    let mut carry = 0_u16;
    std::array::from_fn(|at| {
        let sum = u16::from(s[at]) + u16::from(L[at]) + carry;
        carry = sum >> 8;
        sum.to_le_bytes()[0]
    })
}

fn token(signed: &str, r: &[u8; 32], s: &[u8; 32]) -> String {
    format!("{signed}.{}", encode([*r, *s].concat()))
}

/// TV-11: the equation without cofactor decides, S has one spelling, and no R of small order is taken though the equation holds.
#[test]
fn ed25519_signatures_at_the_edges_are_told_apart() {
    let mut cases = Vec::new();
    for (place, of_key) in EIGHT_TORSION.iter().enumerate() {
        let kid = format!("e{place}");
        let public = point(7, of_key);
        let key = jwk(&kid, &public);
        let signed = signed("EdDSA", &kid);
        let mut add = |class: &str, r: &[u8; 32], s: &[u8; 32], is_good| {
            let class = format!("{class}, key {place}");
            let token = token(&signed, r, s);
            cases.push(Case {
                class,
                key: key.clone(),
                token,
                is_good,
            });
        };
        for of_r in &EIGHT_TORSION {
            let r = point(11, of_r);
            let k = challenge(&r, &public, &signed);
            let s = (Scalar::from(11_u64) + k * Scalar::from(7_u64)).to_bytes();
            let is_good = (of_r + of_key * k).is_identity();
            add("parts of small order", &r, &s, is_good);
            add("S + L", &r, &plus_l(&s), false);
            let mut with_bit = s;
            with_bit[31] |= 0x80;
            add("a bit above S", &r, &with_bit, false);
            add("S = L", &r, &L, false);
            // R alone of small order, in the spelling that is canonical and in one that is not.
            let mut r = of_r.compress().0;
            for _ in 0..2 {
                let s = (challenge(&r, &public, &signed) * Scalar::from(7_u64)).to_bytes();
                add("R of small order", &r, &s, false);
                r[31] ^= 0x80;
            }
        }
    }
    assert!(cases.iter().filter(|case| case.is_good).count() >= 8);
    assert!(cases.len() > 300, "{}", cases.len());
    check(&cases);
}

/// TV-08: Envoy refuses a configuration with such a key, and the one before stays.
#[test]
fn a_key_of_small_order_is_refused_at_load() {
    let good = jwk("good", &point(7, &EIGHT_TORSION[0]));
    let mut envoy = Host::latchkey(&configuration(std::slice::from_ref(&good))).vms(1);
    for small in &EIGHT_TORSION {
        let weak = jwk("weak", &small.compress().0);
        assert!(!envoy.update(configuration(&[good.clone(), weak])));
    }
    assert!(envoy.update(configuration(&[good])));
}
