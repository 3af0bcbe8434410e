//! The proxy-wasm shell: translates callbacks to the core and the core's wishes to hostcalls.
//!
//! Contexts and their dispatch are the `proxy-wasm` SDK's. Two things are this module's own
//! (`docs/decisions/0001-proxy-wasm-sdk-with-a-guard.md` has the reasons):
//!
//! - [`hostcalls`], which look at every status, where the SDK's panic on those they do not expect;
//! - [`guard`], which stands in front of the SDK's dispatcher: a context or token that it does not
//!   know is passed over, where the SDK panics, which costs the VM and its queue.
//!
//! After linking, `gatelog-postlink` exports the guard in the dispatcher's place, drops every other
//! callback (Envoy enters the VM for each one that is exported, body chunks included), and cuts off
//! the hostcalls that the filter must never make, such as an answer in a service's place.

mod contexts;
mod guard;
mod hostcalls;

use proxy_wasm::traits::RootContext;

proxy_wasm::main! {{
    proxy_wasm::set_root_context(root);
}}

/// Creates a root context, whose worker the guard hands the answers of callouts to.
fn root(id: u32) -> Box<dyn RootContext> {
    let root = contexts::Root::default();
    guard::register(id, root.worker());
    Box::new(root)
}
