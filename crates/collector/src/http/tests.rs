//! Everything that can be posted, and the responses to it.

mod logs;

use std::convert::Infallible;
use std::io::Write as _;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue};
use flate2::Compression;
use flate2::write::GzEncoder;
use gatelog_record::{DecodeLimits, Uuid, decode_record};
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Bytes, Frame};
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt;

use super::*;
use crate::ingest::{Form, POST_BYTES, parse};
use crate::spool::{LetterBox, LetterFilter, SpoolOptions};

const NDJSON: &str = "application/x-ndjson";
const JSON: &str = "application/json";

fn limits() -> IngestLimits {
    IngestLimits {
        encoded_bytes: 256 << 10,
        decoded_bytes: 512 << 10,
        body_time: Duration::from_millis(300),
        memory: (2 << 20) + 8 * POST_BYTES,
        batch: BatchLimits { records: 100, record: DecodeLimits::default() },
        silent_after: Duration::from_mins(5),
    }
}

struct Fixture {
    app: App,
    spool: Spool,
    dir: TempDir,
}

impl Fixture {
    fn new() -> Self {
        Self::with(Auth::open(), 4 << 20)
    }

    fn with(auth: Auth, max_bytes: u64) -> Self {
        let dir = TempDir::new().unwrap();
        let options = SpoolOptions {
            dir: dir.path().to_owned(),
            max_bytes,
            dead_letters_max_bytes: 8 << 20,
            keep_free_bytes: 0,
        };
        let spool = Spool::open(&options, Metrics::new()).unwrap();
        Self {
            app: App::new(spool.clone(), auth, limits(), Mapping::default(), Metrics::new()),
            spool,
            dir,
        }
    }

    async fn send(&self, request: Request) -> (u16, HeaderMap, Value) {
        let response = app(self.app.clone()).oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (head.status.as_u16(), head.headers, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    async fn post(&self, kind: &str, body: impl Into<Body>) -> (u16, Value) {
        let (status, _, body) = self.send(post_of(kind, &[], body)).await;
        (status, body)
    }

    /// The lines in the spool.
    async fn spooled(&self) -> Vec<Vec<u8>> {
        let rows = self.spool.read(0, usize::MAX, usize::MAX).await.unwrap().rows;
        let body = rows.into_iter().flat_map(|row| row.body).collect::<Vec<_>>();
        let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(<[u8]>::to_vec).collect()
    }

    /// The kinds of the dead letters.
    fn letters(&self) -> Vec<String> {
        let letters = LetterBox::open(self.dir.path()).unwrap();
        let ids = letters.ids(&LetterFilter::default()).unwrap();
        ids.into_iter().map(|id| letters.get(id).unwrap().unwrap().letter.kind).collect()
    }
}

fn post_of(kind: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Request {
    let mut request = Request::builder().method("POST").uri("/v1/records");
    if !kind.is_empty() {
        request = request.header(CONTENT_TYPE, kind);
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.into()).unwrap()
}

fn record(message: &str) -> String {
    json!({
        "timestamp": "2026-01-26T02:11:57.469652+00:00", "level": "INFO", "message": message,
        "logger_name": "app.module", "function_name": "f", "line_number": 7,
    })
    .to_string()
}

fn numbered(seq: u64, rest: &str) -> String {
    let record = record("n").replace('}', "");
    let source = format!(
        r#""source":{{"gateway":"edge","boot":"00000000-0000-4000-8000-000000000001","seq":{seq}}}"#
    );
    format!("{record},{source}{rest}}}")
}

fn zip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A body of several chunks that arrive one after the other, or stop arriving.
struct Chunks {
    chunk: Bytes,
    left: usize,
    stuck: bool,
}

impl HttpBody for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match (self.left, self.stuck) {
            (0, true) => Poll::Pending,
            (0, false) => Poll::Ready(None),
            _ => {
                self.left -= 1;
                Poll::Ready(Some(Ok(Frame::data(self.chunk.clone()))))
            }
        }
    }
}

#[tokio::test]
async fn every_form_of_batch_is_accepted() {
    let two = format!("{}\n{}\n", record("a"), record("b"));
    let header = r#"{"batch":{"v":1,"gateway":"edge","boot":"00000000-0000-4000-8000-000000000001","assigned":9,"queued":7}}"#;
    let pretty = format!("[\n  {},\r\n\t{}\n]\n", record("a").replace(',', ",\n"), record("b"));
    for (kind, body, accepted) in [
        (NDJSON, two.clone(), 2),
        ("Application/X-NDJSON; charset=utf-8", two.clone(), 2),
        ("application/jsonl", two.trim_end().to_owned(), 2),
        (NDJSON, format!("\r\n  {}  \r\n\n", record("a")), 1),
        (NDJSON, format!("{header}\n{two}"), 2),
        (NDJSON, header.to_owned(), 0),
        (NDJSON, String::new(), 0),
        (JSON, pretty, 2),
        (JSON, record("a"), 1),
        (JSON, "[]".to_owned(), 0),
    ] {
        let fixture = Fixture::new();
        let (status, answer) = fixture.post(kind, body.clone()).await;
        assert_eq!(
            (status, &answer),
            (202, &json!({"accepted": accepted, "quarantined": 0})),
            "{body}"
        );
        let spooled = fixture.spooled().await;
        assert_eq!(spooled.len(), accepted, "{body}");
        for line in spooled {
            // Whatever its original form: decodable, with an id that it keeps.
            let read = |id| decode_record(&line, &DecodeLimits::default(), Uuid::from_u128(id));
            assert_eq!(read(1).unwrap().id, read(2).unwrap().id);
        }
    }
}

#[tokio::test]
async fn a_compressed_batch_is_accepted() {
    let fixture = Fixture::new();
    let body = zip(format!("{}\n", record("a")).repeat(50).as_bytes());
    let request = post_of(NDJSON, &[("content-encoding", "gzip")], body);
    assert_eq!(fixture.send(request).await.2, json!({"accepted": 50, "quarantined": 0}));
}

#[tokio::test]
async fn a_bad_record_is_quarantined_by_kind_and_its_neighbours_are_stored() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let extra = |value: &str| record("x").replace('}', &format!(",\"extra\":{{\"x\":{value}}}}}"));
    for (bad, kind) in [
        (b"nonsense".to_vec(), "not_json"),
        (b"{\"timestamp\":\"2026".to_vec(), "not_json"),
        (
            record("x").into_bytes().iter().map(|b| if *b == b'x' { 0xff } else { *b }).collect(),
            "not_json",
        ),
        (b"[1,2]".to_vec(), "wrong_shape"),
        (b"7".to_vec(), "wrong_shape"),
        (b"{}".to_vec(), "wrong_shape"),
        (record("x").replace("INFO", "LOUD").into_bytes(), "wrong_shape"),
        (record("x").replace("2026-01-26", "2026-13-26").into_bytes(), "wrong_shape"),
        (extra(&deep).into_bytes(), "too_deep"),
        (deep.into_bytes(), "too_deep"),
        (extra("1e999").into_bytes(), "number_range"),
        (extra("99999999999999999999").into_bytes(), "number_range"),
        (extra(r#"{"a\u0000b":1}"#).into_bytes(), "nul_in_key"),
    ] {
        let fixture = Fixture::new();
        let good = record("good").into_bytes();
        let body = [good.as_slice(), bad.as_slice(), good.as_slice()].join(&b'\n');
        let (status, answer) = fixture.post(NDJSON, body).await;
        let bad = String::from_utf8_lossy(&bad).chars().take(60).collect::<String>();
        assert_eq!((status, answer), (202, json!({"accepted": 2, "quarantined": 1})), "{bad}");
        assert_eq!(fixture.letters(), [kind], "{bad}");
        assert_eq!(fixture.spooled().await.len(), 2);
    }
}

#[tokio::test]
async fn what_looks_like_extended_json_stays_what_it_was() {
    let fixture = Fixture::new();
    let line = record("x").replace('}', r#","extra":{"$date":{"$numberLong":"nope"},"$oid":1}}"#);
    fixture.post(NDJSON, line.clone()).await;
    let spooled = fixture.spooled().await;
    let read: Value = serde_json::from_slice(&spooled[0]).unwrap();
    assert_eq!(read["extra"], json!({"$date": {"$numberLong": "nope"}, "$oid": 1}));
}

#[tokio::test]
async fn no_key_of_a_record_has_a_meaning_to_the_parser() {
    for key in ["$serde_json::private::RawValue", "$serde_json::private::Number"] {
        for text in ["[".repeat(3_000), "123".into(), format!("[{}0]", "0,".repeat(30_000))] {
            for kind in [NDJSON, JSON] {
                let fixture = Fixture::new();
                let value = json!({"a": {key: text}});
                let line = record("x").replace('}', &format!(",\"extra\":{value}}}"));
                let (status, answer) = fixture.post(kind, line).await;
                assert_eq!((status, answer), (202, json!({"accepted": 1, "quarantined": 0})));
                let spooled = fixture.spooled().await;
                let read = decode_record(&spooled[0], &DecodeLimits::default(), Uuid::nil());
                assert_eq!(read.unwrap().body["extra"], value);
            }
        }
    }
}

#[tokio::test]
async fn an_application_s_record_may_have_a_key_that_is_called_batch() {
    let fixture = Fixture::new();
    let line = record("x").replacen('{', r#"{"batch":{"v":1,"size":10},"#, 1);
    let (_, answer) = fixture.post(NDJSON, line).await;
    assert_eq!(answer, json!({"accepted": 1, "quarantined": 0}));
    let read = decode_record(&fixture.spooled().await[0], &DecodeLimits::default(), Uuid::nil());
    assert_eq!(read.unwrap().body["extra"], json!({"batch": {"v": 1, "size": 10}}));
}

#[tokio::test]
async fn names_past_their_bound_are_quarantined_and_reach_no_account() {
    let long = "g".repeat(100_000);
    let header = format!(
        r#"{{"batch":{{"v":1,"gateway":"{long}","boot":"00000000-0000-4000-8000-000000000001","assigned":9,"queued":7}}}}"#
    );
    let reason = format!(
        r#"{{"batch":{{"v":1,"gateway":"edge","boot":"00000000-0000-4000-8000-000000000001","assigned":9,"queued":7,"dropped":{{"{long}":1}}}}}}"#
    );
    let source = numbered(7, "").replace("edge", &long);
    for (line, kind) in [(header, "header"), (reason, "header"), (source, "wrong_shape")] {
        let fixture = Fixture::new();
        let (_, answer) = fixture.post(NDJSON, line).await;
        assert_eq!(answer, json!({"accepted": 0, "quarantined": 1}));
        assert_eq!(fixture.letters(), [kind]);
        let request = Request::builder().uri("/v1/accounting").body(Body::empty()).unwrap();
        let (_, _, report) = fixture.send(request).await;
        assert_eq!(report["boots"], json!([]));
    }
}

#[tokio::test]
async fn a_post_that_is_no_batch_has_its_status_and_a_reason() {
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], Vec<u8>, u16, &'a str);

    let bomb = zip(&vec![b' '; 50 << 20]);
    let gzip = [("content-encoding", "gzip")];
    let many = format!("{}\n", record("a")).repeat(101);
    let array = format!("[{}{}]", "1,".repeat(150), "1");
    let long = vec![b'x'; (256 << 10) + 1];
    let version = r#"{"batch":{"v":2,"gateway":"e","boot":"","assigned":0,"queued":0}}"#;
    let cases: [Case<'_>; 14] = [
        ("", &[], b"{}".to_vec(), 415, "unsupported content type \\\"\\\""),
        ("text/plain", &[], b"{}".to_vec(), 415, "application/x-ndjson or application/json"),
        ("application/x-www-form-urlencoded", &[], b"a=b".to_vec(), 415, "content type"),
        (NDJSON, &[("content-encoding", "br")], b"{}".to_vec(), 415, "gzip, once, or none"),
        (NDJSON, &[("content-encoding", "gzip, gzip")], b"{}".to_vec(), 415, "gzip, once"),
        (NDJSON, &gzip, b"plain".to_vec(), 400, "not one gzip member"),
        (NDJSON, &gzip, [zip(b"a"), zip(b"b")].concat(), 400, "follows the first member"),
        (NDJSON, &gzip, bomb, 413, "decompressed body too large: limit is 512KiB"),
        (NDJSON, &[], long, 413, "body too large: limit is 256KiB"),
        (NDJSON, &[], many.into_bytes(), 413, "too many records: limit is 100"),
        (JSON, &[], array.into_bytes(), 413, "too many records: limit is 100"),
        (JSON, &[], b"[1,".to_vec(), 400, "not a JSON array"),
        (JSON, &[], b"\"text\"".to_vec(), 400, "not a JSON array"),
        (NDJSON, &[], version.into(), 400, "batch version 2 is unknown"),
    ];
    for (kind, headers, body, status, says) in cases {
        let fixture = Fixture::new();
        let (got, _, answer) = fixture.send(post_of(kind, headers, body)).await;
        let text = answer["error"].to_string();
        assert!(got == status && text.contains(says), "{got} {text}, not {status} {says}");
        assert!(fixture.spooled().await.is_empty() && fixture.letters().is_empty());
    }
}

#[tokio::test]
async fn an_answer_quotes_nothing_of_the_body() {
    let fixture = Fixture::new();
    for body in [format!("\"{}\"", "secret".repeat(9_000)), "[{\"secret\"]".into()] {
        let (status, answer) = fixture.post(JSON, body).await;
        let text = answer["error"].as_str().unwrap();
        assert!(status == 400 && text.len() < 100 && !text.contains("secret"), "{text}");
    }
}

#[test]
fn a_record_of_the_largest_size_has_room_in_the_spool_for_an_id() {
    let line = record("a").replace('}', r#","tags":[1,2,3]}"#);
    let record = DecodeLimits { record_bytes: line.len(), values: 10, depth: 2 };
    let limits = BatchLimits { records: 1, record };
    let batch = parse(line.as_bytes(), Form::Lines, &limits).unwrap();
    assert_eq!((batch.records, batch.letters.len()), (1, 0), "{:?}", batch.letters);
    let spooled = batch.body.trim_ascii_end();
    assert!(spooled.len() > line.len());
    decode_record(spooled, &limits.spooled(), Uuid::nil()).unwrap();
}

#[tokio::test]
async fn what_dead_letters_and_boots_take_counts_as_memory_of_their_batch() {
    let boots: Vec<_> =
        (1..=90).map(|gateway| numbered(1, "").replace("edge", &format!("{gateway}"))).collect();
    for body in ["x\n".repeat(90), boots.join("\n")] {
        let length = body.len();
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(NDJSON))]);
        let budget = Budget::new(1 << 20);
        let post = Post::read(headers, Body::from(body), &limits(), &budget).await.unwrap();
        let (_, share) = post.decode().unwrap();
        assert!(share.bytes() >= 2 * length + 90 * 256, "{} bytes", share.bytes());
    }
}

#[tokio::test]
async fn a_malformed_header_is_quarantined_and_its_records_are_stored() {
    let fixture = Fixture::new();
    let body = format!("{{\"batch\":{{\"v\":1}}}}\n{}\n", record("a"));
    let (_, answer) = fixture.post(NDJSON, body).await;
    assert_eq!(answer, json!({"accepted": 1, "quarantined": 1}));
    assert_eq!(fixture.letters(), ["header"]);
}

#[tokio::test]
async fn a_hundred_megabytes_are_refused_after_the_first_part_of_them() {
    let fixture = Fixture::new();
    let chunk = Bytes::from(vec![b'x'; 64 << 10]);
    let body = Body::new(Chunks { chunk, left: 1_600, stuck: false });
    let (status, _) = fixture.post(NDJSON, body).await;
    assert_eq!(status, 413);
}

#[tokio::test]
async fn a_body_that_stops_coming_is_given_up() {
    let fixture = Fixture::new();
    let body = Body::new(Chunks { chunk: Bytes::from_static(b"{"), left: 3, stuck: true });
    let (status, answer) = fixture.post(NDJSON, body).await;
    assert_eq!(status, 408, "{answer}");
    assert!(answer["error"].to_string().contains("longer than 300ms"), "{answer}");
}

#[tokio::test]
async fn bodies_that_would_take_too_much_memory_together_are_told_to_come_again() {
    let fixture = Fixture::new();
    let mut stuck = Vec::new();
    for _ in 0..8 {
        let chunk = Bytes::from(vec![b'x'; 250 << 10]);
        let body = Body::new(Chunks { chunk, left: 1, stuck: true });
        stuck.push(app(fixture.app.clone()).oneshot(post_of(NDJSON, &[], body)));
    }
    let chunk = Bytes::from(vec![b' '; 250 << 10]);
    let late = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let body = Body::new(Chunks { chunk, left: 1, stuck: false });
        fixture.send(post_of(NDJSON, &[], body)).await
    };
    let mut tasks = tokio::task::JoinSet::new();
    for request in stuck {
        tasks.spawn(request);
    }
    let (status, headers, answer) = late.await;
    assert_eq!((status, headers.get(RETRY_AFTER)), (503, Some(&HeaderValue::from(1))), "{answer}");
    while let Some(done) = tasks.join_next().await {
        assert_eq!(done.unwrap().unwrap().status(), 408);
    }
    assert_eq!(fixture.post(NDJSON, record("a")).await.0, 202, "given back");
}

#[tokio::test]
async fn a_post_that_its_client_cancels_keeps_its_memory_until_it_is_on_disk() {
    let fixture = Fixture::new();
    let other = rusqlite::Connection::open(fixture.dir.path().join(crate::spool::FILE)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    // Each takes a quarter of the memory: once as received, and once as written to the disk.
    let body = record(&"x".repeat(240 << 10));
    for _ in 0..4 {
        let mut post = pin!(app(fixture.app.clone()).oneshot(post_of(NDJSON, &[], body.clone())));
        tokio::select! {
            biased;
            _ = &mut post => panic!("answered"),
            () = ready(()) => {}
        }
    }
    let free = || fixture.app.inner.budget.free();
    until(async || free() < 240 << 10).await;
    let (status, answer) = fixture.post(NDJSON, body.clone()).await;
    assert_eq!(
        (status, &answer["error"]),
        (503, &json!("too many batches are being read: try again"))
    );
    other.execute_batch("COMMIT").unwrap();
    until(async || fixture.spooled().await.len() == 4).await;
    until(async || free() > 2 << 20).await;
    assert_eq!(fixture.post(NDJSON, body).await.0, 202);
}

/// Waits for a condition.
async fn until(mut condition: impl AsyncFnMut() -> bool) {
    let all = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), all).await.expect("it never came so far");
}

#[tokio::test]
async fn only_who_has_a_token_may_post_and_ask() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("tokens");
    std::fs::write(&file, "0123456789abcdef\n").unwrap();
    let fixture = Fixture::with(Auth::from_file(&file).unwrap(), 4 << 20);
    for (value, status) in [
        (None, 401),
        (Some("Bearer wrong-0123456789"), 401),
        (Some("Basic MDEyMzQ1Njc4OWFiY2RlZg=="), 401),
        (Some("Bearer 0123456789abcdef"), 202),
    ] {
        let header = value.map(|value| ("authorization", value));
        let request = post_of(NDJSON, header.as_slice(), record("a"));
        let (got, headers, _) = fixture.send(request).await;
        assert_eq!(got, status, "{value:?}");
        assert_eq!(headers.contains_key("www-authenticate"), status == 401);
    }
    for (path, status) in [("/v1/accounting", 401), ("/healthz", 200), ("/metrics", 200)] {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        assert_eq!(fixture.send(request).await.0, status, "{path}");
    }
}

#[tokio::test]
async fn other_places_and_methods_are_answered_in_json() {
    let fixture = Fixture::new();
    for (method, path, status, allow) in [
        ("GET", "/v1/records", 405, Some("POST")),
        ("DELETE", "/metrics", 405, Some("GET")),
        ("POST", "/", 404, None),
        ("GET", "/v1/accounting?boot=x", 400, None),
    ] {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let (got, headers, answer) = fixture.send(request).await;
        assert_eq!(got, status, "{method} {path}");
        assert!(answer["error"].is_string(), "{method} {path}");
        assert_eq!(headers.get("allow").map(|value| value.to_str().unwrap()), allow);
    }
}

#[tokio::test]
async fn a_full_spool_answers_503_and_readiness_is_off() {
    let fixture = Fixture::with(Auth::open(), 10_000);
    let ready = || Request::builder().uri("/readyz").body(Body::empty()).unwrap();
    assert_eq!(fixture.send(ready()).await.0, 200);
    assert_eq!(fixture.post(NDJSON, record(&"x".repeat(9_500))).await.0, 202);
    let (status, _, answer) = fixture.send(ready()).await;
    assert_eq!((status, &answer["reason"]), (503, &json!("spool full")));
    let (status, headers, answer) =
        fixture.send(post_of(NDJSON, &[], record(&"x".repeat(700)))).await;
    assert_eq!((status, headers.get(RETRY_AFTER)), (503, Some(&HeaderValue::from(5))));
    assert!(answer["error"].to_string().contains("spool full"), "{answer}");
}

#[tokio::test]
async fn a_collector_that_stops_answers_503_and_readiness_is_off() {
    let fixture = Fixture::new();
    let ready = || Request::builder().uri("/readyz").body(Body::empty()).unwrap();
    assert_eq!(fixture.send(ready()).await.0, 200);
    fixture.app.stop();
    let (status, _, answer) = fixture.send(ready()).await;
    assert_eq!((status, &answer["ready"]), (503, &json!(false)));
    assert_eq!(fixture.post(NDJSON, record("a")).await.0, 503);
}

#[tokio::test]
async fn accepted_and_quarantined_records_are_in_the_account() {
    let fixture = Fixture::new();
    let header = r#"{"batch":{"v":1,"gateway":"edge","boot":"00000000-0000-4000-8000-000000000001","assigned":9,"queued":2,"dropped":{"sampled":1}}}"#;
    let bad = numbered(3, "").replace("INFO", "LOUD");
    let lines = [header.to_owned(), numbered(1, ""), numbered(2, ""), bad].join("\n");
    let (_, answer) = fixture.post(NDJSON, lines).await;
    assert_eq!(answer, json!({"accepted": 2, "quarantined": 1}));
    let request = Request::builder().uri("/v1/accounting").body(Body::empty()).unwrap();
    let (_, _, report) = fixture.send(request).await;
    let boot = &report["boots"][0];
    for (term, count) in [
        ("assigned", 9),
        ("spooled", 2),
        ("quarantined", 1),
        ("queued", 2),
        ("dropped", 1),
        ("missing", 3),
    ] {
        assert_eq!(boot[term], count, "{term} in {boot}");
    }
    assert_eq!(boot["gaps"], json!([[4, 9]]));
}

#[tokio::test]
async fn a_task_that_ended_by_a_fault_shows_in_the_health() {
    let fixture = Fixture::new();
    let ask = || Request::builder().uri("/healthz").body(Body::empty()).unwrap();
    assert_eq!(fixture.send(ask()).await.0, 200);
    fixture.app.died("writer");
    let (status, _, answer) = fixture.send(ask()).await;
    assert_eq!((status, &answer["status"]), (503, &Value::from("broken")));
    assert!(answer["error"].as_str().unwrap().contains("\"writer\""), "{answer}");
}

#[tokio::test]
async fn a_token_may_do_what_its_roles_say_and_no_more() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("tokens");
    let roles = "everything-0123456\nsender-0123456789  send\nreader-0123456789  read\n\
                 billing-012345678  send=billing\n";
    std::fs::write(&file, roles).unwrap();
    let fixture = Fixture::with(Auth::from_file(&file).unwrap(), 4 << 20);
    let of = |gateway: &str| {
        record("a").replacen(
            '{',
            &format!(
                "{{\"source\":{{\"gateway\":\"{gateway}\",\
            \"boot\":\"00000000-0000-4000-8000-000000000001\",\"seq\":1}},"
            ),
            1,
        )
    };
    for (token, sends, sends_billing, sends_edge, reads) in [
        ("everything-0123456", 202, 202, 202, 200),
        ("sender-0123456789", 202, 202, 202, 403),
        ("reader-0123456789", 403, 403, 403, 200),
        ("billing-012345678", 202, 202, 403, 403),
    ] {
        let bearer = format!("Bearer {token}");
        let header = [("authorization", bearer.as_str())];
        for (body, status) in
            [(record("a"), sends), (of("billing"), sends_billing), (of("edge"), sends_edge)]
        {
            let (got, _, answer) = fixture.send(post_of(NDJSON, &header, body)).await;
            assert_eq!(got, status, "{token} {answer}");
            assert_eq!(answer["error"].is_string(), status == 403, "{token} {answer}");
        }
        let request = Request::builder().uri("/v1/accounting").header("authorization", bearer);
        let (got, ..) = fixture.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(got, reads, "{token}");
    }
    // A header claims a gateway's numbers, too.
    let header = "{\"batch\":{\"v\":1,\"gateway\":\"edge\",\
                  \"boot\":\"00000000-0000-4000-8000-000000000001\",\"assigned\":9,\"dropped\":{},\
                  \"queued\":0}}";
    let body = format!("{header}\n{}\n", record("a"));
    let bearer = [("authorization", "Bearer billing-012345678")];
    let (status, _, answer) = fixture.send(post_of(NDJSON, &bearer, body)).await;
    assert!(status == 403 && answer["error"].as_str().unwrap().contains("edge"), "{answer}");
}
