//! Which tokens are good.

use super::*;

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
