//! A configuration of the HTTP filter: stats, callouts, and its scheduler.
#![expect(unsafe_code, reason = "foreign functions over raw memory")]

use std::ffi::c_void;

use gatelog::host::MetricKind;

#[allow(clippy::wildcard_imports, reason = "one namespace of long names")]
use super::callbacks::*;

/// The result of a callout that could not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsent {
    /// A header that every request needs is missing.
    Malformed,
    /// There is no such cluster.
    NoCluster,
    /// It has no endpoint, or another reason.
    Unavailable(u32),
}

/// An HTTP filter's configuration. Only for the main thread, but for its stats while it is made.
#[derive(Clone, Copy)]
pub(crate) struct Configuration(*mut c_void);

/// Calls a configuration's `scheduled` hook on the main thread.
#[derive(Debug)]
pub(crate) struct Scheduler(*mut c_void);

// SAFETY: Envoy documents that an event may be committed from any thread, and that the scheduler
// outlives its configuration.
unsafe impl Send for Scheduler {}

impl Configuration {
    /// From what a hook was given.
    pub(crate) fn of(pointer: *mut c_void) -> Self {
        Self(pointer)
    }

    /// Defines a stat; only while the configuration is made.
    pub(crate) fn define(self, kind: MetricKind, name: &str) -> Option<usize> {
        let define = match kind {
            MetricKind::Counter => envoy_dynamic_module_callback_http_filter_config_define_counter,
            MetricKind::Gauge => envoy_dynamic_module_callback_http_filter_config_define_gauge,
            MetricKind::Histogram => {
                envoy_dynamic_module_callback_http_filter_config_define_histogram
            }
        };
        let (name, mut id) = (OwnBytes::of(name.as_bytes()), 0);
        // SAFETY: the name is only read, there are no labels, Envoy writes one number.
        let refused = unsafe { define(self.0, name, std::ptr::null_mut(), 0, &raw mut id) };
        (refused == 0).then_some(id)
    }

    /// Adds to a counter, sets a gauge, or records a value of a histogram.
    pub(crate) fn tell(self, kind: MetricKind, id: usize, value: u64) {
        let tell = match kind {
            MetricKind::Counter => {
                envoy_dynamic_module_callback_http_filter_config_increment_counter
            }
            MetricKind::Gauge => envoy_dynamic_module_callback_http_filter_config_set_gauge,
            MetricKind::Histogram => {
                envoy_dynamic_module_callback_http_filter_config_record_histogram_value
            }
        };
        // SAFETY: takes numbers, and there are no labels. A stat that is refused is not worth failing
        // for.
        let _ = unsafe { tell(self.0, id, std::ptr::null_mut(), 0, value) };
    }

    /// Begins a callout and returns its number.
    pub(crate) fn callout(
        self,
        cluster: &str,
        headers: &[(&str, &str)],
        body: &[u8],
        timeout_ms: u64,
    ) -> Result<u64, Unsent> {
        let header = |(name, value): &(&str, &str)| Header {
            name: name.as_ptr(),
            name_length: name.len(),
            value: value.as_ptr(),
            value_length: value.len(),
        };
        let (mut headers, mut id) = (headers.iter().map(header).collect::<Vec<_>>(), 0);
        // SAFETY: everything is only read, but for one number that Envoy writes.
        let result = unsafe {
            envoy_dynamic_module_callback_http_filter_config_http_callout(
                self.0,
                &raw mut id,
                OwnBytes::of(cluster.as_bytes()),
                headers.as_mut_ptr(),
                headers.len(),
                OwnBytes::of(body),
                timeout_ms,
            )
        };
        match result {
            0 => Ok(id),
            1 => Err(Unsent::Malformed),
            2 => Err(Unsent::NoCluster),
            other => Err(Unsent::Unavailable(other)),
        }
    }

    /// A scheduler that outlives it.
    pub(crate) fn scheduler(self) -> Scheduler {
        // SAFETY: the configuration lives while a hook of it runs.
        Scheduler(unsafe { envoy_dynamic_module_callback_http_filter_config_scheduler_new(self.0) })
    }
}

impl Scheduler {
    /// Has the configuration's `scheduled` hook called; nothing happens when it is gone.
    pub(crate) fn commit(&self) {
        if !self.0.is_null() {
            // SAFETY: it exists until it is dropped.
            unsafe {
                envoy_dynamic_module_callback_http_filter_config_scheduler_commit(self.0, 0);
            }
        }
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: it is not used again.
            unsafe { envoy_dynamic_module_callback_http_filter_config_scheduler_delete(self.0) };
        }
    }
}
