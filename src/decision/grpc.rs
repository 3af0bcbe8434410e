//! The gRPC status as a gRPC client sees it.
//!
//! Source: grpc/grpc, `doc/PROTOCOL-HTTP2.md` and `doc/http-grpc-status-mapping.md`.

/// The status of a call without a readable status.
const UNKNOWN: u32 = 2;

/// The protocol that a content type names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// gRPC over HTTP/2: the status is a trailer, or a header if the response has only headers.
    Grpc,
    /// gRPC-Web: the status may be in the body, which is not read.
    GrpcWeb,
    /// Any other.
    Other,
}

impl Protocol {
    /// The protocol of a `content-type`.
    pub fn of(content_type: &[u8]) -> Self {
        match content_type.strip_prefix(b"application/grpc") {
            Some([] | [b'+' | b';' | b' ' | b'\t', ..]) => Self::Grpc,
            Some([b'-', b'w', b'e', b'b', ..]) => Self::GrpcWeb,
            _ => Self::Other,
        }
    }
}

/// A complete response.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The protocol that the request claimed.
    pub request: Protocol,
    /// The protocol of the response.
    pub response: Protocol,
}

impl Answer {
    /// The status that the client sees; `stated` is the one in a header or trailer. `None` if it
    /// is not a gRPC call.
    ///
    /// The response decides: only a gRPC response's `grpc-status` counts, whatever the request claimed
    /// to be. A client that made a call and got something else maps the HTTP status.
    pub fn code(&self, stated: impl FnOnce() -> Option<u32>) -> Option<u32> {
        match (self.response, self.request) {
            (Protocol::Grpc, _) => stated().or_else(|| Some(of_http(self.status))),
            (Protocol::GrpcWeb, _) => stated(),
            (Protocol::Other, Protocol::Grpc) => Some(of_http(self.status)),
            (Protocol::Other, _) => None,
        }
    }
}

/// The status of a call whose response has none.
fn of_http(status: u16) -> u32 {
    match status {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => 14,
        _ => UNKNOWN,
    }
}

/// Codes that are the server's fault: UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL,
/// UNAVAILABLE, DATA_LOSS.
///
/// Source: OpenTelemetry semantic conventions for gRPC, which mark server spans with these as
/// errors. A code that gRPC does not define counts as UNKNOWN.
pub fn is_server_fault(code: u32) -> bool {
    matches!(code, 2 | 4 | 12..=15) || code > 16
}

/// Parses the status of a header or trailer.
pub fn parse_status(value: &[u8]) -> Option<u32> {
    str::from_utf8(value.trim_ascii()).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::Protocol::{Grpc, GrpcWeb, Other};
    use super::*;

    #[test]
    fn a_content_type_names_its_protocol() {
        for (content_type, protocol) in [
            ("application/grpc", Grpc),
            ("application/grpc+proto", Grpc),
            ("application/grpc; charset=utf-8", Grpc),
            ("application/grpc-web", GrpcWeb),
            ("application/grpc-web-text+proto", GrpcWeb),
            ("application/grpcx", Other),
            ("application/json", Other),
            ("text/plain application/grpc", Other),
            ("", Other),
        ] {
            assert_eq!(Protocol::of(content_type.as_bytes()), protocol, "{content_type}");
        }
    }

    #[test]
    fn an_answer_has_the_status_that_its_client_takes_it_for() {
        for (status, request, response, stated, code) in [
            (200, Grpc, Grpc, Some(0), Some(0)),
            (200, Grpc, Grpc, Some(5), Some(5)),
            // No status, or none that can be read: UNKNOWN.
            (200, Grpc, Grpc, None, Some(2)),
            (503, Grpc, Grpc, None, Some(14)),
            (503, Grpc, Grpc, Some(8), Some(8)),
            // The answer decides, not what the request called itself.
            (200, Other, Grpc, Some(13), Some(13)),
            (200, Other, Grpc, None, Some(2)),
            (200, Other, Other, Some(13), None),
            (404, Other, Other, None, None),
            // A call that got something else.
            (200, Grpc, Other, Some(0), Some(2)),
            (302, Grpc, Other, None, Some(2)),
            (400, Grpc, Other, None, Some(13)),
            (401, Grpc, Other, None, Some(16)),
            (403, Grpc, Other, None, Some(7)),
            (404, Grpc, Other, None, Some(12)),
            (418, Grpc, Other, None, Some(2)),
            (429, Grpc, Other, None, Some(14)),
            (500, Grpc, Other, None, Some(2)),
            (502, Grpc, Other, None, Some(14)),
            (504, Grpc, Other, None, Some(14)),
            // Of gRPC-Web only what stands in header or trailer can be known.
            (200, GrpcWeb, GrpcWeb, None, None),
            (200, GrpcWeb, GrpcWeb, Some(7), Some(7)),
        ] {
            let answer = Answer { status, request, response };
            assert_eq!(answer.code(|| stated), code, "{answer:?} {stated:?}");
        }
    }

    #[test]
    fn a_status_is_read_strictly() {
        assert_eq!(parse_status(b"14"), Some(14));
        assert_eq!(parse_status(b" 0 "), Some(0));
        for value in [&b""[..], b"-1", b"x", b"4294967296", b"\xff", b"0, 0", b"1.0"] {
            assert_eq!(parse_status(value), None, "{value:?}");
        }
    }
}
