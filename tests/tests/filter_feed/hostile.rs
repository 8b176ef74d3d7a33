//! RV-09, RV-18, KR-06: a companion's answers that are no answers.

use super::*;
use tests::host::Reply;

/// Everything that may come back instead of a page or a key set.
fn answers() -> Vec<(&'static str, Response)> {
    let good = page().revoking(session("mallory").id);
    let good = good.sign(token::Cursor::START, tests::issuer::START);
    vec![
        ("refused", Response::refused()),
        ("timed out", Response::timeout()),
        ("reset", Response::reset()),
        ("503 with a page", Response::status(503, good.clone())),
        ("204", Response::status(204, "")),
        (
            "301",
            Response::status(301, "").header("location", "http://evil.test/"),
        ),
        ("401", Response::status(401, "{}")),
        ("200 without a body", Response::ok("")),
        ("200 with text", Response::ok("upstream connect error")),
        ("200 with HTML", Response::ok("<html></html>")),
        ("200 with JSON", Response::ok("{\"v\":1}")),
        ("bytes", Response::ok(vec![0xff; 5_000])),
        ("huge", Response::ok(vec![b'a'; 8 << 20])),
        ("huge JSON", Response::ok("[".repeat(1 << 20))),
        ("cut", Response::ok(good[..good.len() - 10].to_owned())),
        (
            "an access token",
            Response::ok(issuer().access_token(&session("alice"))),
        ),
        ("no status", Response::default().header("content-type", "a")),
        (
            "odd status",
            Response::default().header(":status", b"\xff\xfe"),
        ),
        ("status 0", Response::default().header(":status", "0")),
        (
            "a header that is no text",
            Response::ok("x").header("x-a", b"\xff").header("x-b", ""),
        ),
    ]
}

fn is_untouched(envoy: &mut Host, class: &str) {
    for vm in 0..envoy.vms() {
        assert_eq!(envoy.vm(vm).failure(), None, "{class}");
    }
    let reply: Reply = shows(envoy, 0, &session("mallory"));
    assert_eq!(reply.status(), 200, "{class}");
    assert_eq!(statuses(envoy, &session("alice")), [401; 2], "{class}");
}

/// Instead of a page: nothing changes, nobody traps, and the next good one is applied.
#[test]
fn answers_that_are_no_page_change_nothing() {
    let mut envoy = envoy(2);
    envoy.answer_feed(page().revoking(session("alice").id));
    for (class, answer) in answers() {
        let poll = envoy.poll(&issuer());
        assert_eq!(poll.after.number, 2, "{class}");
        envoy.answer(poll.callout.id, answer);
        assert!(envoy.callouts().is_empty(), "{class}: it backs off");
        is_untouched(&mut envoy, class);
        envoy.advance(Duration::from_secs(5));
        envoy.answer_feed(page());
    }
    assert!(envoy.metric("latchkey_feed_pages_refused") >= 8);
    assert!(envoy.metric("latchkey_feed_failures") >= 6);
    envoy.answer_feed(page().revoking(session("mallory").id));
    assert_eq!(statuses(&mut envoy, &session("mallory")), [401; 2]);
}

/// Instead of the key set, which a page has announced.
#[test]
fn answers_that_are_no_key_set_change_nothing() {
    let mut envoy = envoy(2);
    envoy.answer_feed(page().revoking(session("alice").id));
    for (class, answer) in answers() {
        let poll = envoy.poll(&issuer());
        let now = token::UnixTime::from_seconds(envoy.now());
        let body = page().keys(9).seq(9).sign(poll.after, now);
        envoy.answer(poll.callout.id, Response::ok(body));
        let fetch = envoy.waiting_key_fetch().expect("the keys are fetched");
        envoy.answer(fetch.id, answer);
        is_untouched(&mut envoy, class);
        envoy.advance(Duration::from_secs(5));
        assert_eq!(envoy.poll(&issuer()).after.number, 2, "{class}");
        envoy.answer_feed(page());
    }
}

/// RV-18: the polls of a companion that is gone come ever more rarely, and go on.
#[test]
fn polls_that_fail_back_off() {
    let mut envoy = envoy(2);
    let before = envoy.sent_callouts();
    advance_alone(&mut envoy, Duration::from_secs(50));
    let sent = envoy.sent_callouts() - before;
    assert!((10..=20).contains(&sent), "{sent} in 50 s");
    assert_eq!(
        statuses(&mut envoy, &session("alice")),
        [200; 2],
        "the last good state holds"
    );
}

/// A poll that is never answered at all: Envoy's timeout ends it, and where even that does not come, the filter does.
#[test]
fn a_poll_that_is_never_answered_is_given_up() {
    let mut envoy = envoy(1);
    let poll = envoy.waiting_poll().expect("a poll");
    envoy.advance(Duration::from_secs(13));
    assert!(
        envoy
            .callouts()
            .iter()
            .all(|callout| callout.id != poll.callout.id)
    );
    assert!(envoy.metric("latchkey_feed_failures") >= 1);
    envoy.answer_feed(page().revoking(session("alice").id));
    assert_eq!(statuses(&mut envoy, &session("alice")), [401]);
}

/// A cluster that does not exist, and one that Envoy gets later.
#[test]
fn a_cluster_that_is_missing_is_told_and_tried_again() {
    let mut envoy = Host::latchkey(&config()).clusters(&[]).vms(2);
    envoy.advance(Duration::from_secs(10));
    assert_eq!(envoy.sent_callouts(), 0);
    assert_eq!(statuses(&mut envoy, &session("alice")), [503; 2]);
    assert!(
        envoy
            .logs()
            .iter()
            .any(|line| line.contains("companion.cluster"))
    );
    assert_eq!(envoy.vm(0).failure(), None);
}
