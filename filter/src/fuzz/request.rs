//! Requests of any headers, decided and carried out.

use std::rc::Rc;

use serde_json::json;

use crate::config::Config;
use crate::fixture::{START, claims, config, key_set, session};
use crate::gate::{Cookies, Gate, Pass, Verdict};
use crate::request::Request;
use crate::shared::memory::Memory;

use super::{AnySignature, light, token};

type Headers = Vec<(Vec<u8>, Vec<u8>)>;

const COOKIE: &[u8] = b"__Host-access";

/// FR-01, FR-02, FR-03, FR-18, FR-23: whatever the request carries, the app sees our values under our names and no credential, and a
/// request that needs a token passes with exactly one.
///
/// The input is a header a line; in a value `$T` is a good token.
#[test]
fn headers() {
    let config = config(json!({
        "companion": null,
        "jwks": { "inline": key_set(7).to_value() },
        "on_stale": "allow",
        "credentials": { "cookie": "__Host-access" },
        "identity_headers": { "x-auth-subject": "sub", "x-auth-roles": "roles", "x-user_id": "sid" },
        "rules": [
            { "match": { "prefix": "/open" }, "require": "none" },
            { "match": { "prefix": "/optional" }, "require": "optional" },
        ],
    }));
    let good = token(serde_json::to_vec(&claims(session(1))).unwrap());
    bolero::check!()
        .with_iterations(256)
        .for_each(|text: &[u8]| {
            let headers = read(text, good.as_bytes());
            let mut gate = Gate::new(Rc::new(config.clone()));
            let shared = Memory::default();
            let view: Vec<_> = headers
                .iter()
                .map(|(name, value)| (name.as_slice(), value.as_slice()))
                .collect();
            let request = Request::new(&view);
            let decision = light(|| gate.decide(&request, &shared, &AnySignature, START));
            let Verdict::Pass(pass) = decision.verdict else {
                return;
            };
            if needs_token(&headers) {
                assert!(!pass.identity.is_empty());
            }
            if !pass.identity.is_empty() {
                assert_eq!(credentials(&headers), 1, "{text:?}");
            }
            check_what_the_app_sees(
                &carried_out(&headers, &pass, &config),
                &pass,
                good.as_bytes(),
            );
        });
}

/// `name: value` lines.
fn read(text: &[u8], good: &[u8]) -> Headers {
    text.split(|byte| *byte == b'\n')
        .filter_map(|line| {
            let at = 1 + line.get(1..)?.iter().position(|byte| *byte == b':')?;
            let (name, value) = (&line[..at], line[at + 1..].trim_ascii());
            let value = match value.windows(2).position(|two| two == b"$T") {
                Some(at) => [&value[..at], good, &value[at + 2..]].concat(),
                None => value.to_vec(),
            };
            Some((name.to_ascii_lowercase(), value))
        })
        .take(100)
        .collect()
}

fn needs_token(headers: &Headers) -> bool {
    let has = |name: &[u8]| headers.iter().any(|(other, _)| other == name);
    let first = |name: &[u8]| {
        headers
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_slice())
    };
    let is_preflight = first(b":method") == Some(b"OPTIONS")
        && has(b"origin")
        && has(b"access-control-request-method");
    let path = first(b":path").unwrap_or_default();
    let is_free = path.starts_with(b"/open") || path.starts_with(b"/optional");
    !is_preflight && !is_free
}

/// Every field of the scheme Bearer, every comma in it, every cookie of that name counts.
fn credentials(headers: &Headers) -> usize {
    let of = |name: &'static [u8]| {
        headers
            .iter()
            .filter(move |(other, _)| other == name)
            .map(|(_, value)| value)
    };
    let is_bearer = |value: &&Vec<u8>| {
        let scheme = value.split(|byte| !byte.is_ascii_graphic()).next();
        scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer"))
    };
    let fields = of(b"authorization")
        .filter(is_bearer)
        .flat_map(|value| value.split(|byte| *byte == b','))
        .count();
    let cookies = of(b"cookie")
        .flat_map(|value| value.split(|byte| *byte == b';'))
        .filter(|pair| is_access_cookie(pair))
        .count();
    fields + cookies
}

fn is_access_cookie(pair: &[u8]) -> bool {
    let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
    name.trim_ascii() == COOKIE
}

/// What the adapter does with headers and verdict.
fn carried_out(headers: &Headers, pass: &Pass, config: &Config) -> Headers {
    let mut after: Headers = headers
        .iter()
        .filter(|(name, _)| !config.identity.is_reserved(name))
        .cloned()
        .collect();
    if pass.drops_authorization {
        after.retain(|(name, _)| name != b"authorization");
    }
    if pass.cookies != Cookies::Kept {
        after.retain(|(name, _)| name != b"cookie");
    }
    if let Cookies::Others(others) = &pass.cookies {
        after.push((b"cookie".to_vec(), others.clone()));
    }
    let identity = pass.identity.iter();
    after.extend(
        identity.map(|(name, value)| (name.clone().into_bytes(), value.clone().into_bytes())),
    );
    after
}

fn check_what_the_app_sees(after: &Headers, pass: &Pass, good: &[u8]) {
    for (name, value) in after {
        let folded: Vec<u8> = name
            .iter()
            .map(|byte| {
                if b"_.".contains(byte) {
                    b'-'
                } else {
                    byte.to_ascii_lowercase()
                }
            })
            .collect();
        if folded.starts_with(b"x-auth-") || folded == b"x-user-id" {
            let is_ours =
                |(ours, set): &(String, String)| ours.as_bytes() == name && set.as_bytes() == value;
            assert!(pass.identity.iter().any(is_ours), "{name:?}");
            assert!(value.iter().all(|byte| (0x20..=0x7e).contains(byte)));
        }
        let starts_as_bearer = value.to_ascii_lowercase().starts_with(b"bearer ");
        assert!(name != b"authorization" || !starts_as_bearer, "{value:?}");
        assert!(name != b"cookie" || !value.split(|byte| *byte == b';').any(is_access_cookie));
        let holds_token = value.windows(good.len()).any(|part| part == good);
        assert!(
            !holds_token
                || !matches!(name.as_slice(), b"authorization")
                || !pass.drops_authorization
        );
    }
}
