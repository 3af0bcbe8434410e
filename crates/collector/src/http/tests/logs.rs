//! OTLP logs over HTTP.

use super::*;
use crate::ingest::otlp::to_protobuf;

const PROTOBUF: &str = "application/x-protobuf";

fn export(records: &[Value]) -> String {
    json!({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}).to_string()
}

fn saying(text: &str) -> Value {
    json!({"timeUnixNano": "1769393517469652000", "body": {"stringValue": text}})
}

fn wire(json: &str) -> Vec<u8> {
    to_protobuf(json.as_bytes()).unwrap()
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

async fn post(
    fixture: &Fixture,
    kind: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> Answer {
    let mut request = post_of(kind, headers, body);
    *request.uri_mut() = "/v1/logs".parse().unwrap();
    let (head, body) = app(fixture.app.clone()).oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    Answer { status: head.status.as_u16(), headers: head.headers, body }
}

async fn messages(fixture: &Fixture) -> Vec<String> {
    let lines = fixture.spooled().await;
    let read = lines.iter().map(|line| decode_record(line, &limits().batch.record, Uuid::nil()));
    read.map(|read| read.unwrap().body["message"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn both_encodings_are_accepted_plain_and_compressed_and_answered_in_kind() {
    let json = export(&[saying("a"), saying("b")]);
    let gzip = [("content-encoding", "gzip")];
    for (kind, headers, body, answer) in [
        (JSON, &[][..], json.clone().into_bytes(), &b"{}"[..]),
        ("application/json; charset=utf-8", &gzip, zip(json.as_bytes()), b"{}"),
        (PROTOBUF, &[], wire(&json), b""),
        ("Application/X-Protobuf", &gzip, zip(&wire(&json)), b""),
    ] {
        let fixture = Fixture::new();
        let got = post(&fixture, kind, headers, body).await;
        assert_eq!((got.status, got.body.as_slice()), (200, answer), "{kind}");
        let expected = if kind.contains("json") { JSON } else { PROTOBUF };
        assert_eq!(got.header("content-type"), expected);
        assert_eq!(messages(&fixture).await, ["a", "b"], "{kind}");
        assert!(fixture.app.inner.budget.free() > 2 << 20, "given back");
    }
    let fixture = Fixture::new();
    for (kind, body) in [(JSON, "{\"resource_logs\": []}"), (JSON, "{}"), (PROTOBUF, "")] {
        let got = post(&fixture, kind, &[], body).await;
        assert_eq!(got.status, 200, "without records");
        let text = String::from_utf8(got.body).unwrap();
        assert_eq!(text.contains("as resourceLogs"), kind == JSON, "{text}");
    }
}

#[tokio::test]
async fn a_record_that_cannot_be_stored_is_a_partial_success_and_a_dead_letter() {
    let bad = json!({"attributes": [{"key": "a\0b"}]});
    let json = export(&[saying("a"), bad, saying("b")]);
    let reason = "kept as dead letters: 1 nul_in_key; the first: a key contains U+0000, which BSON \
                  cannot hold";
    let fixture = Fixture::new();
    let got = post(&fixture, JSON, &[], json.clone()).await;
    let answer: Value = serde_json::from_slice(&got.body).unwrap();
    let expected = json!({"partialSuccess": {"rejectedLogRecords": "1", "errorMessage": reason}});
    assert_eq!((got.status, answer), (200, expected));
    let got = post(&fixture, PROTOBUF, &[], wire(&json)).await;
    let length = u8::try_from(reason.len()).unwrap();
    let partial = [&[0x08, 1, 0x12, length][..], reason.as_bytes()].concat();
    let expected = [&[0x0a, length + 4][..], &partial].concat();
    assert_eq!((got.status, got.body), (200, expected));
    assert_eq!(fixture.letters(), ["nul_in_key", "nul_in_key"]);
    assert_eq!(messages(&fixture).await, ["a", "b", "a", "b"]);
    // Not accounted for, but counted; a numbered record is not among them.
    fixture.post(NDJSON, format!("{}\n{}\nx\n", numbered(1, ""), record("c"))).await;
    let request = Request::builder().uri("/v1/accounting").body(Body::empty()).unwrap();
    let (_, _, report) = fixture.send(request).await;
    assert_eq!(report["unnumbered"], json!({"accepted": 5, "quarantined": 3}));
    assert_eq!(report["boots"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_refusal_is_a_status_message_in_the_requests_encoding() {
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], Vec<u8>, u16, u8, &'a str);

    let gzip = [("content-encoding", "gzip")];
    let many = export(&vec![json!({}); 101]);
    let cases: [Case<'_>; 8] = [
        (
            "text/plain",
            &[],
            Vec::new(),
            415,
            3,
            "must be application/x-protobuf or application/json",
        ),
        (NDJSON, &[], Vec::new(), 415, 3, "must be application/x-protobuf or application/json"),
        (JSON, &[], b"[]".to_vec(), 400, 3, "body is not an OTLP export request: not JSON of one"),
        (PROTOBUF, &[], b"\x0a\x05".to_vec(), 400, 3, "not protobuf: a field is longer than"),
        (PROTOBUF, &gzip, b"plain".to_vec(), 400, 3, "not one gzip member"),
        (PROTOBUF, &gzip, zip(&vec![0; 50 << 20]), 413, 8, "decompressed body too large"),
        (JSON, &[], many.clone().into_bytes(), 413, 8, "too many records: limit is 100"),
        (PROTOBUF, &[], wire(&many), 413, 8, "too many records: limit is 100"),
    ];
    for (kind, headers, body, status, code, says) in cases {
        let fixture = Fixture::new();
        let got = post(&fixture, kind, headers, body).await;
        assert_eq!(got.status, status, "{kind} {says}");
        assert_eq!(got.header("retry-after"), "");
        if kind == PROTOBUF {
            assert_eq!(got.header("content-type"), PROTOBUF);
            let [8, found, 0x12, length, text @ ..] = got.body.as_slice() else { panic!("{says}") };
            assert_eq!((*found, usize::from(*length)), (code, text.len()));
            assert!(String::from_utf8_lossy(text).contains(says), "{says}");
        } else {
            assert_eq!(got.header("content-type"), JSON);
            let answer: Value = serde_json::from_slice(&got.body).unwrap();
            assert_eq!(answer["code"], code);
            assert!(answer["message"].as_str().unwrap().contains(says), "{answer}");
        }
        assert!(fixture.spooled().await.is_empty() && fixture.letters().is_empty());
    }
    let request = Request::builder().uri("/v1/logs").body(Body::empty()).unwrap();
    let (status, headers, _) = Fixture::new().send(request).await;
    assert_eq!((status, headers["allow"].to_str().unwrap()), (405, "POST"));
}

#[tokio::test]
async fn what_may_succeed_later_gets_503_and_a_time_to_retry() {
    let fixture = Fixture::with(Auth::open(), 100);
    let full = post(&fixture, JSON, &[], export(&[saying("a")])).await;
    assert_eq!((full.status, full.header("retry-after")), (503, "5"));
    let fixture = Fixture::new();
    let body = Body::new(Chunks { chunk: Bytes::from_static(b"{"), left: 3, stuck: true });
    let slow = post(&fixture, PROTOBUF, &[], body).await;
    assert_eq!((slow.status, slow.header("retry-after")), (503, "1"));
    assert!(slow.body.starts_with(&[8, 14, 0x12]), "UNAVAILABLE");
    fixture.app.stop();
    let stopping = post(&fixture, JSON, &[], export(&[saying("a")])).await;
    assert_eq!((stopping.status, stopping.header("retry-after")), (503, "1"));
}

#[tokio::test]
async fn a_token_needs_the_role_send_and_no_source_for_otlp() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("tokens");
    let tokens = "everything-0123456\nreader-0123456789 read\nbilling-012345678 send=billing\n";
    std::fs::write(&file, tokens).unwrap();
    let fixture = Fixture::with(Auth::from_file(&file).unwrap(), 4 << 20);
    for (token, status, code) in [
        ("wrong-0123456789", 401, Some(16)),
        ("reader-0123456789", 403, Some(7)),
        ("everything-0123456", 200, None),
        ("billing-012345678", 200, None),
    ] {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str())];
        // An attribute cannot claim a gateway's number.
        let source = json!({"kvlistValue": {"values": [{"key": "gateway", "value": {"stringValue": "edge"}}]}});
        let record = json!({"attributes": [{"key": "source", "value": source}]});
        let got = post(&fixture, JSON, &headers, export(&[record])).await;
        let answer: Value = serde_json::from_slice(&got.body).unwrap();
        assert_eq!((got.status, answer["code"].as_u64()), (status, code), "{token} {answer}");
        assert_eq!(got.headers.contains_key("www-authenticate"), status == 401);
    }
    for line in fixture.spooled().await {
        let read = decode_record(&line, &limits().batch.record, Uuid::nil()).unwrap();
        assert_eq!((read.source, &read.body["extra"]["source"]["gateway"]), (None, &json!("edge")));
    }
}
