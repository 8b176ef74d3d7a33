//! What two Ed25519 verifiers may disagree about: keys and R with a part of small order, S beyond L, encodings that are not canonical.
//!
//! Made here, after the classes of C2SP's CCTV set and of the paper that compared verifiers (Chalkias, Garillot, Nikolaenko 2020): the
//! secret scalars are known, so every signature fits its equation, and only the named defect can refuse it.

use curve25519_dalek::EdwardsPoint;
use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::IsIdentity as _;
use sha2::{Digest as _, Sha512};

use super::{ed25519, holds};

/// The order of the base point, little-endian (RFC 8032 section 5.1).
const L: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];
/// Points of small order whose y is written as y + p, or whose x is zero and said to be negative: 1, 0 and −1 in all such spellings.
const NOT_CANONICAL: [[u8; 32]; 6] = [
    spelt(0xee, 0xff, 0x7f),
    spelt(0xee, 0xff, 0xff),
    spelt(0xed, 0xff, 0x7f),
    spelt(0xed, 0xff, 0xff),
    spelt(0x01, 0x00, 0x80),
    spelt(0xec, 0xff, 0xff),
];

const fn spelt(first: u8, middle: u8, last: u8) -> [u8; 32] {
    let mut bytes = [middle; 32];
    bytes[0] = first;
    bytes[31] = last;
    bytes
}

/// A key and a nonce, each with a part of small order.
struct Signer {
    secret: Scalar,
    nonce: Scalar,
    key: [u8; 32],
    r: [u8; 32],
}

impl Signer {
    fn new(secret: u64, of_key: &EdwardsPoint, nonce: u64, of_r: &EdwardsPoint) -> Self {
        let (secret, nonce) = (Scalar::from(secret), Scalar::from(nonce));
        let point = |scalar: Scalar, small: &EdwardsPoint| {
            (ED25519_BASEPOINT_POINT * scalar + small).compress().0
        };
        Self {
            secret,
            nonce,
            key: point(secret, of_key),
            r: point(nonce, of_r),
        }
    }

    fn challenge(&self, message: &[u8]) -> Scalar {
        let digest = Sha512::new()
            .chain_update(self.r)
            .chain_update(self.key)
            .chain_update(message);
        Scalar::from_bytes_mod_order_wide(&digest.finalize().into())
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        let s = self.nonce + self.challenge(message) * self.secret;
        signature(&self.r, &s.to_bytes())
    }
}

fn signature(r: &[u8; 32], s: &[u8; 32]) -> [u8; 64] {
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(r);
    signature[32..].copy_from_slice(s);
    signature
}

fn plus(a: &[u8; 32], b: &[u8; 32]) -> [u8; 32] {
    let mut carry = 0_u16;
    std::array::from_fn(|at| {
        let sum = u16::from(a[at]) + u16::from(b[at]) + carry;
        carry = sum >> 8;
        sum.to_le_bytes()[0]
    })
}

fn messages() -> impl Iterator<Item = [u8; 1]> {
    (0..24_u8).map(|number| [number])
}

/// TV-11: the equation without cofactor decides, whatever parts of small order key and R have beside their large ones.
#[test]
fn a_part_of_small_order_is_never_multiplied_away() {
    let mut seen = [0, 0];
    for of_key in &EIGHT_TORSION {
        for of_r in &EIGHT_TORSION {
            let signer = Signer::new(7, of_key, 11, of_r);
            let key = ed25519(&signer.key).expect("a key of large order");
            for message in messages() {
                let remainder = of_r + of_key * signer.challenge(&message);
                let is_good = remainder.is_identity();
                assert_eq!(holds(&key, &message, &signer.sign(&message)), is_good);
                seen[usize::from(is_good)] += 1;
            }
        }
    }
    assert!(seen[0] > 500 && seen[1] > 100, "{seen:?}");
}

/// TV-08, TV-11: such a key would have a signature that holds for many messages.
#[test]
fn a_key_of_small_order_is_no_key() {
    for small in &EIGHT_TORSION {
        assert_eq!(ed25519(&small.compress().0), None);
    }
    for bytes in &NOT_CANONICAL {
        assert_eq!(ed25519(bytes), None, "{bytes:02x?}");
    }
}

/// TV-11: also where the equation holds.
#[test]
fn an_r_of_small_order_is_refused_in_every_spelling() {
    let signer = Signer::new(7, &EIGHT_TORSION[0], 11, &EIGHT_TORSION[0]);
    let key = ed25519(&signer.key).unwrap();
    let canonical = EIGHT_TORSION.iter().map(|small| small.compress().0);
    let mut fitting = 0;
    for r in canonical.chain(NOT_CANONICAL) {
        for message in messages() {
            let signer = Signer {
                nonce: Scalar::ZERO,
                r,
                ..Signer::new(7, &EIGHT_TORSION[0], 0, &EIGHT_TORSION[0])
            };
            fitting += usize::from(r == EIGHT_TORSION[0].compress().0);
            assert!(!holds(&key, &message, &signer.sign(&message)), "{r:02x?}");
        }
    }
    assert!(fitting > 0);
}

/// TV-11: S + L is the same number to whoever does not look, and so are the bits above.
#[test]
fn s_has_one_spelling() {
    let signer = Signer::new(7, &EIGHT_TORSION[0], 11, &EIGHT_TORSION[0]);
    let key = ed25519(&signer.key).unwrap();
    for message in messages() {
        let good = signer.sign(&message);
        assert!(holds(&key, &message, &good));
        let mut s: [u8; 32] = good[32..].try_into().unwrap();
        // As often as it fits into 256 bits.
        for _ in 0..15 {
            s = plus(&s, &L);
            assert!(!holds(&key, &message, &signature(&signer.r, &s)));
        }
        for bit in [0x20, 0x40, 0x80, 0xe0] {
            let mut bad = good;
            bad[63] |= bit;
            assert!(!holds(&key, &message, &bad));
        }
        assert!(!holds(&key, &message, &signature(&signer.r, &L)));
        assert!(!holds(&key, &message, &signature(&signer.r, &[0; 32])));
    }
}

/// TV-11: the challenge is taken over R as it came, so that another spelling of a good R is another signature.
#[test]
fn another_sign_or_length_is_another_signature() {
    let signer = Signer::new(7, &EIGHT_TORSION[0], 11, &EIGHT_TORSION[0]);
    let key = ed25519(&signer.key).unwrap();
    let good = signer.sign(b"m");
    let mut negative = good;
    negative[31] ^= 0x80;
    assert!(!holds(&key, b"m", &negative));
    assert!(!holds(&key, b"m", &good[..63]));
    assert!(!holds(&key, b"m", &[good.as_slice(), &[0]].concat()));
}
