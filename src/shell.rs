//! The proxy-wasm shell: translates callbacks to the core and the core's wishes to hostcalls.
//!
//! It speaks the ABI itself, without an SDK, for three reasons. A host enters the module for every
//! callback that it exports: these are [`callbacks`] and no others, where an SDK exports them all,
//! body chunks included. Whatever a host answers or asks for, an unknown status, context or token
//! included, is passed over, where the SDK panics, which costs the VM and its queue. And what is not
//! imported, such as an answer in a service's place, cannot be called.

mod callbacks;
mod contexts;
mod hostcalls;
