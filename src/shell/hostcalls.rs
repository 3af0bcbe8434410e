//! The proxy as a [`Host`], over the raw hostcalls of proxy-wasm ABI 0.2.1.
//!
//! Every call works on bytes and checks every status; the SDK's own calls unwrap text and panic on
//! unexpected statuses. Source: proxy-wasm/spec, `abi-versions/v0.2.1`.
#![expect(unsafe_code, reason = "hostcalls are foreign functions over raw memory")]

use std::ptr::{null_mut, slice_from_raw_parts_mut};
use std::time::{SystemTime, UNIX_EPOCH};

use proxy_wasm::types::{BufferType, LogLevel, MapType, MetricType, Status};

use crate::envoy::headers::Headers;
use crate::host::{Callout, HeaderMap, Host, MetricKind, Refused, Severity};

// Statuses as numbers: a value that the SDK does not list must never become its `Status`.
const OK: u32 = Status::Ok as u32;
const BAD_ARGUMENT: u32 = Status::BadArgument as u32;
const INTERNAL_FAILURE: u32 = Status::InternalFailure as u32;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: u32, message: *const u8, size: usize) -> u32;
    fn proxy_done() -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    fn proxy_get_buffer_bytes(
        kind: u32,
        start: usize,
        max: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_get_header_map_value(
        map: u32,
        name: *const u8,
        name_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_replace_header_map_value(
        map: u32,
        name: *const u8,
        name_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_remove_header_map_value(map: u32, name: *const u8, name_size: usize) -> u32;
    fn proxy_get_property(
        path: *const u8,
        path_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_set_property(
        path: *const u8,
        path_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_call_foreign_function(
        name: *const u8,
        name_size: usize,
        argument: *const u8,
        argument_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_http_call(
        cluster: *const u8,
        cluster_size: usize,
        headers: *const u8,
        headers_size: usize,
        body: *const u8,
        body_size: usize,
        trailers: *const u8,
        trailers_size: usize,
        timeout_ms: u32,
        token: *mut u32,
    ) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, handle: *mut u32) -> u32;
    fn proxy_increment_metric(handle: u32, delta: i64) -> u32;
    fn proxy_record_metric(handle: u32, value: u64) -> u32;
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn clock_time_get(clock: u32, precision: u64, time: *mut u64) -> u32;
}

/// WASI's monotonic clock.
const CLOCK_MONOTONIC: u32 = 1;

/// The proxy that runs this module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Proxy;

impl Proxy {
    /// The plugin's configuration, at most `max` bytes.
    pub(super) fn plugin_configuration(max: usize) -> Vec<u8> {
        // SAFETY: see `owned`.
        owned(|data, size| unsafe {
            proxy_get_buffer_bytes(BufferType::PluginConfiguration as u32, 0, max, data, size)
        })
        .unwrap_or_default()
    }

    /// Tells the host that a context whose `on_done` returned false is now done.
    pub(super) fn done() {
        // SAFETY: takes no arguments. A status other than OK means that the host no longer waits.
        let _ = unsafe { proxy_done() };
    }
}

impl Host for Proxy {
    fn unix_nanos(&self) -> u64 {
        let mut time = 0;
        // SAFETY: the host writes one u64 where the pointer says.
        match unsafe { proxy_get_current_time_nanoseconds(&raw mut time) } {
            OK => time,
            // WASI's clock reads the same host's clock by another path.
            _ => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)),
        }
    }

    fn monotonic_nanos(&self) -> u64 {
        let mut time = 0;
        // SAFETY: the host writes one u64 where the pointer says.
        match unsafe { clock_time_get(CLOCK_MONOTONIC, 1, &raw mut time) } {
            OK => time,
            _ => self.unix_nanos(),
        }
    }

    fn random(&self, bytes: &mut [u8]) {
        if getrandom::fill(bytes).is_err() {
            // Never observed. Ids would then differ by time alone, so it is logged.
            self.log(Severity::Error, "gatelog: the host gives no random bytes");
        }
    }

    fn headers(&self, map: HeaderMap) -> Headers {
        // SAFETY: see `owned`.
        let pairs =
            owned(|data, size| unsafe { proxy_get_header_map_pairs(map_type(map), data, size) });
        Headers::from_serialized(pairs.unwrap_or_default())
    }

    fn header(&self, map: HeaderMap, name: &str) -> Option<Vec<u8>> {
        // SAFETY: see `owned`; the name is only read.
        owned(|data, size| unsafe {
            proxy_get_header_map_value(map_type(map), name.as_ptr(), name.len(), data, size)
        })
    }

    fn set_header(&self, map: HeaderMap, name: &str, value: &[u8]) -> Result<(), Refused> {
        // SAFETY: name and value are only read.
        result(unsafe {
            proxy_replace_header_map_value(
                map_type(map),
                name.as_ptr(),
                name.len(),
                value.as_ptr(),
                value.len(),
            )
        })
    }

    fn remove_header(&self, map: HeaderMap, name: &str) -> Result<(), Refused> {
        // SAFETY: the name is only read.
        result(unsafe { proxy_remove_header_map_value(map_type(map), name.as_ptr(), name.len()) })
    }

    fn property(&self, path: &str) -> Option<Vec<u8>> {
        // SAFETY: see `owned`; the path is only read.
        owned(|data, size| unsafe { proxy_get_property(path.as_ptr(), path.len(), data, size) })
    }

    fn compile(&self, expression: &str) -> Option<u32> {
        let token = foreign("expr_create", expression.as_bytes())?;
        Some(u32::from_le_bytes(token.try_into().ok()?))
    }

    fn evaluate(&self, expression: u32) -> Option<Headers> {
        foreign("expr_evaluate", &expression.to_le_bytes()).map(Headers::from_serialized)
    }

    fn set_filter_state(&self, name: &str, value: &[u8]) -> Result<(), Refused> {
        // SAFETY: name and value are only read.
        result(unsafe {
            proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len())
        })
    }

    fn dispatch(&self, callout: &Callout<'_>) -> Result<u32, Refused> {
        let headers = Headers::from_pairs(callout.headers).into_serialized();
        let trailers = Headers::from_pairs::<&str, &str>(&[]).into_serialized();
        let timeout_ms = u32::try_from(callout.timeout_ms).unwrap_or(u32::MAX);
        let mut token = 0;
        // SAFETY: everything is only read except one u32, which the host writes where the pointer
        // says.
        result(unsafe {
            proxy_http_call(
                callout.cluster.as_ptr(),
                callout.cluster.len(),
                headers.as_ptr(),
                headers.len(),
                callout.body.as_ptr(),
                callout.body.len(),
                trailers.as_ptr(),
                trailers.len(),
                timeout_ms,
                &raw mut token,
            )
        })?;
        Ok(token)
    }

    fn define_metric(&self, kind: MetricKind, name: &str) -> Option<u32> {
        let kind = match kind {
            MetricKind::Counter => MetricType::Counter,
            MetricKind::Gauge => MetricType::Gauge,
            MetricKind::Histogram => MetricType::Histogram,
        };
        let mut handle = 0;
        // SAFETY: the name is only read; the host writes one u32 where the pointer says.
        let status =
            unsafe { proxy_define_metric(kind as u32, name.as_ptr(), name.len(), &raw mut handle) };
        (status == OK).then_some(handle)
    }

    fn add_metric(&self, metric: u32, delta: i64) {
        // SAFETY: takes numbers. A metric that the host refuses is not worth failing for.
        let _ = unsafe { proxy_increment_metric(metric, delta) };
    }

    fn record_metric(&self, metric: u32, value: u64) {
        // SAFETY: as above.
        let _ = unsafe { proxy_record_metric(metric, value) };
    }

    fn log(&self, severity: Severity, line: &str) {
        let level = match severity {
            Severity::Info => LogLevel::Info,
            Severity::Warn => LogLevel::Warn,
            Severity::Error => LogLevel::Error,
        };
        // SAFETY: the line is only read. There is nowhere to report a failure to log.
        let _ = unsafe { proxy_log(level as u32, line.as_ptr(), line.len()) };
    }

    fn set_tick(&self, period_ms: u32) {
        // SAFETY: takes a number.
        if unsafe { proxy_set_tick_period_milliseconds(period_ms) } != OK {
            self.log(Severity::Error, "gatelog: Envoy gives no ticks, batches are not sent");
        }
    }
}

/// Bytes received from the host: it allocates them with the module's own allocator
/// (`proxy_on_memory_allocate`, a boxed slice of exactly `size`) and passes ownership.
fn owned(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Option<Vec<u8>> {
    let (mut data, mut size) = (null_mut(), 0);
    if call(&raw mut data, &raw mut size) != OK {
        return None;
    }
    if data.is_null() {
        return Some(Vec::new());
    }
    // SAFETY: `data` came from `proxy_on_memory_allocate(size)`, which leaks a `Box<[u8]>` of
    // `size` bytes; nothing else owns it.
    Some(unsafe { Box::from_raw(slice_from_raw_parts_mut(data, size)) }.into_vec())
}

/// Calls one of the host's foreign functions and returns its result.
fn foreign(name: &str, argument: &[u8]) -> Option<Vec<u8>> {
    // SAFETY: see `owned`; name and argument are only read.
    owned(|data, size| unsafe {
        proxy_call_foreign_function(
            name.as_ptr(),
            name.len(),
            argument.as_ptr(),
            argument.len(),
            data,
            size,
        )
    })
}

fn result(status: u32) -> Result<(), Refused> {
    match status {
        OK => Ok(()),
        BAD_ARGUMENT => Err(Refused::BadArgument),
        INTERNAL_FAILURE => Err(Refused::Unavailable),
        other => Err(Refused::Other(other)),
    }
}

fn map_type(map: HeaderMap) -> u32 {
    let map = match map {
        HeaderMap::Request => MapType::HttpRequestHeaders,
        HeaderMap::Response => MapType::HttpResponseHeaders,
        HeaderMap::ResponseTrailers => MapType::HttpResponseTrailers,
        HeaderMap::Callout => MapType::HttpCallResponseHeaders,
    };
    map as u32
}
