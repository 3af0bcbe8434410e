//! The proxy-wasm shell: translates callbacks into calls to the core, and the core's requests into
//! hostcalls.
//!
//! The `proxy-wasm` SDK provides contexts and dispatch. This module replaces two parts of it
//! (`docs/decisions/0001-proxy-wasm-sdk-with-a-guard.md` has the reasons):
//!
//! - [`hostcalls`] check every status; the SDK's own panic on unexpected ones;
//! - [`guard`] sits in front of the SDK's dispatcher and ignores contexts and tokens that the
//!   dispatcher does not know; the SDK would panic and lose the VM with its queue.
//!
//! After linking, `gatelog-postlink` exports the guard in the dispatcher's place, drops every other
//! callback (Envoy enters the VM for each one that is exported, body chunks included), and removes
//! the hostcalls that the filter must never make, for example sending a local response.

mod contexts;
mod guard;
mod hostcalls;

use proxy_wasm::traits::RootContext;

proxy_wasm::main! {{
    proxy_wasm::set_root_context(root);
}}

/// Creates a root context; the guard passes callout responses to its worker.
fn root(id: u32) -> Box<dyn RootContext> {
    let root = contexts::Root::default();
    guard::register(id, root.worker());
    Box::new(root)
}
