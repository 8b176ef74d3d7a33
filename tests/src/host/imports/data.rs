//! Shared data, time, ticks, contexts, logs and foreign functions.

use wasmtime::Linker;

use crate::host::abi::{OWN_PORT, Status};
use crate::host::crypto::{failure, verify_signature};
use crate::host::imports::import;
use crate::host::shared_data::Access;
use crate::host::state::{State, give, read, read_text, write, write_u32};

pub(crate) fn define(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    import!(
        linker,
        "proxy_log",
        |caller, level: u32, text: u32, size: u32| {
            let text = read_text(caller, text, size)?;
            let names = ["trace", "debug", "info", "warn", "error", "critical"];
            let level = names.get(level as usize).ok_or(Status::BadArgument)?;
            caller.data().log(level, &text);
            Ok(())
        }
    );
    import!(linker, "proxy_get_log_level", |caller, out: u32| {
        write_u32(caller, out, 2)
    });
    import!(
        linker,
        "proxy_get_current_time_nanoseconds",
        |caller, out: u32| {
            let wall = caller.data().world().wall;
            write(caller, out, &wall.to_le_bytes())
        }
    );
    import!(
        linker,
        "proxy_set_tick_period_milliseconds",
        |caller, period: u32| {
            let state = caller.data_mut();
            let now = state.world().monotonic;
            let root = state
                .roots
                .get_mut(&state.effective)
                .ok_or(Status::BadArgument)?;
            root.tick_period = u64::from(period) * 1_000_000;
            root.next_tick = now + root.tick_period;
            Ok(())
        }
    );
    import!(
        linker,
        "proxy_set_effective_context",
        |caller, context: u32| {
            let state = caller.data_mut();
            if !state.roots.contains_key(&context) && !state.streams.contains_key(&context) {
                return Err(Status::BadArgument.into());
            }
            state.effective = context;
            Ok(())
        }
    );
    import!(linker, "proxy_done", |_caller| { Ok(()) });
    import!(linker, "proxy_continue_stream", |_caller, _kind: i32| {
        Ok(())
    });
    import!(
        linker,
        "proxy_get_property",
        |caller, path: u32, size: u32, out: u32, out_size: u32| {
            let path = read(caller, path, size)?;
            if path.strip_suffix(b"\0").unwrap_or(&path) != b"destination\0port" {
                return Err(Status::NotFound.into());
            }
            give(caller, &i64::from(OWN_PORT).to_le_bytes(), out, out_size)
        }
    );
    import!(
        linker,
        "proxy_get_shared_data",
        |caller, key: u32, size: u32, out: u32, out_size: u32, out_cas: u32| {
            let key = read(caller, key, size)?;
            let found = {
                let data = &mut caller.data().world().shared_data;
                data.about_to(Access::Get(&key));
                data.get(&key).map(|(value, cas)| (value.to_vec(), cas))
            };
            let (value, cas) = found.ok_or(Status::NotFound)?;
            give(caller, &value, out, out_size)?;
            write_u32(caller, out_cas, cas)
        }
    );
    import!(
        linker,
        "proxy_set_shared_data",
        |caller, key: u32, size: u32, value: u32, value_size: u32, cas: u32| {
            let (key, value) = (read(caller, key, size)?, read(caller, value, value_size)?);
            let data = &mut caller.data().world().shared_data;
            data.about_to(Access::Set(&key));
            Ok(data.set(&key, &value, cas)?)
        }
    );
    import!(
        linker,
        "proxy_call_foreign_function",
        |caller,
         name: u32,
         size: u32,
         arguments: u32,
         arguments_size: u32,
         out: u32,
         out_size: u32| {
            let (name, arguments) = (
                read(caller, name, size)?,
                read(caller, arguments, arguments_size)?,
            );
            let is_there = caller.data().world().has_verify_signature;
            if name != b"verify_signature" || !is_there {
                return Err(Status::NotFound.into());
            }
            caller.data().world().native_checks += 1;
            let refuses = caller.data().world().refuses_signatures;
            let result = verify_signature(&arguments).ok_or(Status::BadArgument)?;
            let result = if refuses {
                failure("Failed to verify signature.")
            } else {
                result
            };
            give(caller, &result, out, out_size)
        }
    );
    Ok(())
}
