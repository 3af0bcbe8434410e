//! Answers: JSON, and why there is none.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Response, StatusCode};
use axum::response::IntoResponse;
use gatelog_collector::http::held::Held;
use gatelog_collector::store::StoreError;
use gatelog_search::SearchError;
use serde_json::{Value, json};

use super::turns::{Bound, Turn};
use crate::who::Nobody;

/// How long a client may take to read an answer.
const READ_TIME: Duration = Duration::from_secs(30);
/// When to ask again after the database could not be asked.
const RETRY_DATABASE: u64 = 5;
/// When to ask again after too many asked at once.
const RETRY_BUSY: u64 = 1;

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    status: StatusCode,
    message: String,
    /// Where in the query, in characters from 0.
    at: Option<usize>,
    retry_after: Option<u64>,
    allow: Option<&'static str>,
}

impl Refusal {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), at: None, retry_after: None, allow: None }
    }

    /// A value that cannot be understood.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// A query that cannot be understood from this place on.
    pub(crate) fn query(message: impl Into<String>, at: usize) -> Self {
        Self { at: Some(at), ..Self::invalid(message) }
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub(crate) fn no_path() -> Self {
        Self::not_found("no such path: see docs/console.md")
    }

    pub(crate) fn method(allowed: &'static str) -> Self {
        let message = format!("method not allowed: use {allowed}");
        Self { allow: Some(allowed), ..Self::new(StatusCode::METHOD_NOT_ALLOWED, message) }
    }

    pub(crate) fn content_type() -> Self {
        let message = "content-type must be application/json";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message)
    }

    /// A body that exceeds this many bytes.
    pub(crate) fn too_large(most: usize) -> Self {
        let message = format!("the body has more than {most} bytes, the maximum: shorten it");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    }

    /// A bound on what is kept was reached: trying again does not help.
    pub(crate) fn full(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    pub(crate) fn too_slow() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time")
    }

    /// Too many of a kind are in progress, of all viewers or of this one.
    pub(crate) fn busy(kind: &str, bound: Bound) -> Self {
        let (status, whose) = match bound {
            Bound::All => (StatusCode::SERVICE_UNAVAILABLE, ""),
            Bound::Viewer => (StatusCode::TOO_MANY_REQUESTS, " of yours"),
        };
        let refusal =
            Self::new(status, format!("too many{whose} are in progress ({kind}): try again"));
        Self { retry_after: Some(RETRY_BUSY), ..refusal }
    }

    pub(crate) fn fault() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the answer could not be made")
    }

    /// The database cannot be asked. Why is for the operator: it names servers and users.
    fn database(error: &dyn std::fmt::Display) -> Self {
        tracing::warn!(%error, "a query failed");
        let message = "the database cannot be searched right now: the console's log says why";
        let refusal = Self::new(StatusCode::SERVICE_UNAVAILABLE, message);
        Self { retry_after: Some(RETRY_DATABASE), ..refusal }
    }
}

impl From<SearchError> for Refusal {
    fn from(error: SearchError) -> Self {
        Refusal::database(&error)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Refusal::database(&error)
    }
}

impl From<Nobody> for Refusal {
    fn from(nobody: Nobody) -> Self {
        match nobody {
            Nobody::Unknown => Self::new(StatusCode::UNAUTHORIZED, "sign in first"),
            Nobody::TooMany(told) => {
                let seconds = told.retry_after.as_secs().saturating_add(1);
                let message = format!("too many failed attempts: try again in {seconds} s");
                let refusal = Self::new(StatusCode::TOO_MANY_REQUESTS, message);
                Self { retry_after: Some(seconds), ..refusal }
            }
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response<Body> {
        let body = json!({"error": {"message": self.message, "at": self.at}});
        let mut response = json(&body);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(allowed) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allowed));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// An answer with a small JSON body.
pub(crate) fn json(body: &Value) -> Response<Body> {
    typed(Body::from(format!("{body}\n")))
}

/// An answer with a large JSON body. It holds the turn of its query until it was read, or for half
/// a minute at most.
pub(crate) fn held(body: impl Into<Bytes>, turn: Turn) -> Response<Body> {
    typed(Body::new(Held::new(body.into(), turn, READ_TIME)))
}

fn typed(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
