//! How an exchange ended, and how severe that is.

use gatelog_record::Level;

use crate::decision::grpc;
use crate::envoy::response_flags::ResponseFlags;

/// How an exchange ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The response's status; none when there was no response.
    pub status: Option<u16>,
    /// Envoy's response flags.
    pub flags: ResponseFlags,
    /// The gRPC status that a gRPC client sees; `None` for other traffic.
    pub grpc_status: Option<u32>,
    /// What Envoy's response code details say.
    pub ending: Ending,
    /// Whether a successful status makes it a tunnel: its method is CONNECT.
    pub connect: bool,
}

/// An ending that no response flag reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    /// Nothing beyond the flags.
    #[default]
    Ordinary,
    /// This filter, or another wasm filter, failed the request.
    WasmFailure,
    /// Envoy ended the stream by itself.
    CutShort,
}

/// Prefixes of the response code details with which Envoy ends a stream that may already have begun
/// a response.
///
/// Source: Envoy 1.40, `envoy/stream_info/stream_info.h` (`ResponseCodeDetailValues`).
const CUT_SHORT: [&[u8]; 4] =
    [b"max_duration_timeout", b"duration_timeout", b"response_payload_too_large", b"overload"];

impl Ending {
    /// What response code details say.
    pub fn of(details: &[u8]) -> Self {
        if details.starts_with(b"wasm_fail") {
            Self::WasmFailure
        } else if CUT_SHORT.iter().any(|cut| details.starts_with(cut)) {
            Self::CutShort
        } else {
            Self::Ordinary
        }
    }
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

/// The upstream aborted a response that it had begun.
const UPSTREAM_ABORT: ResponseFlags = ResponseFlags::UPSTREAM_REMOTE_RESET
    .union(ResponseFlags::UPSTREAM_CONNECTION_TERMINATION)
    .union(ResponseFlags::UPSTREAM_PROTOCOL_ERROR)
    .union(ResponseFlags::UPSTREAM_REQUEST_TIMEOUT)
    .union(ResponseFlags::UPSTREAM_MAX_STREAM_DURATION_REACHED)
    .union(ResponseFlags::LOCAL_RESET);

/// Envoy cut the stream short: overload, or the connection reached its maximum duration.
const GATEWAY_ABORT: ResponseFlags =
    ResponseFlags::OVERLOAD_MANAGER.union(ResponseFlags::DURATION_TIMEOUT);

/// How a tunnel ends: one side closes its connection.
const CLOSED: ResponseFlags = ResponseFlags::UPSTREAM_CONNECTION_TERMINATION
    .union(ResponseFlags::DOWNSTREAM_CONNECTION_TERMINATION);

/// The client disconnected.
const CLIENT_GONE: ResponseFlags =
    ResponseFlags::DOWNSTREAM_CONNECTION_TERMINATION.union(ResponseFlags::DOWNSTREAM_REMOTE_RESET);

impl Outcome {
    /// The level of the record, before any rule.
    pub fn level(&self) -> Level {
        let (failed, cut) = (self.failed(), self.cut_short());
        let overload = cut && self.flags.intersects(ResponseFlags::OVERLOAD_MANAGER);
        let platform = overload || (failed && self.flags.intersects(PLATFORM));
        if self.ending == Ending::WasmFailure || platform {
            Level::Critical
        } else if failed || cut || (self.upstream_aborted() && !self.client_left()) {
            Level::Error
        } else if self.client_fault() {
            Level::Warning
        } else {
            Level::Info
        }
    }

    /// Whether the exchange ended before its response was complete.
    pub fn aborted(&self) -> bool {
        self.status.is_none()
            || self.client_left()
            || self.cut_short()
            || self.flags.intersects(ResponseFlags::STREAM_IDLE_TIMEOUT)
            || (self.upstream_aborted() && self.status.is_some_and(|status| status < 500))
    }

    /// Whether the upstream aborted the response.
    fn upstream_aborted(&self) -> bool {
        self.flags.intersects(UPSTREAM_ABORT) && !self.tunnel_ended()
    }

    /// Whether Envoy itself ended a response that had begun. A status of 400 or above is what it
    /// answered instead.
    fn cut_short(&self) -> bool {
        self.status.is_some_and(|status| status < 400)
            && (self.ending == Ending::CutShort || self.flags.intersects(GATEWAY_ABORT))
    }

    /// Whether this was a tunnel (WebSocket or CONNECT) and one side closed its connection, or
    /// both did. This is how tunnels end: the server closes first (RFC 6455, section 7.1.1), and a browser
    /// that leaves the page does not wait for that. Frames are not read, so a clean close
    /// looks like any other.
    fn tunnel_ended(&self) -> bool {
        self.is_tunnel() && self.flags.intersects(CLOSED) && self.flags.without(CLOSED).is_empty()
    }

    /// Whether the bytes of both sides were forwarded unchanged.
    fn is_tunnel(&self) -> bool {
        match self.status {
            Some(101) => true,
            Some(status) => self.connect && (200..300).contains(&status),
            None => false,
        }
    }

    /// Whether the server's side failed it: a 5xx, a server-fault gRPC code, or no response although
    /// the client was waiting.
    fn failed(&self) -> bool {
        match (self.grpc_status, self.status) {
            (Some(code), _) if grpc::is_server_fault(code) => true,
            (_, Some(status)) => status >= 500,
            (_, None) => !self.client_left(),
        }
    }

    /// Whether the client disconnected, or violated the protocol after a response had begun.
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

/// The status of a response, from the host's response code: `None` if that is 0 or an interim
/// response (100 to an upload that was then broken off), which does not say how it ended. 101 does.
pub fn final_status(code: u64) -> Option<u16> {
    u16::try_from(code).ok().filter(|status| *status == 101 || *status >= 200)
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
            (
                101,
                F::UPSTREAM_CONNECTION_TERMINATION.union(F::DOWNSTREAM_CONNECTION_TERMINATION),
                Level::Info,
                false,
            ),
            (
                101,
                F::UPSTREAM_CONNECTION_TERMINATION.union(F::UPSTREAM_REMOTE_RESET),
                Level::Error,
                true,
            ),
            (101, F::STREAM_IDLE_TIMEOUT, Level::Warning, true),
            (101, F::OVERLOAD_MANAGER, Level::Critical, true),
            (101, F::UPSTREAM_REMOTE_RESET, Level::Error, true),
            (101, F::DOWNSTREAM_CONNECTION_TERMINATION, Level::Info, false),
            (101, F::DOWNSTREAM_REMOTE_RESET, Level::Warning, true),
            (304, none, Level::Info, false),
            (400, F::DOWNSTREAM_PROTOCOL_ERROR, Level::Warning, false),
            (200, F::DOWNSTREAM_PROTOCOL_ERROR, Level::Warning, true),
            (200, F::STREAM_IDLE_TIMEOUT, Level::Warning, true),
            (200, F::UPSTREAM_MAX_STREAM_DURATION_REACHED, Level::Error, true),
            (200, F::OVERLOAD_MANAGER, Level::Critical, true),
            (304, F::OVERLOAD_MANAGER, Level::Critical, true),
            (200, F::DURATION_TIMEOUT, Level::Error, true),
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
    fn a_retry_that_succeeded_is_not_a_platform_failure() {
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
    fn response_code_details_tell_what_no_flag_does() {
        for (status, details, level, aborted) in [
            (200, "via_upstream", Level::Info, false),
            (503, "wasm_fail_stream", Level::Critical, false),
            (200, "max_duration_timeout", Level::Error, true),
            (101, "max_duration_timeout", Level::Error, true),
            (200, "response_payload_too_large", Level::Error, true),
            (200, "overload", Level::Error, true),
            // Answered instead of cut.
            (408, "max_duration_timeout", Level::Warning, false),
            (504, "max_duration_timeout", Level::Error, false),
            (503, "overload", Level::Error, false),
            (500, "response_payload_too_large", Level::Error, false),
            (200, "", Level::Info, false),
        ] {
            let ending = Ending::of(details.as_bytes());
            let outcome = Outcome { status: Some(status), ending, ..Outcome::default() };
            assert_eq!(outcome.level(), level, "{status} {details}");
            assert_eq!(outcome.aborted(), aborted, "{status} {details}");
        }
    }

    #[test]
    fn a_tunnel_of_connect_ends_as_a_websocket_does() {
        let closed = F::DOWNSTREAM_CONNECTION_TERMINATION;
        for (connect, status, flags, level) in [
            (true, 200, F::default(), Level::Info),
            (true, 200, closed, Level::Info),
            (true, 200, closed.union(F::UPSTREAM_CONNECTION_TERMINATION), Level::Info),
            (true, 200, F::UPSTREAM_REMOTE_RESET, Level::Error),
            (true, 503, F::UPSTREAM_CONNECTION_TERMINATION, Level::Error),
            (true, 403, closed, Level::Warning),
            (false, 200, closed, Level::Warning),
            (false, 200, F::UPSTREAM_CONNECTION_TERMINATION, Level::Error),
        ] {
            let outcome = Outcome { connect, ..outcome(status, flags) };
            assert_eq!(outcome.level(), level, "{outcome:?}");
        }
        let silent = Outcome { connect: true, ..outcome(0, closed) };
        assert_eq!(silent.level(), Level::Warning, "it never became a tunnel");
    }

    #[test]
    fn an_interim_response_does_not_count_as_a_response() {
        for code in [0, 100, 102, 103, 65_536] {
            assert_eq!(final_status(code), None);
        }
        for status in [101, 200, 204, 499, 503] {
            assert_eq!(final_status(u64::from(status)), Some(status));
        }
    }
}
