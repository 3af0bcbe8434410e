//! How an exchange ended, and how severe that is.

use gatelog_record::Level;

use crate::envoy::response_flags::ResponseFlags;

/// What is known of an exchange's end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The response's status; none when there was no response.
    pub status: Option<u16>,
    /// Envoy's response flags.
    pub flags: ResponseFlags,
    /// The gRPC status, for gRPC traffic that had one.
    pub grpc_status: Option<u32>,
    /// Whether this filter, or another wasm filter, failed the request.
    pub wasm_failure: bool,
}

/// The platform's fault: nothing to send the request to, or too much to do.
const PLATFORM: ResponseFlags = ResponseFlags::NO_HEALTHY_UPSTREAM
    .union(ResponseFlags::FAILED_LOCAL_HEALTH_CHECK)
    .union(ResponseFlags::UPSTREAM_CONNECTION_FAILURE)
    .union(ResponseFlags::DNS_RESOLUTION_FAILED)
    .union(ResponseFlags::UPSTREAM_OVERFLOW)
    .union(ResponseFlags::OVERLOAD_MANAGER)
    .union(ResponseFlags::DROP_OVERLOAD)
    .union(ResponseFlags::UNCONDITIONAL_DROP_OVERLOAD);

/// The upstream broke off what it had begun.
const UPSTREAM_ABORT: ResponseFlags = ResponseFlags::UPSTREAM_REMOTE_RESET
    .union(ResponseFlags::UPSTREAM_CONNECTION_TERMINATION)
    .union(ResponseFlags::UPSTREAM_PROTOCOL_ERROR)
    .union(ResponseFlags::UPSTREAM_REQUEST_TIMEOUT)
    .union(ResponseFlags::UPSTREAM_MAX_STREAM_DURATION_REACHED)
    .union(ResponseFlags::LOCAL_RESET);

/// The client went away.
const CLIENT_GONE: ResponseFlags =
    ResponseFlags::DOWNSTREAM_CONNECTION_TERMINATION.union(ResponseFlags::DOWNSTREAM_REMOTE_RESET);

impl Outcome {
    /// The level of the record, before any rule.
    pub fn level(&self) -> Level {
        let failed = self.failed();
        if self.wasm_failure || (failed && self.flags.intersects(PLATFORM)) {
            Level::Critical
        } else if failed || (self.upstream_aborted() && !self.client_left()) {
            Level::Error
        } else if self.client_fault() {
            Level::Warning
        } else {
            Level::Info
        }
    }

    /// Whether the exchange ended before its response was whole.
    pub fn aborted(&self) -> bool {
        self.status.is_none()
            || self.client_left()
            || self.flags.intersects(ResponseFlags::STREAM_IDLE_TIMEOUT)
            || (self.upstream_aborted() && self.status.is_some_and(|status| status < 500))
    }

    /// Whether the upstream broke off.
    fn upstream_aborted(&self) -> bool {
        self.flags.intersects(UPSTREAM_ABORT) && !self.tunnel_ended()
    }

    /// Whether this was a tunnel, a WebSocket, and one side ended its connection. That is how one
    /// ends: the server closes first (RFC 6455, section 7.1.1), a browser whose page is left does not
    /// wait for that. Frames are not read, so what was closed in order looks like what was not.
    fn tunnel_ended(&self) -> bool {
        self.status == Some(101)
            && [
                ResponseFlags::UPSTREAM_CONNECTION_TERMINATION,
                ResponseFlags::DOWNSTREAM_CONNECTION_TERMINATION,
            ]
            .contains(&self.flags)
    }

    /// Whether the server's side failed it: a 5xx, a server-fault gRPC code, or no answer though
    /// the client waited.
    fn failed(&self) -> bool {
        match (self.grpc_status, self.status) {
            (Some(code), _) if grpc_server_fault(code) => true,
            (_, Some(status)) => status >= 500,
            (_, None) => !self.client_left(),
        }
    }

    /// Whether the client went away, or broke the protocol of a response that had begun.
    fn client_left(&self) -> bool {
        let begun = self.status.is_none_or(|status| status < 400);
        (self.flags.intersects(CLIENT_GONE) && !self.tunnel_ended())
            || (begun && self.flags.intersects(ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR))
    }

    fn client_fault(&self) -> bool {
        let refused = self.status.is_some_and(|status| (400..500).contains(&status));
        refused || self.grpc_status.is_some_and(|code| code != 0) || self.aborted()
    }
}

/// gRPC codes that are the server's fault: UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL,
/// UNAVAILABLE, DATA_LOSS.
///
/// Source: OpenTelemetry semantic conventions for gRPC, which mark server spans with these as
/// errors. A code that gRPC does not define counts as UNKNOWN.
fn grpc_server_fault(code: u32) -> bool {
    matches!(code, 2 | 4 | 12..=15) || code > 16
}

/// The status of a response, of what the host gives as its code: none where that is 0 or an interim
/// response (100 to an upload that was then broken off), which does not say how it ended. 101 does.
pub fn final_status(code: u64) -> Option<u16> {
    u16::try_from(code).ok().filter(|status| *status == 101 || *status >= 200)
}

/// The gRPC status as its header or trailer spells it.
pub fn parse_grpc_status(value: &[u8]) -> Option<u32> {
    str::from_utf8(value.trim_ascii()).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use ResponseFlags as F;

    fn outcome(status: u16, flags: F) -> Outcome {
        Outcome { status: (status != 0).then_some(status), flags, ..Outcome::default() }
    }

    #[test]
    fn a_level_follows_from_status_and_flags() {
        let none = F::default();
        for (status, flags, level, aborted) in [
            (200, none, Level::Info, false),
            (101, none, Level::Info, false),
            (101, F::UPSTREAM_CONNECTION_TERMINATION, Level::Info, false),
            (101, F::UPSTREAM_REMOTE_RESET, Level::Error, true),
            (101, F::DOWNSTREAM_CONNECTION_TERMINATION, Level::Info, false),
            (101, F::DOWNSTREAM_REMOTE_RESET, Level::Warning, true),
            (304, none, Level::Info, false),
            (400, F::DOWNSTREAM_PROTOCOL_ERROR, Level::Warning, false),
            (200, F::DOWNSTREAM_PROTOCOL_ERROR, Level::Warning, true),
            (401, none, Level::Warning, false),
            (404, F::NO_ROUTE_FOUND, Level::Warning, false),
            (408, F::STREAM_IDLE_TIMEOUT, Level::Warning, true),
            (429, F::RATE_LIMITED, Level::Warning, false),
            (500, none, Level::Error, false),
            (502, F::UPSTREAM_PROTOCOL_ERROR, Level::Error, false),
            (503, F::UPSTREAM_CONNECTION_TERMINATION, Level::Error, false),
            (503, F::NO_CLUSTER_FOUND, Level::Error, false),
            (504, F::UPSTREAM_REQUEST_TIMEOUT, Level::Error, false),
            (200, F::UPSTREAM_REMOTE_RESET, Level::Error, true),
            (503, F::NO_HEALTHY_UPSTREAM, Level::Critical, false),
            (503, F::UPSTREAM_CONNECTION_FAILURE, Level::Critical, false),
            (503, F::UPSTREAM_OVERFLOW, Level::Critical, false),
            (503, F::OVERLOAD_MANAGER, Level::Critical, false),
            (503, F::DNS_RESOLUTION_FAILED, Level::Critical, false),
            (200, F::DOWNSTREAM_CONNECTION_TERMINATION, Level::Warning, true),
            (200, F::DOWNSTREAM_REMOTE_RESET, Level::Warning, true),
            (0, F::DOWNSTREAM_CONNECTION_TERMINATION, Level::Warning, true),
            (0, none, Level::Error, true),
            (0, F::UPSTREAM_CONNECTION_FAILURE, Level::Critical, true),
        ] {
            let outcome = outcome(status, flags);
            assert_eq!(outcome.level(), level, "{outcome:?}");
            assert_eq!(outcome.aborted(), aborted, "{outcome:?}");
        }
    }

    #[test]
    fn a_retry_that_succeeded_is_no_failure_of_the_platform() {
        assert_eq!(outcome(200, F::UPSTREAM_CONNECTION_FAILURE).level(), Level::Info);
    }

    #[test]
    fn a_grpc_code_counts_over_its_http_status() {
        for (code, level) in [
            (0, Level::Info),
            (1, Level::Warning),
            (2, Level::Error),
            (3, Level::Warning),
            (4, Level::Error),
            (5, Level::Warning),
            (7, Level::Warning),
            (12, Level::Error),
            (13, Level::Error),
            (14, Level::Error),
            (15, Level::Error),
            (16, Level::Warning),
            (99, Level::Error),
        ] {
            let outcome =
                Outcome { status: Some(200), grpc_status: Some(code), ..Outcome::default() };
            assert_eq!(outcome.level(), level, "{code}");
        }
        let unreachable = Outcome {
            status: Some(200),
            grpc_status: Some(14),
            flags: F::UPSTREAM_CONNECTION_FAILURE,
            ..Outcome::default()
        };
        assert_eq!(unreachable.level(), Level::Critical);
    }

    #[test]
    fn a_failed_wasm_filter_is_critical() {
        let outcome = Outcome { status: Some(503), wasm_failure: true, ..Outcome::default() };
        assert_eq!(outcome.level(), Level::Critical);
    }

    #[test]
    fn an_interim_response_is_no_response() {
        for code in [0, 100, 102, 103, 65_536] {
            assert_eq!(final_status(code), None);
        }
        for status in [101, 200, 204, 499, 503] {
            assert_eq!(final_status(u64::from(status)), Some(status));
        }
    }

    #[test]
    fn a_grpc_status_is_read_strictly() {
        assert_eq!(parse_grpc_status(b"14"), Some(14));
        assert_eq!(parse_grpc_status(b" 0 "), Some(0));
        for value in [&b""[..], b"-1", b"x", b"4294967296", b"\xff"] {
            assert_eq!(parse_grpc_status(value), None);
        }
    }
}
