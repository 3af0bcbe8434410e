//! The callbacks.
#![expect(unsafe_code, reason = "foreign functions over raw memory")]

use std::ffi::c_void;

use gatelog::envoy::headers::Headers;
use gatelog::host::Severity;

pub(crate) use super::bytes::{EnvoyBytes, Header};
pub(super) use super::bytes::{NO_BYTES, OwnBytes};
#[cfg(test)]
use super::stand_in;
use super::timing::Timing;

/// Declares the callbacks. The tests of this crate have no Envoy: there each answers with the value given,
/// which is that of a stream that stands in for Envoy's where the test has one.
macro_rules! callbacks {
    ($($name:ident ($($argument:ident: $kind:ty),* $(,)?) $(-> $result:ty = $otherwise:expr)?;)*) => {
        #[cfg(not(test))]
        unsafe extern "C" {
            $(pub(super) fn $name($($argument: $kind),*) $(-> $result)?;)*
        }
        $(
            #[cfg(test)]
            #[expect(clippy::allow_attributes, reason = "not each of them is used in a test")]
            #[allow(
                dead_code, unused_variables, clippy::too_many_arguments,
                clippy::undocumented_unsafe_blocks, reason = "a stand-in"
            )]
            pub(super) unsafe extern "C" fn $name($($argument: $kind),*) $(-> $result)? {
                $($otherwise)?
            }
        )*
    };
}

callbacks! {
    envoy_dynamic_module_callback_log(level: u32, line: OwnBytes);
    envoy_dynamic_module_callback_http_get_header(
        stream: *mut c_void, map: u32, name: OwnBytes, value: *mut EnvoyBytes, index: usize, count: *mut usize,
    ) -> bool = unsafe { stand_in::header(stream, map, name, value, index) };
    envoy_dynamic_module_callback_http_get_headers_size(
        stream: *mut c_void, map: u32,
    ) -> usize = unsafe { stand_in::headers_size(stream, map) };
    envoy_dynamic_module_callback_http_get_headers(
        stream: *mut c_void, map: u32, headers: *mut Header,
    ) -> bool = unsafe { stand_in::headers(stream, map, headers) };
    envoy_dynamic_module_callback_http_set_header(
        stream: *mut c_void, map: u32, name: OwnBytes, value: OwnBytes,
    ) -> bool = unsafe { stand_in::set_header(stream, map, name, value) };
    envoy_dynamic_module_callback_http_filter_get_attribute_string(
        stream: *mut c_void, attribute: u32, value: *mut EnvoyBytes,
    ) -> bool = unsafe { stand_in::text(stream, attribute, value) };
    envoy_dynamic_module_callback_http_filter_get_attribute_int(
        stream: *mut c_void, attribute: u32, value: *mut u64,
    ) -> bool = false;
    envoy_dynamic_module_callback_http_get_timing_info(stream: *mut c_void, timing: *mut Timing);
    envoy_dynamic_module_callback_http_get_filter_state_bytes(
        stream: *mut c_void, name: OwnBytes, value: *mut EnvoyBytes,
    ) -> bool = unsafe { stand_in::filter_state(stream, name, value) };
    envoy_dynamic_module_callback_http_set_filter_state_bytes(
        stream: *mut c_void, name: OwnBytes, value: OwnBytes,
    ) -> bool = unsafe { stand_in::set_filter_state(stream, name, value) };
    envoy_dynamic_module_callback_http_set_dynamic_metadata_string(
        stream: *mut c_void, space: OwnBytes, name: OwnBytes, value: OwnBytes,
    );
    envoy_dynamic_module_callback_http_filter_config_define_counter(
        configuration: *mut c_void, name: OwnBytes, labels: *mut OwnBytes, count: usize, id: *mut usize,
    ) -> u32 = 1;
    envoy_dynamic_module_callback_http_filter_config_define_gauge(
        configuration: *mut c_void, name: OwnBytes, labels: *mut OwnBytes, count: usize, id: *mut usize,
    ) -> u32 = 1;
    envoy_dynamic_module_callback_http_filter_config_define_histogram(
        configuration: *mut c_void, name: OwnBytes, labels: *mut OwnBytes, count: usize, id: *mut usize,
    ) -> u32 = 1;
    envoy_dynamic_module_callback_http_filter_config_increment_counter(
        configuration: *mut c_void, id: usize, labels: *mut OwnBytes, count: usize, value: u64,
    ) -> u32 = 1;
    envoy_dynamic_module_callback_http_filter_config_set_gauge(
        configuration: *mut c_void, id: usize, labels: *mut OwnBytes, count: usize, value: u64,
    ) -> u32 = 1;
    envoy_dynamic_module_callback_http_filter_config_record_histogram_value(
        configuration: *mut c_void, id: usize, labels: *mut OwnBytes, count: usize, value: u64,
    ) -> u32 = 1;
    envoy_dynamic_module_callback_http_filter_config_http_callout(
        configuration: *mut c_void, id: *mut u64, cluster: OwnBytes, headers: *mut Header, count: usize,
        body: OwnBytes, timeout_ms: u64,
    ) -> u32 = 2;
    envoy_dynamic_module_callback_http_filter_config_scheduler_new(configuration: *mut c_void) -> *mut c_void = std::ptr::null_mut();
    envoy_dynamic_module_callback_http_filter_config_scheduler_commit(scheduler: *mut c_void, event: u64);
    envoy_dynamic_module_callback_http_filter_config_scheduler_delete(scheduler: *mut c_void);
    envoy_dynamic_module_callback_bootstrap_extension_config_define_counter(
        configuration: *mut c_void, name: OwnBytes, labels: *mut OwnBytes, count: usize, id: *mut usize,
    ) -> u32 = 1;
    envoy_dynamic_module_callback_bootstrap_extension_config_define_gauge(
        configuration: *mut c_void, name: OwnBytes, labels: *mut OwnBytes, count: usize, id: *mut usize,
    ) -> u32 = 1;
    envoy_dynamic_module_callback_bootstrap_extension_config_define_histogram(
        configuration: *mut c_void, name: OwnBytes, labels: *mut OwnBytes, count: usize, id: *mut usize,
    ) -> u32 = 1;
    envoy_dynamic_module_callback_bootstrap_extension_config_increment_counter(
        configuration: *mut c_void, id: usize, labels: *mut OwnBytes, count: usize, value: u64,
    ) -> u32 = 1;
    envoy_dynamic_module_callback_bootstrap_extension_config_set_gauge(
        configuration: *mut c_void, id: usize, labels: *mut OwnBytes, count: usize, value: u64,
    ) -> u32 = 1;
    envoy_dynamic_module_callback_bootstrap_extension_config_record_histogram_value(
        configuration: *mut c_void, id: usize, labels: *mut OwnBytes, count: usize, value: u64,
    ) -> u32 = 1;
    envoy_dynamic_module_callback_bootstrap_extension_http_callout(
        configuration: *mut c_void, id: *mut u64, cluster: OwnBytes, headers: *mut Header, count: usize,
        body: OwnBytes, timeout_ms: u64,
    ) -> u32 = 2;
    envoy_dynamic_module_callback_bootstrap_extension_config_scheduler_new(configuration: *mut c_void) -> *mut c_void = std::ptr::null_mut();
    envoy_dynamic_module_callback_bootstrap_extension_config_scheduler_commit(scheduler: *mut c_void, event: u64);
    envoy_dynamic_module_callback_bootstrap_extension_config_scheduler_delete(scheduler: *mut c_void);
    envoy_dynamic_module_callback_bootstrap_extension_config_signal_init_complete(configuration: *mut c_void);
    envoy_dynamic_module_callback_access_logger_get_headers_size(logged: *mut c_void, map: u32) -> usize = 0;
    envoy_dynamic_module_callback_access_logger_get_headers(
        logged: *mut c_void, map: u32, headers: *mut Header,
    ) -> bool = false;
    envoy_dynamic_module_callback_access_logger_get_attribute_string(
        logged: *mut c_void, attribute: u32, value: *mut EnvoyBytes,
    ) -> bool = false;
    envoy_dynamic_module_callback_access_logger_get_attribute_int(
        logged: *mut c_void, attribute: u32, value: *mut u64,
    ) -> bool = false;
    envoy_dynamic_module_callback_access_logger_get_timing_info_v2(logged: *mut c_void, timing: *mut Timing);
    envoy_dynamic_module_callback_access_logger_get_dynamic_metadata(
        logged: *mut c_void, space: OwnBytes, path: OwnBytes, value: *mut EnvoyBytes,
    ) -> bool = false;
}

/// Copies headers that Envoy lists.
pub(crate) fn copied(headers: &[Header]) -> Headers {
    let pairs: Vec<_> = headers.iter().map(Header::pair).collect();
    Headers::from_pairs(&pairs)
}

/// The result of a callout that has an answer.
const ANSWERED: u32 = 0;

/// The headers of a callout's answer; none if there is no answer.
///
/// # Safety
/// Envoy must have passed this many headers, which live until this returns.
pub(super) unsafe fn answered(result: u32, headers: *const Header, count: usize) -> Headers {
    if result != ANSWERED || headers.is_null() {
        return Headers::default();
    }
    // SAFETY: as above.
    copied(unsafe { std::slice::from_raw_parts(headers, count) })
}

/// Writes a line to Envoy's log, as component `dynamic_modules`. From any thread.
pub(crate) fn log(severity: Severity, line: &str) {
    let level = match severity {
        Severity::Info => 2,
        Severity::Warn => 3,
        Severity::Error => 4,
    };
    // SAFETY: the line is only read.
    unsafe { envoy_dynamic_module_callback_log(level, OwnBytes::of(line.as_bytes())) };
}
