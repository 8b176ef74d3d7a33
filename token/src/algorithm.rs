//! The signature algorithms and their names; no other is known anywhere.

/// A signature algorithm. A key has exactly one, and a token may name no other (RFC 8725 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256 (RFC 7518 section 3.4).
    Es256,
    /// Ed25519 (RFC 8037 section 3.1), read as `EdDSA` and as `Ed25519` (RFC 9864), written as `EdDSA`.
    EdDsa,
}

impl Algorithm {
    /// The name that is written into `alg`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm that `alg` names, compared byte for byte.
    pub(crate) fn from_name(name: &str) -> Option<(Self, &'static str)> {
        match name {
            "ES256" => Some((Self::Es256, "ES256")),
            "EdDSA" => Some((Self::EdDsa, "EdDSA")),
            "Ed25519" => Some((Self::EdDsa, "Ed25519")),
            _ => None,
        }
    }
}
