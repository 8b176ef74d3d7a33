//! The compiled filter, once per process, and the list of what it may call. Knows where both lie in the repository.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use wasmtime::{Engine, Module};

use crate::place::trapping_module;

/// The built filter. Compiled at first use, then shared by all tests of the process.
///
/// # Panics
/// When it has not been built or does not compile.
pub fn latchkey() -> &'static Module {
    static MODULE: OnceLock<Module> = OnceLock::new();
    MODULE.get_or_init(|| {
        Module::new(&Engine::default(), latchkey_bytes()).expect("envoy/latchkey.wasm compiles")
    })
}

/// The filter built with the feature `trap`: a request with `x-latchkey-trap` ends a VM.
///
/// # Panics
/// When it has not been built or does not compile.
pub fn trapping() -> &'static Module {
    static MODULE: OnceLock<Module> = OnceLock::new();
    MODULE.get_or_init(|| {
        let path = trapping_module().unwrap_or_else(|fault| panic!("{fault}"));
        let bytes = std::fs::read(path).expect("latchkey-trap.wasm can be read");
        Module::new(&Engine::default(), bytes).expect("latchkey-trap.wasm compiles")
    })
}

/// The bytes of the built filter.
///
/// # Panics
/// When it has not been built.
pub fn latchkey_bytes() -> Vec<u8> {
    let path = repository().join("envoy/latchkey.wasm");
    std::fs::read(&path).unwrap_or_else(|error| {
        panic!("envoy/latchkey.wasm cannot be read ({error}): run `make wasm`")
    })
}

/// The callbacks, imports and WASI calls that the shipped `envoy/envoy.yaml` allows.
///
/// # Panics
/// When the file does not have the list.
pub fn shipped_capabilities() -> BTreeSet<String> {
    let path = repository().join("envoy/envoy.yaml");
    let text = std::fs::read_to_string(path).expect("envoy/envoy.yaml can be read");
    let list = text
        .lines()
        .skip_while(|line| line.trim() != "allowed_capabilities:")
        .skip(1)
        .map_while(|line| line.trim().strip_suffix(": {}").map(str::to_owned))
        .collect::<BTreeSet<_>>();
    assert!(!list.is_empty(), "envoy/envoy.yaml has a capability list");
    list
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
