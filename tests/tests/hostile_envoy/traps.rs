use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use serde_json::json;
use tests::client::Client;
use tests::gate::Gate;
use tests::issuer::issuer;
use tests::place::trapping_module;
use tests::ports::Ports;
use tests::rewrite::with_filter_configuration;
use tests::stack::Setup;
use tests::stand_in::Answer;
use tests::traps::{failed_calls, reloads};
use tests::watch::{Stopwatch, wait_for};

use crate::answers::{Callers, soon};
use crate::envoy_yaml::{shipped, with};
use crate::{configuration, revoke, token_of};

const PATIENCE: Duration = Duration::from_secs(15);
/// Within this another VM polls, once the one that did is dead (RV-16).
const TAKE_OVER: Duration = Duration::from_secs(3);

/// Envoy replaces no VM that is younger than this: 1 s, and up to half as much again by chance.
const BACK_OFF: Duration = Duration::from_millis(1_600);

/// A gate on the module that traps on demand.
fn start(setup: Setup) -> Gate {
    let mut configuration = configuration();
    // A hand-over takes 3 s; the state must not be stale before.
    configuration["max_staleness"] = json!("15s");
    let module = trapping_module().unwrap();
    let module = format!("filename: {}", module.display());
    let envoy = with(&shipped(), "filename: envoy/latchkey.wasm", &module);
    let mut setup = setup;
    setup.configuration = Some(with_filter_configuration(&envoy, &configuration).unwrap());
    let mut gate = Gate::start_on(setup, &issuer(), |_| Answer::Right).unwrap();
    gate.stack.await_ready().unwrap();
    thread::sleep(BACK_OFF);
    gate
}

fn setup() -> Setup {
    Setup::on(Ports::free().unwrap())
}

/// A request that wishes for a trap there: `request` or `holder`.
fn wish(client: &Client, place: &str) -> u16 {
    let request = client.get("/orders").header("x-latchkey-trap", place);
    soon(|| request.bearer(&token_of("alice")).send().unwrap().status)
}

/// The threads of Envoy in which a VM has trapped, in that order. The log says `[time][thread][level]…`.
fn trapped_threads(gate: &Gate) -> Vec<u32> {
    let log = gate.stack.envoy().unwrap().log();
    let lines = log.lines().filter(|line| !failed_calls(line).is_empty());
    lines
        .map(|line| line.split(['[', ']']).nth(3).unwrap().parse().unwrap())
        .collect()
}

/// Lets the holder's VM trap, and waits until it has.
fn kill_holder(gate: &Gate, client: &Client) -> Stopwatch {
    let before = trapped_threads(gate).len();
    assert_eq!(wish(client, "holder"), 200);
    wait_for("the holder to trap", PATIENCE, || {
        Ok((trapped_threads(gate).len() > before).then(Stopwatch::start))
    })
    .unwrap()
}

/// How long after that moment the next poll came.
fn next_poll(gate: &Gate, since: Stopwatch) -> Duration {
    let found = wait_for("another poll", PATIENCE, || {
        let (_, last) = gate.companion.polls().pop().unwrap();
        Ok(since.elapsed().checked_sub(last.since.elapsed()))
    });
    found.unwrap()
}

/// The trap counter of the suite: what a test does not say beforehand fails it, by the counters as by the log.
#[test]
fn a_trap_that_nobody_meant_fails_the_test() {
    let gate = start(setup());
    let ports = gate.stack.ports();
    let client = gate.stack.client().unwrap();
    assert_eq!(reloads(ports).unwrap(), Vec::<String>::new());
    assert_eq!(wish(&client, "request"), 503);
    // Envoy counts the VM that takes the place of the dead one, at the next request.
    assert_eq!(reloads(ports).unwrap(), Vec::<String>::new());
    assert_eq!(wish(&client, "nowhere"), 200);
    assert_eq!(
        reloads(ports).unwrap(),
        ["wasm.latchkey.vm_reload_success: 1"]
    );
    let fault = gate.stack.stop().unwrap_err().to_string();
    assert!(fault.contains("proxy_on_request_headers failed"), "{fault}");

    // A VM of the main thread is never replaced, so no counter tells of it; and a test that ends without `stop` fails all the same.
    let gate = start(setup());
    kill_holder(&gate, &gate.stack.client().unwrap());
    let stack = gate.stack;
    let outcome = catch_unwind(AssertUnwindSafe(|| drop(stack)));
    let text = *outcome.unwrap_err().downcast::<String>().unwrap();
    assert!(text.contains("proxy_on_tick failed"), "{text}");
}

/// FR-11, FR-13: that request gets 503, the next one is served, and whoever has logged out stays out, at every worker.
#[test]
fn a_trap_in_a_request_costs_that_request_and_no_revocation() {
    let gate = start(setup().that_traps());
    revoke(&gate, "bob");
    let (good, revoked) = (token_of("alice"), token_of("bob"));
    let callers = Callers::at_both_workers(gate.stack.ports());
    for client in callers.clients() {
        assert_eq!(wish(client, "request"), 503);
    }
    assert_eq!(callers.statuses(&revoked), [401, 401]);
    assert_eq!(callers.statuses(&good), [200, 200]);
    // Trap after trap: Envoy waits before it starts yet another VM, and nothing passes meanwhile.
    for _ in 0..5 {
        for client in callers.clients() {
            assert_eq!(wish(client, "request"), 503);
            let status = crate::answers::call(client, &revoked).status;
            assert!(matches!(status, 401 | 503), "{status}");
        }
    }
    wait_for("both workers to be back", PATIENCE, || {
        let statuses = callers.statuses(&revoked);
        assert!(statuses.iter().all(|status| matches!(status, 401 | 503)));
        Ok((callers.statuses(&good) == [200, 200]).then_some(()))
    })
    .unwrap();
    assert_eq!(callers.statuses(&revoked), [401, 401]);
}

/// RV-16: whichever VM polls may die, the main thread's too, which never comes back; another one polls within 3 s. A worker's VM
/// comes back with the next request there.
#[test]
fn the_holder_is_killed_again_and_again_and_another_polls_within_three_seconds() {
    let gate = start(setup().that_traps());
    revoke(&gate, "bob");
    let (good, revoked) = (token_of("alice"), token_of("bob"));
    let callers = Callers::at_both_workers(gate.stack.ports());
    let main = gate.stack.envoy().unwrap().id();
    let mut after_main = 0;
    let mut waits = Vec::new();
    while after_main < 4 {
        assert!(waits.len() < 12, "the main thread never held the lease");
        let killed = kill_holder(&gate, callers.clients().next().unwrap());
        // Both workers get requests, as workers do.
        assert_eq!(callers.statuses(&revoked), [401, 401]);
        assert_eq!(callers.statuses(&good), [200, 200]);
        let wait = next_poll(&gate, killed);
        assert!(wait < TAKE_OVER, "{wait:?} after {waits:?}");
        waits.push(wait);
        let threads = trapped_threads(&gate);
        after_main += u32::from(threads.contains(&main));
    }
    let threads = trapped_threads(&gate);
    assert_eq!(threads.iter().filter(|thread| **thread == main).count(), 1);
    assert!(threads.iter().collect::<BTreeSet<_>>().len() > 1);
    println!("polls came back after {waits:?}");
    let number = gate.companion.revoke(tests::issuer::session("alice").id);
    gate.companion.await_acknowledged(number).unwrap();
    assert_eq!(callers.statuses(&good), [401, 401]);
}
