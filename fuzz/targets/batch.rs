//! Any posted bytes are either a batch, every line of which is accepted or quarantined, or are
//! refused with a status and a short reason; memory use is bounded, however far they decompress.
#![no_main]

use std::alloc::{GlobalAlloc, Layout, System};
use std::convert::Infallible;
use std::io::{Read, Write};
use std::pin::Pin;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody, to_bytes};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::IntoResponse;
use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use gatelog_collector::http::{IngestLimits, Post, Refusal};
use gatelog_collector::ingest::{BatchError, BatchLimits, BodyError, Budget};
use gatelog_collector::spool::Append;
use gatelog_record::limits::GATEWAY_BYTES;
use gatelog_record::{BatchHeader, DecodeLimits, HeaderError, Uuid, decode_record};
use http_body::{Frame, SizeHint};
use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;
use tokio::runtime::{Builder, Runtime};

const RECORD: DecodeLimits = DecodeLimits { record_bytes: 2 << 10, depth: 16, values: 1 << 10 };

const LIMITS: IngestLimits = IngestLimits {
    encoded_bytes: 8 << 10,
    decoded_bytes: 128 << 10,
    body_time: Duration::from_secs(5),
    memory: 2 << 20,
    batch: BatchLimits { records: 1_500, record: RECORD },
    silent_after: Duration::from_secs(1),
};

/// Peak memory for decoding one record: its values, plus small allocations.
const ONE_RECORD: usize = RECORD.values * 192 + (16 << 10);

#[global_allocator]
static MEASURED: Measured = Measured;

/// The system allocator, tracking current and peak bytes in use.
struct Measured;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

unsafe impl GlobalAlloc for Measured {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = IN_USE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST.fetch_max(now, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// What the first byte selects about the post.
#[derive(Clone, Copy)]
struct Manner(u8);

impl Manner {
    fn json(self) -> bool {
        self.0 & 1 != 0
    }
    fn says_gzip(self) -> bool {
        self.0 & 6 != 0
    }
    /// How many copies of the bytes to compress here, so that the input need not be gzip.
    fn copies(self) -> Option<usize> {
        (self.0 & 4 != 0).then_some(1 << (self.0 >> 5))
    }
    fn length_told(self) -> bool {
        self.0 & 8 != 0
    }
    fn chunk_bytes(self) -> usize {
        if self.0 & 16 != 0 { 7 } else { 4 << 10 }
    }
}

/// A body that arrives in chunks.
struct Parts {
    rest: Bytes,
    manner: Manner,
}

impl HttpBody for Parts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.manner.chunk_bytes().min(self.rest.len());
        let part = self.rest.split_to(next);
        Poll::Ready((!part.is_empty()).then_some(Ok(Frame::data(part))))
    }

    fn size_hint(&self) -> SizeHint {
        let told = self.manner.length_told();
        if told { SizeHint::with_exact(self.rest.len() as u64) } else { SizeHint::default() }
    }
}

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_time().build().expect("a runtime"));

fuzz_target!(|data: &[u8]| {
    let [manner, bytes @ ..] = data else { return };
    let manner = Manner(*manner);
    let encoded = match manner.copies() {
        Some(copies) => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            (0..copies).for_each(|_| encoder.write_all(bytes).expect("memory"));
            Bytes::from(encoder.finish().expect("memory"))
        }
        None => Bytes::copy_from_slice(bytes),
    };
    let mut headers = HeaderMap::new();
    let content_type = if manner.json() { "application/json" } else { "application/x-ndjson" };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if manner.says_gzip() {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }

    LazyLock::force(&RUNTIME);
    let before = IN_USE.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    let body = Body::new(Parts { rest: encoded.clone(), manner });
    let budget = Budget::new(LIMITS.memory);
    let taken =
        RUNTIME.block_on(Post::read(headers, body, &LIMITS, &budget)).and_then(Post::decode);
    let most = MOST.load(Ordering::Relaxed) - before;

    let decoded = decoded(&encoded, manner);
    let given = decoded.as_deref().and_then(|decoded| given(decoded, manner));
    let accounted = match taken {
        Ok((batch, share)) => {
            taken_whole(&batch, given.expect("what cannot be read is refused"));
            // Room for every line if valid; invalid lines leave as much of it unused.
            share.bytes() + decoded.map_or(0, |decoded| decoded.len())
        }
        Err(refusal) => {
            refused(refusal, given);
            LIMITS.memory
        }
    };
    assert!(most <= accounted + ONE_RECORD, "{most} bytes in use, {accounted} accounted for");
});

/// The body as it should be decoded; `None` if it should be refused.
fn decoded(encoded: &[u8], manner: Manner) -> Option<Vec<u8>> {
    if encoded.len() > LIMITS.encoded_bytes {
        return None;
    }
    let mut decoded = encoded.to_vec();
    if manner.says_gzip() {
        decoded.clear();
        let mut decoder = GzDecoder::new(encoded);
        let most = LIMITS.decoded_bytes as u64 + 1;
        decoder.by_ref().take(most).read_to_end(&mut decoded).ok()?;
        if (decoded.len() as u64) < most && !decoder.into_inner().is_empty() {
            return None;
        }
    }
    (decoded.len() <= LIMITS.decoded_bytes).then_some(decoded)
}

/// How many lines must be accounted for, counted independently; `None` if it is not a batch.
fn given(decoded: &[u8], manner: Manner) -> Option<usize> {
    if manner.json() {
        std::str::from_utf8(decoded).ok()?;
        return if decoded.trim_ascii_start().starts_with(b"{") {
            serde_json::from_slice::<IgnoredAny>(decoded).ok().map(|_| 1)
        } else {
            serde_json::from_slice::<Vec<IgnoredAny>>(decoded).ok().map(|all| all.len())
        };
    }
    let mut lines = decoded.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let first = lines.next().unwrap_or_default();
    let header = BatchHeader::is_header(first).then(|| BatchHeader::decode(first));
    let first = match header {
        Some(Ok(_)) => 0,
        Some(Err(HeaderError::Version(_))) => return None,
        Some(Err(HeaderError::Shape(_))) => 1,
        None => usize::from(!first.is_empty()),
    };
    Some(first + lines.filter(|line| !line.is_empty()).count())
}

fn taken_whole(batch: &Append, given: usize) {
    let lines: Vec<_> = batch.body.split_inclusive(|byte| *byte == b'\n').collect();
    assert_eq!(lines.len() as u64, batch.records);
    assert_eq!(lines.len() + batch.letters.len(), given, "accepted and quarantined");
    for line in lines {
        let line = line.strip_suffix(b"\n").expect("a whole line");
        let record = decode_record(line, &LIMITS.batch.spooled(), Uuid::nil())
            .expect("readable from the spool");
        assert!(!record.id.is_nil());
    }
    let names = batch.seqs.iter().chain(batch.quarantined.iter()).map(|(key, _)| &key.gateway);
    let names = names.chain(batch.totals.iter().map(|(key, _)| &key.gateway));
    assert!(names.into_iter().all(|name| name.len() <= GATEWAY_BYTES));
    for letter in &batch.letters {
        assert!(!letter.kind.is_empty() && !letter.reason.is_empty());
        assert!(!letter.reason.contains('\n'), "{:?}", letter.reason);
    }
}

fn refused(refusal: Refusal, given: Option<usize>) {
    match &refusal {
        Refusal::Batch(BatchError::TooMany { .. }) => {
            // An array is not read beyond that.
            assert!(given.is_none_or(|given| given > LIMITS.batch.records));
        }
        Refusal::Body(BodyError::Busy) => panic!("one post alone finds the memory taken"),
        _ => assert_eq!(given, None, "{refusal:?}"),
    }
    let response = refusal.into_response();
    let (status, later) =
        (response.status().as_u16(), response.headers().contains_key(RETRY_AFTER));
    assert!([400, 408, 413].contains(&status) && !later, "{status}");
    let body = RUNTIME.block_on(to_bytes(response.into_body(), usize::MAX)).expect("a body");
    let answer: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    let text = answer["error"].as_str().expect("a reason");
    assert!((1..=512).contains(&text.len()), "{} bytes", text.len());
    assert!(!text.contains(char::is_control), "{text:?}");
}
