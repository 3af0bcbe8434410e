//! Names of the proxy's properties, and how to read their bytes.
//!
//! Source: Envoy, "Attributes"; measured on 1.40: integers are 8 bytes little endian, times and
//! durations are nanoseconds, addresses are `ip:port`.

use std::net::IpAddr;

/// When the request started: nanoseconds since the epoch.
pub const REQUEST_TIME: &str = "request\0time";
/// The whole exchange's duration; final when it is logged.
pub const REQUEST_DURATION: &str = "request\0duration";
/// Bytes received, headers included.
pub const REQUEST_TOTAL_SIZE: &str = "request\0total_size";
/// `HTTP/1.1`, `HTTP/2`, …
pub const REQUEST_PROTOCOL: &str = "request\0protocol";
/// The status; absent when there was no response.
pub const RESPONSE_CODE: &str = "response\0code";
/// Why that status.
pub const RESPONSE_CODE_DETAILS: &str = "response\0code_details";
/// Envoy's response flags, a bit each.
pub const RESPONSE_FLAGS: &str = "response\0flags";
/// Bytes sent, headers included.
pub const RESPONSE_TOTAL_SIZE: &str = "response\0total_size";
/// Time the upstream took to answer; absent for local replies and aborts.
pub const RESPONSE_BACKEND_LATENCY: &str = "response\0backend_latency";
/// The upstream host.
pub const UPSTREAM_ADDRESS: &str = "upstream\0address";
/// Why the connection to the upstream failed.
pub const UPSTREAM_TRANSPORT_FAILURE: &str = "upstream\0transport_failure_reason";
/// How many times the upstream was tried.
pub const UPSTREAM_ATTEMPTS: &str = "upstream\0request_attempt_count";
/// The client, as Envoy determines it from the connection and `x-forwarded-for`.
pub const SOURCE_ADDRESS: &str = "source\0address";
/// The route's name.
pub const ROUTE_NAME: &str = "xds\0route_name";
/// The upstream cluster's name.
pub const CLUSTER_NAME: &str = "xds\0cluster_name";
/// The proxy's node id.
pub const NODE_ID: &str = "xds\0node\0id";

/// An unsigned integer; a negative one reads as 0.
pub fn uint(bytes: &[u8]) -> Option<u64> {
    let number = i64::from_le_bytes(bytes.try_into().ok()?);
    Some(u64::try_from(number).unwrap_or(0))
}

/// The IP of an `ip:port`, as text, without the zone of a link-local address; a pipe or an
/// internal address has none.
pub fn ip_text(bytes: &[u8]) -> Option<&str> {
    let text = str::from_utf8(bytes).ok()?;
    let address = match text.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?,
        // One colon separates address and port; more belong to a bare IPv6 address.
        None => {
            text.split_once(':').filter(|(_, port)| !port.contains(':')).map_or(text, |(ip, _)| ip)
        }
    };
    let address = address.split('%').next()?;
    address.parse::<IpAddr>().ok().map(|_| address)
}

/// The IP of an `ip:port`; a pipe or an internal address has none.
pub fn ip(bytes: &[u8]) -> Option<IpAddr> {
    ip_text(bytes)?.parse().ok()
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn integers_are_eight_bytes_little_endian() {
        assert_eq!(uint(&200_i64.to_le_bytes()), Some(200));
        assert_eq!(uint(&(-1_i64).to_le_bytes()), Some(0));
        assert_eq!(uint(b"200"), None);
    }

    #[test]
    fn an_address_loses_its_port() {
        for (address, expected) in [
            ("10.0.0.1:80", "10.0.0.1"),
            ("[::1]:80", "::1"),
            ("::1", "::1"),
            ("[fe80::1%2]:80", "fe80::1"),
            ("[fe80::1%eth0]:80", "fe80::1"),
            ("fe80::1%2", "fe80::1"),
            ("10.0.0.1", "10.0.0.1"),
        ] {
            assert_eq!(ip_text(address.as_bytes()), Some(expected));
            assert_eq!(ip(address.as_bytes()).unwrap().to_string(), expected);
        }
        for none in [&b"/tmp/socket"[..], b"envoy://internal/x", b"\xff", b"", b"[", b"%", b"a:1"] {
            assert_eq!(ip(none), None, "{none:?}");
        }
    }
}
