use tests::place::shipped_configuration;
use tests::plugin;
use tests::stack::{READY_PATH, Stack};
use tests::wire;
use tests::workers::{at_both_workers, stats};

use crate::setup;

/// The shipped configuration as a worker runs it whose VM did not start: Envoy skips the filter, the rest of the chain stands.
pub(crate) fn without_the_filter() -> String {
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

/// FR-11, FR-21: the one worker on which the filter did not start, beside another on which it did.
#[test]
fn a_worker_whose_filter_did_not_start_answers_403_while_the_other_serves() {
    let folder = tempfile::tempdir().unwrap();
    let module = plugin::compile("filter", folder.path()).unwrap();
    let shipped = shipped_configuration().unwrap();
    let mut setup = setup();
    setup.configuration =
        Some(shipped.replace("envoy/latchkey.wasm", &module.display().to_string()));
    let mut stack = Stack::prepare(setup).unwrap();
    stack.start_envoy().unwrap();
    let callers = at_both_workers(stack.ports(), 2).unwrap();
    let status_at = |worker: usize, mark: Option<&str>| {
        let callers = callers.iter().filter(|caller| caller.worker == worker);
        let statuses: Vec<_> = callers
            .map(|caller| {
                let request = caller.client.get("/orders");
                let request = match mark {
                    Some(mark) => request.header("x-auth-gate", mark),
                    None => request,
                };
                request.send().unwrap().status
            })
            .collect();
        assert_eq!(statuses[0], statuses[1]);
        statuses[0]
    };
    for mark in [None, Some("pass")] {
        let mut statuses = [status_at(0, mark), status_at(1, mark)];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 403], "with the mark {mark:?}");
    }
}
