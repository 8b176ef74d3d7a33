//! Identity headers of any claims.

use std::time::Duration;

use serde_json::json;
use token::{AccessToken, Expected};

use crate::fixture::{AUDIENCE, ISSUER, START, config, key_set};

use super::{AnySignature, light, token};

/// FR-06, FR-23: whatever the claims, a value is safe in a header, and a list that came out has the members that went in.
#[test]
fn values() {
    let names = json!({ "x-auth-subject": "sub", "x-auth-roles": "roles", "x-user": "x", "x-mail": "email" });
    let config = config(json!({ "identity_headers": names }));
    let keys = key_set(7);
    bolero::check!()
        .with_iterations(256)
        .for_each(|payload: &[u8]| {
            let expected = Expected {
                issuer: ISSUER,
                audiences: &[AUDIENCE.to_owned()],
                clock_skew: Duration::ZERO,
                max_lifetime: Duration::from_secs(300),
            };
            let raw = token(payload);
            let token =
                AccessToken::verify(raw.as_bytes(), &keys, &AnySignature, &expected, START.wall);
            let Ok(token) = token else { return };
            let Ok(values) = light(|| config.identity.values(&token)) else {
                return;
            };
            for (name, value) in &values {
                assert!(
                    value.bytes().all(|byte| (0x20..=0x7e).contains(&byte)),
                    "{value:?}"
                );
                assert!(!value.is_empty() && value.trim() == value);
                if name == "x-auth-roles" {
                    assert_eq!(value.split(',').collect::<Vec<_>>(), token.roles());
                }
            }
            let is_set = |name: &str| values.iter().any(|(other, _)| other == name);
            assert!(is_set("x-auth-subject"));
            assert_eq!(is_set("x-auth-roles"), !token.roles().is_empty());
            assert!(!is_set("x-user") || token.claim("x").is_some());
        });
}
