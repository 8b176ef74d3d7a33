//! What the host calls: ABI 0.2.1 as far as the filter needs it. A callback that is not exported is not called.
//!
//! Nothing here or below unwraps: whatever numbers a host passes, and in whatever order it calls, no call traps. With `raw` the one
//! place with unsafe code.

#![expect(unsafe_code, reason = "exports have names of the host's choice")]

use std::alloc::{Layout, alloc};
use std::cell::RefCell;
use std::rc::Rc;

use super::contexts::Contexts;
use super::raw::{self, Level};
use super::{Plugin, host, stream};

unsafe extern "C" {
    /// The linker's: what must run before anything else of the module.
    safe fn __wasm_call_ctors();
}

thread_local! {
    static CONTEXTS: RefCell<Contexts> = const { RefCell::new(Contexts::new()) };
}

/// `None` only where the host calls from within a call: it is then told what it would be told of an unknown context.
fn contexts<T>(run: impl FnOnce(&mut Contexts) -> T) -> Option<T> {
    CONTEXTS.with(|contexts| {
        contexts
            .try_borrow_mut()
            .ok()
            .map(|mut held| run(&mut held))
    })
}

fn root(number: u32) -> Option<Rc<Plugin>> {
    contexts(|contexts| contexts.root(number)).flatten()
}

fn open_stream(number: u32) -> Option<Rc<Plugin>> {
    contexts(|contexts| contexts.stream(number)).flatten()
}

#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    __wasm_call_ctors();
    // The text of a panic may hold what it stumbled over; its place never does.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let place = place.unwrap_or_default();
        raw::log(Level::Critical, &format!("latchkey: panic at {place}"));
    }));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

/// Memory for the host to return data in; `raw` takes it over. Null where there is none left: the host's call fails then.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    match Layout::array::<u8>(size) {
        // SAFETY: the layout is not empty.
        Ok(layout) if size > 0 => unsafe { alloc(layout) },
        _ => std::ptr::null_mut(),
    }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(context: u32, root: u32) {
    if root != 0 {
        contexts(|contexts| contexts.open(context, root));
    }
}

#[unsafe(no_mangle)]
const extern "C" fn proxy_on_vm_start(_root: u32, _size: usize) -> u32 {
    1
}

/// 0 only for a fault in the bytes themselves, which every VM finds alike: on a worker for which it answers 0 Envoy skips the filter.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(root: u32, size: usize) -> u32 {
    contexts(|contexts| contexts.delete(root));
    let Some(bytes) = raw::plugin_configuration(size) else {
        host::log(
            Level::Error,
            "the host did not give the configuration, so every request gets 503: see `allowed_capabilities` of the filter",
        );
        return 1;
    };
    match Plugin::configure(&bytes) {
        Ok(plugin) => {
            contexts(|contexts| contexts.configure(root, plugin));
            1
        }
        Err(error) => {
            host::log(
                Level::Error,
                &format!(
                    "configuration refused: {error} (Envoy keeps what it had loaded before, or does not start)"
                ),
            );
            0
        }
    }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_tick(context: u32) {
    if let Some(plugin) = root(context) {
        plugin.tick();
    }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_http_call_response(
    context: u32,
    id: u32,
    header_count: u32,
    body_size: usize,
    _trailer_count: u32,
) {
    if let Some(plugin) = root(context) {
        plugin.answered(id, header_count, body_size);
    }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(context: u32, _count: u32, _is_end: u32) -> u32 {
    let action = match open_stream(context) {
        Some(plugin) => plugin.request_headers(),
        None => stream::refuse_unknown(),
    };
    action as u32
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_trailers(context: u32, _count: u32) -> u32 {
    let action = match open_stream(context) {
        Some(plugin) => plugin.request_trailers(),
        None => stream::refuse_unknown(),
    };
    action as u32
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_delete(context: u32) {
    contexts(|contexts| contexts.delete(context));
}
