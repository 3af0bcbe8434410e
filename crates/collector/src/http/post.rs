//! One post, from the network to the spool: the type of its body, the body itself, and the batch in
//! it. All sender-controlled input is parsed here.

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};

use super::IngestLimits;
use super::answer::Refusal;
use crate::ingest::{self, BodyError, Budget, Form, Held, POST_BYTES};
use crate::spool::Append;

/// A body that has arrived.
pub(super) struct Arrived {
    gzipped: bool,
    encoded: Vec<u8>,
    share: Held,
}

impl Arrived {
    /// Reads a body, within the limits and the memory budget that all posts share.
    pub(super) async fn read(
        headers: HeaderMap,
        body: Body,
        limits: &IngestLimits,
        budget: &Budget,
    ) -> Result<Self, Refusal> {
        let gzipped = gzipped(&headers)?;
        // The headers may be large, and a body may take a while.
        drop(headers);
        let mut share = budget.hold();
        share.grow(POST_BYTES).map_err(Refusal::Body)?;
        let encoded = ingest::read(body, limits.encoded_bytes, limits.body_time, &mut share).await;
        let encoded = encoded.map_err(Refusal::Body)?;
        Ok(Self { gzipped, encoded, share })
    }

    /// The decompressed body, and its share of the memory budget.
    pub(super) fn unzip(self, limits: &IngestLimits) -> Result<(Vec<u8>, Held), Refusal> {
        let Self { gzipped, encoded, mut share } = self;
        let limit = limits.decoded_bytes;
        let decoded = if gzipped {
            ingest::gunzip(&encoded, limit, &mut share).map_err(Refusal::Body)?
        } else if encoded.len() > limit {
            return Err(Refusal::Body(BodyError::DecodedTooLarge { limit }));
        } else {
            encoded
        };
        Ok((decoded, share))
    }
}

/// A post whose body has arrived.
pub struct Post {
    limits: IngestLimits,
    form: Form,
    arrived: Arrived,
}

impl Post {
    /// Reads a post's body, within the limits and the memory budget that all posts share.
    ///
    /// # Errors
    ///
    /// It has an unsupported type, is too large or too slow, or was cut off.
    pub async fn read(
        headers: HeaderMap,
        body: Body,
        limits: &IngestLimits,
        budget: &Budget,
    ) -> Result<Self, Refusal> {
        let form = form(&headers)?;
        let arrived = Arrived::read(headers, body, limits, budget).await?;
        Ok(Self { limits: *limits, form, arrived })
    }

    /// Returns the batch and its share of the memory budget, which must be held as long as the
    /// batch. A large batch takes a while.
    ///
    /// # Errors
    ///
    /// It is not valid gzip, too large, or not a batch.
    pub fn decode(self) -> Result<(Append, Held), Refusal> {
        let Self { limits, form, arrived } = self;
        let (decoded, mut share) = arrived.unzip(&limits)?;
        // For the copy that goes into the spool.
        share.grow(decoded.len()).map_err(Refusal::Body)?;
        let batch = ingest::parse(&decoded, form, &limits.batch).map_err(Refusal::Batch)?;
        share.grow(ingest::beside_text(&batch)).map_err(Refusal::Body)?;
        Ok((batch, share))
    }
}

fn form(headers: &HeaderMap) -> Result<Form, Refusal> {
    match content_type(headers).as_slice() {
        b"application/x-ndjson" | b"application/ndjson" | b"application/jsonl" => Ok(Form::Lines),
        b"application/json" => Ok(Form::Json),
        other => Err(Refusal::Unsupported(format!(
            "unsupported content type \"{}\": must be application/x-ndjson or application/json",
            other.escape_ascii()
        ))),
    }
}

/// The content type without parameters, in lower case.
pub(super) fn content_type(headers: &HeaderMap) -> Vec<u8> {
    let given = headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    let essence = given.split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii().to_ascii_lowercase()
}

fn gzipped(headers: &HeaderMap) -> Result<bool, Refusal> {
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    let first = encodings.next().map_or(&b"identity"[..], |value| value.as_bytes());
    match (first.trim_ascii().to_ascii_lowercase().as_slice(), encodings.next()) {
        (b"identity" | b"", None) => Ok(false),
        (b"gzip" | b"x-gzip", None) => Ok(true),
        _ => Err(Refusal::Unsupported(
            "unsupported content encoding: must be gzip, once, or none".into(),
        )),
    }
}
