//! Metrics: numbered per VM, kept by name for the whole process.

use wasmtime::Linker;

use crate::host::abi::Status;
use crate::host::imports::import;
use crate::host::state::{State, read_text, write_u32};
use crate::host::world::Metric;

const COUNTER: i32 = 0;
const HISTOGRAM: i32 = 2;

pub(crate) fn define(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    import!(
        linker,
        "proxy_define_metric",
        |caller, kind: i32, name: u32, size: u32, out: u32| {
            if !(COUNTER..=HISTOGRAM).contains(&kind) {
                return Err(Status::BadArgument.into());
            }
            let name = read_text(caller, name, size)?;
            let state = caller.data_mut();
            let fresh = Metric { kind, value: 0 };
            state.world().metrics.entry(name.clone()).or_insert(fresh);
            state.metrics.push(name);
            let number = u32::try_from(state.metrics.len()).map_err(|_| Status::InternalFailure)?;
            write_u32(caller, out, number)
        }
    );
    import!(
        linker,
        "proxy_increment_metric",
        |caller, number: u32, offset: i64| {
            Ok(change(caller.data(), number, |metric| match metric.kind {
                HISTOGRAM => Err(Status::BadArgument),
                COUNTER if offset < 0 => Err(Status::BadArgument),
                _ => {
                    metric.value += offset;
                    Ok(())
                }
            })?)
        }
    );
    import!(
        linker,
        "proxy_record_metric",
        |caller, number: u32, value: i64| {
            Ok(change(caller.data(), number, |metric| {
                match metric.kind {
                    COUNTER => metric.value += value,
                    _ => metric.value = value,
                }
                Ok(())
            })?)
        }
    );
    import!(
        linker,
        "proxy_get_metric",
        |caller, number: u32, out: u32| {
            let mut value = 0;
            change(caller.data(), number, |metric| {
                value = metric.value;
                Ok(())
            })?;
            crate::host::state::write(caller, out, &value.to_le_bytes())
        }
    );
    Ok(())
}

fn change(
    state: &State,
    number: u32,
    change: impl FnOnce(&mut Metric) -> Result<(), Status>,
) -> Result<(), Status> {
    let at = (number as usize)
        .checked_sub(1)
        .ok_or(Status::BadArgument)?;
    let name = state.metrics.get(at).ok_or(Status::BadArgument)?;
    let mut world = state.world();
    change(world.metrics.get_mut(name).ok_or(Status::BadArgument)?)
}
