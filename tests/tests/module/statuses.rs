//! Every import, forced to every status, in every export.

use super::*;
use tests::host::Status;

/// Every odd status, the errnos of WASI that hosts answer, and success that did nothing.
fn statuses() -> impl Iterator<Item = i32> {
    let errnos = [0, 8, 21, 28, 52, 58, 76, -1];
    Status::ODD.into_iter().chain(errnos)
}

/// Two are left out: `proc_exit` has no status, and a host that says to have written a header and has not cannot be found out.
fn attacks() -> Vec<(String, i32)> {
    let writes = [
        "proxy_remove_header_map_value",
        "proxy_replace_header_map_value",
    ];
    let imports = imports().into_iter().filter(|import| import != "proc_exit");
    let attacks = imports.flat_map(|import| statuses().map(move |status| (import.clone(), status)));
    let attacks: Vec<_> = attacks
        .filter(|(import, status)| *status != 0 || !writes.contains(&import.as_str()))
        .collect();
    assert!(attacks.len() > 300, "{}", attacks.len());
    attacks
}

/// FR-01, FR-11, FR-22: on requests, and on their trailers.
#[test]
fn odd_statuses_of_the_host_never_open_the_gate() {
    let healthy = healthy();
    for (import, status) in attacks() {
        let attack = format!("{import} {status}");
        let mut envoy = envoy(1);
        envoy.force(&import, status);
        send_all(&mut envoy, &healthy, &attack);
        envoy.stop_forcing();
        let token = issuer().access_token(&session("alice"));
        assert!(
            envoy.vm(0).request(get("/orders").bearer(token)).passed(),
            "{attack}"
        );
    }
}

/// FR-21: while it is configured and started. Whatever fails there, Envoy must not get a reason to skip the filter.
#[test]
fn odd_statuses_while_configuring_never_open_the_gate() {
    let healthy = healthy();
    for (import, status) in attacks() {
        let attack = format!("{import} {status}");
        let mut envoy = starting().forcing(&import, status).vms(1);
        envoy.stop_forcing();
        assert!(envoy.vm(0).is_configured(), "{attack}");
        let has_trapped = |line: &String| line.contains("Function failed");
        assert!(!envoy.logs().iter().any(has_trapped), "{attack}");
        send_all(&mut envoy, &healthy, &attack);
        sync_if_it_polls(&mut envoy);
        send_all(&mut envoy, &healthy, &attack);
    }
}

/// At the first ticks, when the gateway token is read and the lease is taken.
#[test]
fn odd_statuses_at_the_first_ticks_never_trap() {
    let healthy = healthy();
    for (import, status) in attacks() {
        let attack = format!("{import} {status}");
        let mut envoy = starting().vms(1);
        envoy.force(&import, status);
        sync_if_it_polls(&mut envoy);
        assert_eq!(envoy.vm(0).failure(), None, "{attack}");
        envoy.stop_forcing();
        send_all(&mut envoy, &healthy, &attack);
        envoy.advance(Duration::from_secs(6));
        sync_if_it_polls(&mut envoy);
        send_all(&mut envoy, &healthy, &attack);
        assert_eq!(envoy.vm(0).failure(), None, "{attack}");
    }
}

/// And with the calls of tick and call-out: what is revoked stays so, and what is acknowledged is in force.
#[test]
fn odd_statuses_while_polling_never_trap() {
    let (bob, carol) = (session("bob"), session("carol"));
    let token = |name: &str| issuer().access_token(&session(name));
    let asks = |envoy: &mut Host, name: &str| {
        let request = get("/orders").bearer(token(name));
        envoy.vm(0).request(request).status()
    };
    for (import, status) in attacks() {
        let attack = format!("{import} {status}");
        let mut envoy = envoy(1);
        let poll = envoy.poll(&issuer());
        envoy.force(&import, status);
        let news = page().revoking(carol.id);
        let now = token::UnixTime::from_seconds(envoy.now());
        let last = news.compose(poll.after, now).seq;
        envoy.answer(poll.callout.id, Response::ok(news.sign(poll.after, now)));
        envoy.advance(Duration::from_secs(3));
        envoy.stop_forcing();
        assert_eq!(envoy.vm(0).failure(), None, "{attack}");
        assert_ne!(asks(&mut envoy, "bob"), 200, "{attack}");
        envoy.advance(Duration::from_secs(6));
        let poll = envoy.poll(&issuer());
        if poll.after.number >= last {
            assert_ne!(asks(&mut envoy, "carol"), 200, "{attack}: acknowledged");
        }
        envoy.answer_feed(page().revoking(bob.id).revoking(carol.id));
        for (name, status) in [("alice", 200), ("bob", 401), ("carol", 401)] {
            assert_eq!(asks(&mut envoy, name), status, "{attack}: {name}");
        }
    }
}
