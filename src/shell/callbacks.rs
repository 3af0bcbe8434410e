//! What the module exports: all that a host may call. Source: proxy-wasm/spec,
//! `abi-versions/v0.2.1`.
#![expect(unsafe_code, reason = "exported symbols, and memory that changes hands")]
#![expect(unreachable_pub, reason = "the host reaches them, by their names")]

use std::cell::RefCell;

use super::contexts::{Contexts, Root, Stream};

thread_local! {
    static CONTEXTS: RefCell<Contexts> = RefCell::default();
}

/// The answer to headers that have come: never anything else, so that no request waits.
const CONTINUE: u32 = 0;

/// Runs `act` on the contexts; nothing in case a callback is entered within another, which no
/// host does.
fn with<T>(act: impl FnOnce(&mut Contexts) -> T) -> Option<T> {
    CONTEXTS.with(|contexts| contexts.try_borrow_mut().ok().map(|mut contexts| act(&mut contexts)))
}

fn with_root<T>(id: u32, act: impl FnOnce(&Root) -> T) -> Option<T> {
    with(|contexts| contexts.root(id).map(act)).flatten()
}

fn with_stream(id: u32, act: impl FnOnce(&mut Stream)) {
    with(|contexts| contexts.stream(id).map(act));
}

unsafe extern "C" {
    fn __wasm_call_ctors();
}

/// Says which version of the ABI this is.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_abi_version_0_2_1() {}

/// Entry of the module, called by the host before anything else.
#[unsafe(no_mangle)]
pub extern "C" fn _initialize() {
    // SAFETY: the linker makes it, for the entry to call once.
    unsafe { __wasm_call_ctors() }
}

/// Memory for the host to hand something over in: a boxed slice that the hostcall's caller takes
/// back.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    Box::into_raw(vec![0_u8; size].into_boxed_slice()).cast()
}

/// A context begins to exist.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_context_create(id: u32, parent: u32) {
    with(|contexts| contexts.create(id, parent));
}

/// A root context gets its configuration; whether it took it.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_configure(root: u32, size: usize) -> bool {
    with_root(root, |root| root.configure(size)).unwrap_or(false)
}

/// A root context's timer has fired.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_tick(root: u32) {
    with_root(root, Root::tick);
}

/// A callout of a root context has been answered.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_http_call_response(
    root: u32,
    token: u32,
    _headers: usize,
    _body_size: usize,
    _trailers: usize,
) {
    with_root(root, |root| root.answered(token));
}

/// The request's headers have come.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_request_headers(stream: u32, _headers: usize, _end: u32) -> u32 {
    with_stream(stream, Stream::request_headers);
    CONTINUE
}

/// The response's headers have come.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_response_headers(stream: u32, _headers: usize, _end: u32) -> u32 {
    with_stream(stream, Stream::response_headers);
    CONTINUE
}

/// An exchange is to be logged: of a stream, or, as an access logger, on the root context.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_log(id: u32) {
    with_stream(id, Stream::log);
    with_root(id, Root::log);
}

/// A context is about to end; whether nothing of it is left to do.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_done(id: u32) -> bool {
    with_root(id, Root::done).unwrap_or(true)
}

/// A context ends.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_delete(id: u32) {
    with(|contexts| contexts.delete(id));
}
