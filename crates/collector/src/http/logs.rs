//! `POST /v1/logs`: OTLP logs over HTTP. Source: the OTLP specification, "OTLP/HTTP".
//!
//! Of the statuses with which a post is refused, an OTLP client retries only 429, 502, 503 and 504,
//! and not all clients retry 429. So whatever may succeed later gets 503.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use gatelog_record::Timestamp;
use tokio::runtime::Handle;

use super::answer::{RETRY_BUSY_SECONDS, Refusal};
use super::post::{Arrived, content_type};
use super::{App, IngestLimits, admit, kinds};
use crate::clock::now_millis;
use crate::ingest::otlp::{Encoding, Export, Mapping, Outcome, to_protobuf};
use crate::ingest::{BodyError, Budget, Held, beside_text};
use crate::spool::Append;

/// An export request whose body has arrived.
pub struct LogsPost {
    limits: IngestLimits,
    encoding: Encoding,
    arrived: Arrived,
}

impl LogsPost {
    /// Reads a request's body, within the limits and the memory budget that all posts share.
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
        let encoding = encoding(&headers)?;
        let arrived = Arrived::read(headers, body, limits, budget).await?;
        Ok(Self { limits: *limits, encoding, arrived })
    }

    /// Passes its records on, part by part, except for the last part, which is returned together
    /// with its share of the memory budget. A large request takes a while.
    ///
    /// # Errors
    ///
    /// It is not valid gzip, too large, or not an export request; or a part was not taken.
    pub fn store(
        self,
        mapping: &Mapping,
        mut take: impl FnMut(Append) -> Result<(), Refusal>,
    ) -> Result<(Outcome, Append, Held), Refusal> {
        let Self { limits, encoding, arrived } = self;
        let (mut request, mut share) = arrived.unzip(&limits)?;
        if encoding == Encoding::Json {
            let text = request.len();
            share.grow(text).map_err(Refusal::Body)?;
            request = to_protobuf(&request).map_err(Refusal::Batch)?;
            share.shrink(text);
        }
        let export = Export::check(&request, &limits.batch, limits.decoded_bytes);
        let export = export.map_err(Refusal::Batch)?;
        let mut room = export.part_bytes();
        share.grow(room).map_err(Refusal::Body)?;
        let received = Timestamp::from_unix_micros(now_millis().saturating_mul(1_000));
        let mut pay = |part: &Append| {
            let letters = part.letters.iter().map(|letter| letter.line.len());
            let text = letters.fold(part.body.capacity(), usize::saturating_add);
            let bytes = text.saturating_add(beside_text(part));
            share.grow(bytes.saturating_sub(room)).map_err(Refusal::Body)?;
            room = room.max(bytes);
            Ok(())
        };
        let (outcome, last) = export.store(mapping, &limits.batch, received, |part| {
            pay(&part)?;
            take(part)
        })?;
        pay(&last)?;
        Ok((outcome, last, share))
    }
}

fn encoding(headers: &HeaderMap) -> Result<Encoding, Refusal> {
    let given = content_type(headers);
    let known = [Encoding::Protobuf, Encoding::Json];
    known.into_iter().find(|known| known.content_type().as_bytes() == given).ok_or_else(|| {
        Refusal::Unsupported(format!(
            "unsupported content type \"{}\": must be application/x-protobuf or application/json",
            given.escape_ascii()
        ))
    })
}

pub(super) async fn logs(State(app): State<App>, request: Request) -> Response<Body> {
    // A request of another type is answered in JSON.
    let encoding = encoding(request.headers()).unwrap_or(Encoding::Json);
    let response = match accept(&app, request).await {
        Ok(outcome) => answer(encoding, StatusCode::OK, encoding.response(&outcome)),
        Err(refusal) => refused(encoding, &refusal),
    };
    app.inner.metrics.request(response.status().as_u16());
    response
}

async fn accept(app: &App, request: Request) -> Result<Outcome, Refusal> {
    let (_, headers, body) = admit(app, request)?;
    let App { inner } = app;
    let post = LogsPost::read(headers, body, &inner.limits, &inner.budget).await?;
    // As with other posts, what it holds is held until it is on disk, whatever the client does.
    tokio::spawn(take_in(app.clone(), post)).await.map_err(|_| Refusal::Stopping)?
}

/// Decodes a request and makes its records durable.
async fn take_in(app: App, post: LogsPost) -> Result<Outcome, Refusal> {
    let started = Instant::now();
    let turn = Arc::clone(&app.inner.decoders).acquire_owned().await;
    let turn = turn.map_err(|_| Refusal::Stopping)?;
    let (runtime, decoding) = (Handle::current(), app.clone());
    let stored = tokio::task::spawn_blocking(move || {
        let App { inner } = &decoding;
        let stored =
            post.store(&inner.mapping, |part| runtime.block_on(make_durable(&decoding, part)));
        drop(turn);
        stored
    });
    let (outcome, last, share) = stored.await.map_err(|_| Refusal::Stopping)??;
    make_durable(&app, last).await?;
    drop(share);
    app.inner.metrics.acknowledged(started.elapsed());
    Ok(outcome)
}

async fn make_durable(app: &App, part: Append) -> Result<(), Refusal> {
    let App { inner } = app;
    let (records, kinds) = (part.records, kinds(&part));
    let copied = inner.tail.copy(&part);
    inner.spool.append(part).await.map_err(Refusal::Spool)?;
    inner.tail.publish(copied);
    inner.metrics.made_durable(records);
    for kind in &kinds {
        inner.metrics.quarantined(kind);
    }
    Ok(())
}

fn answer(encoding: Encoding, status: StatusCode, body: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static(encoding.content_type());
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// The answer to a request that was not accepted.
fn refused(encoding: Encoding, refusal: &Refusal) -> Response<Body> {
    /// Codes of gRPC.
    const INVALID_ARGUMENT: u8 = 3;
    const PERMISSION_DENIED: u8 = 7;
    const RESOURCE_EXHAUSTED: u8 = 8;
    const UNAVAILABLE: u8 = 14;
    const UNAUTHENTICATED: u8 = 16;

    let slow = matches!(refusal, Refusal::Body(BodyError::TooSlow { .. } | BodyError::Broken));
    let status = if slow { StatusCode::SERVICE_UNAVAILABLE } else { refusal.status() };
    let code = match status {
        StatusCode::UNAUTHORIZED => UNAUTHENTICATED,
        StatusCode::FORBIDDEN => PERMISSION_DENIED,
        StatusCode::PAYLOAD_TOO_LARGE => RESOURCE_EXHAUSTED,
        StatusCode::SERVICE_UNAVAILABLE => UNAVAILABLE,
        _ => INVALID_ARGUMENT,
    };
    let mut response = answer(encoding, status, encoding.status(code, &refusal.text()));
    refusal.add_headers(response.headers_mut());
    if slow {
        let seconds = HeaderValue::from(RETRY_BUSY_SECONDS);
        response.headers_mut().insert(axum::http::header::RETRY_AFTER, seconds);
    }
    response
}
