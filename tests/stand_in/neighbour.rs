//! A plugin that shares a `vm_id` with the filter, compiled by the test that uses it: writes what a request asks for into shared data.
//!
//! `x-neighbour: write <key> <hex>`, `x-neighbour: empty <key>`, `x-neighbour: halve <key>` (the value to its first half), `x-neighbour: copy <key> <to>`.

use std::ptr;
use std::slice;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_header_map_value(map: u32, key: *const u8, key_size: usize, value: *mut *mut u8, value_size: *mut usize) -> u32;
    fn proxy_get_shared_data(key: *const u8, key_size: usize, value: *mut *mut u8, value_size: *mut usize, cas: *mut u32) -> u32;
    fn proxy_set_shared_data(key: *const u8, key_size: usize, value: *const u8, value_size: usize, cas: u32) -> u32;
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
    1
}

#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_request_headers(_context: u32, _headers: u32, _end: u32) -> u32 {
    let Some(wish) = wish() else { return 0 };
    let words: Vec<&str> = wish.split(' ').collect();
    match words[..] {
        ["write", key, hex] => {
            let pairs = hex.as_bytes().chunks(2);
            let bytes = pairs.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap());
            write(key, &bytes.collect::<Vec<_>>());
        }
        ["empty", key] => write(key, b""),
        ["halve", key] => {
            let value = read(key);
            write(key, &value[..value.len() / 2]);
        }
        ["copy", key, to] => write(to, &read(key)),
        _ => panic!("{wish}"),
    }
    0
}

#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_delete(_context: u32) {}

fn wish() -> Option<String> {
    let name = b"x-neighbour";
    let (mut value, mut size) = (ptr::null_mut(), 0);
    let status = unsafe { proxy_get_header_map_value(0, name.as_ptr(), name.len(), &mut value, &mut size) };
    (status == 0 && size > 0).then(|| taken(value, size)).map(|bytes| String::from_utf8(bytes).unwrap())
}

fn read(key: &str) -> Vec<u8> {
    let (mut value, mut size, mut cas) = (ptr::null_mut(), 0, 0);
    let status = unsafe { proxy_get_shared_data(key.as_ptr(), key.len(), &mut value, &mut size, &mut cas) };
    assert_eq!(status, 0, "{key}");
    if size == 0 { Vec::new() } else { taken(value, size) }
}

fn write(key: &str, value: &[u8]) {
    let status = unsafe { proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), 0) };
    assert_eq!(status, 0, "{key}");
}

/// What the host has put into our memory.
fn taken(value: *mut u8, size: usize) -> Vec<u8> {
    unsafe { slice::from_raw_parts(value, size) }.to_vec()
}
