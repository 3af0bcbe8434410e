//! Names of headers that the filter must not write or remove.

/// Headers that serve another purpose. Overwriting or removing one would change how a message
/// is framed or routed, who is trusted, or what the client, the service or Envoy does with it.
const MEANINGFUL: [&str; 59] = [
    // Framing and the connection: RFC 9110 §7 and §10, RFC 9112, RFC 9113 §8.2.2, RFC 9297.
    "capsule-protocol",
    "connection",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    // Routing and origin.
    "alt-svc",
    "alt-used",
    "forwarded",
    "from",
    "location",
    "max-forwards",
    "origin",
    "referer",
    "refresh",
    "true-client-ip",
    "user-agent",
    "via",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-uri",
    "x-original-url",
    "x-real-ip",
    "x-rewrite-url",
    // Content, ranges, caches.
    "age",
    "allow",
    "cache-control",
    "date",
    "early-data",
    "etag",
    "expires",
    "last-modified",
    "link",
    "pragma",
    "prefer",
    "priority",
    "range",
    "retry-after",
    "server",
    "server-timing",
    "vary",
    "warning",
    "x-accel-redirect",
    "x-sendfile",
    // Browser policies.
    "clear-site-data",
    "strict-transport-security",
    "timing-allow-origin",
    "x-content-type-options",
    "x-frame-options",
    // Tracing headers, which have their own formats.
    "b3",
    "baggage",
    "traceparent",
    "tracestate",
    // Where the shipped configuration keeps a client's request id.
    "x-client-request-id",
];

/// Prefixes of such headers.
const FAMILIES: [&str; 14] = [
    "accept",
    "access-control-",
    "content-",
    "cross-origin-",
    "grpc-",
    "if-",
    "proxy-",
    "sec-",
    "x-accel-",
    "x-b3-",
    "x-envoy-",
    "x-forwarded-",
    "x-gatelog-",
    "x-ot-",
];

/// Whether a header (lower-case name) serves another purpose than an id.
pub(super) fn is_meaningful(name: &str) -> bool {
    MEANINGFUL.contains(&name) || FAMILIES.iter().any(|family| name.starts_with(family))
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn headers_that_frame_route_or_steer_cannot_carry_an_id() {
        for name in [
            "content-length",
            "content-type",
            "content-encoding",
            "content-range",
            "content-disposition",
            "transfer-encoding",
            "trailer",
            "te",
            "connection",
            "keep-alive",
            "upgrade",
            "expect",
            "host",
            "proxy-connection",
            "proxy-status",
            "http2-settings",
            "max-forwards",
            "via",
            "forwarded",
            "x-forwarded-for",
            "x-forwarded-proto",
            "x-forwarded-host",
            "x-envoy-upstream-rq-timeout-ms",
            "x-envoy-retry-on",
            "x-envoy-original-url",
            "x-envoy-decorator-operation",
            "grpc-timeout",
            "grpc-status",
            "grpc-encoding",
            "range",
            "if-none-match",
            "if-match",
            "accept",
            "accept-encoding",
            "cache-control",
            "vary",
            "location",
            "origin",
            "access-control-allow-origin",
            "access-control-expose-headers",
            "sec-websocket-key",
            "sec-fetch-mode",
            "content-security-policy",
            "traceparent",
            "tracestate",
            "b3",
            "x-b3-traceid",
            "server-timing",
            "x-http-method-override",
            "x-client-request-id",
        ] {
            assert!(is_meaningful(name), "{name}");
        }
    }

    #[test]
    fn headers_used_only_for_ids_can_carry_one() {
        for name in [
            "x-request-id",
            "request-id",
            "x-correlation-id",
            "correlation-id",
            "x-amzn-trace-id",
            "x-flow-id",
            "x-cloud-trace-context",
            "x-transaction-id",
            "x-vcap-request-id",
            "x-organization-id",
            "x-user-id",
            "x-conversation-id",
            "x-tenant",
        ] {
            assert!(!is_meaningful(name), "{name}");
        }
    }
}
