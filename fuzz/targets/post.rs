//! What the targets of the two doors share: a post whose form the first byte selects, and the memory
//! that it takes.

use std::alloc::{GlobalAlloc, Layout, System};
use std::convert::Infallible;
use std::io::{Read, Write};
use std::pin::Pin;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use gatelog_collector::http::IngestLimits;
use gatelog_collector::ingest::BatchLimits;
use gatelog_record::DecodeLimits;
use http_body::{Frame, SizeHint};
use tokio::runtime::{Builder, Runtime};

pub(crate) const RECORD: DecodeLimits =
    DecodeLimits { record_bytes: 2 << 10, depth: 16, values: 1 << 10 };

pub(crate) const LIMITS: IngestLimits = IngestLimits {
    encoded_bytes: 8 << 10,
    decoded_bytes: 128 << 10,
    body_time: Duration::from_secs(5),
    memory: 2 << 20,
    batch: BatchLimits { records: 1_500, record: RECORD },
    silent_after: Duration::from_secs(1),
};

/// Peak memory for decoding one record: its values, plus small allocations.
pub(crate) const ONE_RECORD: usize = RECORD.values * 192 + (16 << 10);

#[global_allocator]
static MEASURED: Measured = Measured;

/// The system allocator, tracking current and peak bytes in use.
pub(crate) struct Measured;

pub(crate) static IN_USE: AtomicUsize = AtomicUsize::new(0);
pub(crate) static MOST: AtomicUsize = AtomicUsize::new(0);

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
pub(crate) struct Manner(pub(crate) u8);

impl Manner {
    pub(crate) fn json(self) -> bool {
        self.0 & 1 != 0
    }
    pub(crate) fn says_gzip(self) -> bool {
        self.0 & 6 != 0
    }
    /// How many copies of the bytes to compress here, so that the input need not be gzip.
    pub(crate) fn copies(self) -> Option<usize> {
        (self.0 & 4 != 0).then_some(1 << (self.0 >> 5))
    }
    pub(crate) fn length_told(self) -> bool {
        self.0 & 8 != 0
    }
    pub(crate) fn chunk_bytes(self) -> usize {
        if self.0 & 16 != 0 { 7 } else { 4 << 10 }
    }
}

/// A body that arrives in chunks.
pub(crate) struct Parts {
    pub(crate) rest: Bytes,
    pub(crate) manner: Manner,
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

pub(crate) static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_time().build().expect("a runtime"));

/// The result of some work, and the most memory that it took, in bytes.
pub(crate) fn measured<T>(work: impl FnOnce() -> T) -> (T, usize) {
    LazyLock::force(&RUNTIME);
    let before = IN_USE.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    let result = work();
    (result, MOST.load(Ordering::Relaxed) - before)
}

/// The post as sent: its headers, its body's bytes, and its body. JSON or `other`.
pub(crate) fn post(bytes: &[u8], manner: Manner, other: &'static str) -> (HeaderMap, Bytes, Body) {
    let encoded = match manner.copies() {
        Some(copies) => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            (0..copies).for_each(|_| encoder.write_all(bytes).expect("memory"));
            Bytes::from(encoder.finish().expect("memory"))
        }
        None => Bytes::copy_from_slice(bytes),
    };
    let mut headers = HeaderMap::new();
    let content_type = if manner.json() { "application/json" } else { other };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if manner.says_gzip() {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    let body = Body::new(Parts { rest: encoded.clone(), manner });
    (headers, encoded, body)
}

/// The body as it should be decoded; `None` if it should be refused.
pub(crate) fn decoded(encoded: &[u8], manner: Manner) -> Option<Vec<u8>> {
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
