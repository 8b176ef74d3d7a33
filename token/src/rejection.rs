//! Why a token or page was refused; carries no byte of what was refused.

use std::fmt;

/// The reason for which a token or page is not accepted.
///
/// A client is never told which one it was (RFC 6750 section 3.1 and ER-03): it is for counters and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rejection {
    /// Longer than the cap for its kind, or of too many values; no value was read.
    TooLong,
    /// Not three base64url parts of strict JSON, a header that must not be there, or a claim that is missing or of the wrong type.
    Malformed,
    /// `typ` names another kind of token.
    WrongType,
    /// `alg` is not the algorithm of the key that `kid` names, or not one of ours at all.
    WrongAlgorithm,
    /// No key of that `kid`.
    UnknownKey,
    /// The signature or MAC does not hold.
    BadSignature,
    /// `iss` is another issuer.
    WrongIssuer,
    /// `aud` names none of the expected audiences.
    WrongAudience,
    /// `exp` has passed.
    Expired,
    /// `iat` or `nbf` lies ahead.
    NotYetValid,
    /// It lives for longer than the verifier takes.
    TooLongLived,
}

impl Rejection {
    /// Every reason, for the declaration of counters.
    pub const ALL: [Self; 11] = [
        Self::TooLong,
        Self::Malformed,
        Self::WrongType,
        Self::WrongAlgorithm,
        Self::UnknownKey,
        Self::BadSignature,
        Self::WrongIssuer,
        Self::WrongAudience,
        Self::Expired,
        Self::NotYetValid,
        Self::TooLongLived,
    ];

    /// A stable word for counters and logs.
    pub const fn label(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::Malformed => "malformed",
            Self::WrongType => "wrong_type",
            Self::WrongAlgorithm => "wrong_algorithm",
            Self::UnknownKey => "unknown_key",
            Self::BadSignature => "bad_signature",
            Self::WrongIssuer => "wrong_issuer",
            Self::WrongAudience => "wrong_audience",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::TooLongLived => "too_long_lived",
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

impl std::error::Error for Rejection {}
