//! Envoy's ABI for dynamic modules, as far as it is used: hooks that Envoy calls, callbacks that it
//! offers.
//!
//! Declared by hand from `source/extensions/dynamic_modules/abi/abi.h` at the release that
//! `scripts/requirements.txt` pins; a test compares the names with that binary. Signatures are not
//! checked when the library is loaded: Envoy warns if the version is another ([`VERSION`]).
//!
//! Only these files have foreign functions and raw pointers; what they offer to the rest of the crate is
//! safe to call in a hook.

pub(crate) mod attribute;
mod bytes;
pub(crate) mod callbacks;
pub(crate) mod configuration;
mod extension_hooks;
mod filter_hooks;
mod idle_hooks;
mod kept;
#[cfg(test)]
mod lifecycle;
pub(crate) mod logged;
mod logger_hooks;
mod map;
#[cfg(test)]
mod stand_in;
pub(crate) mod stream;
pub(crate) mod timing;

/// The version of the ABI that these declarations follow.
const VERSION: &std::ffi::CStr = c"v0.2.0";
