//! Identity headers: which names are ours, and which claim values may stand in them.

use serde_json::Value;
use token::AccessToken;

use crate::config::ConfigError;

/// Set by the filter on every request that passes; the interlock behind it demands it.
pub(crate) const GATE: &str = "x-auth-gate";
/// How old the state was, in seconds, where a stale one let the request pass.
pub(crate) const STALE: &str = "x-auth-stale";
/// The longest value that is handed to the app, in bytes.
const MAX_VALUE_BYTES: usize = 4 * 1024;
const RESERVED_PREFIX: &str = "x-auth-";

/// A claim that is mapped to a header holds something that must not stand in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnsafeClaim;

/// The headers that tell the app who calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct IdentityHeaders {
    /// Header name, claim name.
    headers: Vec<(String, String)>,
}

impl IdentityHeaders {
    /// Reads `identity_headers`: header names to claim names.
    pub(crate) fn parse(members: Option<crate::config::Members<'_>>) -> Result<Self, ConfigError> {
        let Some(members) = members else {
            return Ok(Self::default());
        };
        let mut headers: Vec<(String, String)> = Vec::new();
        for (name, claim) in members.all() {
            let fault = |problem: &str| {
                Err(ConfigError::new(
                    format!("identity_headers.{name}"),
                    problem,
                ))
            };
            let Some(claim) = claim.as_str().filter(|claim| !claim.is_empty()) else {
                return fault("must be the name of a claim");
            };
            if !is_plain_name(name) {
                return fault(
                    "must be a header name of lower-case letters, digits, `-`, `_` and `.`",
                );
            }
            if is_taken(name) {
                return fault("is a name that other parts of HTTP, Envoy or Latchkey use");
            }
            if headers
                .iter()
                .any(|(other, _)| is_same_name(other.as_bytes(), name.as_bytes()))
            {
                return fault("is another spelling of a header that is there already");
            }
            headers.push((name.clone(), claim.to_owned()));
        }
        Ok(Self { headers })
    }

    /// Whether a header of this name, however it is spelt, is for the filter alone to set (FR-01).
    pub(crate) fn is_reserved(&self, name: &[u8]) -> bool {
        let begins = name
            .get(..RESERVED_PREFIX.len())
            .is_some_and(|start| is_same_name(start, RESERVED_PREFIX.as_bytes()));
        begins
            || self
                .headers
                .iter()
                .any(|(ours, _)| is_same_name(ours.as_bytes(), name))
    }

    /// The headers for one token. A claim that is absent means a header that is absent (FR-23).
    pub(crate) fn values(&self, token: &AccessToken) -> Result<Vec<(String, String)>, UnsafeClaim> {
        let mut values = Vec::with_capacity(self.headers.len());
        for (name, claim) in &self.headers {
            if let Some(value) = token.claim(claim).map(header_value).transpose()?.flatten() {
                values.push((name.clone(), value));
            }
        }
        Ok(values)
    }
}

/// Whether some server could take one name for the other: in lower case, and with whatever is neither letter nor digit as `-`, which is
/// how CGI and its heirs fold names (RFC 3875 section 4.1.18).
fn is_same_name(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(a, b)| folded(*a) == folded(*b))
}

const fn folded(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() {
        byte.to_ascii_lowercase()
    } else {
        b'-'
    }
}

/// The value of a claim as a header (FR-06); `None` for an empty list.
fn header_value(claim: &Value) -> Result<Option<String>, UnsafeClaim> {
    let value = match claim {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_i64() || number.is_u64() => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Array(members) if members.is_empty() => return Ok(None),
        Value::Array(members) => {
            let members = members
                .iter()
                .map(|member| member.as_str().filter(|text| is_safe_member(text)));
            // A comma inside a member would forge another one.
            members
                .collect::<Option<Vec<_>>>()
                .ok_or(UnsafeClaim)?
                .join(",")
        }
        _ => return Err(UnsafeClaim),
    };
    let is_printable = value.bytes().all(|byte| matches!(byte, 0x20..=0x7e));
    let is_trimmed = !value.is_empty() && !value.starts_with(' ') && !value.ends_with(' ');
    (is_printable && is_trimmed && value.len() <= MAX_VALUE_BYTES)
        .then_some(Some(value))
        .ok_or(UnsafeClaim)
}

fn is_safe_member(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'/' | b'-')
        })
}

fn is_plain_name(name: &str) -> bool {
    let is_plain = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.')
    };
    !name.is_empty() && name.bytes().all(is_plain)
}

/// Names with a meaning of their own: hop by hop (RFC 9110 section 7.6.1), framing, credentials, what tells where a request comes from
/// or goes to, Envoy's and ours.
fn is_taken(name: &str) -> bool {
    const EXACT: [&str; 27] = [
        "host",
        "authorization",
        "cookie",
        "connection",
        "keep-alive",
        "proxy-connection",
        "transfer-encoding",
        "te",
        "trailer",
        "upgrade",
        "proxy-authorization",
        "proxy-authenticate",
        "expect",
        "http2-settings",
        "origin",
        "referer",
        "range",
        "via",
        "forwarded",
        "early-data",
        "x-real-ip",
        "x-original-url",
        "x-rewrite-url",
        "x-method-override",
        "x-request-id",
        GATE,
        STALE,
    ];
    const PREFIXES: [&str; 7] = [
        "content-",
        "x-forwarded-",
        "x-envoy-",
        "x-http-method",
        "accept",
        "sec-",
        "if-",
    ];
    let is_prefix = |prefix: &&str| {
        name.get(..prefix.len())
            .is_some_and(|start| is_same_name(start.as_bytes(), prefix.as_bytes()))
    };
    EXACT
        .iter()
        .any(|taken| is_same_name(taken.as_bytes(), name.as_bytes()))
        || PREFIXES.iter().any(is_prefix)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// FR-01.
    #[test]
    fn every_spelling_of_a_reserved_name_is_reserved() {
        let headers = IdentityHeaders {
            headers: vec![("x-user".into(), "sub".into())],
        };
        for name in [
            "x-auth-subject",
            "X-Auth-Subject",
            "x_auth_subject",
            "x.auth-subject",
            "x-auth-",
            "X_AUTH.anything",
            "x-user",
            "X_User",
            "x.user",
            "x~auth~subject",
            "x auth!subject",
        ] {
            assert!(headers.is_reserved(name.as_bytes()), "{name}");
        }
        for name in [
            "x-auth",
            "x-authority",
            "authorization",
            "xx-auth-subject",
            "x-users",
        ] {
            assert!(!headers.is_reserved(name.as_bytes()), "{name}");
        }
        assert!(headers.is_reserved(b"x-auth-\xff"));
    }

    /// FR-06.
    #[test]
    fn only_values_that_are_safe_in_a_header_pass() {
        for (claim, value) in [
            (json!("a b"), "a b"),
            (json!(["a", "b/c:d"]), "a,b/c:d"),
            (json!(7), "7"),
            (json!(true), "true"),
        ] {
            assert_eq!(header_value(&claim), Ok(Some(value.to_owned())));
        }
        assert_eq!(header_value(&json!([])), Ok(None));
        for claim in [
            json!(""),
            json!(" a"),
            json!("a "),
            json!("a\r\nx: y"),
            json!("a\u{0}"),
            json!("é"),
            json!("x".repeat(5000)),
            json!(["a,b"]),
            json!([""]),
            json!(["a b"]),
            json!([1]),
            json!(["x".repeat(65)]),
            json!({ "a": 1 }),
            json!(null),
            json!(1.5),
        ] {
            assert_eq!(header_value(&claim), Err(UnsafeClaim), "{claim}");
        }
    }
}
