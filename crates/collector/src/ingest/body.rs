//! Reads a request's body, within limits on length, time and memory.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use flate2::bufread::GzDecoder;
use http_body_util::BodyExt;
use hyper::body::Body as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use gatelog_record::units::{show_duration, show_size};

/// Bytes per permit of the budget.
const PERMIT: usize = 1_024;
/// Minimum number of bytes allocated at a time.
const STEP: usize = 64 << 10;

/// Maximum bytes of an oversized body that are read and discarded: four of the largest batches that
/// a filter can be configured to send.
const DRAIN_BYTES: usize = 64 << 20;

/// Memory that a post takes from the shared budget in addition to its body, in bytes: its headers
/// while they are read, its request, its place in the queue for the disk. So it also bounds how
/// many posts there are at once.
pub const POST_BYTES: usize = 16 << 10;

/// Memory budget for all bodies together. It is taken as bytes arrive, so a sender holds no more
/// than it has sent.
#[derive(Clone)]
pub struct Budget {
    permits: Arc<Semaphore>,
}

/// The part of the budget that one request holds.
pub struct Held {
    budget: Budget,
    permit: Option<OwnedSemaphorePermit>,
    bytes: usize,
}

impl Budget {
    /// A budget of this many bytes.
    pub fn new(bytes: usize) -> Self {
        let permits = bytes.div_ceil(PERMIT).min(Semaphore::MAX_PERMITS);
        Self { permits: Arc::new(Semaphore::new(permits)) }
    }

    /// How many bytes are free.
    #[cfg(test)]
    pub(crate) fn free(&self) -> usize {
        self.permits.available_permits() * PERMIT
    }

    /// A share of it, initially empty.
    pub fn hold(&self) -> Held {
        Held { budget: self.clone(), permit: None, bytes: 0 }
    }
}

impl Held {
    /// The size of this share in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns this many bytes to the budget.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        let before = self.bytes.div_ceil(PERMIT);
        self.bytes = self.bytes.saturating_sub(bytes);
        let less = before.saturating_sub(self.bytes.div_ceil(PERMIT));
        drop(self.permit.as_mut().and_then(|permit| permit.split(less)));
    }

    /// Returns all of it to the budget.
    pub fn release(&mut self) {
        self.bytes = 0;
        self.permit = None;
    }

    /// Reserves this many more bytes, immediately or not at all.
    pub fn grow(&mut self, bytes: usize) -> Result<(), BodyError> {
        let before = self.bytes.div_ceil(PERMIT);
        self.bytes = self.bytes.saturating_add(bytes);
        let more = self.bytes.div_ceil(PERMIT).saturating_sub(before);
        let more = u32::try_from(more).map_err(|_| BodyError::Busy)?;
        if more == 0 {
            return Ok(());
        }
        let permits = Arc::clone(&self.budget.permits);
        let got = permits.try_acquire_many_owned(more).map_err(|_| BodyError::Busy)?;
        match &mut self.permit {
            Some(permit) => permit.merge(got),
            None => self.permit = Some(got),
        }
        Ok(())
    }
}

/// Why a body was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// The encoded body exceeds the limit.
    EncodedTooLarge {
        /// The bound in bytes.
        limit: usize,
    },
    /// The decompressed body exceeds the limit.
    DecodedTooLarge {
        /// The bound in bytes.
        limit: usize,
    },
    /// The body took too long to arrive.
    TooSlow {
        /// The bound.
        limit: Duration,
    },
    /// The sender disconnected, or violated the protocol.
    Broken,
    /// Not a single valid gzip member.
    Gzip(String),
    /// All bodies together would take too much memory.
    Busy,
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyError::EncodedTooLarge { limit } => {
                let limit = show_size(u64::try_from(*limit).unwrap_or(u64::MAX));
                write!(f, "body too large: limit is {limit}; send smaller batches")
            }
            BodyError::DecodedTooLarge { limit } => {
                let limit = show_size(u64::try_from(*limit).unwrap_or(u64::MAX));
                write!(f, "decompressed body too large: limit is {limit}; send smaller batches")
            }
            BodyError::TooSlow { limit } => {
                write!(f, "the body took longer than {} to arrive", show_duration(*limit))
            }
            BodyError::Broken => f.write_str("the body ended before it was complete"),
            BodyError::Gzip(text) => write!(f, "not one gzip member: {text}"),
            BodyError::Busy => f.write_str("too many batches are being read: try again"),
        }
    }
}

impl std::error::Error for BodyError {}

/// Reads a whole body. If it is too large, the rest is read and discarded, within bounds: an HTTP/1
/// sender that is still writing when its connection is closed never sees the response.
pub(crate) async fn read(
    mut body: Body,
    limit: usize,
    time: Duration,
    held: &mut Held,
) -> Result<Vec<u8>, BodyError> {
    let read = tokio::time::timeout(time, read_untimed(&mut body, limit, held)).await;
    let read = read.map_err(|_| BodyError::TooSlow { limit: time })?;
    if matches!(read, Err(BodyError::EncodedTooLarge { .. })) {
        held.release();
        let _ = tokio::time::timeout(time, drain(body)).await;
    }
    read
}

async fn drain(mut body: Body) {
    let mut left = DRAIN_BYTES;
    while let Some(Ok(frame)) = body.frame().await {
        left = left.saturating_sub(frame.data_ref().map_or(0, hyper::body::Bytes::len));
        if left == 0 {
            return;
        }
    }
}

async fn read_untimed(
    body: &mut Body,
    limit: usize,
    held: &mut Held,
) -> Result<Vec<u8>, BodyError> {
    let too_large = BodyError::EncodedTooLarge { limit };
    let told = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if told > limit {
        return Err(too_large);
    }
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
        let length = bytes.len().saturating_add(data.len());
        if length > limit {
            return Err(too_large);
        }
        // Reserves room for the whole body at once if its length was announced and it has started
        // to arrive.
        make_room(&mut bytes, length.max(told.min(length.saturating_mul(8))), held)?;
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

/// Lets `bytes` grow to hold `length`, in steps of at least [`STEP`], within the budget.
fn make_room(bytes: &mut Vec<u8>, length: usize, held: &mut Held) -> Result<(), BodyError> {
    let more = length.saturating_sub(bytes.capacity());
    if more > 0 {
        let more = more.max(STEP);
        held.grow(more)?;
        bytes.reserve_exact(bytes.capacity().saturating_add(more).saturating_sub(bytes.len()));
    }
    Ok(())
}

/// Decompresses one gzip member, which must be the entire input.
pub(crate) fn gunzip(encoded: &[u8], limit: usize, held: &mut Held) -> Result<Vec<u8>, BodyError> {
    let mut decoder = GzDecoder::new(encoded);
    let mut bytes = Vec::new();
    loop {
        let before = bytes.len();
        let step = STEP.min(limit.saturating_sub(before).saturating_add(1));
        // One spare byte: detecting the end of the input needs room for it.
        make_room(&mut bytes, before.saturating_add(step).saturating_add(1), held)?;
        let mut part = decoder.by_ref().take(u64::try_from(step).unwrap_or(u64::MAX));
        let read = part.read_to_end(&mut bytes).map_err(|error| gzip(&error))?;
        if bytes.len() > limit {
            return Err(BodyError::DecodedTooLarge { limit });
        }
        if read < step {
            break;
        }
    }
    if decoder.into_inner().is_empty() {
        Ok(bytes)
    } else {
        Err(BodyError::Gzip("something follows the first member".into()))
    }
}

fn gzip(error: &io::Error) -> BodyError {
    BodyError::Gzip(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn zip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn one_member_is_decompressed() {
        let mut held = Budget::new(1 << 20).hold();
        let text = b"a line\n".repeat(30_000);
        assert_eq!(gunzip(&zip(&text), 1 << 20, &mut held), Ok(text));
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let bomb = zip(&vec![0; 50 << 20]);
        assert!(bomb.len() < 64 << 10);
        let mut held = Budget::new(1 << 20).hold();
        let limit = 256 << 10;
        assert_eq!(gunzip(&bomb, limit, &mut held), Err(BodyError::DecodedTooLarge { limit }));
    }

    #[test]
    fn a_second_member_a_cut_one_and_no_gzip_are_refused() {
        let mut held = Budget::new(1 << 20).hold();
        let (one, two) = (zip(b"one"), zip(b"two"));
        for bad in [[one.clone(), two].concat(), one[..one.len() - 3].to_vec(), b"plain".to_vec()] {
            assert!(matches!(gunzip(&bad, 1 << 20, &mut held), Err(BodyError::Gzip(_))));
        }
    }

    #[test]
    fn the_budget_is_shared_and_given_back() {
        let budget = Budget::new(10 << 10);
        let (mut one, mut two) = (budget.hold(), budget.hold());
        assert_eq!(one.grow(8 << 10), Ok(()));
        assert_eq!(two.grow(4 << 10), Err(BodyError::Busy));
        drop(two);
        one.shrink((4 << 10) + 1);
        assert_eq!((one.bytes(), budget.free()), ((4 << 10) - 1, 6 << 10));
        drop(one);
        assert_eq!(budget.hold().grow(10 << 10), Ok(()));
    }
}
