use std::collections::BTreeMap;
use std::time::Duration;

use tests::stack::Stack;
use tests::watch::{Stopwatch, wait_for};
use tests::workers::{at_both_workers, stats};

use crate::stack_with_alice;

const PATIENCE: Duration = Duration::from_secs(20);

/// The filter's figures, by their names without prefix.
fn figures(stack: &Stack) -> BTreeMap<String, u64> {
    let stats = stats(stack.ports(), "wasmcustom").unwrap();
    let own = stats.into_iter().filter_map(|(name, value)| {
        let name = name.strip_prefix("wasmcustom.latchkey_")?;
        Some((name.to_owned(), value))
    });
    own.collect()
}

/// After known traffic at both workers every sum is the right one, and nothing that a client sent has become a name.
#[test]
fn sums_are_right_after_known_traffic_at_both_workers() {
    let (stack, alice) = stack_with_alice();
    let client = stack.client().unwrap();
    let tokens = alice.login(&client).unwrap();
    let revoked = alice.login(&client).unwrap();
    revoked
        .log_out(&client)
        .unwrap()
        .expect(200, "logout")
        .unwrap();
    let callers = at_both_workers(stack.ports(), 1).unwrap();
    let before = figures(&stack);
    for caller in &callers {
        let client = &caller.client;
        let get = |path: &str| client.get(path);
        let forged = format!("{}x", tokens.access);
        for (request, count, status) in [
            (get("/orders").bearer(&tokens.access), 1, 200),
            (get("/public").header("x-auth-subject", "root"), 1, 200),
            (get("/orders"), 1, 401),
            (get("/orders").bearer("x_y"), 1, 401),
            (get("/orders").bearer(&forged), 1, 401),
            (get("/orders").bearer(&revoked.access), 1, 401),
            (get("/orders;reason=made_up"), 1, 400),
            (get("/-/latchkey/ready"), 0, 200),
        ] {
            let seen = sum(&figures(&stack), "requests_");
            assert_eq!(request.send().unwrap().status, status);
            assert_eq!(sum(&figures(&stack), "requests_") - seen, count);
        }
    }
    let after = figures(&stack);
    let moved = |name: &str| after[name] - before[name];
    assert_eq!(moved("requests_allowed"), 4);
    assert_eq!(moved("requests_denied_no_credential"), 2);
    assert_eq!(moved("requests_denied_rejected"), 4);
    assert_eq!(moved("tokens_rejected_malformed"), 4);
    assert_eq!(moved("requests_denied_revoked"), 2);
    assert_eq!(moved("requests_denied_ambiguous_path"), 2);
    assert_eq!(moved("headers_sanitised"), 2);
    assert_eq!(moved("verifications_guest"), 0);
    assert!(
        (1..=4).contains(&moved("verifications_native")),
        "{after:?}"
    );
    assert_eq!(moved("token_cache_hits") + moved("token_cache_misses"), 8);
    assert_eq!(after["state_synced"], 1);
    assert_eq!(after["max_staleness_seconds"], 60);
    assert_eq!(
        after.keys().collect::<Vec<_>>(),
        before.keys().collect::<Vec<_>>()
    );
}

fn sum(figures: &BTreeMap<String, u64>, prefix: &str) -> u64 {
    let family = figures.iter().filter(|(name, _)| name.starts_with(prefix));
    family.map(|(_, value)| value).sum()
}

/// FR-15: the companion is frozen, then gone: the age grows by the clock, and falls when it is back.
#[test]
fn the_age_of_the_state_grows_by_the_clock_while_the_companion_is_away() {
    let (mut stack, _alice) = stack_with_alice();
    let age = |stack: &Stack| figures(stack)["state_age_seconds"];
    stack.signal_replica(0, "STOP");
    let watch = Stopwatch::start();
    let begins = age(&stack);
    for seconds in [2, 4, 6] {
        wait_for("the age to grow", PATIENCE, || {
            Ok((age(&stack) >= begins + seconds).then_some(()))
        })
        .unwrap();
        let passed = watch.elapsed().as_secs_f64();
        let expected = begins + seconds;
        assert!(
            passed + 1.5 >= seconds as f64,
            "{expected} s of age after {passed} s"
        );
        assert!(
            passed <= seconds as f64 + 3.0,
            "{expected} s of age only after {passed} s"
        );
    }
    stack.kill_companion();
    let failures = figures(&stack)["feed_failures"];
    wait_for("failures to be counted", PATIENCE, || {
        Ok((figures(&stack)["feed_failures"] > failures).then_some(()))
    })
    .unwrap();
    stack.start_companion().unwrap();
    wait_for("a fresh state", PATIENCE, || {
        Ok((age(&stack) <= 1).then_some(()))
    })
    .unwrap();
    let log = stack.envoy().unwrap().log();
    assert!(log.contains("the feed is read again"), "{log}");
}
