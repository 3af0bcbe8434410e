//! A configuration, of the HTTP filter or of the bootstrap extension: stats, callouts, its scheduler.
#![expect(unsafe_code, reason = "foreign functions over raw memory")]

use std::ffi::c_void;

use gatelog::host::MetricKind;

#[allow(clippy::wildcard_imports, reason = "one namespace of long names")]
use super::callbacks::*;

type Define = unsafe extern "C" fn(*mut c_void, OwnBytes, *mut OwnBytes, usize, *mut usize) -> u32;
type Tell = unsafe extern "C" fn(*mut c_void, usize, *mut OwnBytes, usize, u64) -> u32;
type Begin =
    unsafe extern "C" fn(*mut c_void, *mut u64, OwnBytes, *mut Header, usize, OwnBytes, u64) -> u32;

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

/// A configuration of Envoy's. Only for the main thread, but for its stats while it is made.
#[derive(Clone, Copy)]
pub(crate) enum Configuration {
    /// An HTTP filter's.
    Filter(*mut c_void),
    /// A bootstrap extension's.
    Extension(*mut c_void),
}

/// Calls a configuration's `scheduled` hook on the main thread.
#[derive(Debug)]
pub(crate) enum Scheduler {
    /// An HTTP filter's.
    Filter(*mut c_void),
    /// A bootstrap extension's.
    Extension(*mut c_void),
}

// SAFETY: Envoy documents that an event may be committed from any thread, and that the scheduler
// outlives its configuration.
unsafe impl Send for Scheduler {}

impl Configuration {
    /// Defines a stat; only while the configuration is made.
    pub(crate) fn define(self, kind: MetricKind, name: &str) -> Option<usize> {
        use MetricKind::{Counter, Gauge, Histogram};
        let (to, define) = match (self, kind) {
            (Self::Filter(to), Counter) => {
                (to, envoy_dynamic_module_callback_http_filter_config_define_counter as Define)
            }
            (Self::Filter(to), Gauge) => {
                (to, envoy_dynamic_module_callback_http_filter_config_define_gauge as Define)
            }
            (Self::Filter(to), Histogram) => {
                (to, envoy_dynamic_module_callback_http_filter_config_define_histogram as Define)
            }
            (Self::Extension(to), Counter) => (
                to,
                envoy_dynamic_module_callback_bootstrap_extension_config_define_counter as Define,
            ),
            (Self::Extension(to), Gauge) => (
                to,
                envoy_dynamic_module_callback_bootstrap_extension_config_define_gauge as Define,
            ),
            (Self::Extension(to), Histogram) => (
                to,
                envoy_dynamic_module_callback_bootstrap_extension_config_define_histogram as Define,
            ),
        };
        let (name, mut id) = (OwnBytes::of(name.as_bytes()), 0);
        // SAFETY: the name is only read, there are no labels, Envoy writes one number.
        let refused = unsafe { define(to, name, std::ptr::null_mut(), 0, &raw mut id) };
        (refused == 0).then_some(id)
    }

    /// Adds to a counter, sets a gauge, or records a value of a histogram.
    pub(crate) fn tell(self, kind: MetricKind, id: usize, value: u64) {
        use MetricKind::{Counter, Gauge, Histogram};
        let (to, tell) = match (self, kind) {
            (Self::Filter(to), Counter) => {
                (to, envoy_dynamic_module_callback_http_filter_config_increment_counter as Tell)
            }
            (Self::Filter(to), Gauge) => {
                (to, envoy_dynamic_module_callback_http_filter_config_set_gauge as Tell)
            }
            (Self::Filter(to), Histogram) => (
                to,
                envoy_dynamic_module_callback_http_filter_config_record_histogram_value as Tell,
            ),
            (Self::Extension(to), Counter) => (
                to,
                envoy_dynamic_module_callback_bootstrap_extension_config_increment_counter as Tell,
            ),
            (Self::Extension(to), Gauge) => {
                (to, envoy_dynamic_module_callback_bootstrap_extension_config_set_gauge as Tell)
            }
            (Self::Extension(to), Histogram) => (
                to,
                envoy_dynamic_module_callback_bootstrap_extension_config_record_histogram_value
                    as Tell,
            ),
        };
        // SAFETY: takes numbers, and there are no labels. A stat that is refused is not worth failing
        // for.
        let _ = unsafe { tell(to, id, std::ptr::null_mut(), 0, value) };
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
        let (to, begin) = match self {
            Self::Filter(to) => {
                (to, envoy_dynamic_module_callback_http_filter_config_http_callout as Begin)
            }
            Self::Extension(to) => {
                (to, envoy_dynamic_module_callback_bootstrap_extension_http_callout as Begin)
            }
        };
        let (mut headers, mut id) = (headers.iter().map(header).collect::<Vec<_>>(), 0);
        let (cluster, body) = (OwnBytes::of(cluster.as_bytes()), OwnBytes::of(body));
        let (list, count) = (headers.as_mut_ptr(), headers.len());
        // SAFETY: everything is only read, but for one number that Envoy writes.
        match unsafe { begin(to, &raw mut id, cluster, list, count, body, timeout_ms) } {
            0 => Ok(id),
            1 => Err(Unsent::Malformed),
            2 => Err(Unsent::NoCluster),
            other => Err(Unsent::Unavailable(other)),
        }
    }

    /// A scheduler that outlives it.
    pub(crate) fn scheduler(self) -> Scheduler {
        match self {
            // SAFETY: the configuration lives while a hook of it runs.
            Self::Filter(of) => Scheduler::Filter(unsafe {
                envoy_dynamic_module_callback_http_filter_config_scheduler_new(of)
            }),
            // SAFETY: as above.
            Self::Extension(of) => Scheduler::Extension(unsafe {
                envoy_dynamic_module_callback_bootstrap_extension_config_scheduler_new(of)
            }),
        }
    }

    /// Lets Envoy start: it waits for each of its extensions to say so.
    pub(crate) fn ready(self) {
        if let Self::Extension(to) = self {
            // SAFETY: the configuration lives while a hook of it runs.
            unsafe {
                envoy_dynamic_module_callback_bootstrap_extension_config_signal_init_complete(to);
            }
        }
    }
}

impl Scheduler {
    /// Has the configuration's `scheduled` hook called; nothing happens when it is gone.
    pub(crate) fn commit(&self) {
        match *self {
            // SAFETY: it exists until it is dropped.
            Self::Filter(scheduler) if !scheduler.is_null() => unsafe {
                envoy_dynamic_module_callback_http_filter_config_scheduler_commit(scheduler, 0);
            },
            // SAFETY: as above.
            Self::Extension(scheduler) if !scheduler.is_null() => unsafe {
                envoy_dynamic_module_callback_bootstrap_extension_config_scheduler_commit(
                    scheduler, 0,
                );
            },
            _ => {}
        }
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        match *self {
            // SAFETY: it is not used again.
            Self::Filter(scheduler) if !scheduler.is_null() => unsafe {
                envoy_dynamic_module_callback_http_filter_config_scheduler_delete(scheduler);
            },
            // SAFETY: as above.
            Self::Extension(scheduler) if !scheduler.is_null() => unsafe {
                envoy_dynamic_module_callback_bootstrap_extension_config_scheduler_delete(
                    scheduler,
                );
            },
            _ => {}
        }
    }
}
