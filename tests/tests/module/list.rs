//! SC-05: what the module imports and exports, against the list that ships.

use super::*;
use std::collections::BTreeSet;
use tests::host::shipped_capabilities;

/// Exports that Envoy calls without being allowed to.
const ALWAYS_CALLED: [&str; 4] = [
    "_initialize",
    "memory",
    "proxy_abi_version_0_2_1",
    "proxy_on_memory_allocate",
];

fn exports() -> BTreeSet<String> {
    let exports = latchkey().exports();
    exports.map(|export| export.name().to_owned()).collect()
}

/// The list is exactly what is needed: every import, every callback, and nothing that is neither.
#[test]
fn the_capability_list_is_what_the_module_imports_and_exports() {
    let imported: BTreeSet<_> = imports().into_iter().collect();
    let always = ALWAYS_CALLED.map(str::to_owned).into();
    let callbacks: BTreeSet<_> = exports().difference(&always).cloned().collect();
    let needed: BTreeSet<_> = imported.union(&callbacks).cloned().collect();
    assert_eq!(shipped_capabilities(), needed);
    for name in ALWAYS_CALLED {
        assert!(exports().contains(name), "{name}");
    }
}

/// Only the two modules that Envoy has, so that nothing is missing when it loads.
#[test]
fn imports_come_from_the_abi_and_from_wasi_alone() {
    for import in latchkey().imports() {
        let is_proxy = import.name().starts_with("proxy_");
        let expected = if is_proxy {
            "env"
        } else {
            "wasi_snapshot_preview1"
        };
        assert_eq!(import.module(), expected, "{}", import.name());
    }
}

/// With and without the list every request has the same outcome, answer and headers; with it, no call is refused.
#[test]
fn the_capability_list_changes_no_result() {
    let mut restricted = envoy(2);
    let mut unrestricted = starting().unrestricted().vms(2);
    unrestricted.answer_feed(page().revoking(session("bob").id));
    for request in requests() {
        let one = restricted.vm(1).request(request.clone());
        let other = unrestricted.vm(1).request(request);
        assert_eq!(one.failure(), None);
        assert_eq!(one.passed(), other.passed());
        assert_eq!(one.headers(), other.headers());
        assert_eq!(one.trailers(), other.trailers());
        if !one.passed() {
            assert_eq!(one.local(), other.local());
        }
    }
    for envoy in [&mut restricted, &mut unrestricted] {
        envoy.advance_in_touch(Duration::from_secs(5));
    }
    assert_eq!(restricted.metrics(), unrestricted.metrics());
    assert_eq!(restricted.sent_callouts(), unrestricted.sent_callouts());
    let is_refused = |line: &String| line.contains("capability list");
    assert!(!restricted.logs().iter().any(is_refused));
}

/// FR-11: an operator who leaves a name out gets a gate that is closed or works, never one that is open or traps.
#[test]
fn no_name_left_out_of_the_list_opens_the_gate() {
    let healthy = healthy();
    for name in shipped_capabilities() {
        // Without these Envoy does not ask the filter at all, as if it were not there: the interlock refuses then.
        if [
            "proxy_on_request_headers",
            "proxy_on_request_trailers",
            "proxy_on_configure",
        ]
        .contains(&name.as_str())
        {
            continue;
        }
        let mut envoy = starting().without_capability(&name).vms(1);
        send_all(&mut envoy, &healthy, &name);
        sync_if_it_polls(&mut envoy);
        send_all(&mut envoy, &healthy, &name);
        assert_eq!(envoy.vm(0).failure(), None, "{name}");
    }
}
