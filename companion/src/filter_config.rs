//! The filter's configuration that matches a companion, ready to paste (docs/FILTER.md).

use serde_json::{Value, json};

use crate::config::Settings;

/// As the shipped `envoy.yaml` names cluster and variable; the rules are the companion's own, those of the app come behind them.
pub fn matching(settings: &Settings) -> Value {
    let mut rules = vec![
        json!({ "match": { "prefix": "/auth" }, "require": "none", "forward_token": true }),
        json!({ "match": { "path": "/.well-known/jwks.json" }, "require": "none" }),
        json!({ "match": { "path": "/.well-known/oauth-authorization-server" }, "require": "none" }),
    ];
    let mut configuration = json!({
        "issuer": settings.issuer(),
        "audiences": settings.audiences(),
        "companion": {
            "cluster": "companion_internal",
            "authority": "companion",
            "token_env": "LATCHKEY_GATEWAY_TOKEN",
        },
        "max_token_lifetime": seconds(settings.tokens.access_lifetime.get().as_secs()),
        "max_staleness": seconds(settings.filter.max_staleness.get().as_secs()),
        "credentials": { "header": true, "cookie": "__Host-access" },
        // Pages of these may send unsafe requests with the cookie.
        "allowed_origins": settings.own_origins().collect::<Vec<_>>(),
        "identity_headers": {
            "x-auth-subject": "sub",
            "x-auth-session": "sid",
            "x-auth-roles": "roles",
        },
        "ready_path": "/-/latchkey/ready",
    });
    if let Some(page) = &settings.filter.login_page {
        if page.starts_with('/') {
            rules.push(json!({ "match": { "path": page }, "require": "none" }));
        }
        set(&mut configuration, "login_page", json!(page));
    }
    set(&mut configuration, "rules", json!(rules));
    configuration
}

fn seconds(seconds: u64) -> String {
    format!("{seconds}s")
}

fn set(configuration: &mut Value, name: &str, value: Value) {
    if let Some(members) = configuration.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}
