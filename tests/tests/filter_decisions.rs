//! The decision table, on the built filter: what passes, what is refused, with which answer, and in which order.

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

/// TV-01 to TV-31, KR-07, ER-03: every class alone, each answered alike, byte for byte.
#[test]
fn every_hostile_class_gets_the_one_401() {
    let mut envoy = envoy();
    let alice = session("alice");
    let hostile = hostile(&issuer(), &alice);
    assert!(hostile.len() > 150);
    let mut answers = Vec::new();
    for hostile in hostile {
        let reply = send(&mut envoy, get("/orders").bearer(&hostile.token));
        assert!(
            !reply.passed(),
            "{} passed: {}",
            hostile.class,
            hostile.token
        );
        assert_eq!(
            reply.failure(),
            None,
            "{}: {}",
            hostile.class,
            hostile.token
        );
        assert_eq!(
            reply.denied(),
            INVALID,
            "{}: {}",
            hostile.class,
            hostile.token
        );
        let local = reply.local().clone();
        answers.push((local.headers, local.body));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:#?}");
    let token = issuer().access_token(&alice);
    assert!(send(&mut envoy, get("/orders").bearer(token)).passed());
}

/// TV-17, TV-23, TV-29: spellings that are right.
#[test]
fn unusual_but_right_tokens_pass() {
    let mut envoy = envoy();
    let (issuer, alice) = (issuer(), session("alice"));
    let (header, payload) = (header(&issuer), payload(&issuer, &alice));
    for typ in ["AT+JWT", "application/at+jwt", "Application/At+JWT"] {
        let header = with(header.clone(), "typ", Some(json!(typ)));
        assert!(
            send(
                &mut envoy,
                get("/").bearer(es256(&header, &payload.to_string()))
            )
            .passed()
        );
    }
    for (name, value) in [
        ("nbf", json!(START.seconds() + 30)),
        ("iat", json!(START.seconds() + 30)),
        ("aud", json!(AUDIENCE)),
        ("aud", json!(["https://other.example.com", AUDIENCE])),
        ("exp", json!(START.seconds() - 29)),
        ("exp", json!(START.seconds() + 900)),
    ] {
        let token = es256(
            &header.to_string(),
            &with(payload.clone(), name, Some(value.clone())),
        );
        assert!(
            send(&mut envoy, get("/").bearer(token)).passed(),
            "{name} {value}"
        );
    }
}

/// TV-28, TV-11: Ed25519 under both names, checked in the guest because no host does.
#[test]
fn ed25519_is_read_under_both_names() {
    let issuer = issuer().with_eddsa();
    let mut envoy = Host::latchkey(&config()).vms(1);
    envoy.answer_feed(tests::gateway::NextPage::of(&issuer));
    let before = envoy.native_checks();
    for token in both_spellings_of_ed25519(&issuer, &session("alice"), START) {
        assert!(send(&mut envoy, get("/orders").bearer(&token)).passed());
        let (signed, _) = token.rsplit_once('.').unwrap();
        let small_order = format!("{signed}.{}", tests::forge::encode([0; 64]));
        assert_eq!(
            send(&mut envoy, get("/orders").bearer(small_order)).denied(),
            INVALID
        );
    }
    assert_eq!(envoy.native_checks(), before);
}

/// TV-20: a live token flips at `exp` + `clock_skew`, in the cache too.
#[test]
fn a_cached_token_ends_with_the_second() {
    let mut envoy = envoy();
    let token = issuer().access_token(&session("alice"));
    assert!(send(&mut envoy, get("/orders").bearer(&token)).passed());
    envoy.advance_in_touch(Duration::from_secs(329));
    assert_eq!(envoy.now(), START.seconds() + 329);
    assert!(send(&mut envoy, get("/orders").bearer(&token)).passed());
    envoy.advance_in_touch(Duration::from_secs(1));
    assert_eq!(
        send(&mut envoy, get("/orders").bearer(&token)).denied(),
        INVALID
    );
}

/// TV-27: a twin under the same prefix or the same signature is another token.
#[test]
fn the_cache_answers_for_exactly_the_token_that_was_verified() {
    let mut envoy = envoy();
    let token = issuer().access_token(&session("alice"));
    assert!(send(&mut envoy, get("/").bearer(&token)).passed());
    let hits = envoy.metric("latchkey_token_cache_hits");
    assert!(send(&mut envoy, get("/").bearer(&token)).passed());
    assert_eq!(envoy.metric("latchkey_token_cache_hits"), hits + 1);
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, _) = signed.split_once('.').unwrap();
    let mut other = payload(&issuer(), &session("alice"));
    other["roles"] = json!(["admin"]);
    let other = tests::forge::encode(other.to_string());
    for twin in [
        format!("{header}.{other}.{signature}"),
        format!("{signed}.{}", tests::forge::encode([1; 64])),
        token[..token.len() - 1].to_owned(),
        format!("{token}A"),
    ] {
        assert_eq!(send(&mut envoy, get("/").bearer(twin)).denied(), INVALID);
    }
}

/// TV-27: more tokens than the cache holds.
#[test]
fn a_flood_of_tokens_keeps_the_cache_bounded_and_right() {
    let mut small = config();
    small["token_cache_size"] = json!(4);
    let mut envoy = Host::latchkey(&small).vms(1);
    envoy.sync();
    let tokens = (0..40).map(|number| issuer().access_token(&session(&number.to_string())));
    let tokens = tokens.collect::<Vec<_>>();
    for token in tokens.iter().chain(&tokens) {
        assert!(send(&mut envoy, get("/").bearer(token)).passed());
    }
    assert_eq!(envoy.metric("latchkey_token_cache_hits"), 0);
}

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

/// TV-18: two filters with different issuers and the same `kid`.
#[test]
fn a_key_of_the_same_name_belongs_to_its_issuer() {
    let mut elsewhere = config();
    elsewhere["issuer"] = json!("https://other.example.com");
    let other = Issuer::named("https://other.example.com", 7);
    assert_eq!(other.access_key().kid(), issuer().access_key().kid());
    let mut envoy = Host::latchkey(&elsewhere).vms(1);
    envoy.answer_feed(tests::gateway::NextPage::of(&other));
    let alice = session("alice");
    assert!(send(&mut envoy, get("/").bearer(other.access_token(&alice))).passed());
    assert_eq!(
        send(&mut envoy, get("/").bearer(issuer().access_token(&alice))).denied(),
        INVALID
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

/// TV-15: a payload that is not UTF-8, well signed.
#[test]
fn bytes_that_are_no_text_are_refused_in_every_part() {
    let mut envoy = envoy();
    let good = issuer().access_token(&session("alice"));
    let parts = good.split('.').collect::<Vec<_>>();
    let junk = tests::forge::encode(b"\xff\xfe");
    for token in [
        es256_parts(&junk, parts[1]),
        es256_parts(parts[0], &junk),
        format!("{}.{}.{junk}", parts[0], parts[1]),
    ] {
        assert_eq!(send(&mut envoy, get("/").bearer(token)).denied(), INVALID);
    }
}
