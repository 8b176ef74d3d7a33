//! What one VM's host calls look at: its contexts, the message at hand, its view of the process. Lives in the wasmtime store.

use std::cell::{RefCell, RefMut};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use wasmtime::{Caller, Memory, TypedFunc};

use crate::host::CANARY;
use crate::host::abi::{
    MAP_CALLOUT_HEADERS, MAP_CALLOUT_TRAILERS, MAP_REQUEST_HEADERS, MAP_REQUEST_TRAILERS, Status,
    Stop,
};
use crate::host::callout::Response;
use crate::host::headers::HeaderMap;
use crate::host::hostile::Returned;
use crate::host::request::LocalReply;
use crate::host::world::World;

pub(crate) struct State {
    pub(crate) world: Rc<RefCell<World>>,
    /// Which VM of the process this is; names it in logs and call-outs.
    pub(crate) vm: usize,
    /// Never the same for two VMs of a process, also when one replaced the other.
    pub(crate) instance: u64,
    pub(crate) memory: Option<Memory>,
    pub(crate) allocate: Option<TypedFunc<u32, u32>>,
    pub(crate) contexts: u32,
    pub(crate) roots: BTreeMap<u32, Root>,
    pub(crate) streams: BTreeMap<u32, Stream>,
    pub(crate) effective: u32,
    /// The answer to a call-out, during its callback only.
    pub(crate) response: Option<Response>,
    pub(crate) callout_tokens: u32,
    pub(crate) metrics: Vec<String>,
    /// The export that runs; names the phase.
    pub(crate) export: &'static str,
    pub(crate) is_allocating: bool,
}

/// One root context: one configuration of the plugin.
pub(crate) struct Root {
    pub(crate) configuration: Vec<u8>,
    /// Nanoseconds; 0 is off.
    pub(crate) tick_period: u64,
    /// On the monotonic clock, in nanoseconds.
    pub(crate) next_tick: u64,
}

/// One request.
#[derive(Default)]
pub(crate) struct Stream {
    pub(crate) headers: HeaderMap,
    pub(crate) trailers: HeaderMap,
    pub(crate) local: Option<LocalReply>,
}

impl State {
    pub(crate) fn new(world: Rc<RefCell<World>>, vm: usize, instance: u64) -> Self {
        Self {
            world,
            vm,
            instance,
            memory: None,
            allocate: None,
            contexts: 0,
            roots: BTreeMap::new(),
            streams: BTreeMap::new(),
            effective: 0,
            response: None,
            callout_tokens: 0,
            metrics: Vec::new(),
            export: "_start",
            is_allocating: false,
        }
    }

    pub(crate) fn world(&self) -> RefMut<'_, World> {
        self.world.borrow_mut()
    }

    pub(crate) fn next_context(&mut self) -> u32 {
        self.contexts += 1;
        self.contexts
    }

    pub(crate) fn log(&self, level: &str, text: &str) {
        let line = match self.vm {
            CANARY => format!("[{level}] canary: {text}"),
            place => format!("[{level}] vm {place}: {text}"),
        };
        self.world().logs.push(line);
    }

    /// The map of that number. Only the message at hand is there: everything else is BadArgument.
    pub(crate) fn map(&mut self, number: i32) -> Result<&mut HeaderMap, Status> {
        let is_callout = self.export == "proxy_on_http_call_response";
        let response = self.response.as_mut().filter(|_| is_callout);
        let map = match number {
            MAP_REQUEST_HEADERS => {
                let stream = self.streams.get_mut(&self.effective);
                stream.map(|stream| &mut stream.headers)
            }
            MAP_REQUEST_TRAILERS if self.export == "proxy_on_request_trailers" => {
                let stream = self.streams.get_mut(&self.effective);
                stream.map(|stream| &mut stream.trailers)
            }
            // After a failed call-out there are none (measured on Envoy: BadArgument).
            MAP_CALLOUT_HEADERS => response
                .map(|response| &mut response.headers)
                .filter(|headers| !headers.is_empty()),
            MAP_CALLOUT_TRAILERS => response.map(|response| &mut response.trailers),
            _ => None,
        };
        map.ok_or(Status::BadArgument)
    }
}

/// The capability list of a configuration: everything, or these names.
#[derive(Clone, Default)]
pub(crate) struct Capabilities(pub(crate) Option<BTreeSet<String>>);

impl Capabilities {
    pub(crate) fn allow(&self, name: &str) -> bool {
        self.0.as_ref().is_none_or(|names| names.contains(name))
    }
}

pub(crate) fn read(caller: &Caller<'_, State>, at: u32, size: u32) -> Result<Vec<u8>, Stop> {
    let memory = caller.data().memory.ok_or(Status::InvalidMemoryAccess)?;
    let (at, size) = (place(at), place(size));
    let bytes = memory.data(caller).get(at..at + size);
    Ok(bytes.ok_or(Status::InvalidMemoryAccess)?.to_vec())
}

pub(crate) fn read_text(caller: &Caller<'_, State>, at: u32, size: u32) -> Result<String, Stop> {
    Ok(String::from_utf8_lossy(&read(caller, at, size)?).into_owned())
}

pub(crate) fn write(caller: &mut Caller<'_, State>, at: u32, bytes: &[u8]) -> Result<(), Stop> {
    let memory = caller.data().memory.ok_or(Status::InvalidMemoryAccess)?;
    let written = memory.write(caller, place(at), bytes);
    Ok(written.map_err(|_| Status::InvalidMemoryAccess)?)
}

pub(crate) fn write_u32(caller: &mut Caller<'_, State>, at: u32, value: u32) -> Result<(), Stop> {
    write(caller, at, &value.to_le_bytes())
}

/// Returns data in memory that the guest allocates and owns. Without data: a null pointer, and no allocation.
pub(crate) fn give(
    caller: &mut Caller<'_, State>,
    bytes: &[u8],
    out_at: u32,
    out_size: u32,
) -> Result<(), Stop> {
    let returned = {
        let world = caller.data().world();
        world.returned.get(world.import).cloned()
    };
    let bytes = match &returned {
        Some(Returned::Bytes(bytes)) => bytes,
        _ => bytes,
    };
    let mut size = u32::try_from(bytes.len()).map_err(|_| Status::InternalFailure)?;
    let mut at = 0;
    if size > 0 {
        let allocate = caller.data().allocate.clone();
        let allocate = allocate.ok_or(Status::InvalidMemoryAccess)?;
        caller.data_mut().is_allocating = true;
        let allocated = allocate.call(&mut *caller, size);
        caller.data_mut().is_allocating = false;
        at = allocated?;
        if at == 0 {
            return Err(Status::InvalidMemoryAccess.into());
        }
        write(caller, at, bytes)?;
    }
    match returned {
        Some(Returned::NoPointer) => at = 0,
        Some(Returned::NoSize) => size = 0,
        _ => {}
    }
    write_u32(caller, out_at, at)?;
    write_u32(caller, out_size, size)
}

fn place(number: u32) -> usize {
    usize::try_from(number).expect("a 64-bit machine")
}
