//! VMs of an Envoy that trapped. Envoy tells of them in two places, and in each of a part only: its counters move at the next request on
//! that worker, so neither for the main thread nor for the last trap of a worker; its log names every call that failed.

use crate::fault::Fault;
use crate::part::Part;
use crate::ports::Ports;
use crate::wire;

/// How the log line of a trap begins, in the words of Envoy's `wasm_vm.cc`; the function that failed follows.
const FAILED_CALL: &str = "] Function: ";

/// Asks the Envoy that is about to be ended.
///
/// # Errors
/// When a VM of it has trapped, or when it runs and does not answer.
pub fn must_be_none(ports: Ports, envoy: &mut Part) -> Result<(), Fault> {
    let name = envoy.name().to_owned();
    let log = envoy.log();
    let failed = failed_calls(&log);
    if let Some(first) = failed.first() {
        return Err(Fault::new(format!(
            "{name}: {} traps, the first one: {first}",
            failed.len()
        )));
    }
    // What was killed from outside, or never came up, has no counters left.
    if envoy.end().is_some() {
        return Ok(());
    }
    match reloads(ports)? {
        moved if moved.is_empty() => Ok(()),
        moved => Err(Fault::new(format!("{name}: {}", moved.join(", ")))),
    }
}

/// Envoy's counters `wasm.<plugin>.vm_reload…` that are not 0: VMs that were replaced, and those that could not be.
///
/// # Errors
/// When the admin interface does not answer, or there are VMs and no such counter.
pub fn reloads(ports: Ports) -> Result<Vec<String>, Fault> {
    let request = b"GET /stats?filter=%5Ewasm%5C. HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answer = wire::exchange(ports.envoy_admin, request)?;
    if wire::status(&answer) != 200 {
        return Err(Fault::new("Envoy does not tell its counters"));
    }
    let text = String::from_utf8_lossy(&answer);
    let counters = text.lines().filter_map(|line| line.split_once(": "));
    let of_wasm: Vec<_> = counters
        .filter(|(name, _)| name.starts_with("wasm."))
        .collect();
    let has_vms = of_wasm
        .iter()
        .any(|(name, count)| *name == "wasm.wasm_vm_count" && *count != "0");
    let reloads: Vec<_> = of_wasm
        .iter()
        .filter(|(name, _)| name.contains(".vm_reload"))
        .collect();
    if has_vms && reloads.is_empty() {
        return Err(Fault::new("Envoy has no counters of reloaded VMs"));
    }
    let moved = reloads.iter().filter(|(_, count)| *count != "0");
    Ok(moved
        .map(|(name, count)| format!("{name}: {count}"))
        .collect())
}

/// The calls into a VM that failed, each as the log names it.
pub fn failed_calls(log: &str) -> Vec<&str> {
    log.lines()
        .filter_map(|line| line.split_once(FAILED_CALL))
        .map(|(_, what)| what)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of Envoy 1.40.
    #[test]
    fn the_log_line_of_a_trap_is_found_and_a_line_of_the_filter_is_not() {
        let log = "\
[2026-11-25 22:55:00.694][27795][error][wasm] [source/extensions/common/wasm/context.cc:1157] wasm log latchkey latchkey: Function: x failed
[2026-11-25 22:55:01.300][27767][error][wasm] [source/extensions/common/wasm/wasm_vm.cc:38] Function: proxy_on_tick failed: Uncaught RuntimeError: unreachable
Proxy-Wasm plugin in-VM backtrace:";
        assert_eq!(
            failed_calls(log),
            ["proxy_on_tick failed: Uncaught RuntimeError: unreachable"]
        );
    }
}
