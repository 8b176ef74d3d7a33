//! The host calls of ABI 0.2.1 and, in `wasi`, the few of WASI that the filter needs.
//!
//! Bytes in, bytes out, and every status is an answer: none is unwrapped, because a client, a companion or a host could choose it.

#![expect(unsafe_code, reason = "host calls take raw pointers")]

mod calls;
mod wasi;

pub(super) use calls::{Foreign, foreign_function, http_call};
pub(super) use wasi::{MONOTONIC, WALL, environment_variable, nanoseconds, random};

/// `proxy_header_map_type_t` of the ABI.
pub(super) const REQUEST_HEADERS: u32 = 0;
/// See [`REQUEST_HEADERS`].
pub(super) const REQUEST_TRAILERS: u32 = 1;
const RESPONSE_OF_CALL: u32 = 6;
/// `proxy_buffer_type_t` of the ABI.
pub(super) const BODY_OF_CALL: u32 = 4;
const PLUGIN_CONFIGURATION: u32 = 7;
const OK: u32 = 0;
const NOT_FOUND: u32 = 1;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_get_header_map_value(
        map: u32,
        key: *const u8,
        key_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_replace_header_map_value(
        map: u32,
        key: *const u8,
        key_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_remove_header_map_value(map: u32, key: *const u8, key_size: usize) -> u32;
    fn proxy_get_property(
        path: *const u8,
        path_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_get_shared_data(
        key: *const u8,
        key_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
        cas: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(
        key: *const u8,
        key_size: usize,
        value: *const u8,
        value_size: usize,
        cas: u32,
    ) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc_status: i32,
    ) -> u32;
    fn proxy_log(level: u32, text: *const u8, size: usize) -> u32;
    fn proxy_get_buffer_bytes(
        buffer: u32,
        start: usize,
        length: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, size: usize, id: *mut u32) -> u32;
    fn proxy_increment_metric(id: u32, offset: i64) -> u32;
    fn proxy_record_metric(id: u32, value: u64) -> u32;
}

/// A read of shared data as the host answered it.
pub(super) enum Shared {
    Missing,
    Value(Vec<u8>, u32),
    Failed,
}

/// Levels of Envoy's log.
#[derive(Clone, Copy)]
pub(super) enum Level {
    Info = 2,
    Warning = 3,
    Error = 4,
    Critical = 5,
}

/// All request headers as the host writes maps, repeats as they came; `None` when it would not say.
pub(super) fn request_headers() -> Option<Vec<u8>> {
    pairs(REQUEST_HEADERS)
}

/// The same of the request's trailers.
pub(super) fn request_trailers() -> Option<Vec<u8>> {
    pairs(REQUEST_TRAILERS)
}

/// A header of the answer to a call; the call must have had an answer.
pub(super) fn response_header(name: &str) -> Option<Vec<u8>> {
    let (mut data, mut size) = (std::ptr::null_mut(), 0);
    // SAFETY: the pointers live through the call; the host fills them or leaves them.
    let status = unsafe {
        proxy_get_header_map_value(
            RESPONSE_OF_CALL,
            name.as_ptr(),
            name.len(),
            &raw mut data,
            &raw mut size,
        )
    };
    (status == OK).then(|| take(data, size))
}

/// Sets a request header, replacing every value that it has.
pub(super) fn replace_header(name: &str, value: &[u8]) -> bool {
    // SAFETY: the host copies both slices during the call.
    let status = unsafe {
        proxy_replace_header_map_value(
            REQUEST_HEADERS,
            name.as_ptr(),
            name.len(),
            value.as_ptr(),
            value.len(),
        )
    };
    status == OK
}

/// Removes every value of a header.
pub(super) fn remove_header(map: u32, name: &[u8]) -> bool {
    // SAFETY: the host copies the slice during the call.
    let status = unsafe { proxy_remove_header_map_value(map, name.as_ptr(), name.len()) };
    status == OK
}

/// A property of the request that is being looked at; `None` when the host does not tell it.
pub(super) fn property(path: &[u8]) -> Option<Vec<u8>> {
    let (mut data, mut size) = (std::ptr::null_mut(), 0);
    // SAFETY: the host copies the path during the call; the pointers live through it, and the host fills them or leaves them.
    let status =
        unsafe { proxy_get_property(path.as_ptr(), path.len(), &raw mut data, &raw mut size) };
    (status == OK).then(|| take(data, size))
}

/// Reads one value of shared data.
pub(super) fn shared_data(key: &str) -> Shared {
    let (mut data, mut size, mut cas) = (std::ptr::null_mut(), 0, 0);
    // SAFETY: the pointers live through the call; the host fills them or leaves them.
    let status = unsafe {
        proxy_get_shared_data(
            key.as_ptr(),
            key.len(),
            &raw mut data,
            &raw mut size,
            &raw mut cas,
        )
    };
    match status {
        OK => Shared::Value(take(data, size), cas),
        NOT_FOUND => Shared::Missing,
        _ => Shared::Failed,
    }
}

/// Writes one value; `cas` 0 does not ask.
pub(super) fn set_shared_data(key: &str, value: &[u8], cas: u32) -> bool {
    // SAFETY: the host copies both slices during the call.
    let status =
        unsafe { proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas) };
    status == OK
}

/// Answers the request here.
pub(super) fn send_local_response(status: u16, details: &str, headers: &[u8], body: &str) -> bool {
    // SAFETY: the host copies all slices during the call.
    let sent = unsafe {
        proxy_send_local_response(
            status.into(),
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            -1,
        )
    };
    sent == OK
}

/// Writes a line to Envoy's log. Where even that fails there is nobody left to tell.
pub(super) fn log(level: Level, text: &str) {
    // SAFETY: the host copies the slice during the call.
    unsafe { proxy_log(level as u32, text.as_ptr(), text.len()) };
}

/// The configuration of the plugin, which has that size; `None` when the host does not give all of it.
pub(super) fn plugin_configuration(size: usize) -> Option<Vec<u8>> {
    if size == 0 {
        return Some(Vec::new());
    }
    buffer(PLUGIN_CONFIGURATION, size).filter(|bytes| bytes.len() == size)
}

/// At most `length` bytes of a buffer; `None` when there is no such buffer.
pub(super) fn buffer(buffer: u32, length: usize) -> Option<Vec<u8>> {
    let (mut data, mut size) = (std::ptr::null_mut(), 0);
    // SAFETY: the pointers live through the call; the host fills them or leaves them.
    let status = unsafe { proxy_get_buffer_bytes(buffer, 0, length, &raw mut data, &raw mut size) };
    (status == OK).then(|| take(data, size))
}

/// Asks for ticks.
pub(super) fn set_tick_period(milliseconds: u32) -> bool {
    // SAFETY: numbers only.
    unsafe { proxy_set_tick_period_milliseconds(milliseconds) == OK }
}

/// Declares a metric; counter 0, gauge 1.
pub(super) fn define_metric(kind: u32, name: &str) -> Option<u32> {
    let mut id = 0;
    // SAFETY: the host copies the slice during the call, and the pointer lives through it.
    let status = unsafe { proxy_define_metric(kind, name.as_ptr(), name.len(), &raw mut id) };
    (status == OK).then_some(id)
}

/// Moves a counter. One that cannot be moved is no reason to refuse a request.
pub(super) fn increment_metric(id: u32, offset: i64) {
    // SAFETY: numbers only.
    unsafe { proxy_increment_metric(id, offset) };
}

/// Sets a gauge; see [`increment_metric`].
pub(super) fn record_metric(id: u32, value: u64) {
    // SAFETY: numbers only.
    unsafe { proxy_record_metric(id, value) };
}

fn pairs(map: u32) -> Option<Vec<u8>> {
    let (mut data, mut size) = (std::ptr::null_mut(), 0);
    // SAFETY: the pointers live through the call; the host fills them or leaves them.
    let status = unsafe { proxy_get_header_map_pairs(map, &raw mut data, &raw mut size) };
    (status == OK).then(|| take(data, size))
}

/// Takes over a buffer that the host had allocated in this module.
fn take(data: *mut u8, size: usize) -> Vec<u8> {
    if data.is_null() || size == 0 {
        return Vec::new();
    }
    // SAFETY: the host got `size` bytes from `proxy_on_memory_allocate`, which gives away a boxed slice of exactly that size.
    let boxed = unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(data, size)) };
    boxed.into_vec()
}
