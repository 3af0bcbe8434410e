//! The response to a post: one status and one JSON object for each outcome.

use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use axum::response::IntoResponse;
use serde_json::json;

use crate::ingest::{BatchError, BodyError};
use crate::spool::SpoolError;

/// When a sender should retry if the spool was full or its disk failed: long enough for some rows
/// to be stored.
const RETRY_FULL_SECONDS: u16 = 5;
/// When it should retry after too many concurrent requests.
pub(super) const RETRY_BUSY_SECONDS: u16 = 1;

/// Why a post was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No token, or an unknown one.
    Unauthorized,
    /// A known token without the right for this.
    Forbidden(String),
    /// An unsupported content type or encoding.
    Unsupported(String),
    /// The body could not be read.
    Body(BodyError),
    /// The body is not a batch.
    Batch(BatchError),
    /// The batch could not be made durable.
    Spool(SpoolError),
    /// The maximum number of such responses is in progress.
    Busy,
    /// The collector is stopping.
    Stopping,
    /// Unknown path.
    NotFound,
    /// Method not allowed; holds the allowed one.
    Method(&'static str),
}

impl Refusal {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Refusal::Unauthorized => StatusCode::UNAUTHORIZED,
            Refusal::Forbidden(_) => StatusCode::FORBIDDEN,
            Refusal::Unsupported(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Refusal::Body(error) => match error {
                BodyError::EncodedTooLarge { .. } | BodyError::DecodedTooLarge { .. } => {
                    StatusCode::PAYLOAD_TOO_LARGE
                }
                BodyError::TooSlow { .. } => StatusCode::REQUEST_TIMEOUT,
                BodyError::Broken | BodyError::Gzip(_) => StatusCode::BAD_REQUEST,
                BodyError::Busy => StatusCode::SERVICE_UNAVAILABLE,
            },
            Refusal::Batch(error) => match error {
                BatchError::TooMany { .. } | BatchError::Expands { .. } => {
                    StatusCode::PAYLOAD_TOO_LARGE
                }
                BatchError::Version(_) | BatchError::Json(_) | BatchError::Export(_) => {
                    StatusCode::BAD_REQUEST
                }
            },
            Refusal::Spool(_) | Refusal::Busy | Refusal::Stopping => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Refusal::NotFound => StatusCode::NOT_FOUND,
            Refusal::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Refusal::Unauthorized => {
                "unauthorized: send `authorization: Bearer` and a token of this collector".into()
            }
            Refusal::Forbidden(text) | Refusal::Unsupported(text) => text.clone(),
            Refusal::Body(error) => error.to_string(),
            Refusal::Batch(error) => error.to_string(),
            Refusal::Spool(error) => error.to_string(),
            Refusal::Busy => "too many such responses are in progress: try again".into(),
            Refusal::Stopping => "the collector is stopping".into(),
            Refusal::NotFound => {
                "no such path: records go to POST /v1/records, OTLP logs to POST /v1/logs".into()
            }
            Refusal::Method(allowed) => format!("method not allowed: use {allowed}"),
        }
    }

    pub(super) fn retry_after(&self) -> Option<u16> {
        match self {
            Refusal::Spool(SpoolError::Busy)
            | Refusal::Body(BodyError::Busy)
            | Refusal::Busy
            | Refusal::Stopping => Some(RETRY_BUSY_SECONDS),
            Refusal::Spool(_) => Some(RETRY_FULL_SECONDS),
            _ => None,
        }
    }
}

impl Refusal {
    /// Adds what its status requires besides a body.
    pub(super) fn add_headers(&self, headers: &mut HeaderMap) {
        if let Some(seconds) = self.retry_after() {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        match self {
            Refusal::Unauthorized => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Refusal::Method(allowed) => {
                headers.insert(ALLOW, HeaderValue::from_static(allowed));
            }
            _ => {}
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response<Body> {
        let mut response = json(self.status(), &json!({"error": self.text()}));
        self.add_headers(response.headers_mut());
        response
    }
}

/// A response with a JSON body.
pub(super) fn json(status: StatusCode, body: &serde_json::Value) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{body}\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
