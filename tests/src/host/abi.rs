//! Numbers of the proxy-wasm ABI 0.2.1. Knows no wasmtime and no state.

/// What a host call answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Done.
    Ok = 0,
    /// There is no such thing.
    NotFound = 1,
    /// An argument is wrong, or the call does not fit the moment.
    BadArgument = 2,
    /// Data could not be written.
    SerializationFailure = 3,
    /// Data could not be read.
    ParseFailure = 4,
    /// A pointer leads out of the guest's memory.
    InvalidMemoryAccess = 6,
    /// Nothing there.
    Empty = 7,
    /// Another writer was first.
    CasMismatch = 8,
    /// Everything else, a call outside the capability list included.
    InternalFailure = 10,
}

impl Status {
    /// Every status that the ABI has, and two that it does not have (5 and 99).
    pub const ODD: [i32; 10] = [1, 2, 3, 4, 5, 6, 7, 8, 10, 99];
}

/// The port at which all requests come in, as the property `destination.port` tells it.
pub const OWN_PORT: u16 = 8000;

/// `errno` of WASI for a call outside the capability list (`ENOTCAPABLE`).
pub(crate) const WASI_NOT_CAPABLE: i32 = 76;
/// `errno` of WASI for an argument out of range.
pub(crate) const WASI_INVALID: i32 = 28;
/// `errno` of WASI for what Envoy does not offer.
pub(crate) const WASI_NOT_SUPPORTED: i32 = 58;

/// What `proxy_on_request_headers` and `proxy_on_request_trailers` answer.
pub(crate) const ACTION_CONTINUE: i32 = 0;

pub(crate) const BUFFER_CALLOUT_BODY: i32 = 4;
pub(crate) const BUFFER_VM_CONFIGURATION: i32 = 6;
pub(crate) const BUFFER_PLUGIN_CONFIGURATION: i32 = 7;

pub(crate) const MAP_REQUEST_HEADERS: i32 = 0;
pub(crate) const MAP_REQUEST_TRAILERS: i32 = 1;
pub(crate) const MAP_CALLOUT_HEADERS: i32 = 6;
pub(crate) const MAP_CALLOUT_TRAILERS: i32 = 7;

/// How a host call ends when it does not succeed.
pub(crate) enum Stop {
    /// The guest is told.
    Status(Status),
    /// The guest is stopped.
    Trap(wasmtime::Error),
}

impl From<Status> for Stop {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

impl From<wasmtime::Error> for Stop {
    fn from(error: wasmtime::Error) -> Self {
        Self::Trap(error)
    }
}
