//! Roles and scopes, as a rule: what may be given to an account, and what an access token says of it. The filter hands members of lists
//! to apps with commas between them, so none may hold one; and the largest token must fit into a cookie (CK-03).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use token::{AccessClaims, SessionId, TokenId, UnixTime};

use crate::config::{Role, Settings};
use crate::level::Acr;

/// The most roles of an account.
pub const MOST: usize = 64;
/// The most bytes of them all in a token: each with its quotes and its comma.
pub const MOST_BYTES: usize = 1_024;
/// The longest access token: with the name of its cookie 4096 bytes (RFC 6265 section 6.1).
pub const MAX_TOKEN: usize = 4_096 - "__Host-access".len() - 1;
/// The longest address that mail can be sent to (RFC 5321 section 4.5.3.1.3).
const MAX_EMAIL: usize = 254;

/// Why an account may not have these roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RolesError {
    /// One has other characters than letters, digits and `._:/-`, or more than 64, or none.
    Name,
    /// One stands there twice.
    Repeated,
    /// They are too many, or too long together, for an access token.
    TooMany,
}

impl fmt::Display for RolesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "A role must have 1 to 64 of A-Z a-z 0-9 . _ : / -",
            Self::Repeated => "A role is named twice.",
            Self::TooMany => {
                "The roles are too many, or too long together: at most 64, and 1024 bytes."
            }
        })
    }
}

impl std::error::Error for RolesError {}

/// What the filter takes as a member of a list (design section 5).
pub fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._:/-".contains(&byte))
}

/// Whether an account may have these roles, all together: every token of it is then accepted by every gate.
///
/// # Errors
/// [`RolesError`].
pub fn check(roles: &[String]) -> Result<(), RolesError> {
    if !roles.iter().all(|role| is_name(role)) {
        return Err(RolesError::Name);
    }
    if roles.iter().collect::<BTreeSet<_>>().len() != roles.len() {
        return Err(RolesError::Repeated);
    }
    let bytes: usize = roles.iter().map(|role| role.len() + 3).sum();
    if roles.len() > MOST || bytes > MOST_BYTES {
        return Err(RolesError::TooMany);
    }
    Ok(())
}

/// `scope`: all scopes of these roles, each once, in the order of their names; `None` when there are none (RFC 8693 section 4.2).
pub fn scope(known: &BTreeMap<String, Role>, roles: &[String]) -> Option<String> {
    let roles = roles.iter().filter_map(|role| known.get(role));
    joined(roles)
}

fn joined<'a>(roles: impl Iterator<Item = &'a Role>) -> Option<String> {
    let scopes: BTreeSet<&str> = roles
        .flat_map(|role| &role.scopes)
        .map(String::as_str)
        .collect();
    let scopes: Vec<_> = scopes.into_iter().collect();
    (!scopes.is_empty()).then(|| scopes.join(" "))
}

/// The length of the largest access token that a companion with these settings signs.
pub fn largest_token(settings: &Settings) -> usize {
    // The last moment of which an access token is minted with ten digits is in the year 2286; eleven are enough.
    let late = UnixTime::from_seconds(99_999_999_999);
    let longest = [Acr::Password, Acr::Otp, Acr::Mfa];
    let acr = longest
        .iter()
        .map(|acr| acr.name())
        .max_by_key(|name| name.len());
    let amr = longest
        .iter()
        .map(|acr| acr.amr())
        .max_by_key(|amr| amr.len());
    let claims = AccessClaims {
        iss: settings.issuer().to_owned(),
        aud: settings.audiences(),
        sub: "0".repeat(32),
        sid: SessionId::from_bytes([0; 16]),
        jti: TokenId::from_bytes([0; 16]),
        iat: late,
        exp: late,
        auth_time: late,
        acr: acr.unwrap_or_default().to_owned(),
        amr: amr
            .unwrap_or_default()
            .iter()
            .map(|&word| word.to_owned())
            .collect(),
        client_id: settings.client_id.clone(),
        // With quotes and commas these are `MOST_BYTES`.
        roles: vec!["0".repeat(MOST_BYTES - 3)],
        scope: joined(settings.roles.values()),
        // A quote in it takes two bytes.
        email: settings.tokens.email.then(|| "\"".repeat(MAX_EMAIL)),
    };
    let claims = serde_json::to_vec(&claims).map_or(usize::MAX / 8, |claims| claims.len());
    // RFC 7515 section 7.1: header, payload and a signature of 64 bytes; `kid` is a SHA-256 thumbprint.
    let header = r#"{"alg":"EdDSA","kid":"","typ":"at+jwt"}"#.len() + 43;
    base64url(header) + 1 + base64url(claims) + 1 + base64url(64)
}

const fn base64url(bytes: usize) -> usize {
    (bytes * 4).div_ceil(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn known() -> BTreeMap<String, Role> {
        let role = |scopes: &[&str]| Role {
            scopes: names(scopes),
        };
        [
            ("teller".to_owned(), role(&["transfer", "accounts:read"])),
            ("auditor".to_owned(), role(&["accounts:read", "audit"])),
            ("guest".to_owned(), role(&[])),
        ]
        .into()
    }

    #[test]
    fn the_scope_is_the_union_of_the_roles_and_absent_when_empty() {
        let of = |roles: &[&str]| scope(&known(), &names(roles));
        assert_eq!(
            of(&["teller", "auditor"]).as_deref(),
            Some("accounts:read audit transfer")
        );
        assert_eq!(
            of(&["auditor", "unknown"]).as_deref(),
            Some("accounts:read audit")
        );
        assert_eq!(of(&["guest"]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn what_a_gate_would_refuse_is_no_role() {
        assert_eq!(
            check(&names(&["teller", "a.b_c:d/e-f", &"x".repeat(64)])),
            Ok(())
        );
        assert_eq!(check(&[]), Ok(()));
        for name in ["", "a,b", "a b", "é", "a\"b", "a\n", &"x".repeat(65)] {
            assert_eq!(check(&names(&[name])), Err(RolesError::Name), "{name}");
        }
        assert_eq!(check(&names(&["a", "b", "a"])), Err(RolesError::Repeated));
        let many = |count: usize| {
            (0..count)
                .map(|number| format!("r{number}"))
                .collect::<Vec<_>>()
        };
        assert_eq!(check(&many(64)), Ok(()));
        assert_eq!(check(&many(65)), Err(RolesError::TooMany));
        let long = |count: usize| {
            (0..count)
                .map(|number| format!("{number:061}"))
                .collect::<Vec<_>>()
        };
        assert_eq!(check(&long(16)), Ok(()));
        assert_eq!(check(&long(17)), Err(RolesError::TooMany));
    }

    /// CK-03: what is counted is what is signed.
    #[test]
    fn no_token_is_longer_than_the_largest() {
        let mut settings = Settings {
            roles: known(),
            ..Settings::default()
        };
        settings.tokens.email = true;
        let key = token::SigningKey::from_secret(token::Algorithm::EdDsa, &[7; 32]).unwrap();
        let now = UnixTime::from_seconds(1_800_000_000);
        let claims = |role_bytes: usize| AccessClaims {
            iss: settings.issuer().to_owned(),
            aud: settings.audiences(),
            sub: "0".repeat(32),
            sid: SessionId::from_bytes([0; 16]),
            jti: TokenId::from_bytes([0; 16]),
            iat: now,
            exp: now,
            auth_time: now,
            acr: "password".to_owned(),
            amr: names(&["pwd", "otp", "mfa"]),
            client_id: settings.client_id.clone(),
            roles: vec!["r".repeat(role_bytes)],
            scope: Some("accounts:read audit transfer".to_owned()),
            email: Some("\"".repeat(254)),
        };
        let longest = largest_token(&settings);
        let signed = token::issue(&claims(MOST_BYTES - 3), &key).len();
        // Up to two digits of three moments more.
        assert!(
            (signed..=signed + 8).contains(&longest),
            "{signed} {longest}"
        );
        assert!(longest <= MAX_TOKEN, "{longest}");
        settings.audiences = vec!["a".repeat(1_500)];
        assert!(largest_token(&settings) > MAX_TOKEN);
    }
}
