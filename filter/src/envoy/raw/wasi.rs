//! Clocks, randomness and environment, from WASI preview 1. Not through the standard library: it ends the VM where the host refuses.

/// A clock of `clock_time_get`: seconds since the epoch, set by whoever may.
pub(in super::super) const WALL: u32 = 0;
/// The clock that all VMs of the process share and nobody sets.
pub(in super::super) const MONOTONIC: u32 = 1;
const SUCCESS: u32 = 0;
/// Far more than any VM's environment. A host that tells more is not believed.
const MAX_ENVIRONMENT_BYTES: usize = 1 << 20;

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn clock_time_get(clock: u32, precision: u64, time: *mut u64) -> u32;
    fn random_get(bytes: *mut u8, size: usize) -> u32;
    fn environ_sizes_get(count: *mut usize, size: *mut usize) -> u32;
    fn environ_get(places: *mut *mut u8, bytes: *mut u8) -> u32;
}

/// The time of a clock; `None` when the host does not tell it.
pub(in super::super) fn nanoseconds(clock: u32) -> Option<u64> {
    let mut time = 0;
    // SAFETY: the pointer lives through the call.
    let errno = unsafe { clock_time_get(clock, 1, &raw mut time) };
    (errno == SUCCESS).then_some(time)
}

/// Unpredictable bytes; `None` when the host gives none.
pub(in super::super) fn random() -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    // SAFETY: the host writes 32 bytes at most, during the call.
    let errno = unsafe { random_get(bytes.as_mut_ptr(), bytes.len()) };
    (errno == SUCCESS).then_some(bytes)
}

/// The value of a variable of this VM; `None` when there is none, or none that is text.
pub(in super::super) fn environment_variable(name: &str) -> Option<String> {
    let (mut count, mut size) = (0, 0);
    // SAFETY: both pointers live through the call.
    let errno = unsafe { environ_sizes_get(&raw mut count, &raw mut size) };
    if errno != SUCCESS || count.max(size) > MAX_ENVIRONMENT_BYTES {
        return None;
    }
    let mut places = vec![std::ptr::null_mut(); count];
    let mut bytes = vec![0; size];
    // SAFETY: the host writes `count` pointers and `size` bytes, as it said above. The pointers are never followed.
    let errno = unsafe { environ_get(places.as_mut_ptr(), bytes.as_mut_ptr()) };
    if errno != SUCCESS {
        return None;
    }
    let value = bytes.split(|byte| *byte == 0).find_map(|entry| {
        entry
            .strip_prefix(name.as_bytes())
            .and_then(|rest| rest.strip_prefix(b"="))
    })?;
    String::from_utf8(value.to_vec()).ok()
}
