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

fn rule(rule: Value) -> Value {
    with("rules", json!([rule]))
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

/// CF-01, CF-02, FR-21: every fault names its field.
#[test]
fn every_fault_names_its_field() {
    let cases = [
        (with("issuer", json!(null)), "issuer: must be a string"),
        (with("issuer", json!("")), "issuer: must be printable"),
        (
            with("issuer", json!("https://*.example.com")),
            "issuer: must be printable, not empty and without wildcard",
        ),
        (with("audiences", json!([])), "audiences: must name"),
        (
            with("audiences", json!(["*"])),
            "audiences: must be printable",
        ),
        (
            with("audiences", json!("api")),
            "audiences: must be an array",
        ),
        (
            with("audiences", json!([1])),
            "audiences: must hold strings",
        ),
        (with("issuerr", json!("x")), "issuerr: is not a known key"),
        (
            with("companion", json!("c")),
            "companion: must be an object",
        ),
        (
            with("companion.port", json!(1)),
            "companion.port: is not a known key",
        ),
        (
            with("companion.cluster", json!("")),
            "companion.cluster: must be printable",
        ),
        (
            with("companion.token_env", json!("A B")),
            "companion.token_env: must be the name",
        ),
        (
            with("clock_skew", json!("61s")),
            "clock_skew: must be from 0s to 60s",
        ),
        (
            with("clock_skew", json!(30)),
            "clock_skew: must be a string",
        ),
        (
            with("clock_skew", json!("30")),
            "clock_skew: must be a duration",
        ),
        (
            with("clock_skew", json!("-1s")),
            "clock_skew: must be a duration",
        ),
        (
            with("clock_skew", json!("99999999999999999999s")),
            "clock_skew: must be a duration",
        ),
        (
            with("max_staleness", json!("4s")),
            "max_staleness: must be from 5s to 3600s",
        ),
        (
            with("max_token_lifetime", json!("0s")),
            "max_token_lifetime: must be from",
        ),
        (
            with("on_stale", json!("Allow")),
            "on_stale: must be \"deny\" or \"allow\"",
        ),
        (with("realm", json!("a\"b")), "realm: must be printable"),
        (
            with("credentials", json!({ "cookie": "__Host-access" })),
            "credentials.cookie: not supported yet",
        ),
        (
            with("credentials", json!({ "header": false })),
            "credentials.header: must be true",
        ),
        (
            with("credentials", json!({ "query": true })),
            "credentials.query: is not a known key",
        ),
        (
            with("login_page", json!("/login")),
            "login_page: not supported yet",
        ),
        (
            with("allowed_origins", json!([])),
            "allowed_origins: not supported yet",
        ),
        (
            with("forward_token", json!("yes")),
            "forward_token: must be true or false",
        ),
        (
            with("token_cache_size", json!(0)),
            "token_cache_size: must be a whole number",
        ),
        (
            with("token_cache_size", json!(1.5)),
            "token_cache_size: must be a whole number",
        ),
        (
            with("ready_path", json!("ready")),
            "ready_path: must begin with",
        ),
        (
            with("ready_path", json!("/a//b")),
            "ready_path: must begin with",
        ),
        (
            with("identity_headers", json!({ "x-auth-gate": "sub" })),
            "identity_headers.x-auth-gate: ",
        ),
        (
            with("identity_headers", json!({ "host": "sub" })),
            "identity_headers.host: ",
        ),
        (
            with("identity_headers", json!({ "X-User": "sub" })),
            "identity_headers.X-User: ",
        ),
        (
            with("identity_headers", json!({ "x-user": 1 })),
            "identity_headers.x-user: must be",
        ),
        (
            with(
                "identity_headers",
                json!({ "x-user": "sub", "x_user": "sid" }),
            ),
            "identity_headers.x_user: ",
        ),
        (with("rules", json!({})), "rules: must be an array"),
        (with("rules", json!([1])), "rules[0]: must be an object"),
        (rule(json!({})), "rules[0].match: is required"),
        (
            rule(json!({ "match": {} })),
            "rules[0].match.prefix: exactly one",
        ),
        (
            rule(json!({ "match": { "prefix": "/a", "path": "/a" } })),
            "rules[0].match.prefix: exactly one",
        ),
        (
            rule(json!({ "match": { "prefix": "a" } })),
            "rules[0].match.prefix: must begin",
        ),
        (
            rule(json!({ "match": { "path": "/a?x" } })),
            "rules[0].match.path: must begin",
        ),
        (
            rule(json!({ "match": { "path": "/a", "methods": ["get"] } })),
            "rules[0].match.methods: must name",
        ),
        (
            rule(json!({ "match": { "path": "/a", "methods": [] } })),
            "rules[0].match.methods: must name",
        ),
        (
            rule(json!({ "match": { "path": "/a", "hosts": ["x"] } })),
            "rules[0].match.hosts: not supported yet",
        ),
        (
            rule(json!({ "match": { "path": "/a", "regex": "x" } })),
            "rules[0].match.regex: is not a known key",
        ),
        (
            rule(json!({ "match": { "path": "/a" }, "require": "nothing" })),
            "rules[0].require: must be",
        ),
        (
            rule(json!({ "match": { "path": "/a" }, "require": { "roles": ["a"] } })),
            "rules[0].require: an object is not supported yet",
        ),
        (
            rule(json!({ "match": { "path": "/a" }, "required": "none" })),
            "rules[0].required: is not a known key",
        ),
        (with("jwks", json!({})), "jwks: must hold"),
        (
            with("jwks", json!({ "inline": { "keys": [] } })),
            "jwks.inline: the key set holds no usable key",
        ),
        (
            with("jwks", json!({ "inline": { "keys": [{ "kty": "oct" }] } })),
            "jwks.inline: the key set holds a symmetric key",
        ),
        (
            with("jwks", json!({ "inline": keys(1), "feed": keys(1) })),
            "jwks.feed: holds a key that also signs",
        ),
        (
            json!({ "issuer": "i", "audiences": ["a"] }),
            "companion: is required unless",
        ),
        (
            json!({ "issuer": "i", "audiences": ["a"], "jwks": { "inline": keys(1) } }),
            "on_stale: must be \"allow\" without",
        ),
        (
            json!({ "issuer": "i", "audiences": ["a"], "jwks": { "inline": keys(1), "feed": keys(2) }, "on_stale": "allow" }),
            "jwks.feed: has no use",
        ),
        (json!({ "audiences": ["a"] }), "issuer: is required"),
        (json!({ "issuer": "i" }), "audiences: is required"),
    ];
    for (document, expected) in cases {
        let error = parse(&document).map(|_| ()).unwrap_err();
        assert!(
            error.starts_with(expected),
            "{document}\n  said: {error}\n  not:  {expected}"
        );
    }
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
        with("on_stale", json!("allow")),
        with("jwks", json!({ "inline": keys(1) })),
    ] {
        assert_ne!(namespace(&other), base, "{other}");
    }
}
