//! HTTP call-outs.

use wasmtime::Linker;

use crate::host::abi::Status;
use crate::host::callout::Callout;
use crate::host::headers::HeaderMap;
use crate::host::imports::import;
use crate::host::state::{State, read, read_text, write_u32};

pub(crate) fn define(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    import!(
        linker,
        "proxy_http_call",
        |caller,
         cluster: u32,
         cluster_size: u32,
         headers: u32,
         headers_size: u32,
         body: u32,
         body_size: u32,
         _trailers: u32,
         _trailers_size: u32,
         timeout: u32,
         out_token: u32| {
            let cluster = read_text(caller, cluster, cluster_size)?;
            let headers = HeaderMap::from_pairs(&read(caller, headers, headers_size)?);
            let headers = headers.ok_or(Status::BadArgument)?;
            let body = read(caller, body, body_size)?;
            let state = caller.data_mut();
            let is_known = state
                .world()
                .clusters
                .as_ref()
                .is_none_or(|known| known.contains(&cluster));
            let is_complete = [":method", ":path", ":authority"]
                .iter()
                .all(|name| headers.get(name).is_some());
            if !is_known || !is_complete {
                return Err(Status::BadArgument.into());
            }
            // Whatever context is effective, the call belongs to the root context.
            let root = *state
                .roots
                .range(..=state.effective)
                .next_back()
                .ok_or(Status::BadArgument)?
                .0;
            state.callout_tokens += 1;
            let (vm, instance, token) = (state.vm, state.instance, state.callout_tokens);
            let mut world = state.world();
            world.sent_callouts += 1;
            let callout = Callout {
                id: world.sent_callouts,
                vm,
                cluster,
                headers,
                body,
                timeout: u64::from(timeout) * 1_000_000,
                sent_at: world.monotonic,
                instance,
                root,
                token,
            };
            world.callouts.insert(callout.id, callout);
            drop(world);
            write_u32(caller, out_token, token)
        }
    );
    Ok(())
}
