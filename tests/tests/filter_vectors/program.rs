//! A wasm program with a `main`, run to its end: as much of WASI preview 1 as a test harness asks for.

use std::process::Command;

use tests::place::root;
use wasmtime::{Caller, Engine, Extern, Linker, Module, Store};

const WASI: &str = "wasi_snapshot_preview1";
const BAD_FILE: i32 = 8;

/// What it has written, and the code that it has ended with.
#[derive(Default)]
struct State {
    output: Vec<u8>,
    code: Option<i32>,
}

/// The bytes of the program that `tools/vectors` builds.
pub(crate) fn vectors() -> Vec<u8> {
    let built = Command::new(root().join("tools/vectors"))
        .output()
        .expect("tools/vectors runs");
    let error = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "tools/vectors failed: {error}");
    let path = String::from_utf8(built.stdout).expect("a path");
    std::fs::read(path.trim()).unwrap_or_else(|cause| panic!("{path}: {cause}"))
}

/// Runs it, demands that it ends with 0, and gives what it wrote.
pub(crate) fn run(module: &[u8]) -> String {
    let engine = Engine::default();
    let module = Module::new(&engine, module).expect("a module");
    let mut linker = Linker::new(&engine);
    define(&mut linker).expect("different names");
    // Files: there are none.
    linker
        .define_unknown_imports_as_traps(&module)
        .expect("functions");
    let mut store = Store::new(&engine, State::default());
    let instance = linker
        .instantiate(&mut store, &module)
        .expect("all imports");
    let start = instance
        .get_typed_func::<(), ()>(&mut store, "_start")
        .expect("a program");
    let end = start.call(&mut store, ());
    let State { output, code } = store.into_data();
    let output = String::from_utf8_lossy(&output).into_owned();
    assert!(
        code.unwrap_or(0) == 0 && (code.is_some() || end.is_ok()),
        "{end:?}\n{output}"
    );
    output
}

type Call<'a> = Caller<'a, State>;

fn define(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    for name in ["args_sizes_get", "environ_sizes_get"] {
        linker.func_wrap(WASI, name, |mut call: Call<'_>, count: u32, size: u32| {
            write(&mut call, count, &[0; 4]);
            write(&mut call, size, &[0; 4]);
            0
        })?;
    }
    for name in ["args_get", "environ_get"] {
        linker.func_wrap(WASI, name, |_: Call<'_>, _: u32, _: u32| 0)?;
    }
    linker.func_wrap(
        WASI,
        "random_get",
        |mut call: Call<'_>, at: u32, size: u32| {
            write(&mut call, at, &vec![7; size as usize]);
            0
        },
    )?;
    linker.func_wrap(
        WASI,
        "clock_time_get",
        |mut call: Call<'_>, _: u32, _: u64, at: u32| {
            write(&mut call, at, &[0; 8]);
            0
        },
    )?;
    linker.func_wrap(
        WASI,
        "fd_write",
        |mut call: Call<'_>, _: u32, vectors: u32, count: u32, size: u32| {
            let mut text = Vec::new();
            for vector in 0..count {
                let pair = read(&mut call, vectors + 8 * vector, 8);
                let number = |at: usize| {
                    u32::from_le_bytes([pair[at], pair[at + 1], pair[at + 2], pair[at + 3]])
                };
                text.extend(read(&mut call, number(0), number(4)));
            }
            let written = u32::try_from(text.len()).expect("far below 4 GiB");
            call.data_mut().output.extend(text);
            write(&mut call, size, &written.to_le_bytes());
            0
        },
    )?;
    for name in ["fd_prestat_get", "fd_fdstat_get"] {
        linker.func_wrap(WASI, name, |_: Call<'_>, _: u32, _: u32| BAD_FILE)?;
    }
    linker.func_wrap(WASI, "sched_yield", |_: Call<'_>| 0)?;
    linker.func_wrap(
        WASI,
        "proc_exit",
        |mut call: Call<'_>, code: i32| -> wasmtime::Result<()> {
            call.data_mut().code = Some(code);
            Err(wasmtime::Error::msg("the program has ended"))
        },
    )?;
    Ok(())
}

fn memory(call: &mut Call<'_>) -> wasmtime::Memory {
    call.get_export("memory")
        .and_then(Extern::into_memory)
        .expect("a memory")
}

fn write(call: &mut Call<'_>, at: u32, bytes: &[u8]) {
    memory(call)
        .write(call, at as usize, bytes)
        .expect("within the memory");
}

fn read(call: &mut Call<'_>, at: u32, size: u32) -> Vec<u8> {
    let mut bytes = vec![0; size as usize];
    memory(call)
        .read(call, at as usize, &mut bytes)
        .expect("within the memory");
    bytes
}
