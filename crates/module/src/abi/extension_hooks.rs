//! The hooks of the bootstrap extension, which sends where no HTTP filter does, and when Envoy ends.
#![expect(unsafe_code, reason = "exported symbols and raw memory")]
#![expect(unreachable_pub, reason = "Envoy reaches them, by their names")]

use std::ffi::c_void;
use std::ptr::null;

use gatelog::envoy::headers::Headers;

use super::callbacks::{EnvoyBytes, Header, answered};
use super::configuration::Configuration;
use super::kept::{Envoys, Ours, kept};
use crate::extension::{Extension, Leave};
use crate::guard::guarded;

/// What Envoy waits for when it ends.
type Completion = Option<unsafe extern "C" fn(*mut c_void)>;

/// The extension's configuration: null refuses it.
#[unsafe(no_mangle)]
pub extern "C" fn envoy_dynamic_module_on_bootstrap_extension_config_new(
    envoy: Envoys,
    _name: EnvoyBytes,
    json: EnvoyBytes,
) -> Ours {
    guarded(
        "bootstrap_extension_config_new",
        null(),
        || (),
        || {
            let extension = Extension::install(json.read(), Configuration::Extension(envoy));
            extension
                .map_or(null(), |extension| Box::into_raw(Box::new(extension)).cast_const().cast())
        },
    )
}

/// The end of the extension's configuration.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn envoy_dynamic_module_on_bootstrap_extension_config_destroy(ours: Ours) {
    guarded(
        "bootstrap_extension_config_destroy",
        (),
        || (),
        || {
            if !ours.is_null() {
                // SAFETY: Envoy gives back what `config_new` returned, for the last time.
                let extension = unsafe { Box::from_raw(ours.cast::<Extension>().cast_mut()) };
                extension.destroyed();
            }
        },
    );
}

/// The extension: its configuration is all there is.
#[unsafe(no_mangle)]
pub extern "C" fn envoy_dynamic_module_on_bootstrap_extension_new(
    configuration: Ours,
    _envoy: Envoys,
) -> Ours {
    configuration
}

/// Nothing to do: the configuration is destroyed later.
#[unsafe(no_mangle)]
pub extern "C" fn envoy_dynamic_module_on_bootstrap_extension_destroy(_ours: Ours) {}

/// A tick, on the main thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn envoy_dynamic_module_on_bootstrap_extension_config_scheduled(
    envoy: Envoys,
    ours: Ours,
    _event: u64,
) {
    guarded(
        "bootstrap_extension_config_scheduled",
        (),
        || (),
        || {
            // SAFETY: Envoy passes what `config_new` returned, and not after `config_destroy`.
            if let Some(extension) = unsafe { kept::<Extension>(ours) } {
                extension.tick(Configuration::Extension(envoy));
            }
        },
    );
}

/// The answer to a callout, on the main thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn envoy_dynamic_module_on_bootstrap_extension_http_callout_done(
    envoy: Envoys,
    ours: Ours,
    id: u64,
    result: u32,
    headers: *const Header,
    count: usize,
    _body: *const EnvoyBytes,
    _chunks: usize,
) {
    guarded(
        "bootstrap_extension_http_callout_done",
        (),
        || (),
        || {
            // SAFETY: as above.
            let Some(extension) = (unsafe { kept::<Extension>(ours) }) else { return };
            // SAFETY: Envoy passes this many headers, valid until this returns.
            let answer: Headers = unsafe { answered(result, headers, count) };
            extension.answered(Configuration::Extension(envoy), id, answer);
        },
    );
}

/// Envoy ends, once this has called `completion`; its main thread and its workers run until then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn envoy_dynamic_module_on_bootstrap_extension_shutdown(
    _envoy: Envoys,
    ours: Ours,
    completion: Completion,
    context: *mut c_void,
) {
    let leave = Leave::new(move || {
        if let Some(completion) = completion {
            // SAFETY: Envoy gave both, and waits for it; `Leave` does it once.
            unsafe { completion(context) };
        }
    });
    guarded(
        "bootstrap_extension_shutdown",
        (),
        || (),
        move || {
            // SAFETY: the extension is its configuration, which still exists.
            match unsafe { kept::<Extension>(ours) } {
                Some(extension) => extension.leave(leave),
                None => drop(leave),
            }
        },
    );
}
