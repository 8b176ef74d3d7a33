//! The decision table, on the built filter: what passes, what is refused, with which answer, and in which order.

mod cache;
mod credentials;
mod tokens;

use std::time::Duration;

use serde_json::{Value, json};
use tests::forge::{both_spellings_of_ed25519, es256, es256_parts, header, hostile, payload, with};
use tests::gateway::{config, page};
use tests::host::{Host, Reply, Request, get, post};
use tests::issuer::{AUDIENCE, Issuer, START, issuer, session};

const INVALID: (u16, &str) = (401, r#"Bearer realm="example", error="invalid_token""#);
const MISSING: (u16, &str) = (401, r#"Bearer realm="example""#);
const AMBIGUOUS: (u16, &str) = (400, r#"Bearer realm="example", error="invalid_request""#);

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

/// FR-23: a claim that is absent is a header that is absent, whatever the client sends.
#[test]
fn an_absent_claim_is_an_absent_header() {
    let mut envoy = envoy();
    let alice = session("alice");
    let token = es256(
        &header(&issuer()).to_string(),
        &with(payload(&issuer(), &alice), "roles", None),
    );
    let reply = send(
        &mut envoy,
        get("/orders").bearer(token).header("x-auth-roles", "admin"),
    );
    assert!(reply.upstream("x-auth-roles").is_empty());
}

/// FR-26: no rule means a token; an optional one that is bad is 401; a public path looks at none.
#[test]
fn rules_say_what_a_request_needs() {
    let mut envoy = envoy();
    let token = issuer().access_token(&session("alice"));
    let bad = format!("{token}x");
    assert_eq!(send(&mut envoy, get("/unheard-of")).denied(), MISSING);
    assert!(send(&mut envoy, get("/public")).passed());
    assert!(send(&mut envoy, get("/public/x").bearer(&bad)).passed());
    assert!(send(&mut envoy, get("/public/x").bearer(&bad).bearer(&bad)).passed());
    assert!(send(&mut envoy, get("/news")).passed());
    assert_eq!(
        send(&mut envoy, get("/news").bearer(&bad)).denied(),
        INVALID
    );
    let known = send(&mut envoy, get("/news").bearer(&token));
    assert_eq!(known.upstream("x-auth-roles"), [b"teller"]);
    assert!(send(&mut envoy, Request::new("PUT", "/orders")).passed());
    assert_eq!(send(&mut envoy, post("/orders")).denied(), MISSING);
    assert_eq!(
        send(&mut envoy, Request::new("put", "/orders")).denied(),
        MISSING
    );
}

/// The order of the checks (design section 5): the first that applies answers.
#[test]
fn the_first_check_that_applies_answers() {
    let alice = session("alice");
    let token = issuer().access_token(&alice);
    let mut unsynced = Host::latchkey(&config()).vms(1);
    // 2 before 3, and both before the state is looked at.
    assert_eq!(
        send(&mut unsynced, get("/public/../x").bearer(&token))
            .denied()
            .0,
        400
    );
    assert!(send(&mut unsynced, get("/public")).passed());
    // 4 before 5: two credentials; and an optional rule without one.
    assert_eq!(
        send(&mut unsynced, get("/").bearer("a").bearer("b"))
            .denied()
            .0,
        400
    );
    assert!(send(&mut unsynced, get("/news")).passed());
    // 5 before 6 and 7.
    assert_eq!(send(&mut unsynced, get("/")).denied().0, 503);
    assert_eq!(send(&mut unsynced, get("/").bearer("bad")).denied().0, 503);
    assert_eq!(
        send(&mut unsynced, get("/news").bearer("bad")).denied().0,
        503
    );
    // 7 and 8 answer alike.
    let mut envoy = envoy();
    envoy.answer_feed(page().revoking(alice.id));
    let revoked = send(&mut envoy, get("/").bearer(&token)).local().clone();
    let bad = send(&mut envoy, get("/").bearer("bad")).local().clone();
    assert_eq!(
        (revoked.status, revoked.headers, revoked.body),
        (bad.status, bad.headers, bad.body)
    );
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
