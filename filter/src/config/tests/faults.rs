//! CF-01, CF-02, FR-21: every fault names its field.

use super::*;

fn rule(rule: &Value) -> Value {
    with("rules", json!([rule]))
}

fn are_refused(cases: &[(Value, &str)]) {
    for (document, expected) in cases {
        let error = parse(document).map(|_| ()).unwrap_err();
        assert!(
            error.starts_with(expected),
            "{document}\n  said: {error}\n  not:  {expected}"
        );
    }
}

#[test]
fn faults_of_issuer_audiences_and_companion() {
    are_refused(&[
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
    ]);
}

#[test]
fn faults_of_times_and_words() {
    are_refused(&[
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
    ]);
}

#[test]
fn faults_of_credentials_and_counts() {
    are_refused(&[
        (
            with("credentials", json!({ "cookie": "" })),
            "credentials.cookie: must be the name",
        ),
        (
            with("credentials", json!({ "cookie": "a=b" })),
            "credentials.cookie: must be the name",
        ),
        (
            with("credentials", json!({ "header": false })),
            "credentials.header: must be true where",
        ),
        (
            with("credentials", json!({ "query": true })),
            "credentials.query: is not a known key",
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
    ]);
}

#[test]
fn faults_of_ready_path_and_identity_headers() {
    are_refused(&[
        (
            with("ready_path", json!("ready")),
            "ready_path: must begin with",
        ),
        (
            with("ready_path", json!("/a//b")),
            "ready_path: must begin with",
        ),
        (
            with("ready_path", json!("/")),
            "ready_path: would hide the root",
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
    ]);
}

#[test]
fn faults_of_rules() {
    are_refused(&[
        (with("rules", json!({})), "rules: must be an array"),
        (with("rules", json!([1])), "rules[0]: must be an object"),
        (rule(&json!({})), "rules[0].match: is required"),
        (
            rule(&json!({ "match": {} })),
            "rules[0].match.prefix: exactly one",
        ),
        (
            rule(&json!({ "match": { "prefix": "/a", "path": "/a" } })),
            "rules[0].match.prefix: exactly one",
        ),
        (
            rule(&json!({ "match": { "prefix": "a" } })),
            "rules[0].match.prefix: must begin",
        ),
        (
            rule(&json!({ "match": { "path": "/a?x" } })),
            "rules[0].match.path: must begin",
        ),
        (
            rule(&json!({ "match": { "path": "/a", "methods": ["get"] } })),
            "rules[0].match.methods: must name",
        ),
        (
            rule(&json!({ "match": { "path": "/a", "methods": [] } })),
            "rules[0].match.methods: must name",
        ),
        (
            rule(&json!({ "match": { "prefix": "/a/*" } })),
            "rules[0].match.prefix: must be a path, not a pattern",
        ),
        (
            rule(&json!({ "match": { "path": "/a/{id}" } })),
            "rules[0].match.path: must be a path, not a pattern",
        ),
        (
            rule(&json!({ "match": { "path": "/a", "hosts": ["X"] } })),
            "rules[0].match.hosts: must name",
        ),
        (
            rule(&json!({ "match": { "path": "/a", "hosts": [] } })),
            "rules[0].match.hosts: must name",
        ),
        (
            rule(&json!({ "match": { "path": "/a", "regex": "x" } })),
            "rules[0].match.regex: is not a known key",
        ),
        (
            rule(&json!({ "match": { "path": "/a" }, "require": "nothing" })),
            "rules[0].require: must be",
        ),
        (
            rule(&json!({ "match": { "path": "/a" }, "required": "none" })),
            "rules[0].required: is not a known key",
        ),
    ]);
}

#[test]
fn faults_of_keys_and_their_sources() {
    are_refused(&[
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
    ]);
}

#[test]
fn faults_of_demands() {
    let demands = |demands: Value| rule(&json!({ "match": { "path": "/a" }, "require": demands }));
    are_refused(&[
        (
            demands(json!({ "role": ["a"] })),
            "rules[0].require.role: is not a known key",
        ),
        (
            demands(json!({ "roles": [] })),
            "rules[0].require.roles: must name at least one",
        ),
        (
            demands(json!({ "roles": ["a b"] })),
            "rules[0].require.roles: must name at least one",
        ),
        (
            demands(json!({ "roles": "a" })),
            "rules[0].require.roles: must be an array",
        ),
        (
            demands(json!({ "scopes": ["a b"] })),
            "rules[0].require.scopes: must name at least one",
        ),
        (
            demands(json!({ "scopes": ["a\"b"] })),
            "rules[0].require.scopes: must name at least one",
        ),
        (
            demands(json!({ "acr": "silver" })),
            "rules[0].require.acr: must be \"password\"",
        ),
        (
            demands(json!({ "max_auth_age": "0s" })),
            "rules[0].require.max_auth_age: must be from 1s",
        ),
        (
            demands(json!({ "max_staleness": "4s" })),
            "rules[0].require.max_staleness: must be from 5s to 3600s",
        ),
        (
            demands(json!({ "audiences": [] })),
            "rules[0].require.audiences: must name at least one",
        ),
        (
            demands(json!({ "audiences": ["*"] })),
            "rules[0].require.audiences: must be printable",
        ),
    ]);
}

#[test]
fn faults_of_what_browsers_need() {
    let mut cases = Vec::new();
    for origin in [
        "*",
        "null",
        "",
        "www.example.com",
        "https://www.example.com/",
        "https://*.example.com",
        "https://WWW.example.com",
        "https://www.example.com:443",
        "http://www.example.com:80",
        "https://www.example.com:0443",
        "https://user@www.example.com",
        "9://www.example.com",
        "https://[2001:db8:0::1]",
    ] {
        let mut document = with("credentials", json!({ "cookie": "a" }));
        document["allowed_origins"] = json!([origin]);
        cases.push((document, "allowed_origins: must hold origins"));
    }
    for page in [
        "",
        "login",
        "http://login.example.com/login",
        "//evil.example.com",
        "/login?x=1",
        "/a/../login",
        "javascript:alert(1)",
        "http://localhost.evil.com/login",
        "https://login.example.com/?a",
        "https://login.example.com//x",
        "https://LOGIN.example.com/",
    ] {
        cases.push((with("login_page", json!(page)), "login_page: must"));
    }
    let open = json!({ "match": { "prefix": "/login" }, "require": "none" });
    for rules in [
        json!([]),
        json!([{ "match": { "prefix": "/" } }, open]),
        json!([{ "match": { "prefix": "/login", "hosts": ["a.com"] } }, open]),
        json!([{ "match": { "prefix": "/login", "methods": ["GET"] }, "require": "none" }]),
    ] {
        let mut document = with("login_page", json!("/login"));
        document["rules"] = rules;
        cases.push((document, "login_page: needs a rule that asks for no token"));
    }
    let mut document = with("login_page", json!("/login"));
    document["rules"] = json!([open]);
    document["ready_path"] = json!("/login");
    cases.push((document, "login_page: is the same as `ready_path`"));
    are_refused(&cases);
}

/// A rule that was meant to protect something and never matches is a fault; one that is merely superfluous is not.
#[test]
fn a_stricter_rule_that_is_hidden_by_a_laxer_one_is_refused() {
    let strict = json!({ "match": { "prefix": "/api/admin" }, "require": { "roles": ["admin"] } });
    let hidden = |earlier: Value| with("rules", json!([earlier, strict]));
    for earlier in [
        json!({ "match": { "prefix": "/api" } }),
        json!({ "match": { "prefix": "/" }, "require": "optional" }),
        json!({ "match": { "prefix": "/api/admin/" }, "require": "none" }),
    ] {
        are_refused(&[(
            hidden(earlier),
            "rules[1].match: can never match, because rules[0]",
        )]);
    }
    for earlier in [
        json!({ "match": { "path": "/api/admin" } }),
        json!({ "match": { "prefix": "/api", "methods": ["GET"] } }),
        json!({ "match": { "prefix": "/api", "hosts": ["a.com"] } }),
        json!({ "match": { "prefix": "/api" }, "require": { "acr": "mfa" } }),
        json!({ "match": { "prefix": "/api/adm" } }),
    ] {
        assert!(parse(&hidden(earlier)).is_ok());
    }
}

#[test]
fn what_is_dangerous_is_told() {
    let told = |document: &Value| parse(document).unwrap().warnings().join("\n");
    assert_eq!(told(&minimal()), "");
    let credentials = |name: &str| with("credentials", json!({ "cookie": name }));
    assert_eq!(told(&credentials("__Host-access")), "");
    assert!(told(&credentials("session")).contains("__Host-"));
    let origins = told(&with("allowed_origins", json!(["capacitor://localhost"])));
    assert!(origins.contains("has no use"), "{origins}");
    for page in ["https://login.example.com", "http://localhost:3000/login"] {
        assert!(parse(&with("login_page", json!(page))).is_ok(), "{page}");
    }
    let page = told(&with("login_page", json!("https://login.example.com/")));
    assert!(page.contains("without `credentials.cookie`"), "{page}");
}
