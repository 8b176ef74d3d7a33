//! Key sets on their way to every VM.

use super::*;
use tests::gateway::NextPage;
use tests::issuer::START;

/// KR-02, KR-03: a removed key ends on every VM with the page that names the change, cached tokens too.
#[test]
fn a_removed_key_ends_everywhere_with_the_page() {
    let mut envoy = envoy(3);
    let alice = session("alice");
    assert_eq!(statuses(&mut envoy, &alice), [200; 3]);
    let rotated = issuer().rotated(2, 17);
    envoy.answer_feed(NextPage::of(&rotated).seq(2));
    assert_eq!(statuses(&mut envoy, &alice), [401; 3]);
    let token = rotated.access_token_at(&alice, START);
    for vm in 0..3 {
        let reply = envoy.vm(vm).request(get("/orders").bearer(&token));
        assert!(reply.passed());
    }
    assert_eq!(envoy.poll(&rotated).after.number, 2);
}

/// KR-06: no cursor moves past a change of keys that was not fetched.
#[test]
fn the_cursor_waits_for_the_keys() {
    let mut envoy = envoy(2);
    let alice = session("alice");
    let poll = envoy.poll(&issuer());
    let rotated = issuer().rotated(2, 17);
    let page = NextPage::of(&rotated).revoking(alice.id).seq(3);
    for answer in [
        Response::refused(),
        Response::reset(),
        Response::ok(issuer().key_document()),
    ] {
        let poll = envoy.poll(&issuer());
        assert_eq!(poll.after.number, 1);
        let body = page.sign(poll.after, token::UnixTime::from_seconds(envoy.now()));
        envoy.answer(poll.callout.id, Response::ok(body));
        let fetch = envoy.waiting_key_fetch().expect("the keys are fetched");
        assert_eq!(fetch.timeout, 2_000_000_000);
        envoy.answer(fetch.id, answer);
        assert_eq!(
            statuses(&mut envoy, &alice),
            [401; 2],
            "the entries are in force"
        );
        assert_eq!(
            statuses(&mut envoy, &session("bob")),
            [200; 2],
            "the old keys still hold"
        );
        envoy.advance(Duration::from_secs(2));
    }
    assert_eq!(poll.after.number, 1);
    envoy.answer_feed(page);
    assert_eq!(envoy.poll(&rotated).after.number, 3);
    assert_eq!(statuses(&mut envoy, &session("bob")), [401; 2]);
}

/// KR-06: an unknown `kid` in a request is 401 and fetches nothing.
#[test]
fn an_unknown_kid_in_requests_fetches_nothing() {
    let mut envoy = envoy(1);
    let sent = envoy.sent_callouts();
    let other = issuer().rotated(1, 99);
    for number in 0..50 {
        let token = other.access_token(&session(&number.to_string()));
        assert_eq!(envoy.vm(0).request(get("/").bearer(token)).status(), 401);
    }
    assert_eq!(envoy.sent_callouts(), sent);
}

/// KR-06: a page of an unknown key fetches the set, at most once a second.
#[test]
fn an_unknown_key_of_the_feed_fetches_the_set_at_most_once_a_second() {
    let mut envoy = envoy(2);
    let stranger = tests::issuer::signing_key(token::Algorithm::Es256, 99);
    let mut fetches = 0;
    for _ in 0..120 {
        envoy.advance(Duration::from_millis(250));
        while let Some(fetch) = envoy.waiting_key_fetch() {
            fetches += 1;
            envoy.answer(fetch.id, Response::ok(issuer().key_document()));
        }
        if let Some(poll) = envoy.waiting_poll() {
            let now = token::UnixTime::from_seconds(envoy.now());
            let body = page().signed_by(&stranger).sign(poll.after, now);
            envoy.answer(poll.callout.id, Response::ok(body));
        }
    }
    assert!((3..=30).contains(&fetches), "{fetches} in 30 s");
    let next = issuer().with_feed_key(2, 99);
    envoy.advance(Duration::from_secs(5));
    envoy.answer_feed(NextPage::of(&next).revoking(session("alice").id).seq(3));
    envoy.advance(Duration::from_secs(5));
    envoy.answer_feed(NextPage::of(&next).revoking(session("alice").id).seq(3));
    assert_eq!(statuses(&mut envoy, &session("alice")), [401; 2]);
}

/// A host without `verify_signature`: the guest checks, tokens and pages alike.
#[test]
fn without_native_verification_the_guest_checks() {
    let mut envoy = Host::latchkey(&config())
        .without_native_verification()
        .vms(2);
    let alice = session("alice");
    envoy.sync();
    assert_eq!(statuses(&mut envoy, &alice), [200; 2]);
    let token = issuer().access_token(&alice);
    let (signed, _) = token.rsplit_once('.').unwrap();
    let forged = format!("{signed}.{}", tests::forge::encode([1; 64]));
    assert_eq!(envoy.vm(0).request(get("/").bearer(forged)).status(), 401);
    assert!(envoy.metric("latchkey_verifications_guest") >= 4);
    assert_eq!(envoy.metric("latchkey_verifications_native"), 0);
    envoy.answer_feed(page().revoking(alice.id));
    assert_eq!(statuses(&mut envoy, &alice), [401; 2]);
    // Once missing, never asked again: this VM has made up its mind.
    envoy.set_native_verification(true);
    assert_eq!(shows(&mut envoy, 0, &session("bob")).status(), 200);
    assert_eq!(envoy.native_checks(), 0);
}

/// What the host refuses is refused: a good signature that it finds wrong is not tried in the guest, and an odd status is no "missing".
#[test]
fn a_refusal_of_the_host_is_final() {
    let mut envoy = envoy(1);
    envoy.set_native_refusal(true);
    assert_eq!(statuses(&mut envoy, &session("alice")), [401]);
    envoy.set_native_refusal(false);
    for status in tests::host::Status::ODD
        .into_iter()
        .filter(|status| *status != 1)
    {
        envoy.force("proxy_call_foreign_function", status);
        let reply = shows(&mut envoy, 0, &session("alice"));
        assert_eq!((reply.failure(), reply.status()), (None, 401), "{status}");
    }
    envoy.stop_forcing();
    assert_eq!(envoy.metric("latchkey_verifications_guest"), 0);
    assert_eq!(statuses(&mut envoy, &session("alice")), [200]);
}
