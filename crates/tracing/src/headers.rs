//! The headers that carry ids from the gateway to a service, and from a service on.

use std::fmt::Write as _;

use http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

use crate::context::Context;
use crate::traceparent::Traceparent;

/// Bytes of an id that is taken over, as at the gateway.
const ID_BYTES: usize = 128;
/// Bytes of a tenant's value that are taken over.
const TENANT_BYTES: usize = 256;
/// Bytes of a `tracestate` that is sent on. Source: W3C Trace Context §3.3.1.5 asks for 512 at least.
const TRACESTATE_BYTES: usize = 512;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The names of the headers that carry ids: by default those of the gateway's own defaults.
///
/// ```
/// use gatelog_tracing::HeaderNames;
/// use http::HeaderName;
///
/// let names = HeaderNames {
///     correlation_id: HeaderName::from_static("x-flow-id"),
///     ..HeaderNames::default()
/// };
/// assert_eq!(names.request_id, "x-request-id");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderNames {
    /// `x-request-id`: what the gateway calls `request_id.header`.
    pub request_id: HeaderName,
    /// `x-correlation-id`: what the gateway calls `correlation_id.header`.
    pub correlation_id: HeaderName,
    /// `x-organization-id`
    pub organization_id: HeaderName,
    /// `x-user-id`
    pub user_id: HeaderName,
    /// `x-conversation-id`
    pub conversation_id: HeaderName,
}

impl Default for HeaderNames {
    fn default() -> Self {
        Self {
            request_id: HeaderName::from_static("x-request-id"),
            correlation_id: HeaderName::from_static("x-correlation-id"),
            organization_id: HeaderName::from_static("x-organization-id"),
            user_id: HeaderName::from_static("x-user-id"),
            conversation_id: HeaderName::from_static("x-conversation-id"),
        }
    }
}

impl Context {
    /// The context that a request's headers carry. As at the gateway, an id that is not valid is not taken over;
    /// without a request id there is a new one, and without a correlation id the trace id, or else the
    /// request id, stands in. A valid `traceparent` makes its sender's span the parent of a new one.
    ///
    /// ```
    /// use gatelog_tracing::{Context, HeaderNames};
    /// use http::{HeaderMap, HeaderValue};
    ///
    /// let mut headers = HeaderMap::new();
    /// headers.insert("x-request-id", HeaderValue::from_static("r-1"));
    /// let context = Context::of_headers(&headers, &HeaderNames::default());
    /// assert_eq!(context.request_id.as_deref(), Some("r-1"));
    /// assert_eq!(context.correlation_id.as_deref(), Some("r-1"));
    /// ```
    pub fn of_headers(headers: &HeaderMap, names: &HeaderNames) -> Self {
        let id = |name| only(headers, name).and_then(valid_id);
        let tenant = |name| headers.get(name).and_then(tenant);
        let trace =
            only(headers, &TRACEPARENT).and_then(|value| Traceparent::parse(value.as_bytes()));
        let request_id = id(&names.request_id).unwrap_or_else(|| Uuid::now_v7().to_string());
        let correlation_id = id(&names.correlation_id)
            .or_else(|| trace.as_ref().map(|trace| trace.trace_id.clone()))
            .unwrap_or_else(|| request_id.clone());
        let tracestate = trace.as_ref().and_then(|_| tracestate(headers));
        let (mut trace_id, mut parent_span_id, mut span_id) = (None, None, None);
        let mut trace_flags = None;
        if let Some(trace) = trace {
            span_id = Some(new_span());
            trace_flags = Some(if trace.sampled { "01" } else { "00" }.to_owned());
            (trace_id, parent_span_id) = (Some(trace.trace_id), Some(trace.parent_id));
        }
        Self {
            request_id: Some(request_id),
            correlation_id: Some(correlation_id),
            organization_id: tenant(&names.organization_id),
            user_id: tenant(&names.user_id),
            conversation_id: tenant(&names.conversation_id),
            trace_id,
            span_id,
            parent_span_id,
            tracestate,
            trace_flags,
        }
    }

    /// Adds this context to the headers of a request to another service: the correlation id, the tenant, and a
    /// `traceparent` whose parent is this service's span. Headers that are there already stay. The request id
    /// is not sent on: it names one request, and the next gateway gives the next one its own.
    ///
    /// ```
    /// use gatelog_tracing::{Context, HeaderNames};
    ///
    /// let context = Context { correlation_id: Some("corr_456".into()), ..Context::default() };
    /// let mut headers = http::HeaderMap::new();
    /// context.add_to(&mut headers, &HeaderNames::default());
    /// assert_eq!(headers["x-correlation-id"], "corr_456");
    /// ```
    pub fn add_to(&self, headers: &mut HeaderMap, names: &HeaderNames) {
        let mut add = |name: &HeaderName, value: Option<&str>| {
            let value = value.and_then(|value| HeaderValue::from_str(value).ok());
            if let Some(value) = value.filter(|_| !headers.contains_key(name)) {
                // Without room for one more, the request goes without it.
                let _ = headers.try_insert(name.clone(), value);
            }
        };
        add(&names.correlation_id, self.correlation_id.as_deref());
        add(&names.organization_id, self.organization_id.as_deref());
        add(&names.user_id, self.user_id.as_deref());
        add(&names.conversation_id, self.conversation_id.as_deref());
        if let (Some(trace), Some(span)) = (&self.trace_id, &self.span_id) {
            let flags = self.trace_flags.as_deref().unwrap_or("00");
            let traceparent = format!("00-{trace}-{span}-{flags}");
            if Traceparent::parse(traceparent.as_bytes()).is_some() {
                add(&TRACEPARENT, Some(&traceparent));
                add(&TRACESTATE, self.tracestate.as_deref());
            }
        }
    }
}

/// The value of a header that was sent once.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// The id, if it is valid: docs/decisions/0003-alphabet-of-ids.md.
fn valid_id(value: &HeaderValue) -> Option<String> {
    let allowed = |byte: &u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'_' | b'.' | b':' | b'/' | b'+' | b'=' | b'@')
    };
    let id = value.as_bytes();
    let valid = (1..=ID_BYTES).contains(&id.len()) && id.iter().all(allowed);
    valid.then(|| String::from_utf8_lossy(id).into_owned())
}

fn tenant(value: &HeaderValue) -> Option<String> {
    let text = String::from_utf8_lossy(value.as_bytes().trim_ascii()).into_owned();
    let end = text.floor_char_boundary(TENANT_BYTES);
    text.get(..end).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// The `tracestate`, several headers joined, if it is within its bound.
fn tracestate(headers: &HeaderMap) -> Option<String> {
    let mut joined = String::new();
    for value in headers.get_all(&TRACESTATE) {
        let value = value.to_str().ok()?;
        let comma = if joined.is_empty() { "" } else { "," };
        write!(joined, "{comma}{value}").ok()?;
        if joined.len() > TRACESTATE_BYTES {
            return None;
        }
    }
    (!joined.is_empty()).then_some(joined)
}

/// A new span's id: the random end of a UUID, which is never zero.
fn new_span() -> String {
    let (_, end) = Uuid::new_v4().as_u64_pair();
    format!("{end:016x}")
}
