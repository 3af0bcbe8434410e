//! A hostcall that was made, and one that a test expects.

use std::fmt;

use super::status::Status;

/// A hostcall, with the argument that distinguishes it from others with the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The import's name, for example `proxy_get_property`.
    pub name: &'static str,
    /// The property, the map and header, the metric, …; empty if there is none.
    pub argument: String,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name, self.argument)
    }
}

/// A hostcall that a callback must make.
#[derive(Clone, Debug)]
pub struct Expected {
    call: String,
    pub(super) answer: Option<Status>,
}

impl Expected {
    /// A call in the form in which failures and [`super::MockHost::calls`] show it, for example
    /// `proxy_get_property(request.duration)`.
    pub fn call(call: impl Into<String>) -> Self {
        Self { call: call.into(), answer: None }
    }

    /// Makes the call return this status and do nothing.
    #[must_use]
    pub fn answering(mut self, status: Status) -> Self {
        self.answer = Some(status);
        self
    }

    pub(super) fn is(&self, call: &Call) -> bool {
        self.call == call.to_string()
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.call)
    }
}

/// The hostcalls that a test can expect, by name.
pub mod expect {
    use super::Expected;
    use crate::mock_host::{Buffer, Clock, LogLevel, Map};

    /// Reads a property, named as in Envoy's documentation: `request.duration`.
    pub fn get_property(path: &str) -> Expected {
        Expected::call(format!("proxy_get_property({path})"))
    }

    /// Sets a property: filter state `wasm.<path>`.
    pub fn set_property(path: &str) -> Expected {
        Expected::call(format!("proxy_set_property({path})"))
    }

    /// Reads a whole map.
    pub fn get_headers(map: Map) -> Expected {
        Expected::call(format!("proxy_get_header_map_pairs({map})"))
    }

    /// Reads one header.
    pub fn get_header(map: Map, name: &str) -> Expected {
        Expected::call(format!("proxy_get_header_map_value({map}: {name})"))
    }

    /// Replaces a header, or adds it if it is absent.
    pub fn set_header(map: Map, name: &str) -> Expected {
        Expected::call(format!("proxy_replace_header_map_value({map}: {name})"))
    }

    /// Adds a header.
    pub fn add_header(map: Map, name: &str) -> Expected {
        Expected::call(format!("proxy_add_header_map_value({map}: {name})"))
    }

    /// Removes a header.
    pub fn remove_header(map: Map, name: &str) -> Expected {
        Expected::call(format!("proxy_remove_header_map_value({map}: {name})"))
    }

    /// Reads a buffer.
    pub fn get_buffer(buffer: Buffer) -> Expected {
        Expected::call(format!("proxy_get_buffer_bytes({buffer})"))
    }

    /// Sends a callout to a cluster.
    pub fn http_call(cluster: &str) -> Expected {
        Expected::call(format!("proxy_http_call({cluster})"))
    }

    /// Defines a metric.
    pub fn define_metric(name: &str) -> Expected {
        Expected::call(format!("proxy_define_metric({name})"))
    }

    /// Adds to a counter or gauge.
    pub fn increment_metric(name: &str) -> Expected {
        Expected::call(format!("proxy_increment_metric({name})"))
    }

    /// Sets a gauge, or records a value in a histogram.
    pub fn record_metric(name: &str) -> Expected {
        Expected::call(format!("proxy_record_metric({name})"))
    }

    /// Writes a log line.
    pub fn log(level: LogLevel) -> Expected {
        Expected::call(format!("proxy_log({level})"))
    }

    /// Sets the period of the root context's tick.
    pub fn set_tick_period(milliseconds: u32) -> Expected {
        Expected::call(format!("proxy_set_tick_period_milliseconds({milliseconds})"))
    }

    /// Sets the effective context of subsequent calls.
    pub fn set_effective_context(context: u32) -> Expected {
        Expected::call(format!("proxy_set_effective_context({context})"))
    }

    /// Reports that a root context that deferred its end is done.
    pub fn done() -> Expected {
        Expected::call("proxy_done()")
    }

    /// Reads a clock.
    pub fn clock(clock: Clock) -> Expected {
        Expected::call(format!("clock_time_get({clock})"))
    }

    /// Reads random bytes.
    pub fn random(bytes: u32) -> Expected {
        Expected::call(format!("random_get({bytes})"))
    }
}
