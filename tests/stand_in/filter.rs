//! A stand-in for the filter, compiled by the test that uses it: lets every request pass, but does not start in the fourth VM.
//!
//! Envoy configures a trial VM, the main thread's, and then one for each worker: the fourth is a worker, and Envoy skips it there.

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_set_shared_data(key: *const u8, key_size: usize, value: *const u8, value_size: usize, cas: u32) -> u32;
    fn proxy_replace_header_map_value(map: u32, key: *const u8, key_size: usize, value: *const u8, value_size: usize) -> u32;
}

#[unsafe(no_mangle)]
pub extern "C" fn proxy_abi_version_0_2_1() {}

#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    Vec::leak(vec![0; size]).as_mut_ptr()
}

#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_context_create(_context: u32, _parent: u32) {}

#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_vm_start(_context: u32, _size: u32) -> u32 {
    1
}

#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_configure(_context: u32, _size: u32) -> u32 {
    // The first to create a key has its number: on Envoy u32::MAX fits a missing key alone.
    let is_first = |key: &u8| unsafe { proxy_set_shared_data(key, 1, key, 1, u32::MAX) == 0 };
    u32::from(b"123".iter().any(is_first))
}

#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_request_headers(_context: u32, _headers: u32, _end: u32) -> u32 {
    let (name, value) = (b"x-auth-gate", b"pass");
    unsafe { proxy_replace_header_map_value(0, name.as_ptr(), name.len(), value.as_ptr(), value.len()) };
    0
}

#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_delete(_context: u32) {}
