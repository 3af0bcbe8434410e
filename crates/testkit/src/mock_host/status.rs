//! The numbers of the ABI, by name. Source: proxy-wasm specification, abi-versions/v0.2.1.

use std::fmt;

/// The status that a hostcall returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Status(pub u32);

impl Status {
    /// Success.
    pub const OK: Self = Self(0);
    /// Not found.
    pub const NOT_FOUND: Self = Self(1);
    /// An argument is out of range, or not available in this callback.
    pub const BAD_ARGUMENT: Self = Self(2);
    /// A value could not be serialized.
    pub const SERIALIZATION_FAILURE: Self = Self(3);
    /// The host failed.
    pub const INTERNAL_FAILURE: Self = Self(10);
    /// The host does not implement this call; the SDK has no name for it.
    pub const UNIMPLEMENTED: Self = Self(12);

    /// Every status of the ABI except OK, plus two that no ABI version defines.
    pub fn failures() -> impl Iterator<Item = Self> {
        (1..=12).chain([13, u32::MAX]).map(Self)
    }
}

/// A map of headers or trailers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Map {
    /// Headers of the request.
    RequestHeaders,
    /// Trailers of the request.
    RequestTrailers,
    /// Headers of the response.
    ResponseHeaders,
    /// Trailers of the response.
    ResponseTrailers,
    /// Headers of a callout response.
    CalloutHeaders,
    /// Trailers of a callout response.
    CalloutTrailers,
}

impl Map {
    pub(super) fn from_abi(number: u32) -> Option<Self> {
        Some(match number {
            0 => Map::RequestHeaders,
            1 => Map::RequestTrailers,
            2 => Map::ResponseHeaders,
            3 => Map::ResponseTrailers,
            6 => Map::CalloutHeaders,
            7 => Map::CalloutTrailers,
            _ => return None,
        })
    }
}

impl fmt::Display for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Map::RequestHeaders => "request headers",
            Map::RequestTrailers => "request trailers",
            Map::ResponseHeaders => "response headers",
            Map::ResponseTrailers => "response trailers",
            Map::CalloutHeaders => "callout headers",
            Map::CalloutTrailers => "callout trailers",
        })
    }
}

/// A buffer that a callback can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buffer {
    /// Body of a callout response.
    CalloutBody,
    /// The VM's configuration.
    VmConfiguration,
    /// The plugin's configuration.
    PluginConfiguration,
}

impl Buffer {
    pub(super) fn from_abi(number: u32) -> Option<Self> {
        Some(match number {
            4 => Buffer::CalloutBody,
            6 => Buffer::VmConfiguration,
            7 => Buffer::PluginConfiguration,
            _ => return None,
        })
    }
}

impl fmt::Display for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Buffer::CalloutBody => "callout body",
            Buffer::VmConfiguration => "vm configuration",
            Buffer::PluginConfiguration => "plugin configuration",
        })
    }
}

/// A clock of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// Time since 1970; it can be set back.
    Wall,
    /// Time since an arbitrary instant; it never goes back.
    Monotonic,
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Clock::Wall => "wall",
            Clock::Monotonic => "monotonic",
        })
    }
}

/// The severity of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Most detailed.
    Trace,
    /// For debugging.
    Debug,
    /// Normal operation.
    Info,
    /// Something was recovered from.
    Warn,
    /// Something was lost.
    Error,
    /// The module panicked.
    Critical,
}

impl LogLevel {
    pub(super) fn from_abi(number: u32) -> Option<Self> {
        Some(match number {
            0 => LogLevel::Trace,
            1 => LogLevel::Debug,
            2 => LogLevel::Info,
            3 => LogLevel::Warn,
            4 => LogLevel::Error,
            5 => LogLevel::Critical,
            _ => return None,
        })
    }

    pub(super) fn to_abi(self) -> u32 {
        match self {
            LogLevel::Trace => 0,
            LogLevel::Debug => 1,
            LogLevel::Info => 2,
            LogLevel::Warn => 3,
            LogLevel::Error => 4,
            LogLevel::Critical => 5,
        }
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LogLevel::Trace => "trace",
            LogLevel::Debug => "debug",
            LogLevel::Info => "info",
            LogLevel::Warn => "warn",
            LogLevel::Error => "error",
            LogLevel::Critical => "critical",
        })
    }
}

/// The kind of an Envoy stat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution.
    Histogram,
}

impl MetricKind {
    pub(super) fn from_abi(number: u32) -> Option<Self> {
        Some(match number {
            0 => MetricKind::Counter,
            1 => MetricKind::Gauge,
            2 => MetricKind::Histogram,
            _ => return None,
        })
    }
}
