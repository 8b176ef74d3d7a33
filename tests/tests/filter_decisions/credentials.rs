//! What counts as a credential, and where it ends.

use super::*;

/// FR-04, FR-16: no credential, and places where none is looked for.
#[test]
fn without_a_credential_the_challenge_names_no_error() {
    let mut envoy = envoy();
    let token = issuer().access_token(&session("alice"));
    for request in [
        get("/orders"),
        get(format!("/orders?access_token={token}")),
        get("/orders").header("authorization", "Basic YTpi"),
        get("/orders").header("authorization", "DPoP x"),
        get("/orders").header("x-authorization", format!("Bearer {token}")),
        get("/orders").header("proxy-authorization", format!("Bearer {token}")),
        get("/orders").cookie("__Host-access", &token),
    ] {
        let reply = send(&mut envoy, request);
        assert_eq!(reply.denied(), MISSING);
        let body: Value = serde_json::from_str(reply.body()).unwrap();
        assert_eq!(body["status"], 401);
        assert_eq!(body["type"], "about:blank");
        assert_eq!(body["code"], "credential_required");
        assert_eq!(
            reply.answer_header("content-type"),
            Some("application/problem+json")
        );
        assert_eq!(reply.answer_header("cache-control"), Some("no-store"));
    }
}

/// FR-05: what stands behind `Bearer` must be a token, or it is a bad one.
#[test]
fn a_malformed_bearer_value_is_a_bad_token() {
    let mut envoy = envoy();
    let token = issuer().access_token(&session("alice"));
    for value in [
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        format!("Bearer  {token}"),
        format!("Bearer\t{token}"),
        format!("Bearer {token} x"),
        format!("Bearer \"{token}\""),
        format!("bearer {token}="),
    ] {
        let request = get("/orders").header("authorization", &value);
        assert_eq!(send(&mut envoy, request).denied(), INVALID, "{value}");
    }
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let request = get("/orders").header("authorization", format!("{scheme} {token}"));
        assert!(send(&mut envoy, request).passed());
    }
}

/// FR-02, FR-03: which of two would count is a guess.
#[test]
fn repeated_credentials_are_400() {
    let mut envoy = envoy();
    let token = issuer().access_token(&session("alice"));
    for request in [
        get("/orders").bearer(&token).bearer(&token),
        get("/orders")
            .bearer(&token)
            .header("authorization", "Basic YTpi"),
        get("/orders").header("authorization", format!("Bearer {token},Bearer {token}")),
        get("/news").bearer(&token).bearer(&token),
    ] {
        let reply = send(&mut envoy, request);
        assert_eq!(reply.denied(), AMBIGUOUS);
        let body: Value = serde_json::from_str(reply.body()).unwrap();
        assert_eq!(body["code"], "ambiguous_request");
    }
}

/// FR-18: the credential goes on only where the rule says so.
#[test]
fn the_credential_ends_here_unless_the_rule_forwards_it() {
    let mut envoy = envoy();
    let token = issuer().access_token(&session("alice"));
    let held = |reply: &Reply| reply.upstream("authorization").len();
    for (path, forwarded) in [
        ("/orders", 0),
        ("/public", 0),
        ("/news", 0),
        ("/auth/v1/sessions", 1),
    ] {
        assert_eq!(
            held(&send(&mut envoy, get(path).bearer(&token))),
            forwarded,
            "{path}"
        );
        let other = get(path).header("authorization", "Basic YTpi");
        let reply = send(&mut envoy, other);
        if reply.passed() {
            assert_eq!(held(&reply), 1, "another scheme is the app's, {path}");
        }
    }
    let twice = get("/public").bearer(&token).bearer("x");
    assert_eq!(held(&send(&mut envoy, twice)), 0);
    let mut forwarding = config();
    forwarding["forward_token"] = json!(true);
    let mut envoy = Host::latchkey(&forwarding).vms(1);
    envoy.sync();
    assert_eq!(held(&send(&mut envoy, get("/orders").bearer(&token))), 1);
}
