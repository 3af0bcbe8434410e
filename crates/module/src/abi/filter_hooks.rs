//! The hooks of the HTTP filter that do something.
#![expect(unsafe_code, reason = "exported symbols and raw memory")]
#![expect(unreachable_pub, reason = "Envoy reaches them, by their names")]

use std::ffi::c_char;
use std::ptr::null;
use std::sync::Arc;

use gatelog::envoy::headers::Headers;
use gatelog::host::Severity;

use super::VERSION;
use super::callbacks::{EnvoyBytes, Header, answered, log};
use super::configuration::Configuration;
use super::kept::{CONTINUE, Envoys, Ours, end, kept, shared};
use super::stream::Stream as EnvoyStream;
use crate::guard::guarded;
use crate::host::main_thread::MainThread;
use crate::host::stream::StreamHost;
use crate::installed::Installed;
use crate::stream::Stream;
use crate::{clock, deliveries};

/// The library was loaded. Answers the version of the ABI that it was built for.
#[unsafe(no_mangle)]
pub extern "C" fn envoy_dynamic_module_on_program_init() -> *const c_char {
    VERSION.as_ptr()
}

/// A filter's configuration: null refuses it.
#[unsafe(no_mangle)]
pub extern "C" fn envoy_dynamic_module_on_http_filter_config_new(
    envoy: Envoys,
    _name: EnvoyBytes,
    json: EnvoyBytes,
) -> Ours {
    guarded(
        "http_filter_config_new",
        null(),
        || (),
        || {
            let installed = Installed::filter(json.read(), Configuration::Filter(envoy));
            installed.map_or(null(), |installed| Arc::into_raw(installed).cast())
        },
    )
}

/// The end of a filter's configuration.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn envoy_dynamic_module_on_http_filter_config_destroy(ours: Ours) {
    // SAFETY: Envoy gives back what `config_new` returned, for the last time.
    unsafe { end(ours) }
}

/// Configuration for a route: there is none, so none is accepted.
#[unsafe(no_mangle)]
pub extern "C" fn envoy_dynamic_module_on_http_filter_per_route_config_new(
    _name: EnvoyBytes,
    _json: EnvoyBytes,
) -> Ours {
    guarded(
        "http_filter_per_route_config_new",
        null(),
        || (),
        || {
            let line = "gatelog: has no configuration for routes: use \"rules\"";
            log(Severity::Error, line);
            null()
        },
    )
}

/// Never called, as no route has a configuration.
#[unsafe(no_mangle)]
pub extern "C" fn envoy_dynamic_module_on_http_filter_per_route_config_destroy(_ours: Ours) {}

/// A stream began.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn envoy_dynamic_module_on_http_filter_new(
    configuration: Ours,
    _stream: Envoys,
) -> Ours {
    guarded(
        "http_filter_new",
        null(),
        || (),
        || {
            // SAFETY: Envoy passes what `config_new` returned, and not after `config_destroy`.
            let installed = unsafe { shared(configuration) };
            let stream = installed.map(|installed| Box::new(Stream::of(&installed)));
            stream.map_or(null(), |stream| Box::into_raw(stream).cast_const().cast())
        },
    )
}

/// A stream's filter ends.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn envoy_dynamic_module_on_http_filter_destroy(ours: Ours) {
    guarded(
        "http_filter_destroy",
        (),
        || (),
        || {
            if !ours.is_null() {
                // SAFETY: Envoy gives back what `filter_new` returned, for the last time.
                drop(unsafe { Box::from_raw(ours.cast::<Stream>().cast_mut()) });
            }
        },
    );
}

/// Runs a hook of a stream.
///
/// # Safety
/// As [`kept`], for a stream.
unsafe fn with_stream(
    hook: &str,
    envoy: Envoys,
    ours: Ours,
    act: impl FnOnce(&Stream, &StreamHost),
) -> u32 {
    // SAFETY: as above.
    if let Some(stream) = unsafe { kept::<Stream>(ours) } {
        let run = || act(stream, &StreamHost::of(EnvoyStream::of(envoy)));
        guarded(hook, (), || stream.abandon(), run);
    }
    CONTINUE
}

/// The request's headers arrived.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn envoy_dynamic_module_on_http_filter_request_headers(
    envoy: Envoys,
    ours: Ours,
    _end: bool,
) -> u32 {
    // SAFETY: Envoy passes what `filter_new` returned, and not after `filter_destroy`.
    unsafe { with_stream("request_headers", envoy, ours, Stream::request_headers) }
}

/// The response's headers arrived.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn envoy_dynamic_module_on_http_filter_response_headers(
    envoy: Envoys,
    ours: Ours,
    _end: bool,
) -> u32 {
    // SAFETY: as above.
    unsafe { with_stream("response_headers", envoy, ours, Stream::response_headers) }
}

/// A stream is over; the access loggers come next.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn envoy_dynamic_module_on_http_filter_stream_complete(
    envoy: Envoys,
    ours: Ours,
) {
    // SAFETY: as above.
    unsafe { with_stream("stream_complete", envoy, ours, Stream::complete) };
}

/// A tick, on the main thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn envoy_dynamic_module_on_http_filter_config_scheduled(
    envoy: Envoys,
    ours: Ours,
    _event: u64,
) {
    guarded(
        "config_scheduled",
        (),
        || (),
        || {
            // SAFETY: Envoy passes what `config_new` returned, and not after `config_destroy`.
            let Some(installed) = (unsafe { kept::<Installed>(ours) }) else { return };
            let to = Configuration::Filter(envoy);
            clock::ran(installed.id);
            deliveries::tick(
                installed.id,
                &MainThread::of(to, &installed.stats, Headers::default()),
            );
        },
    );
}

/// The answer to a callout, on the main thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn envoy_dynamic_module_on_http_filter_config_http_callout_done(
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
        "config_http_callout_done",
        (),
        || (),
        || {
            // SAFETY: as above.
            let Some(installed) = (unsafe { kept::<Installed>(ours) }) else { return };
            // SAFETY: Envoy passes this many headers, valid until this returns.
            let answer = unsafe { answered(result, headers, count) };
            let to = Configuration::Filter(envoy);
            deliveries::answered(installed.id, id, &MainThread::of(to, &installed.stats, answer));
        },
    );
}
