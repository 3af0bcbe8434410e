//! The facts about an exchange for its record, read from the proxy once a record is certain to be made.

use std::borrow::Cow;
use std::cell::OnceCell;

use gatelog_record::limits::PAIRS;

use crate::compose::redaction::Redactor;
use crate::compose::server_timing;
use crate::compose::tenancy::{Evidence, Field};
use crate::config::Config;
use crate::decision::rules::Overrides;
use crate::envoy::attributes::{Attribute, Attributes};
use crate::envoy::claims;
use crate::envoy::headers::{Headers, lossy};
use crate::envoy::property;
use crate::exchange::finished::Finished;
use crate::host::{HeaderMap, Host};
use crate::identity::ids::Ids;

/// Names and values, owned.
pub type OwnedPairs = Vec<(String, String)>;

/// The request as received, as text.
pub struct Request<'a> {
    /// The method.
    pub method: Cow<'a, str>,
    /// The scheme.
    pub scheme: Option<Cow<'a, str>>,
    /// The authority, without user information, as Envoy and services interpret it.
    pub host: Cow<'a, str>,
    /// The path, without its query.
    pub path: Cow<'a, str>,
    /// The query, without its `?`.
    pub query: Option<Cow<'a, str>>,
    /// The client's program.
    pub user_agent: Option<Cow<'a, str>>,
}

impl<'a> Request<'a> {
    /// Reads them.
    pub fn read(headers: &'a Headers) -> Self {
        let target = headers.get(":path").unwrap_or_default();
        let target = target.split(|byte| *byte == b'#').next().unwrap_or_default();
        let (path, query) = match target.iter().position(|byte| *byte == b'?') {
            Some(at) => (target.get(..at), target.get(at.saturating_add(1)..)),
            None => (Some(target), None),
        };
        Self {
            method: headers.text(":method").unwrap_or_default(),
            scheme: headers.text(":scheme"),
            host: headers.text(":authority").map(without_user).unwrap_or_default(),
            path: lossy(path.unwrap_or_default()),
            query: query.filter(|query| !query.is_empty()).map(lossy),
            user_agent: headers.text("user-agent"),
        }
    }
}

/// A host never contains an `@`; the part before one is a user name and password.
fn without_user(authority: Cow<'_, str>) -> Cow<'_, str> {
    match authority.rfind('@') {
        None => authority,
        Some(at) => authority.get(at.saturating_add(1)..).unwrap_or_default().to_owned().into(),
    }
}

/// The record's texts that the client controls, redacted once for all records of an exchange.
pub struct Told<'a> {
    /// The method.
    pub method: Cow<'a, str>,
    /// The authority.
    pub host: Cow<'a, str>,
    /// The path, without its query.
    pub path: Cow<'a, str>,
    /// The query, without its `?`; `None` if the record has none.
    pub query: Option<Cow<'a, str>>,
    /// The client's program.
    pub user_agent: Option<Cow<'a, str>>,
    /// The request id.
    pub request_id: Cow<'a, str>,
    /// The correlation id.
    pub correlation_id: Cow<'a, str>,
    /// The request id that was not adopted.
    pub client_request_id: Option<Cow<'a, str>>,
    /// The correlation id that was not adopted.
    pub client_correlation_id: Option<Cow<'a, str>>,
}

impl<'a> Told<'a> {
    fn of(request: &'a Request<'_>, ids: &'a Ids, query: bool, redactor: &Redactor<'_>) -> Self {
        let words = |text: &'a str| redactor.words(text);
        let query = request.query.as_deref().filter(|_| query);
        Self {
            method: words(&request.method),
            host: redactor.host(&request.host),
            path: redactor.path(&request.path),
            query: query.map(|query| redactor.query(query)),
            user_agent: request.user_agent.as_deref().map(words),
            request_id: words(&ids.request_id),
            correlation_id: words(&ids.correlation_id),
            client_request_id: ids.client_request_id.as_deref().map(words),
            client_correlation_id: ids.client_correlation_id.as_deref().map(words),
        }
    }
}

/// The other facts.
pub struct Facts<'a> {
    /// The texts that the client controls.
    pub told: Told<'a>,
    /// Tenant values, in the order of [`Field::ALL`].
    pub tenant: [Option<String>; 3],
    /// The client's address.
    pub client_ip: Option<&'a str>,
    /// The protocol's name.
    pub protocol: Option<Cow<'a, str>>,
    /// The route's name.
    pub route: Option<Cow<'a, str>>,
    /// The upstream cluster's name.
    pub cluster: Option<Cow<'a, str>>,
    /// The upstream host.
    pub upstream: Option<Cow<'a, str>>,
    /// Time the upstream took, in nanoseconds.
    pub upstream_ns: Option<u64>,
    /// How many times the upstream was tried.
    pub attempts: Option<u64>,
    /// Bytes received.
    pub request_bytes: Option<u64>,
    /// Bytes sent.
    pub response_bytes: Option<u64>,
    /// Why the connection to the upstream failed.
    pub transport_failure: Option<String>,
    /// Metrics of `Server-Timing`.
    pub metrics: Vec<(String, f64)>,
    /// Configured request headers, redacted.
    pub request_headers: OwnedPairs,
    /// Configured response headers, redacted.
    pub response_headers: OwnedPairs,
}

/// The sources of the facts, apart from the host.
pub struct Sources<'s, 'a> {
    /// The exchange.
    pub exchange: &'a Finished,
    /// The request.
    pub request: &'a Request<'a>,
    /// The effect of the rules.
    pub overrides: &'s Overrides<'s>,
    /// Envoy's attributes.
    pub attributes: &'s Attributes<'a>,
    /// The claims that the configuration names.
    pub claims: &'s claims::Reader,
    /// The configuration.
    pub config: &'s Config,
    /// The redactor.
    pub redactor: &'s Redactor<'s>,
}

impl<'a> Facts<'a> {
    /// Reads them.
    pub fn read<'s>(sources: &Sources<'s, 'a>, host: &dyn Host) -> Self {
        let Sources { exchange, request, overrides, attributes, claims, config, redactor } =
            *sources;
        let property = |path: &str| host.property(path).filter(|bytes| !bytes.is_empty());
        let transport_failure = || property(property::UPSTREAM_TRANSPORT_FAILURE);
        // If the request never reached the filter, nobody has removed the client's own tenant headers.
        let none = Headers::default();
        let unstripped = config.tenancy.strip_untrusted && !exchange.begun;
        let headers = || if unstripped { &none } else { exchange.current(host) };
        let told = Told::of(request, &exchange.ids, config.record.query, redactor);
        let read = OnceCell::new();
        let claim = |claim: &claims::Claim| {
            let value = read.get_or_init(|| claims.read(host)).get(claim)?;
            Some(redactor.words(value).into_owned())
        };
        let header = |value: &[u8]| redactor.words_of(value);
        let evidence =
            Evidence { headers: &headers, path: &told.path, claim: &claim, header: &header };
        let tenant = Field::ALL.map(|field| match overrides.tenant(field) {
            Some(fixed) => Some(fixed.to_owned()),
            None => config.tenancy.resolve(field, &evidence).map(Cow::into_owned),
        });
        let policy = &config.record;
        let response =
            (!policy.response_headers.is_empty()).then(|| host.headers(HeaderMap::Response));
        let request_headers = match policy.request_headers.as_slice() {
            [] => OwnedPairs::new(),
            names => chosen(exchange.current(host), names, redactor),
        };
        let timing = attributes.bytes(Attribute::ServerTiming).filter(|_| policy.server_timing);
        Self {
            tenant,
            told,
            client_ip: attributes.bytes(Attribute::Source).and_then(property::ip_text),
            protocol: attributes.text(Attribute::Protocol),
            route: attributes.text(Attribute::Route),
            cluster: attributes.text(Attribute::Cluster),
            upstream: attributes.text(Attribute::Upstream),
            upstream_ns: attributes.uint(Attribute::UpstreamTime),
            attempts: attributes.uint(Attribute::Attempts).filter(|attempts| *attempts > 0),
            request_bytes: attributes.uint(Attribute::RequestSize),
            response_bytes: attributes.uint(Attribute::ResponseSize),
            transport_failure: exchange
                .failed()
                .then(transport_failure)
                .flatten()
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
            metrics: timing.map(server_timing::parse).unwrap_or_default(),
            request_headers,
            response_headers: response
                .map(|headers| chosen(&headers, &policy.response_headers, redactor))
                .unwrap_or_default(),
        }
    }
}

/// Values of the named headers, redacted.
fn chosen(headers: &Headers, names: &[String], redactor: &Redactor<'_>) -> OwnedPairs {
    let values =
        names.iter().flat_map(|name| headers.values(name).map(move |value| (name.as_str(), value)));
    redacted(values, redactor)
}

/// All headers except pseudo-headers, redacted.
pub fn all(headers: &Headers, redactor: &Redactor<'_>) -> OwnedPairs {
    let pairs = headers.iter().filter(|(name, _)| !name.starts_with(b":"));
    let named = pairs.filter_map(|(name, value)| Some((str::from_utf8(name).ok()?, value)));
    redacted(named, redactor)
}

/// Headers in the form that the record may contain; values of one name are joined as in HTTP.
///
/// Stops at one pair more than a record holds, so that the encoder sees that some are
/// left out, and at a record's bytes, past which it is encoded without headers.
fn redacted<'h>(
    headers: impl Iterator<Item = (&'h str, &'h [u8])>,
    redactor: &Redactor<'_>,
) -> OwnedPairs {
    let mut pairs: OwnedPairs = Vec::new();
    let mut bytes = 0_usize;
    for (name, value) in headers {
        let Some(value) = redactor.header(name, value) else { continue };
        bytes = bytes.saturating_add(name.len()).saturating_add(value.len());
        match pairs.iter_mut().find(|(own, _)| own == name) {
            Some((_, joined)) => joined.extend([", ", &value]),
            None => pairs.push((name.to_owned(), value)),
        }
        if pairs.len() > PAIRS || bytes > redactor.record_bytes() {
            break;
        }
    }
    pairs
}
