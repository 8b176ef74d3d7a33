//! The log of the host: how much of it, and what never stands in it.

use super::*;
use serde_json::json;
use tests::gateway::GATEWAY_TOKEN;

/// The lines that the filter has written, without the level.
fn lines(envoy: &Host) -> Vec<String> {
    envoy.logs().to_vec()
}

/// AU-03: an hour without a companion, with three VMs that tick four times a second.
#[test]
fn an_hour_without_a_companion_is_a_line_a_minute() {
    let mut envoy = envoy(3);
    let before = lines(&envoy).len();
    advance_alone(&mut envoy, Duration::from_secs(3_600));
    let told = lines(&envoy).split_off(before);
    assert!(told.len() <= 62, "{}: {told:#?}", told.len());
    let counted = told.iter().filter(|line| line.contains(" times in 6"));
    assert!(counted.count() >= 55, "{told:#?}");
    let is_stale = |line: &&String| line.contains("the state is 61 s old");
    assert_eq!(told.iter().filter(is_stale).count(), 1);
    envoy.poll(&issuer());
    envoy.answer_feed(page());
    let end = lines(&envoy).pop().unwrap();
    assert!(end.contains("the feed is read again"), "{end}");
}

/// AU-03, AU-02: requests write no line at all, whatever they hold.
#[test]
fn no_request_writes_a_line() {
    let mut envoy = envoy(2);
    let before = lines(&envoy).len();
    for hostile in tests::forge::hostile(&issuer(), &session("alice"), tests::issuer::START) {
        let bearer = format!("{}\u{1b}", hostile.token);
        envoy.vm(0).request(get("/orders").bearer(&hostile.token));
        envoy
            .vm(1)
            .request(get("/a;b").header("x-auth-subject", bearer));
    }
    assert_eq!(statuses(&mut envoy, &session("alice")), [200; 2]);
    assert_eq!(lines(&envoy).len(), before);
}

/// AU-03: a configuration is refused with its fault named, on one line of plain letters, however it spells its keys.
#[test]
fn a_fault_is_told_on_one_line_whatever_the_configuration_holds() {
    let forged = "x\r\n[critical] latchkey: all is well\u{1b}[2J\u{202e}";
    for (name, value) in [
        (forged, json!(1)),
        ("rules", json!([{ "match": { forged: 1 } }])),
        ("identity_headers", json!({ forged: "sub" })),
        ("on_stale", json!(forged)),
        (&"x".repeat(100_000), json!(1)),
    ] {
        let mut bad = config();
        bad[name] = value;
        let Err(logs) = Host::latchkey(&bad).try_vms(1) else {
            panic!("{name} was taken");
        };
        let fault = logs
            .iter()
            .find(|line| line.contains("configuration refused"));
        let fault = fault.unwrap_or_else(|| panic!("{logs:#?}"));
        assert!(
            fault.bytes().all(|byte| matches!(byte, b' '..=b'~')),
            "{fault:?}"
        );
        assert!(fault.len() < 2_100);
    }
}

/// AU-02, AU-03: a companion that answers with anything; nothing of it, and no secret, is written.
#[test]
fn nothing_that_a_companion_answers_stands_in_the_log() {
    let mut envoy = envoy(1);
    let marker = "MARKER\r\n\u{1b}[31m";
    for status in [200, 204, 302, 401, 403, 404, 500, 503, 599] {
        let poll = envoy.poll(&issuer());
        let answer = Response::status(status, marker).header("x-marker", "MARKER");
        envoy.answer(poll.callout.id, answer);
        envoy.advance(Duration::from_secs(6));
    }
    let page = page().revoking(session("alice").id);
    envoy.answer_feed(page);
    for line in lines(&envoy) {
        assert!(
            !line.contains("MARKER") && !line.contains(GATEWAY_TOKEN),
            "{line}"
        );
        assert!(!line.contains(&session("alice").id.to_string()), "{line}");
        assert!(
            line.bytes().all(|byte| matches!(byte, b' '..=b'~')),
            "{line:?}"
        );
    }
}
