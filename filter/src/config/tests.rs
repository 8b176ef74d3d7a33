mod faults;

use serde_json::{Value, json};
use token::{Algorithm, KeySet, SigningKey};

use super::*;

fn keys(secret: u8) -> Value {
    let key = SigningKey::from_secret(Algorithm::Es256, &[secret; 32]).unwrap();
    KeySet::new(vec![key.verifying_key().clone()])
        .unwrap()
        .to_value()
}

fn minimal() -> Value {
    json!({
        "issuer": "https://www.example.com:8443/x", "audiences": ["api"],
        "companion": { "cluster": "c", "token_env": "LATCHKEY_GATEWAY_TOKEN" },
    })
}

fn parse(document: &Value) -> Result<Config, String> {
    Config::parse(document.to_string().as_bytes()).map_err(|error| error.to_string())
}

/// The minimal configuration with `value` at the dotted path `at`; `match` and `require` stand for those of the one rule.
fn with(at: &str, value: Value) -> Value {
    let mut document = minimal();
    let (parents, name) = at.rsplit_once('.').unwrap_or(("", at));
    let mut place = &mut document;
    for parent in parents.split('.').filter(|parent| !parent.is_empty()) {
        place = &mut place[parent];
    }
    place[name] = value;
    document
}

#[test]
fn the_defaults_are_those_of_the_contract() {
    let config = parse(&minimal()).unwrap();
    assert_eq!(config.clock_skew.as_secs(), 30);
    assert_eq!(config.max_token_lifetime.as_secs(), 900);
    assert_eq!(config.max_staleness.as_secs(), 60);
    assert_eq!(config.on_stale, OnStale::Deny);
    assert_eq!(config.realm, "www.example.com:8443");
    assert_eq!(config.token_cache_size, 4096);
    assert!(!config.forward_token && config.rules.is_empty() && config.ready_path.is_none());
    assert_eq!(config.companion.unwrap().authority, "companion");
}

#[test]
fn what_is_not_one_strict_json_object_is_refused_with_the_reason() {
    for (bytes, expected) in [
        (&b""[..], "the configuration is empty"),
        (
            b"\x0a\x10\x0a\x06issuer",
            "a Struct arrives as protobuf bytes",
        ),
        (b"[]", "must be a JSON object"),
        (
            b"{\"issuer\":\"a\",\"issuer\":\"b\"}",
            "member `issuer` is repeated",
        ),
        (b"{\"issuer\":\"a\"} x", "not strict JSON"),
        (b"{\"issuer\":\"\xff\"}", "not strict JSON"),
    ] {
        let error = Config::parse(bytes).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn pinned_keys_without_a_companion_need_on_stale_allow() {
    let document = json!({ "issuer": "i", "audiences": ["a"], "jwks": { "inline": keys(1) }, "on_stale": "allow" });
    assert!(parse(&document).unwrap().companion.is_none());
}

/// Istio turns every number into a double.
#[test]
fn a_whole_double_is_a_number() {
    assert_eq!(
        parse(&with("token_cache_size", json!(128.0)))
            .unwrap()
            .token_cache_size,
        128
    );
}

/// Configurations of one subscription share it; an edit of rules keeps it, all that shapes the feed starts another.
#[test]
fn the_namespace_changes_with_what_shapes_the_feed_and_with_nothing_else() {
    let namespace = |document: &Value| parse(document).unwrap().namespace;
    let base = namespace(&minimal());
    for same in [
        with(
            "rules",
            json!([{ "match": { "prefix": "/a" }, "require": "none" }]),
        ),
        with("audiences", json!(["other"])),
        with("ready_path", json!("/ready")),
        with("clock_skew", json!("10s")),
    ] {
        assert_eq!(namespace(&same), base, "{same}");
    }
    for other in [
        with("issuer", json!("https://other")),
        with("companion.cluster", json!("d")),
        with("companion.token_env", json!("OTHER")),
        with("max_staleness", json!("30s")),
        with(
            "rules",
            json!([{ "match": { "prefix": "/a" }, "require": { "max_staleness": "5s" } }]),
        ),
        with(
            "rules",
            json!([{ "match": { "prefix": "/a" }, "require": { "max_staleness": "90s" } }]),
        ),
        with("on_stale", json!("allow")),
        with("jwks", json!({ "inline": keys(1) })),
    ] {
        assert_ne!(namespace(&other), base, "{other}");
    }
}

/// The whole example of the contract.
#[test]
fn every_member_of_the_contract_is_read() {
    let mut document = minimal();
    let more = json!({
        "credentials": { "header": false, "cookie": "__Host-access" },
        "allowed_origins": ["https://www.example.com", "http://localhost:8000", "https://[::1]:8443"],
        "login_page": "/login",
        "rules": [
            { "match": { "path": "/transfer", "methods": ["POST"], "hosts": ["*.example.com", "[::1]"] },
              "require": { "roles": ["teller"], "scopes": ["transfer", "read"], "acr": "otp", "max_auth_age": "5m",
                           "max_staleness": "5s", "audiences": ["transfers"] } },
            { "match": { "prefix": "/login" }, "require": "optional" }
        ]
    });
    for (name, value) in more.as_object().unwrap() {
        document[name] = value.clone();
    }
    let config = parse(&document).unwrap();
    assert_eq!(config.credentials.cookie.as_deref(), Some("__Host-access"));
    assert!(!config.credentials.header);
    assert_eq!(config.allowed_origins.len(), 3);
    assert_eq!(config.staleness.smallest.as_secs(), 5);
    assert_eq!(config.staleness.largest.as_secs(), 60);
    let demands = config.rules[0].demands().unwrap();
    assert_eq!(demands.scope.as_deref(), Some("transfer read"));
    assert_eq!(demands.max_auth_age.unwrap().as_secs(), 300);
    assert_eq!(config.all_audiences, ["api", "transfers"]);
    document["login_page"] = json!("https://login.example.com/start");
    assert!(parse(&document).is_ok());
}
