//! The part of WASI preview 1 that Envoy offers. Answers are `errno` values, 0 is success.

use wasmtime::{Caller, Linker};

use crate::host::abi::{Stop, WASI_INVALID, WASI_NOT_SUPPORTED};
use crate::host::imports::enter;
use crate::host::state::{State, read, read_text, write, write_u32};

const WASI: &str = "wasi_snapshot_preview1";

/// Defines one call of WASI: its body ends with the `errno` to answer.
macro_rules! wasi {
    ($linker:ident, $name:literal, |$caller:ident $(, $arg:ident: $type:ty)*| $body:block) => {
        $linker.func_wrap(
            WASI,
            $name,
            |mut caller: Caller<'_, State> $(, $arg: $type)*| -> wasmtime::Result<i32> {
                if let Some(errno) = enter(&caller, $name)? {
                    return Ok(errno);
                }
                let $caller = &mut caller;
                finish(|| $body)
            },
        )?;
    };
}

pub(crate) fn define(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasi!(
        linker,
        "environ_sizes_get",
        |caller, out_count: u32, out_size: u32| {
            let entries = environment(caller.data());
            let size = entries.iter().map(Vec::len).sum::<usize>();
            write_u32(caller, out_count, small(entries.len()))?;
            write_u32(caller, out_size, small(size))?;
            Ok(0)
        }
    );
    wasi!(
        linker,
        "environ_get",
        |caller, out_places: u32, out_bytes: u32| {
            let (mut place, mut at) = (out_places, out_bytes);
            for entry in environment(caller.data()) {
                write_u32(caller, place, at)?;
                write(caller, at, &entry)?;
                place += 4;
                at += small(entry.len());
            }
            Ok(0)
        }
    );
    wasi!(linker, "random_get", |caller, at: u32, size: u32| {
        if size > 65_536 {
            return Ok(WASI_INVALID);
        }
        let bytes = caller.data().world().random.draw(size as usize);
        write(caller, at, &bytes)?;
        Ok(0)
    });
    wasi!(
        linker,
        "clock_time_get",
        |caller, clock: i32, _precision: i64, out: u32| {
            let time = match clock {
                0 => caller.data().world().wall,
                1 => caller.data().world().monotonic,
                _ => return Ok(WASI_NOT_SUPPORTED),
            };
            write(caller, out, &time.to_le_bytes())?;
            Ok(0)
        }
    );
    wasi!(
        linker,
        "fd_write",
        |caller, file: i32, vectors: u32, count: u32, out_size: u32| {
            let level = match file {
                1 => "info",
                2 => "error",
                _ => return Ok(8), // EBADF
            };
            let mut text = String::new();
            for vector in 0..count {
                let pair = read(caller, vectors + 8 * vector, 8)?;
                let number = |at: usize| {
                    u32::from_le_bytes([pair[at], pair[at + 1], pair[at + 2], pair[at + 3]])
                };
                text += &read_text(caller, number(0), number(4))?;
            }
            caller.data().log(level, text.trim_end());
            write_u32(caller, out_size, small(text.len()))?;
            Ok(0)
        }
    );
    linker.func_wrap(WASI, "proc_exit", |code: i32| -> wasmtime::Result<()> {
        Err(wasmtime::Error::msg(format!("proc_exit({code})")))
    })?;
    wasi!(linker, "sched_yield", |_caller| { Ok(0) });
    Ok(())
}

fn finish(body: impl FnOnce() -> Result<i32, Stop>) -> wasmtime::Result<i32> {
    match body() {
        Ok(errno) => Ok(errno),
        Err(Stop::Status(_)) => Ok(21), // EFAULT
        Err(Stop::Trap(error)) => Err(error),
    }
}

/// `NAME=value` with a zero byte behind it.
fn environment(state: &State) -> Vec<Vec<u8>> {
    let world = state.world();
    let entries = world.environment.iter();
    entries
        .map(|(name, value)| format!("{name}={value}\0").into_bytes())
        .collect()
}

fn small(size: usize) -> u32 {
    u32::try_from(size).expect("far below 4 GiB")
}
