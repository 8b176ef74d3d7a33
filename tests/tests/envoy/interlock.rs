use tests::place::shipped_configuration;
use tests::stack::{READY_PATH, Stack};
use tests::wire;
use tests::workers::{at_both_workers, stats};

use crate::setup;

/// The shipped configuration as a worker runs it whose VM did not start: Envoy skips the filter, the rest of the chain stands.
fn without_the_filter() -> String {
    let shipped = shipped_configuration().unwrap();
    let (before, rest) = shipped.split_once("          - name: latchkey\n").unwrap();
    let (_, after) = rest
        .split_once("          # Interlock, second half")
        .unwrap();
    format!("{before}          # Interlock, second half{after}")
}

/// FR-11, FR-21: nothing reaches the app, whether it needs a token or not, and no client can send the filter's mark.
#[test]
fn where_envoy_skipped_the_filter_every_request_is_403_with_and_without_a_forged_mark() {
    let mut setup = setup();
    setup.configuration = Some(without_the_filter());
    let mut stack = Stack::prepare(setup).unwrap();
    stack.start_envoy().unwrap();
    for caller in at_both_workers(stack.ports(), 2).unwrap() {
        for path in ["/orders", "/public/page", "/auth/v1/sessions", READY_PATH] {
            let plain = caller.client.get(path).send().unwrap();
            assert_eq!(plain.status, 403, "{path}: {}", plain.text());
            for mark in ["x-auth-gate", "X-Auth-Gate", "x_auth_gate"] {
                let forged = caller.client.get(path).header(mark, "pass").send().unwrap();
                assert_eq!(forged.status, 403, "{path} with {mark}");
            }
        }
    }
    let twice = b"GET /orders HTTP/1.1\r\nHost: a\r\nX-AUTH-GATE: pass\r\nx-auth-gate: pass\r\nConnection: close\r\n\r\n";
    assert_eq!(
        wire::status(&wire::exchange(stack.ports().gateway, twice).unwrap()),
        403
    );
    let reached = stats(stack.ports(), "cluster.app.upstream_rq_total").unwrap();
    assert!(reached.values().all(|count| *count == 0), "{reached:?}");
}
