//! The module's imports: each wrapped so that capability list, phase, forced answers and the trace apply to all alike.

mod callouts;
mod data;
mod headers;
mod metrics;
mod wasi;

use wasmtime::{Caller, Linker, Module, Val};

use crate::host::abi::{Stop, WASI_NOT_CAPABLE};
use crate::host::state::{Capabilities, State};

/// Defines one import of the module `env`: its body ends with `Ok(())` or with the status to answer.
macro_rules! import {
    ($linker:ident, $name:literal, |$caller:ident $(, $arg:ident: $type:ty)*| $body:block) => {
        $linker.func_wrap(
            "env",
            $name,
            |mut caller: wasmtime::Caller<'_, $crate::host::state::State> $(, $arg: $type)*| -> wasmtime::Result<i32> {
                if let Some(status) = $crate::host::imports::enter(&caller, $name)? {
                    return Ok(status);
                }
                let $caller = &mut caller;
                $crate::host::imports::finish(|| $body)
            },
        )?;
    };
}
pub(crate) use import;

/// A linker with every import of `module`: ours, or outside the capability list a stub that refuses.
///
/// # Errors
/// An import that this host does not have.
pub(crate) fn linker(
    module: &Module,
    capabilities: &Capabilities,
) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(module.engine());
    linker.allow_shadowing(true);
    headers::define(&mut linker)?;
    data::define(&mut linker)?;
    callouts::define(&mut linker)?;
    metrics::define(&mut linker)?;
    wasi::define(&mut linker)?;
    for import in module.imports() {
        let (space, name) = (import.module(), import.name());
        if capabilities.allow(name) {
            continue;
        }
        let Some(signature) = import.ty().func().cloned() else {
            continue;
        };
        let answer = match space {
            "env" => 10,
            _ => WASI_NOT_CAPABLE,
        };
        let text = format!("{name} is not in the capability list");
        linker.func_new(space, name, signature, move |caller, _, results| {
            caller.data().log("error", &text);
            if let Some(result) = results.first_mut() {
                *result = Val::I32(answer);
            }
            Ok(())
        })?;
    }
    Ok(linker)
}

/// What Envoy lets a guest call while it initialises, and inside its allocator (which has less).
const WHILE_INITIALISING: [&str; 9] = [
    "proxy_log",
    "fd_write",
    "clock_time_get",
    "poll_oneoff",
    "environ_get",
    "environ_sizes_get",
    "args_get",
    "args_sizes_get",
    "random_get",
];

/// Notes the call. `Some` is a forced answer.
///
/// # Errors
/// A trap: the call is forbidden in this phase.
pub(crate) fn enter(
    caller: &Caller<'_, State>,
    name: &'static str,
) -> wasmtime::Result<Option<i32>> {
    let state = caller.data();
    let is_forbidden = (state.is_allocating && !WHILE_INITIALISING[..4].contains(&name))
        || (state.export == "_initialize" && !WHILE_INITIALISING.contains(&name));
    if is_forbidden {
        return Err(wasmtime::Error::msg(format!(
            "restricted_callback: {name} called in {}{}",
            state.export,
            if state.is_allocating {
                " inside the allocator"
            } else {
                ""
            },
        )));
    }
    let mut world = state.world();
    world.import = name;
    world.trace.insert((state.export, name));
    Ok(world.forced.get(name).copied())
}

/// Runs the body of an import and turns its outcome into what the guest sees.
pub(crate) fn finish(body: impl FnOnce() -> Result<(), Stop>) -> wasmtime::Result<i32> {
    match body() {
        Ok(()) => Ok(0),
        Err(Stop::Status(status)) => Ok(status as i32),
        Err(Stop::Trap(error)) => Err(error),
    }
}
