//! Bytes that no well-behaved client sends.

use gatelog_testkit::mock_host::{Answer, Headers, Stream};
use gatelog_testkit::secret_shapes::{self, Place};
use serde_json::Value;

use crate::gateway::{Gateway, ordinary, record};

const NASTY: [&[u8]; 12] = [
    b"\xff\xfe\xfd",
    b"caf\xe9",
    b"\xf0\x9f\x98",
    b"\x00\x01\x1b[31m\x7f",
    b"a\r\nSet-Cookie: b\r\n",
    b"\"}],\"level\":\"DEBUG",
    b"\\u0000\\",
    "\u{2028}\u{202e}\u{feff}".as_bytes(),
    b"",
    b"%00%ff%",
    b"${jndi:ldap://x}",
    b"{\"$date\":1}",
];

/// A whole exchange with a nasty value, which must leave one line of valid JSON.
fn survives(gateway: &mut Gateway, stream: Stream, what: &str) -> Value {
    let stream = gateway.serve(stream);
    let line = &stream.filter_state["gatelog"];
    assert!(!line.iter().any(|byte| *byte < b' '), "{what}: a control character in the line");
    assert!(line.len() <= 16 * 1024, "{what}: {} bytes", line.len());
    record(&stream)
}

#[test]
fn any_bytes_in_any_request_header_leave_one_valid_line() {
    let mut gateway = Gateway::start(
        r#"{"level": "INFO", "record": {"request_headers": ["x-region"]},
            "correlation_id": {"from_traceparent": true}}"#,
    );
    for name in [
        ":method",
        ":scheme",
        ":authority",
        ":path",
        "user-agent",
        "x-request-id",
        "x-correlation-id",
        "x-client-request-id",
        "x-organization-id",
        "x-user-id",
        "x-conversation-id",
        "x-region",
        "traceparent",
        "content-type",
        "authorization",
        "cookie",
    ] {
        for value in NASTY {
            let mut stream = ordinary();
            stream.request_headers.as_mut().unwrap().set(name, value);
            survives(&mut gateway, stream, name);
        }
    }
}

#[test]
fn any_bytes_in_a_response_leave_one_valid_line() {
    let mut gateway = Gateway::start(
        r#"{"record": {"response_headers": ["x-served-by", "set-cookie"]}, "level": "DEBUG"}"#,
    );
    for name in ["server-timing", "x-served-by", "set-cookie", "grpc-status", ":status"] {
        for value in NASTY {
            let mut stream = ordinary();
            stream.request_headers.as_mut().unwrap().set("content-type", "application/grpc");
            stream.response_headers.as_mut().unwrap().set(name, value);
            stream.response_trailers = Some(Headers::from([("grpc-status", value)]));
            let stream = gateway.serve(stream);
            for line in stream.filter_state["gatelog"].split(|byte| *byte == b'\n') {
                serde_json::from_slice::<Value>(line).unwrap();
            }
        }
    }
}

#[test]
fn any_bytes_in_any_property_leave_one_valid_line() {
    let mut gateway = Gateway::start("{}");
    let names: Vec<String> = ordinary().properties.keys().cloned().collect();
    for name in names.iter().map(String::as_str).chain([
        "upstream.transport_failure_reason",
        "metadata.filter_metadata.envoy.filters.http.jwt_authn",
    ]) {
        for value in NASTY.into_iter().chain([&[0xff; 8][..], &[1; 7], &[1; 9]]) {
            for begun in [true, false] {
                let mut stream = ordinary();
                stream.property("response.code", 503_u64).property("response.flags", 2_u64);
                stream.property(name, value);
                if begun {
                    survives(&mut gateway, stream, name);
                } else {
                    let id = gateway.begin(stream);
                    record(&gateway.end(id));
                }
            }
        }
    }
}

#[test]
fn huge_headers_give_a_record_within_its_bound() {
    let mut gateway = Gateway::start("{}");
    for name in
        [":method", ":authority", ":path", "user-agent", "x-organization-id", "x-correlation-id"]
    {
        let mut stream = ordinary();
        let headers = stream.request_headers.as_mut().unwrap();
        headers.set(name, format!("/{}", "x".repeat(400_000)));
        for number in 0..2_000 {
            headers.add(&format!("x-{number}"), "value");
        }
        survives(&mut gateway, stream, name);
    }
}

#[test]
fn a_repeated_id_is_not_taken_for_one() {
    let mut gateway = Gateway::start("{}");
    let mut stream = ordinary();
    stream.request_headers.as_mut().unwrap().add("x-request-id", "req-2");
    let stream = gateway.serve(stream);
    let headers = stream.request_headers.as_ref().unwrap();
    let ids = headers.iter().filter(|(name, _)| *name == "x-request-id");
    assert_eq!(ids.count(), 1);
    assert_ne!(headers.text("x-request-id"), Some("req-1"));
    assert_eq!(record(&stream)["context"]["client_request_id"], "req-1");
}

#[test]
fn no_planted_secret_leaves_a_trace_in_record_batch_or_log() {
    let mut gateway = Gateway::start(secret_shapes::CONFIGURATION);
    for planted in secret_shapes::planted() {
        let mut stream = ordinary();
        let (request, response) =
            (stream.request_headers.as_mut().unwrap(), stream.response_headers.as_mut().unwrap());
        request.set(":path", planted.target);
        match planted.place {
            Place::Target => request.set(":path", &planted.value),
            Place::Host => request.set(":authority", &planted.value),
            Place::Request(name) => request.set(name, &planted.value),
            Place::Response(name) => response.set(name, &planted.value),
        }
        let stream = gateway.serve(stream);
        let lines = String::from_utf8(stream.filter_state["gatelog"].clone()).unwrap();
        assert_eq!(lines.lines().count(), 2, "{planted:?}");
        assert!(!lines.contains(secret_shapes::MARK), "{planted:?}\n{lines}");
    }
    gateway.collect(|_| Answer::status(202));
    let sent = gateway.callouts().iter().map(|callout| String::from_utf8_lossy(&callout.body));
    assert!(sent.into_iter().all(|body| !body.contains(secret_shapes::MARK)));
    let logs = &gateway.host.world().logs;
    assert!(logs.iter().all(|line| !line.text.contains(secret_shapes::MARK)), "{logs:?}");
}
