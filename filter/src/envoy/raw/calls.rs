//! Calls that leave the VM: to a cluster, and to functions that the host may have.

use std::time::Duration;

use super::{NOT_FOUND, OK, take};

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_http_call(
        cluster: *const u8,
        cluster_size: usize,
        headers: *const u8,
        headers_size: usize,
        body: *const u8,
        body_size: usize,
        trailers: *const u8,
        trailers_size: usize,
        timeout: u32,
        id: *mut u32,
    ) -> u32;
    fn proxy_call_foreign_function(
        name: *const u8,
        name_size: usize,
        arguments: *const u8,
        arguments_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
}

/// What became of a call to a function of the host.
pub(in super::super) enum Foreign {
    Answer(Vec<u8>),
    /// The host does not have it.
    Missing,
    Failed,
}

/// Sends a request without body to a cluster and answers the number of the call. `None`: it was not sent, nothing will come of it.
pub(in super::super) fn http_call(cluster: &str, headers: &[u8], timeout: Duration) -> Option<u32> {
    let (nothing, mut id) = ([], 0);
    let timeout = u32::try_from(timeout.as_millis()).ok()?;
    // SAFETY: the host copies all slices during the call, and the pointer lives through it.
    let status = unsafe {
        proxy_http_call(
            cluster.as_ptr(),
            cluster.len(),
            headers.as_ptr(),
            headers.len(),
            nothing.as_ptr(),
            0,
            nothing.as_ptr(),
            0,
            timeout,
            &raw mut id,
        )
    };
    (status == OK).then_some(id)
}

/// Calls a function that the host may have.
pub(in super::super) fn foreign_function(name: &str, arguments: &[u8]) -> Foreign {
    let (mut data, mut size) = (std::ptr::null_mut(), 0);
    // SAFETY: the host copies the slices during the call; the pointers live through it, and the host fills them or leaves them.
    let status = unsafe {
        proxy_call_foreign_function(
            name.as_ptr(),
            name.len(),
            arguments.as_ptr(),
            arguments.len(),
            &raw mut data,
            &raw mut size,
        )
    };
    match status {
        OK => Foreign::Answer(take(data, size)),
        NOT_FOUND => Foreign::Missing,
        _ => Foreign::Failed,
    }
}
