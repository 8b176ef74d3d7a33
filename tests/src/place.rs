//! Where the parts of the stack are: in the checkout, beside the running program, or where the environment says.

use std::env;
use std::path::{Path, PathBuf};

use crate::fault::Fault;

/// The repository root. Envoy runs in it, because the shipped configuration names the module relative to it.
pub fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_owned()
}

/// The program `name` of this workspace, built beside the one that runs.
///
/// # Errors
/// When it was not built.
pub fn program(name: &str) -> Result<PathBuf, Fault> {
    let running = env::current_exe().map_err(Fault::while_doing("the running program"))?;
    // Test programs lie one folder deeper, in `deps`.
    running
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .ok_or_else(|| {
            Fault::new(format!(
                "the program {name} is missing; run: cargo build --workspace --bins"
            ))
        })
}

/// The same, as operators run it: built with `--release`.
///
/// # Errors
/// When it was not built.
pub fn optimised_program(name: &str) -> Result<PathBuf, Fault> {
    let running = env::current_exe().map_err(Fault::while_doing("the running program"))?;
    running
        .ancestors()
        .map(|folder| folder.join("release").join(name))
        .find(|path| path.is_file())
        .ok_or_else(|| {
            Fault::new(format!(
                "the optimised {name} is missing; run: cargo build --release --package companion --bins"
            ))
        })
}

/// The companion as operators run it, where it has been built like that, or else the one beside the program that runs; and the name of
/// the build.
///
/// # Errors
/// When neither was built.
pub fn companion() -> Result<(&'static str, PathBuf), Fault> {
    match optimised_program("latchkey") {
        Ok(program) => Ok(("optimised", program)),
        Err(_) => Ok(("debug", program("latchkey")?)),
    }
}

/// The module that traps on demand, in the folder that cargo builds into.
///
/// # Errors
/// When it was not built.
pub fn trapping_module() -> Result<PathBuf, Fault> {
    let running = env::current_exe().map_err(Fault::while_doing("the running program"))?;
    running
        .ancestors()
        .map(|folder| folder.join("latchkey-trap.wasm"))
        .find(|path| path.is_file())
        .ok_or_else(|| Fault::new("target/latchkey-trap.wasm is missing; run: tools/wasm --trap"))
}

/// Envoy 1.40: the one that `ENVOY` names, or the one that the Makefile gets.
///
/// # Errors
/// When there is none.
pub fn envoy() -> Result<PathBuf, Fault> {
    let path = match env::var_os("ENVOY").filter(|path| !path.is_empty()) {
        Some(path) => PathBuf::from(path),
        None => root().join(".tools/envoy"),
    };
    if path.is_file() {
        return Ok(path);
    }
    let path = path.display();
    Err(Fault::new(format!(
        "there is no Envoy at {path}; run: make .tools/envoy"
    )))
}

/// The Python with the packages of `tools/requirements.txt`.
///
/// # Errors
/// When there is none.
pub fn python() -> Result<PathBuf, Fault> {
    let path = root().join(".tools/python/bin/python");
    if path.is_file() {
        return Ok(path);
    }
    let path = path.display();
    Err(Fault::new(format!(
        "there is no Python at {path}; run: make .tools/python/requirements.txt"
    )))
}

/// The folder of PostgreSQL's server programs: the one that `POSTGRES` names, or the one that the Makefile gets.
///
/// # Errors
/// When there is none.
pub fn postgres() -> Result<PathBuf, Fault> {
    let path = match env::var_os("POSTGRES").filter(|path| !path.is_empty()) {
        Some(path) => PathBuf::from(path),
        None => root().join(".tools/postgres"),
    };
    let is_there = |name: &str| path.join(name).is_file();
    if is_there("initdb") && is_there("postgres") {
        return path
            .canonicalize()
            .map_err(Fault::while_doing(path.display()));
    }
    let path = path.display();
    Err(Fault::new(format!(
        "there is no PostgreSQL at {path}; run: make .tools/postgres"
    )))
}

/// strace.
///
/// # Errors
/// When there is none.
pub fn strace() -> Result<PathBuf, Fault> {
    fetched("strace")
}

/// The library that gives a program another wall clock.
///
/// # Errors
/// When there is none.
pub fn fake_clock() -> Result<PathBuf, Fault> {
    fetched("libfaketime.so.1")
}

fn fetched(name: &str) -> Result<PathBuf, Fault> {
    let path = root().join(".tools").join(name);
    if path.is_file() {
        return Ok(path);
    }
    let path = path.display();
    Err(Fault::new(format!(
        "there is no {name} at {path}; run: make .tools/{name}"
    )))
}

/// The shipped configuration, once the module that it loads is there.
///
/// # Errors
/// When one of the two is missing.
pub fn shipped_configuration() -> Result<String, Fault> {
    if !root().join("envoy/latchkey.wasm").is_file() {
        return Err(Fault::new("envoy/latchkey.wasm is missing; run: make wasm"));
    }
    let path = root().join("envoy/envoy.yaml");
    std::fs::read_to_string(&path).map_err(Fault::while_doing(path.display()))
}

/// The same, but a gate is stale after so many seconds.
///
/// # Errors
/// As [`shipped_configuration`], and when it has no one place for that.
pub fn impatient_configuration(seconds: u64) -> Result<String, Fault> {
    let shipped = shipped_configuration()?;
    let anchor = "\"identity_headers\": {";
    if shipped.matches(anchor).count() != 1 {
        return Err(Fault::new("envoy.yaml has not one place for max_staleness"));
    }
    let staleness = format!("\"max_staleness\": \"{seconds}s\",\n                      {anchor}");
    Ok(shipped.replace(anchor, &staleness))
}
