//! Access tokens: the claims of RFC 9068 and their strict verification.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::jws::{self, Kind, MAX_TOKEN_BYTES};
use crate::{Es256Check, KeySet, Rejection, SessionId, SigningKey, TokenId, UnixTime};

/// The claims of an access token that is to be issued (RFC 9068 section 2.2).
#[derive(Clone, Debug, Serialize)]
pub struct AccessClaims {
    /// Issuer.
    pub iss: String,
    /// Audiences, at least one.
    pub aud: Vec<String>,
    /// The account.
    pub sub: String,
    /// The session, by which the token is revoked.
    pub sid: SessionId,
    /// The token itself.
    pub jti: TokenId,
    /// When it was issued.
    pub iat: UnixTime,
    /// The first second in which it is no longer good.
    pub exp: UnixTime,
    /// When the user last authenticated completely (RFC 9068 section 2.2.1).
    pub auth_time: UnixTime,
    /// How strongly: `password`, `otp` or `mfa`.
    pub acr: String,
    /// By what means (RFC 8176).
    pub amr: Vec<String>,
    /// The client that it was issued to.
    pub client_id: String,
    /// Roles of the account; absent when there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Scopes, separated by single spaces (RFC 8693 section 4.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// E-mail address, where the operator wants it in tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

/// Signs an access token.
pub fn issue(claims: &AccessClaims, key: &SigningKey) -> String {
    jws::sign(Kind::AccessToken, claims, key)
}

/// What the verifier demands of every token.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// `iss`, matched exactly.
    pub issuer: &'a str,
    /// `aud` must contain one of these.
    pub audiences: &'a [String],
    /// By how much clocks may differ; whole seconds.
    pub clock_skew: Duration,
    /// The largest `exp − iat`; whole seconds.
    pub max_lifetime: Duration,
}

/// An access token whose form, signature, issuer, audience and times held when it was verified.
///
/// Whether its session has been revoked is not known here, and time goes on: see [`AccessToken::check_time`].
#[derive(Clone, Debug)]
pub struct AccessToken {
    audiences: Vec<String>,
    session: SessionId,
    issued_at: UnixTime,
    expires_at: UnixTime,
    not_before: Option<UnixTime>,
    auth_time: Option<UnixTime>,
    roles: Vec<String>,
    claims: Map<String, Value>,
}

impl AccessToken {
    /// Verifies `raw`: caps, form, header, key, signature, types of all claims, times, issuer, audience, in this order.
    ///
    /// # Errors
    /// The first [`Rejection`] that applies.
    pub fn verify(
        raw: &[u8],
        keys: &KeySet,
        check: &dyn Es256Check,
        expected: &Expected<'_>,
        now: UnixTime,
    ) -> Result<Self, Rejection> {
        let claims = jws::verify(Kind::AccessToken, raw, MAX_TOKEN_BYTES, keys, check)?;
        let token = Self::read(claims)?;
        token.check_time(now, expected.clock_skew)?;
        let lifetime = token
            .expires_at
            .seconds()
            .checked_sub(token.issued_at.seconds())
            .ok_or(Rejection::TooLongLived)?;
        if u64::try_from(lifetime).is_ok_and(|lifetime| lifetime > expected.max_lifetime.as_secs())
        {
            return Err(Rejection::TooLongLived);
        }
        if token.issuer() != expected.issuer {
            return Err(Rejection::WrongIssuer);
        }
        if !token.is_for(expected.audiences) {
            return Err(Rejection::WrongAudience);
        }
        Ok(token)
    }

    /// Reads the claims. A claim that is used and has the wrong type is an error, never absent (TV-22, TV-25).
    fn read(claims: Map<String, Value>) -> Result<Self, Rejection> {
        let required = |name| {
            text(&claims, name)?
                .filter(|text| !text.is_empty())
                .ok_or(Rejection::Malformed)
        };
        for name in ["iss", "sub", "jti"] {
            required(name)?;
        }
        for name in ["acr", "client_id", "scope", "email"] {
            text(&claims, name)?;
        }
        list(&claims, "amr")?;
        let session = required("sid")?.parse().map_err(|_| Rejection::Malformed)?;
        let audiences = match claims.get("aud") {
            Some(Value::String(audience)) => vec![audience.clone()],
            _ => list(&claims, "aud")?,
        };
        if audiences.iter().all(String::is_empty) {
            return Err(Rejection::Malformed);
        }
        Ok(Self {
            audiences,
            session,
            issued_at: time(&claims, "iat")?.ok_or(Rejection::Malformed)?,
            expires_at: time(&claims, "exp")?.ok_or(Rejection::Malformed)?,
            not_before: time(&claims, "nbf")?,
            auth_time: time(&claims, "auth_time")?,
            roles: list(&claims, "roles")?,
            claims,
        })
    }

    /// Checks `exp`, `nbf` and `iat` once more, as is due at every use of a token that is kept.
    ///
    /// # Errors
    /// [`Rejection::Expired`] from the second `exp + clock_skew` on; [`Rejection::NotYetValid`] when `iat` or `nbf` lies beyond
    /// `now + clock_skew`.
    pub fn check_time(&self, now: UnixTime, clock_skew: Duration) -> Result<(), Rejection> {
        if now >= self.expires_at.plus(clock_skew) {
            return Err(Rejection::Expired);
        }
        let latest = now.plus(clock_skew);
        if self.issued_at > latest
            || self
                .not_before
                .is_some_and(|not_before| not_before > latest)
        {
            return Err(Rejection::NotYetValid);
        }
        Ok(())
    }

    /// Whether `aud` contains one of `audiences`.
    pub fn is_for(&self, audiences: &[String]) -> bool {
        self.audiences
            .iter()
            .any(|audience| audiences.contains(audience))
    }

    /// `iss`.
    pub fn issuer(&self) -> &str {
        self.text_claim("iss").unwrap_or_default()
    }

    /// `sub`.
    pub fn subject(&self) -> &str {
        self.text_claim("sub").unwrap_or_default()
    }

    /// `jti`, which may stand in a log where the token may not.
    pub fn token_id(&self) -> &str {
        self.text_claim("jti").unwrap_or_default()
    }

    /// `sid`.
    pub const fn session(&self) -> SessionId {
        self.session
    }

    /// `aud`, as a list.
    pub fn audiences(&self) -> &[String] {
        &self.audiences
    }

    /// `iat`.
    pub const fn issued_at(&self) -> UnixTime {
        self.issued_at
    }

    /// `exp`.
    pub const fn expires_at(&self) -> UnixTime {
        self.expires_at
    }

    /// `auth_time`, if given.
    pub const fn auth_time(&self) -> Option<UnixTime> {
        self.auth_time
    }

    /// `acr`, if given.
    pub fn acr(&self) -> Option<&str> {
        self.text_claim("acr")
    }

    /// `roles`, empty if not given.
    pub fn roles(&self) -> &[String] {
        &self.roles
    }

    /// The members of `scope` (RFC 6749 section 3.3).
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.text_claim("scope")
            .unwrap_or_default()
            .split(' ')
            .filter(|scope| !scope.is_empty())
    }

    /// Any claim, as it was signed.
    pub fn claim(&self, name: &str) -> Option<&Value> {
        self.claims.get(name)
    }

    fn text_claim(&self, name: &str) -> Option<&str> {
        self.claims.get(name).and_then(Value::as_str)
    }
}

fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Rejection> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Rejection::Malformed),
    }
}

/// An array of strings; absent is empty.
fn list(claims: &Map<String, Value>, name: &str) -> Result<Vec<String>, Rejection> {
    match claims.get(name) {
        None => Ok(Vec::new()),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| item.as_str().map(str::to_owned).ok_or(Rejection::Malformed))
            .collect(),
        Some(_) => Err(Rejection::Malformed),
    }
}

/// Whole seconds only: a fraction or an exponent is another reader's chance to see another moment.
fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<UnixTime>, Rejection> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => value
            .as_i64()
            .map(|seconds| Some(UnixTime::from_seconds(seconds)))
            .ok_or(Rejection::Malformed),
    }
}
