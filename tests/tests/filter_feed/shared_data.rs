//! FR-24, FR-13: what lies in shared data is not trusted, and its loss is noticed.

use super::*;

/// What another plugin under the same `vm_id` may write.
fn junk() -> Vec<Vec<u8>> {
    vec![
        Vec::new(),
        b"x".to_vec(),
        b"{\"a\":1}".to_vec(),
        vec![0; 16],
        vec![0; 24],
        vec![0xff; 70],
        b"LKB1".to_vec(),
        b"LKS1".to_vec(),
        b"LKB1\0\0\0\x01".to_vec(),
        b"LKB2\0\0\0\0".to_vec(),
        vec![b'L'; 4_096],
    ]
}

/// Whatever it writes over whichever of our values: nobody traps, who is revoked is refused, and the gate opens again by itself.
#[test]
fn junk_over_our_values_closes_the_gate_and_opens_nothing() {
    let names = ["/state", "/keys", "/alive", "/lease", "/v", "/b/"];
    for (name, junk) in names
        .iter()
        .flat_map(|name| junk().into_iter().map(move |junk| (name, junk)))
    {
        let mut envoy = envoy(2);
        let (alice, bob) = (session("alice"), session("bob"));
        envoy.answer_feed(page().revoking(alice.id));
        assert_eq!(statuses(&mut envoy, &alice), [401; 2]);
        let keys = envoy.shared_data().keys();
        let key = keys.iter().find(|key| key.contains(name)).expect("a key");
        envoy.shared_data().set(key.as_bytes(), &junk, 0).unwrap();
        for _ in 0..8 {
            for status in statuses(&mut envoy, &alice) {
                assert!(matches!(status, 401 | 503), "{name} {junk:?}");
            }
            envoy.advance(Duration::from_millis(250));
        }
        for _ in 0..6 {
            let is_start = envoy.poll(&issuer()).after == token::Cursor::START;
            let next = if is_start {
                page().revoking(alice.id)
            } else {
                page()
            };
            envoy.answer_feed(next);
            assert!(!statuses(&mut envoy, &alice).contains(&200));
            envoy.advance(Duration::from_millis(250));
        }
        assert_eq!(statuses(&mut envoy, &alice), [401; 2], "{name} {junk:?}");
        assert_eq!(statuses(&mut envoy, &bob), [200; 2], "{name} {junk:?}");
    }
}

/// A bucket is read by requests only where its sessions are asked for; the holder's round finds the others.
#[test]
fn junk_in_a_bucket_is_found_without_a_request() {
    let mut envoy = envoy(2);
    let alice = session("alice");
    envoy.answer_feed(page().revoking(alice.id));
    let key = envoy
        .shared_data()
        .keys()
        .into_iter()
        .find(|key| key.contains("/b/"))
        .unwrap();
    envoy.shared_data().set(key.as_bytes(), b"junk", 0).unwrap();
    envoy.advance_in_touch(Duration::from_secs(65));
    assert!(
        envoy
            .logs()
            .iter()
            .any(|line| line.contains("cannot be read"))
    );
    assert_eq!(
        statuses(&mut envoy, &alice),
        [200; 2],
        "the test's companion names her no more: a pass from 0 was made"
    );
}

/// The whole scope is lost: unsynced at once, and a new gateway to the companion.
#[test]
fn a_wiped_scope_is_unsynced_never_empty() {
    let mut envoy = envoy(2);
    let alice = session("alice");
    envoy.answer_feed(page().revoking(alice.id));
    let gateway = envoy
        .poll(&issuer())
        .callout
        .parameter("gateway")
        .to_owned();
    envoy.shared_data().wipe();
    assert_eq!(statuses(&mut envoy, &alice), [503; 2]);
    assert_eq!(statuses(&mut envoy, &session("bob")), [503; 2]);
    envoy.tick();
    let fetch = envoy.waiting_key_fetch().expect("keys come first");
    envoy.answer(fetch.id, Response::ok(issuer().key_document()));
    let poll = envoy.waiting_poll().expect("then a page");
    assert_eq!(poll.after, token::Cursor::START);
    assert_ne!(poll.callout.parameter("gateway"), gateway);
    envoy.answer_feed(page().revoking(alice.id));
    assert_eq!(statuses(&mut envoy, &alice), [401; 2]);
    assert_eq!(statuses(&mut envoy, &session("bob")), [200; 2]);
}

/// A scope that another thread loses at any moment while a page is applied.
#[test]
fn a_scope_lost_while_a_page_is_applied_is_unsynced() {
    for moment in 0..12 {
        let mut envoy = envoy(2);
        let alice = session("alice");
        envoy.answer_feed(page().revoking(alice.id));
        let mut left = moment;
        envoy.shared_data().interrupt(move |data, _| {
            if left == 0 {
                data.wipe();
            }
            left -= 1;
        });
        envoy.answer_feed(page().revoking(session("carol").id));
        envoy.shared_data().stop_interrupting();
        for status in statuses(&mut envoy, &alice) {
            assert_ne!(status, 200, "moment {moment}");
        }
    }
}

/// All our keys carry our prefix, and a revocation makes no key of its own.
#[test]
fn keys_are_few_and_carry_the_prefix() {
    let mut envoy = envoy(2);
    for number in 0..40 {
        envoy.answer_feed(page().revoking(session(&number.to_string()).id));
    }
    let keys = envoy.shared_data().keys();
    assert!(keys.iter().all(|key| key.starts_with("latchkey/1/")));
    let buckets = keys.iter().filter(|key| key.contains("/b/")).count();
    assert!(buckets <= 40);
    assert_eq!(keys.len() - buckets, 5, "{keys:?}");
}
