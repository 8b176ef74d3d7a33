//! Header maps, buffers, the local reply.

use wasmtime::Linker;

use crate::host::abi::{
    BUFFER_CALLOUT_BODY, BUFFER_PLUGIN_CONFIGURATION, BUFFER_VM_CONFIGURATION, Status,
};
use crate::host::headers::HeaderMap;
use crate::host::imports::import;
use crate::host::request::LocalReply;
use crate::host::state::{State, give, read};

pub(crate) fn define(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    import!(
        linker,
        "proxy_get_header_map_value",
        |caller, map: i32, name: u32, name_size: u32, out: u32, out_size: u32| {
            let name = read(caller, name, name_size)?;
            let value = caller.data_mut().map(map)?.get(name).map(<[u8]>::to_vec);
            give(caller, &value.ok_or(Status::NotFound)?, out, out_size)
        }
    );
    import!(
        linker,
        "proxy_get_header_map_pairs",
        |caller, map: i32, out: u32, out_size: u32| {
            let map = caller.data_mut().map(map)?;
            let pairs = if map.is_empty() {
                Vec::new()
            } else {
                map.to_pairs()
            };
            give(caller, &pairs, out, out_size)
        }
    );
    import!(
        linker,
        "proxy_set_header_map_pairs",
        |caller, map: i32, pairs: u32, size: u32| {
            let pairs = HeaderMap::from_pairs(&read(caller, pairs, size)?);
            *caller.data_mut().map(map)? = pairs.ok_or(Status::BadArgument)?;
            Ok(())
        }
    );
    import!(
        linker,
        "proxy_add_header_map_value",
        |caller, map: i32, name: u32, name_size: u32, value: u32, value_size: u32| {
            let (name, value) = (
                read(caller, name, name_size)?,
                read(caller, value, value_size)?,
            );
            caller.data_mut().map(map)?.add(name, value);
            Ok(())
        }
    );
    import!(
        linker,
        "proxy_replace_header_map_value",
        |caller, map: i32, name: u32, name_size: u32, value: u32, value_size: u32| {
            let (name, value) = (
                read(caller, name, name_size)?,
                read(caller, value, value_size)?,
            );
            caller.data_mut().map(map)?.replace(name, value);
            Ok(())
        }
    );
    import!(
        linker,
        "proxy_remove_header_map_value",
        |caller, map: i32, name: u32, name_size: u32| {
            let name = read(caller, name, name_size)?;
            caller.data_mut().map(map)?.remove(name);
            Ok(())
        }
    );
    import!(
        linker,
        "proxy_get_buffer_bytes",
        |caller, buffer: i32, start: u32, most: u32, out: u32, out_size: u32| {
            let state = caller.data();
            let root = state.roots.get(&state.effective);
            let bytes = match (buffer, state.export) {
                (BUFFER_CALLOUT_BODY, "proxy_on_http_call_response") => state
                    .response
                    .as_ref()
                    .map(|response| response.body.clone()),
                (BUFFER_VM_CONFIGURATION, "proxy_on_vm_start") => Some(Vec::new()),
                (BUFFER_PLUGIN_CONFIGURATION, "proxy_on_configure") => {
                    root.map(|root| root.configuration.clone())
                }
                _ => None,
            };
            let bytes = bytes.ok_or(Status::NotFound)?;
            let (start, most) = (start as usize, most as usize);
            let end = start.saturating_add(most).min(bytes.len());
            match bytes.get(start..end) {
                // The host leaves the guest's pointers alone when there is nothing to copy.
                None | Some([]) => Ok(()),
                Some(bytes) => give(caller, bytes, out, out_size),
            }
        }
    );
    import!(
        linker,
        "proxy_send_local_response",
        |caller,
         status: u32,
         details: u32,
         details_size: u32,
         body: u32,
         body_size: u32,
         headers: u32,
         headers_size: u32,
         _grpc_status: i32| {
            let headers = match headers_size {
                0 => HeaderMap::default(),
                size => HeaderMap::from_pairs(&read(caller, headers, size)?)
                    .ok_or(Status::BadArgument)?,
            };
            let reply = LocalReply {
                status: u16::try_from(status).map_err(|_| Status::BadArgument)?,
                headers,
                body: read(caller, body, body_size)?,
                details: read(caller, details, details_size)?,
            };
            let state = caller.data_mut();
            let stream = state
                .streams
                .get_mut(&state.effective)
                .ok_or(Status::BadArgument)?;
            stream.local.get_or_insert(reply);
            Ok(())
        }
    );
    Ok(())
}
