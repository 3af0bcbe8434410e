//! The hooks of the access logger, for streams that no filter of this module has seen.
#![expect(unsafe_code, reason = "exported symbols and raw memory")]
#![expect(unreachable_pub, reason = "Envoy reaches them, by their names")]

use std::ptr::null;
use std::sync::Arc;

use super::callbacks::EnvoyBytes;
use super::kept::{Envoys, Ours, end, kept, shared};
use super::logged::Logged;
use crate::guard::guarded;
use crate::host::logged::LoggedHost;
use crate::installed::Installed;
use crate::stream::Logger;

/// The logs of a stream's end, and those that do not say what they are; not those of its beginning or at
/// an interval. Source: the header's `access_log_type`.
const ENDS: [u32; 2] = [0, 6];

/// An access logger's configuration: null refuses it.
#[unsafe(no_mangle)]
pub extern "C" fn envoy_dynamic_module_on_access_logger_config_new(
    _envoy: Envoys,
    _name: EnvoyBytes,
    json: EnvoyBytes,
) -> Ours {
    guarded(
        "access_logger_config_new",
        null(),
        || (),
        || {
            let installed = Installed::logger(json.read());
            installed.map_or(null(), |installed| Arc::into_raw(installed).cast())
        },
    )
}

/// The end of an access logger's configuration.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn envoy_dynamic_module_on_access_logger_config_destroy(ours: Ours) {
    // SAFETY: Envoy gives back what `config_new` returned, for the last time.
    unsafe { end(ours) }
}

/// An access logger of one thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn envoy_dynamic_module_on_access_logger_new(
    configuration: Ours,
    _envoy: Envoys,
) -> Ours {
    guarded(
        "access_logger_new",
        null(),
        || (),
        || {
            // SAFETY: Envoy passes what `config_new` returned, and not after `config_destroy`.
            let installed = unsafe { shared(configuration) };
            let logger = installed.map(|installed| Box::new(Logger::of(&installed)));
            logger.map_or(null(), |logger| Box::into_raw(logger).cast_const().cast())
        },
    )
}

/// An access logger ends.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn envoy_dynamic_module_on_access_logger_destroy(ours: Ours) {
    guarded(
        "access_logger_destroy",
        (),
        || (),
        || {
            if !ours.is_null() {
                // SAFETY: Envoy gives back what `logger_new` returned, for the last time.
                drop(unsafe { Box::from_raw(ours.cast::<Logger>().cast_mut()) });
            }
        },
    );
}

/// A stream is logged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn envoy_dynamic_module_on_access_logger_log(
    envoy: Envoys,
    ours: Ours,
    kind: u32,
) {
    if !ENDS.contains(&kind) {
        return;
    }
    // SAFETY: Envoy passes what `logger_new` returned, and not after `logger_destroy`.
    if let Some(logger) = unsafe { kept::<Logger>(ours) } {
        let run = || logger.log(&LoggedHost::of(Logged::of(envoy)));
        guarded("access_logger_log", (), || logger.abandon(), run);
    }
}

/// Nothing is kept back.
#[unsafe(no_mangle)]
pub extern "C" fn envoy_dynamic_module_on_access_logger_flush(_ours: Ours) {}
