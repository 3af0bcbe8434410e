//! A guard in front of the SDK's dispatcher.
//!
//! The dispatcher panics on an unknown context, and when a context is created twice. Both have
//! happened on Envoy (proxy-wasm-rust-sdk#304), and a panic costs the VM with its queue. The
//! dispatcher also panics on the response to a callout that it did not make, and all callouts are
//! made by [`super::hostcalls`]. So every callback enters here first: invalid calls are ignored,
//! callout responses go to their worker, and everything else is passed on to the SDK.
//!
//! `gatelog-postlink` exports each `gatelog_on_…` as `proxy_on_…`. Source for the callbacks:
//! proxy-wasm/spec, `abi-versions/v0.2.1`.
#![expect(unsafe_code, reason = "exported symbols")]
#![expect(unreachable_pub, reason = "the host reaches them, by their names")]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use super::contexts::{self, Shared, answered};

/// The return value of the header callbacks. It is always this, so that no request is paused.
const CONTINUE: u32 = 0;

/// What a context id refers to.
enum Known {
    Root(Shared),
    Stream,
}

thread_local! {
/// Every existing context by id: the roots and the open streams.
    static KNOWN: RefCell<BTreeMap<u32, Known>> = const { RefCell::new(BTreeMap::new()) };
/// Whether a callback is running. No host nests callbacks; the dispatcher would panic.
    static ENTERED: Cell<bool> = const { Cell::new(false) };
}

/// The SDK's dispatcher: the symbols that it exports.
mod sdk {
    unsafe extern "C" {
        pub safe fn proxy_on_context_create(id: u32, parent: u32);
        pub safe fn proxy_on_configure(root: u32, size: usize) -> bool;
        pub safe fn proxy_on_tick(root: u32);
        pub safe fn proxy_on_request_headers(stream: u32, headers: usize, end: u32) -> u32;
        pub safe fn proxy_on_response_headers(stream: u32, headers: usize, end: u32) -> u32;
        pub safe fn proxy_on_log(id: u32);
        pub safe fn proxy_on_done(id: u32) -> bool;
        pub safe fn proxy_on_delete(id: u32);
    }
}

/// Runs a callback if none is running; otherwise returns `otherwise`.
fn enter<T>(otherwise: T, callback: impl FnOnce() -> T) -> T {
    if ENTERED.replace(true) {
        return otherwise;
    }
    let result = callback();
    ENTERED.set(false);
    result
}

/// Looks up a context; `None` if it does not exist.
fn known<T>(id: u32, ask: impl FnOnce(&Known) -> T) -> Option<T> {
    KNOWN.with_borrow(|known| known.get(&id).map(ask))
}

fn is_root(id: u32) -> bool {
    known(id, |known| matches!(known, Known::Root(_))).unwrap_or(false)
}

fn is_stream(id: u32) -> bool {
    known(id, |known| matches!(known, Known::Stream)).unwrap_or(false)
}

/// Makes a root context take over the queues of the replaced ones.
fn inherit(root: u32) {
    KNOWN.with_borrow(|known| {
        let Some(Known::Root(heir)) = known.get(&root) else { return };
        for (id, other) in known {
            if let Known::Root(other) = other
                && *id != root
            {
                contexts::inherit(heir, other);
            }
        }
    });
}

/// Registers a root context that the SDK is creating.
pub(super) fn register(id: u32, worker: Shared) {
    KNOWN.with_borrow_mut(|known| known.insert(id, Known::Root(worker)));
}

/// A context was created: a root if it has no parent, otherwise a stream of that root.
#[unsafe(no_mangle)]
pub extern "C" fn gatelog_on_context_create(id: u32, parent: u32) {
    enter((), || {
        if known(id, |_| ()).is_some() || (parent != 0 && !is_root(parent)) {
            return;
        }
        if parent != 0 {
            KNOWN.with_borrow_mut(|known| known.insert(id, Known::Stream));
        }
        sdk::proxy_on_context_create(id, parent);
    });
}

/// A root context received its configuration; returns whether it accepted it.
#[unsafe(no_mangle)]
pub extern "C" fn gatelog_on_configure(root: u32, size: usize) -> bool {
    enter(false, || {
        let taken = is_root(root) && sdk::proxy_on_configure(root, size);
        if taken {
            inherit(root);
        }
        taken
    })
}

/// A root context's timer fired.
#[unsafe(no_mangle)]
pub extern "C" fn gatelog_on_tick(root: u32) {
    enter((), || {
        if is_root(root) {
            sdk::proxy_on_tick(root);
        }
    });
}

/// A callout of a root context received its response. The SDK does not know about it.
#[unsafe(no_mangle)]
pub extern "C" fn gatelog_on_http_call_response(
    root: u32,
    token: u32,
    _headers: usize,
    _body_size: usize,
    _trailers: usize,
) {
    enter((), || {
        let worker = known(root, |known| match known {
            Known::Root(worker) => Some(Shared::clone(worker)),
            Known::Stream => None,
        });
        if let Some(worker) = worker.flatten() {
            answered(&worker, token);
        }
    });
}

/// The request's headers arrived.
#[unsafe(no_mangle)]
pub extern "C" fn gatelog_on_request_headers(stream: u32, headers: usize, end: u32) -> u32 {
    enter(CONTINUE, || {
        if !is_stream(stream) {
            return CONTINUE;
        }
        sdk::proxy_on_request_headers(stream, headers, end)
    })
}

/// The response's headers arrived.
#[unsafe(no_mangle)]
pub extern "C" fn gatelog_on_response_headers(stream: u32, headers: usize, end: u32) -> u32 {
    enter(CONTINUE, || {
        if !is_stream(stream) {
            return CONTINUE;
        }
        sdk::proxy_on_response_headers(stream, headers, end)
    })
}

/// An exchange is ready to be logged: on its stream or, in an access logger, on the root context.
#[unsafe(no_mangle)]
pub extern "C" fn gatelog_on_log(id: u32) {
    enter((), || {
        if known(id, |_| ()).is_some() {
            sdk::proxy_on_log(id);
        }
    });
}

/// A context is about to end; returns whether it is done.
#[unsafe(no_mangle)]
pub extern "C" fn gatelog_on_done(id: u32) -> bool {
    enter(true, || known(id, |_| ()).is_none() || sdk::proxy_on_done(id))
}

/// A context has ended.
#[unsafe(no_mangle)]
pub extern "C" fn gatelog_on_delete(id: u32) {
    enter((), || {
        if KNOWN.with_borrow_mut(|known| known.remove(&id)).is_some() {
            sdk::proxy_on_delete(id);
        }
    });
}
