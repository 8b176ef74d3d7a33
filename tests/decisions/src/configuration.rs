//! The configurations that rows are for. One has nearly all rules, so that one Envoy serves nearly all rows.

use serde_json::{Value, json};

use crate::issuer::{AUDIENCE, ISSUER};

/// The audience of one rule.
pub const PARTNERS: &str = "https://partners.example.com";
/// `ready_path` of every configuration.
pub const READY_PATH: &str = "/-/latchkey/ready";

/// A configuration of the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Configuration {
    /// Every kind of rule, header and cookie, a login page.
    Full,
    /// `issuer`, `audiences`, `companion` and `ready_path` alone.
    Plain,
    /// The cookie alone carries a credential.
    CookieOnly,
    /// Credentials are forwarded everywhere, and identity goes under names outside the reserved prefix.
    Forwarding,
    /// `max_staleness` of 5 s, and denies when stale.
    Impatient,
    /// `max_staleness` of 5 s, and lets requests pass when stale.
    Lenient,
}

impl Configuration {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Full,
        Self::Plain,
        Self::CookieOnly,
        Self::Forwarding,
        Self::Impatient,
        Self::Lenient,
    ];

    /// What Envoy hands to the filter.
    pub fn document(self) -> Value {
        let mut document = json!({
            "issuer": ISSUER,
            "audiences": [AUDIENCE],
            "companion": { "cluster": "companion_internal", "token_env": "LATCHKEY_GATEWAY_TOKEN" },
            "ready_path": READY_PATH,
        });
        let more = match self {
            Self::Plain => json!({}),
            Self::Full => full(),
            Self::CookieOnly => json!({
                "realm": "example",
                "credentials": { "header": false, "cookie": "__Host-access" },
                "identity_headers": identity(),
                "rules": [{ "match": { "prefix": "/public" }, "require": "none" }],
            }),
            Self::Forwarding => json!({
                "realm": "example",
                "credentials": { "cookie": "__Host-access" },
                "forward_token": true,
                "identity_headers": { "remote-user": "sub", "x.client_id": "client_id" },
                "rules": [
                    { "match": { "prefix": "/public" }, "require": "none" },
                    { "match": { "prefix": "/kept" }, "forward_token": false },
                ],
            }),
            Self::Impatient => json!({
                "realm": "example",
                "max_staleness": "5s",
                "identity_headers": identity(),
                "rules": [
                    { "match": { "prefix": "/public" }, "require": "none" },
                    { "match": { "prefix": "/news" }, "require": "optional" },
                    { "match": { "prefix": "/slow" }, "require": { "max_staleness": "60s" } },
                ],
            }),
            Self::Lenient => json!({
                "realm": "example",
                "max_staleness": "5s",
                "on_stale": "allow",
                "identity_headers": identity(),
                "rules": [
                    { "match": { "prefix": "/public" }, "require": "none" },
                    { "match": { "prefix": "/news" }, "require": "optional" },
                    { "match": { "prefix": "/slow" }, "require": { "max_staleness": "60s" } },
                ],
            }),
        };
        for (name, value) in more.as_object().into_iter().flatten() {
            document[name] = value.clone();
        }
        document
    }

    /// The realm of its challenges.
    pub const fn realm(self) -> &'static str {
        match self {
            Self::Plain => "www.example.com",
            Self::Full | Self::CookieOnly | Self::Forwarding | Self::Impatient | Self::Lenient => {
                "example"
            }
        }
    }
}

fn identity() -> Value {
    json!({ "x-auth-subject": "sub", "x-auth-session": "sid", "x-auth-roles": "roles" })
}

fn full() -> Value {
    json!({
        "realm": "example",
        "credentials": { "header": true, "cookie": "__Host-access" },
        "allowed_origins": ["https://www.example.com", "https://shop.example.com:8443"],
        "login_page": "/auth/login",
        "identity_headers": identity(),
        "rules": [
            { "match": { "prefix": "/auth" }, "require": "none", "forward_token": true },
            { "match": { "prefix": "/public/" }, "require": "none" },
            { "match": { "path": "/status" }, "require": "none" },
            { "match": { "prefix": "/news" }, "require": "optional" },
            { "match": { "path": "/feedback", "methods": ["PUT", "PATCH"] }, "require": "none" },
            { "match": { "prefix": "/host/one", "hosts": ["one.example.com"] }, "require": "none" },
            { "match": { "prefix": "/host/below", "hosts": ["*.shop.example.com"] }, "require": "none" },
            { "match": { "prefix": "/order/first" }, "require": "none" },
            { "match": { "prefix": "/order" }, "require": { "roles": ["auditor"] } },
            { "match": { "prefix": "/order/second" }, "require": "none" },
            { "match": { "prefix": "/roles" }, "require": { "roles": ["auditor", "teller"] } },
            { "match": { "prefix": "/scopes" }, "require": { "scopes": ["read", "write"] } },
            { "match": { "prefix": "/acr/password" }, "require": { "acr": "password" } },
            { "match": { "prefix": "/acr/otp" }, "require": { "acr": "otp" } },
            { "match": { "prefix": "/acr/mfa" }, "require": { "acr": "mfa" } },
            { "match": { "prefix": "/recent" }, "require": { "max_auth_age": "5m" } },
            { "match": { "prefix": "/fresh" }, "require": { "max_staleness": "5s" } },
            { "match": { "prefix": "/partners" }, "require": { "audiences": [PARTNERS] } },
            { "match": { "prefix": "/forwarded" }, "forward_token": true },
            { "match": { "prefix": "/token" }, "require": "token" },
            { "match": { "path": "/transfer", "methods": ["POST"] }, "require": {
                "roles": ["teller"], "scopes": ["transfer"], "acr": "otp", "max_auth_age": "5m", "max_staleness": "5s"
            } },
        ],
    })
}
