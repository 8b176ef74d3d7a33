//! Answers to call-outs that come twice, late, for somebody else, or with numbers that do not fit.

use super::*;
use tests::gateway::Poll;

fn news(envoy: &Host, poll: &Poll, name: &str) -> Response {
    let now = token::UnixTime::from_seconds(envoy.now());
    Response::ok(page().revoking(session(name).id).sign(poll.after, now))
}

fn status(envoy: &mut Host, name: &str) -> u16 {
    let token = issuer().access_token(&session(name));
    envoy.vm(0).request(get("/orders").bearer(token)).status()
}

/// RV-16: a further answer to one call changes nothing and asks for nothing.
#[test]
fn a_call_that_is_answered_twice_counts_once() {
    let mut envoy = envoy(1);
    let poll = envoy.poll(&issuer());
    let (first, second) = (news(&envoy, &poll, "carol"), news(&envoy, &poll, "dave"));
    envoy.answer(poll.callout.id, first);
    let sent = envoy.sent_callouts();
    for _ in 0..3 {
        let (root, call) = (poll.callout.root, poll.callout.token);
        envoy.answer_as(&poll.callout, root, call, second.clone());
    }
    assert_eq!(envoy.sent_callouts(), sent);
    assert_eq!(envoy.vm(0).failure(), None);
    assert_eq!(status(&mut envoy, "carol"), 401);
    assert_eq!(status(&mut envoy, "dave"), 200);
}

/// Under numbers of calls and of root contexts that are not its own, an answer is nobody's; the true one still counts.
#[test]
fn an_answer_for_somebody_else_is_dropped() {
    let mut envoy = envoy(1);
    let mut other = demanding();
    other["max_staleness"] = json!("30s");
    assert!(envoy.update(&other));
    let poll = envoy.poll(&issuer());
    let (root, call) = (poll.callout.root, poll.callout.token);
    let sent = envoy.sent_callouts();
    let stray = news(&envoy, &poll, "dave");
    for (root, call) in [
        (root, call + 1),
        (root, 0),
        (root, u32::MAX),
        (root + 1, call),
        (0, call),
        (u32::MAX, call),
        (u32::MAX, u32::MAX),
    ] {
        envoy.answer_as(&poll.callout, root, call, stray.clone());
        assert_eq!(envoy.vm(0).failure(), None, "{root} {call}");
    }
    assert_eq!(envoy.sent_callouts(), sent);
    let answer = news(&envoy, &poll, "carol");
    assert!(envoy.answer(poll.callout.id, answer));
    assert_eq!(envoy.sent_callouts(), sent + 1, "and is followed by a poll");
}

/// What comes after the filter has given the call up, and after its configuration has been drained.
#[test]
fn an_answer_that_comes_late_is_dropped() {
    let mut envoy = envoy(1);
    let poll = envoy.poll(&issuer());
    let (root, call) = (poll.callout.root, poll.callout.token);
    let late = news(&envoy, &poll, "dave");
    envoy.advance(Duration::from_secs(17));
    envoy.answer_as(&poll.callout, root, call, late.clone());
    assert_eq!(status(&mut envoy, "dave"), 200);
    assert!(envoy.update(demanding()));
    envoy.drain();
    envoy.answer_as(&poll.callout, root, call, late);
    assert_eq!(envoy.vm(0).failure(), None);
    assert_eq!(status(&mut envoy, "dave"), 200);
    envoy.advance(Duration::from_secs(6));
    envoy.answer_feed(page().revoking(session("dave").id));
    assert_eq!(status(&mut envoy, "dave"), 401);
}

/// A failed call has no headers and no body, and Envoy answers `BadArgument` to whoever asks for them all the same.
#[test]
fn a_call_without_an_answer_is_a_failure_and_nothing_is_read() {
    let mut envoy = envoy(1);
    let failures = envoy.metric("latchkey_feed_failures");
    let poll = envoy.poll(&issuer());
    envoy.answer(poll.callout.id, Response::reset());
    assert_eq!(envoy.metric("latchkey_feed_failures"), failures + 1);
    assert_eq!(envoy.vm(0).failure(), None);
    // Numbers that promise more than there is, straight into the export.
    for numbers in [[0, u32::MAX, 0], [u32::MAX, u32::MAX, u32::MAX], [1, 0, 0]] {
        envoy.advance(Duration::from_secs(6));
        let poll = envoy.poll(&issuer());
        let call = [poll.callout.root, poll.callout.token];
        let arguments = [&call[..], &numbers].concat();
        envoy.vm(0).call("proxy_on_http_call_response", &arguments);
        assert_eq!(envoy.vm(0).failure(), None, "{numbers:?}");
    }
    assert_eq!(status(&mut envoy, "bob"), 401);
    assert_eq!(status(&mut envoy, "alice"), 200);
}
