//! The private half of a key; made from secret bytes that the caller drew and keeps.

use ed25519_dalek::Signer as _;

use crate::{Algorithm, VerifyingKey};

/// A key that signs with exactly one algorithm. Wiped when dropped; has no `Debug`.
///
/// Signatures are deterministic (RFC 6979 and RFC 8032): no randomness is needed to sign.
#[derive(Clone)]
pub struct SigningKey {
    secret: Secret,
    public: VerifyingKey,
}

#[derive(Clone)]
enum Secret {
    P256(p256::ecdsa::SigningKey),
    Ed25519(ed25519_dalek::SigningKey),
}

impl SigningKey {
    /// Makes the key of 32 random bytes; `None` when they are no P-256 scalar (once in 2^32 draws): draw again.
    pub fn from_secret(algorithm: Algorithm, secret: &[u8; 32]) -> Option<Self> {
        Some(match algorithm {
            Algorithm::Es256 => {
                let key = p256::ecdsa::SigningKey::from_slice(secret).ok()?;
                Self {
                    public: VerifyingKey::from_p256(*key.verifying_key()),
                    secret: Secret::P256(key),
                }
            }
            Algorithm::EdDsa => {
                let key = ed25519_dalek::SigningKey::from_bytes(secret);
                Self {
                    public: VerifyingKey::from_ed25519(key.verifying_key()),
                    secret: Secret::Ed25519(key),
                }
            }
        })
    }

    /// Its name: the RFC 7638 thumbprint of the public half.
    pub fn kid(&self) -> &str {
        self.public.kid()
    }

    /// The one algorithm that it signs with.
    pub const fn algorithm(&self) -> Algorithm {
        self.public.algorithm()
    }

    /// The public half.
    pub const fn verifying_key(&self) -> &VerifyingKey {
        &self.public
    }

    /// The signature in the form of JWS: r‖s or R‖S.
    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        match &self.secret {
            Secret::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.to_bytes().into()
            }
            Secret::Ed25519(key) => key.sign(message).to_bytes(),
        }
    }
}
