//! How strongly the user was authenticated: the rising levels of `acr` (design section 3).

/// A level; each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Acr {
    /// A password.
    Password,
    /// A mailed code was confirmed.
    Otp,
    /// An authenticator app.
    Mfa,
}

impl Acr {
    /// The level that a configuration or a token names. Another issuer's words are no level here.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name {
            "password" => Some(Self::Password),
            "otp" => Some(Self::Otp),
            "mfa" => Some(Self::Mfa),
            _ => None,
        }
    }

    /// The value in tokens and challenges.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Otp => "otp",
            Self::Mfa => "mfa",
        }
    }
}
