use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;
use tests::gate::Gate;
use tests::host::Host;
use tests::issuer::{issuer, session};
use tests::next_page::page;
use tests::plugin;
use tests::stand_in::Answer;
use tests::watch::wait_for;

use crate::answers::Callers;
use crate::envoy_yaml::{shipped, with};
use crate::{configuration, revoke, token_of};

/// A call that is given up, and a full pass.
const PATIENCE: Duration = Duration::from_secs(10);

/// The shipped configuration with this module in front of the filter, under the filter's own `vm_id`.
fn with_neighbour(module: &str) -> String {
    let neighbour = format!(
        r#"          http_filters:
          - name: neighbour
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
              config:
                name: neighbour
                vm_config: {{ vm_id: latchkey, runtime: envoy.wasm.runtime.v8, code: {{ local: {{ filename: {module} }} }} }}
"#
    );
    with(&shipped(), "          http_filters:\n", &neighbour)
}

/// The keys under which the filter keeps that session's bucket and all else, in the order of their names.
fn keys_of(configuration: &Value, name: &str) -> Vec<String> {
    let mut host = Host::latchkey(configuration).vms(1);
    host.answer_feed(page().revoking(session(name).id));
    let mut keys = host.shared_data().keys();
    keys.sort();
    keys
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// FR-24: other formats, halves, bytes by chance, values that belong elsewhere. Whoever is revoked stays out, the gate recovers by itself,
/// nothing traps, and no client waits.
#[test]
fn a_plugin_that_writes_over_our_data_brings_nobody_back() {
    let folder = tempfile::tempdir().unwrap();
    let module = plugin::compile("neighbour", folder.path()).unwrap();
    let envoy = with_neighbour(&module.display().to_string());
    let mut gate =
        Gate::start_changed(&envoy, &configuration(), &issuer(), |_| Answer::Right).unwrap();
    gate.stack.await_ready().unwrap();
    revoke(&gate, "bob");
    let callers = Callers::at_both_workers(gate.stack.ports());
    let (good, revoked) = (token_of("alice"), token_of("bob"));
    let keys = keys_of(&configuration(), "bob");
    let named = |name: &str| keys.iter().find(|key| key.ends_with(name)).unwrap();
    let mut random = [0; 64];
    getrandom::getrandom(&mut random).unwrap();
    let random = hex(&random);
    let key_set = named("/keys");
    let mut wishes: Vec<_> = keys
        .iter()
        .flat_map(|key| {
            [
                format!("empty {key}"),
                format!("write {key} 7b7d"),
                format!("write {key} {random}"),
                format!("write {key} {}", "00".repeat(4_096)),
                format!("halve {key}"),
                format!("copy {key_set} {key}"),
            ]
        })
        .collect();
    wishes.push(format!("copy {} {key_set}", named("/state")));
    assert!(keys.len() >= 6, "{keys:?}");
    let client = callers.clients().next().unwrap();
    for wish in wishes {
        let written = client
            .get("/public/page")
            .header("x-neighbour", &wish)
            .send()
            .unwrap();
        assert_eq!(written.status, 200, "{wish}");
        // On a busy machine it may be stale again between two calls.
        wait_for("the gate to recover", PATIENCE, || {
            let of_revoked = callers.statuses(&revoked);
            assert!(
                of_revoked.iter().all(|status| matches!(status, 401 | 503)),
                "{wish}: {of_revoked:?}"
            );
            let of_good = callers.statuses(&good);
            assert!(
                of_good.iter().all(|status| matches!(status, 200 | 503)),
                "{wish}: {of_good:?}"
            );
            Ok((of_good == [200, 200] && of_revoked == [401, 401]).then_some(()))
        })
        .unwrap_or_else(|fault| panic!("{wish}: {fault}"));
    }
    let log = gate.stack.envoy().unwrap().log();
    assert!(
        log.contains("a value in shared data cannot be read"),
        "{log}"
    );
    // The feed goes on as if nothing had been.
    revoke(&gate, "carol");
    assert_eq!(callers.statuses(&token_of("carol")), [401, 401]);
}
