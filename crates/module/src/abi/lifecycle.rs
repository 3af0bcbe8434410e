//! The hooks as Envoy calls them, from first to last: what is given out is taken back once, and what Envoy
//! lends is not used after it is gone. With the sanitizer of addresses, which also looks for leaks:
//!
//! ```sh
//! RUSTFLAGS=-Zsanitizer=address cargo +nightly test --package gatelog-module --lib \
//!     --target x86_64-unknown-linux-gnu --target-dir target/sanitized
//! ```
#![expect(unsafe_code, reason = "calls what Envoy calls")]

use std::ffi::c_void;
use std::ptr::{from_mut, null, null_mut};

use super::callbacks::{EnvoyBytes, Header};
use super::extension_hooks::*;
use super::filter_hooks::*;
use super::logger_hooks::*;
use super::stand_in::StandIn;

fn bytes(text: &[u8]) -> EnvoyBytes {
    EnvoyBytes { data: text.as_ptr(), length: text.len() }
}

const JSON: &[u8] = br#"{"service": "edge", "level": "DEBUG"}"#;

#[test]
fn a_filters_configuration_outlives_its_streams_and_no_pointer_is_used_after_its_end() {
    let envoy = null_mut();
    // SAFETY: the calls are in Envoy's order, with what the hooks returned.
    unsafe {
        let configuration =
            envoy_dynamic_module_on_http_filter_config_new(envoy, bytes(b"gatelog"), bytes(JSON));
        assert!(!configuration.is_null());
        let streams: Vec<_> =
            (0..3).map(|_| envoy_dynamic_module_on_http_filter_new(configuration, envoy)).collect();
        for stream in streams {
            assert!(!stream.is_null());
            let (request, response) = (
                envoy_dynamic_module_on_http_filter_request_headers(envoy, stream, true),
                envoy_dynamic_module_on_http_filter_response_headers(envoy, stream, true),
            );
            assert_eq!((request, response), (0, 0), "continue");
            envoy_dynamic_module_on_http_filter_stream_complete(envoy, stream);
            envoy_dynamic_module_on_http_filter_destroy(stream);
        }
        envoy_dynamic_module_on_http_filter_config_scheduled(envoy, configuration, 0);
        let name = b":status";
        let header = Header { name: name.as_ptr(), name_length: 7, value: null(), value_length: 0 };
        for (headers, count) in [(&raw const header, 1), (null(), 0)] {
            envoy_dynamic_module_on_http_filter_config_http_callout_done(
                envoy,
                configuration,
                1,
                0,
                headers,
                count,
                null(),
                0,
            );
        }
        envoy_dynamic_module_on_http_filter_config_destroy(configuration);
    }
}

#[test]
fn a_bad_configuration_is_refused_with_null() {
    for json in [&b"{"[..], b"{\"nonsense\": 1}", b"\xff\xfe"] {
        let (name, envoy) = (bytes(b"gatelog"), null_mut());
        let refused = envoy_dynamic_module_on_http_filter_config_new(envoy, name, bytes(json));
        assert!(refused.is_null());
        assert!(
            envoy_dynamic_module_on_access_logger_config_new(envoy, name, bytes(json)).is_null()
        );
    }
}

#[test]
fn an_access_logger_ends_before_its_configuration() {
    let envoy = null_mut();
    // SAFETY: as above.
    unsafe {
        let configuration =
            envoy_dynamic_module_on_access_logger_config_new(envoy, bytes(b"gatelog"), bytes(JSON));
        let logger = envoy_dynamic_module_on_access_logger_new(configuration, envoy);
        for kind in 0..16 {
            envoy_dynamic_module_on_access_logger_log(envoy, logger, kind);
        }
        envoy_dynamic_module_on_access_logger_destroy(logger);
        envoy_dynamic_module_on_access_logger_config_destroy(configuration);
    }
}

unsafe extern "C" fn completed(context: *mut c_void) {
    // SAFETY: the test below gives a number.
    let times = unsafe { context.cast::<u32>().as_mut() };
    *times.expect("a number") += 1;
}

#[test]
fn envoy_is_let_go_once_however_it_ends() {
    let (envoy, mut times) = (null_mut(), 0_u32);
    let context = from_mut(&mut times).cast();
    // SAFETY: as above; the number outlives the calls.
    unsafe {
        let configuration =
            envoy_dynamic_module_on_bootstrap_extension_config_new(envoy, bytes(b"g"), bytes(b""));
        let extension = envoy_dynamic_module_on_bootstrap_extension_new(configuration, envoy);
        envoy_dynamic_module_on_bootstrap_extension_shutdown(
            envoy,
            extension,
            Some(completed),
            context,
        );
        // Destroyed before anything was sent: it is let go all the same.
        envoy_dynamic_module_on_bootstrap_extension_destroy(extension);
        envoy_dynamic_module_on_bootstrap_extension_config_destroy(configuration);
        assert_eq!(*context.cast::<u32>(), 1);
        // Without an extension nothing is waited for.
        envoy_dynamic_module_on_bootstrap_extension_shutdown(
            envoy,
            null(),
            Some(completed),
            context,
        );
    }
    assert_eq!(times, 2);
}

/// Bytes that differ from one number to the next (Knuth's multiplicative hash), up to 40 of them.
fn noise(number: u32) -> Vec<u8> {
    let bytes = (0..number % 41).map(|place| {
        let mixed = number.wrapping_add(place).wrapping_mul(2_654_435_761);
        mixed.to_be_bytes()[0]
    });
    bytes.collect()
}

/// A stream with headers and attributes that nobody expects.
fn hostile(number: u32) -> StandIn {
    let names =
        ["x-request-id", "x-correlation-id", "traceparent", "user-agent", "cookie", "x-user-id"];
    let mut request =
        vec![(b":path".to_vec(), noise(number)), (b":method".to_vec(), b"GET".to_vec())];
    for (place, name) in (0..).zip(names) {
        // Some of them twice, some not at all.
        for again in 0..(number.wrapping_add(place) % 3) {
            request.push((name.into(), noise(number ^ (place << 8) ^ again)));
        }
    }
    let response = vec![
        (b"server-timing".to_vec(), noise(number.wrapping_mul(3))),
        (b"content-type".to_vec(), noise(number.wrapping_mul(5))),
        (b"access-control-allow-origin".to_vec(), b"*".to_vec()),
    ];
    let texts = (0..64).map(|attribute| (attribute, noise(number ^ attribute))).collect();
    let stream = StandIn::new(request, response, texts);
    stream.set_state(b"gatelog.claims", &noise(number ^ 0x99));
    stream
}

#[test]
fn what_envoy_lends_is_read_within_its_bounds_and_not_after_it_is_gone() {
    const JSON: &[u8] = br#"{
        "level": "DEBUG", "request_id": {"expose": true},
        "tenant": {"user_id": [{"header": "x-user-id"}, {"jwt_claim": "sub"}], "strip_untrusted": true}
    }"#;
    // SAFETY: the calls are in Envoy's order, with what the hooks returned; streams outlive them.
    unsafe {
        let configuration =
            envoy_dynamic_module_on_http_filter_config_new(null_mut(), bytes(b"g"), bytes(JSON));
        assert!(!configuration.is_null());
        for number in 0..500 {
            let envoy = hostile(number);
            let stream = envoy_dynamic_module_on_http_filter_new(configuration, envoy.pointer());
            envoy_dynamic_module_on_http_filter_request_headers(envoy.pointer(), stream, true);
            envoy.returned();
            envoy_dynamic_module_on_http_filter_response_headers(envoy.pointer(), stream, true);
            envoy.returned();
            envoy_dynamic_module_on_http_filter_stream_complete(envoy.pointer(), stream);
            envoy.returned();
            envoy_dynamic_module_on_http_filter_destroy(stream);
            for map in [0, 2] {
                assert_eq!(envoy.values(map, b"x-correlation-id").len(), 1, "{number}");
            }
            let lines = envoy.state(b"wasm.gatelog").expect("a record");
            for line in lines.split(|byte| *byte == b'\n') {
                serde_json::from_slice::<serde_json::Value>(line).expect("a line of JSON");
            }
        }
        envoy_dynamic_module_on_http_filter_config_destroy(configuration);
    }
}
