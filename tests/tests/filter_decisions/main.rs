//! Decisions of the built filter that a row of the table (`decisions`) cannot tell: the cache of tokens, other keys, counters and logs.

mod cache;
mod tokens;

use std::time::Duration;

use serde_json::json;
use tests::forge::{both_spellings_of_ed25519, payload};
use tests::gateway::config;
use tests::host::{Host, Reply, Request, get};
use tests::issuer::{Issuer, START, issuer, session};

const INVALID: (u16, &str) = (401, r#"Bearer realm="example", error="invalid_token""#);

/// Two VMs, synced.
fn envoy() -> Host {
    let mut envoy = Host::latchkey(&config()).vms(2);
    envoy.sync();
    envoy
}

fn send(envoy: &mut Host, request: Request) -> Reply {
    envoy.vm(0).request(request)
}

#[test]
fn a_good_token_passes_with_the_verified_identity_and_without_the_credential() {
    let mut envoy = envoy();
    let alice = session("alice");
    let token = issuer().access_token(&alice);
    for vm in 0..2 {
        let reply = envoy.vm(vm).request(get("/orders").bearer(&token));
        let id = alice.subject.to_string();
        assert_eq!(reply.upstream("x-auth-subject"), [id.as_bytes()]);
        assert_eq!(
            reply.upstream("x-auth-session"),
            [alice.id.to_string().as_bytes()]
        );
        assert_eq!(reply.upstream("x-auth-roles"), [b"teller"]);
        assert_eq!(reply.upstream("x-auth-gate"), [b"pass"]);
        assert!(reply.upstream("authorization").is_empty());
        assert!(reply.upstream("x-auth-stale").is_empty());
    }
    assert!(envoy.logs().iter().all(|line| !line.contains(&token)));
    assert!(envoy.native_checks() >= 2);
}

/// ER-03: the reason is in a counter and in the details for the access log, never in the answer.
#[test]
fn the_reason_of_a_refusal_is_for_the_operator() {
    let mut envoy = envoy();
    let token = issuer().access_token_at(&session("alice"), START.minus(Duration::from_secs(900)));
    let reply = send(&mut envoy, get("/").bearer(&token));
    assert_eq!(reply.local().details, b"latchkey_rejected_expired");
    assert!(!reply.body().contains("expired"));
    assert_eq!(envoy.metric("latchkey_requests_denied_rejected"), 1);
    assert_eq!(envoy.metric("latchkey_requests_denied_no_credential"), 0);
    send(&mut envoy, get("/"));
    assert_eq!(envoy.metric("latchkey_requests_denied_no_credential"), 1);
}
