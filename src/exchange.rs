//! One HTTP exchange, from its request's headers to its log.

pub mod access_log;
pub mod begun;
pub mod finished;

use std::net::IpAddr;
use std::rc::Rc;

use crate::envoy::headers::Headers;
use crate::envoy::property;
use crate::exchange::begun::Begun;
use crate::host::{HeaderMap, Host, Refused};
use crate::identity::ids::{IdPolicy, Identity, Resolved};
use crate::identity::trace::{TRACEPARENT, TRACESTATE, Trace};
use crate::metrics::Metric;
use crate::worker::Worker;

/// What is kept of an exchange between its callbacks.
///
/// A stream that never reached this filter may still be logged: one rejected by an earlier filter, or malformed.
#[derive(Debug, Default)]
pub struct Exchange {
    begun: Option<Begun>,
    /// When the response's headers came, on the monotonic clock; only at level DEBUG.
    responded_ns: Option<u64>,
}

impl Exchange {
    /// Handles the request's headers: assigns the ids, and the gateway's span if it is propagated.
    pub fn request_headers(&mut self, worker: &mut Worker, host: &dyn Host) {
        let start_unix_ns = host.unix_nanos();
        let headers = host.headers(HeaderMap::Request);
        let settings = Rc::clone(&worker.settings);
        let config = &settings.config;
        let identity = &config.identity;
        let peer = || peer(host);
        let redirected = worker.redirected.take().filter(|ids| identity.are_carried(ids, &headers));
        let resolved = match redirected {
            Some(ids) => Resolved::carried(ids.redirected(|| worker.uuids.wide_bits(host))),
            None => {
                let random = || worker.uuids.wide_bits(host);
                let trace = identity.trace.resolve(&headers, peer, random);
                let fresh = || worker.uuids.fresh(host, start_unix_ns).to_string();
                identity.resolve(&headers, peer, trace, fresh)
            }
        };

        let mut refused = write(host, &headers, identity, &resolved);
        if config.tenancy.strip_untrusted {
            for name in config.tenancy.headers() {
                if headers.get(name).is_some() {
                    refused =
                        refused.saturating_add(flag(host.remove_header(HeaderMap::Request, name)));
                }
            }
        }
        worker.metrics.count(Metric::HostRefused, refused);
        let start_ns = host.monotonic_nanos();
        self.begun = Some(Begun { start_unix_ns, start_ns, headers, ids: resolved.ids });
    }

    /// Handles the response's headers: adds the ids.
    pub fn response_headers(&mut self, worker: &mut Worker, host: &dyn Host) {
        let Some(begun) = &self.begun else {
            return;
        };
        let settings = Rc::clone(&worker.settings);
        let identity = &settings.config.identity;
        let mut refused = 0_u64;
        for (policy, id) in [
            (&identity.request, &begun.ids.request_id),
            (&identity.correlation, &begun.ids.correlation_id),
        ] {
            if policy.echo {
                refused = refused.saturating_add(flag(host.set_header(
                    HeaderMap::Response,
                    &policy.header,
                    id.as_bytes(),
                )));
            }
        }
        refused = refused.saturating_add(expose(host, &[&identity.request, &identity.correlation]));
        worker.metrics.count(Metric::HostRefused, refused);
        if settings.config.level == gatelog_record::Level::Debug {
            self.responded_ns = Some(host.monotonic_nanos());
        }
    }

    /// Handles the end of the exchange: makes its record.
    pub fn log(&mut self, worker: &mut Worker, host: &dyn Host) {
        access_log::log(self.begun.take(), self.responded_ns, worker, host);
    }
}

/// Writes what the request lacks, and counts what the host refuses.
fn write(host: &dyn Host, headers: &Headers, identity: &Identity, resolved: &Resolved) -> u64 {
    let ids = &resolved.ids;
    let mut refused = 0_u64;
    if resolved.write_request_id {
        let name = &identity.request.header;
        refused = refused.saturating_add(replace(host, headers, name, &ids.request_id));
    }
    if resolved.write_correlation_id {
        let name = &identity.correlation.header;
        refused = refused.saturating_add(replace(host, headers, name, &ids.correlation_id));
    }
    if let Some(trace) = &ids.trace {
        refused = refused.saturating_add(write_trace(host, headers, trace));
    }
    refused
}

/// Puts the gateway's span into the request, if it has one.
fn write_trace(host: &dyn Host, headers: &Headers, trace: &Trace) -> u64 {
    let Some(traceparent) = trace.traceparent() else { return 0 };
    if !trace.begins_here() {
        // It was sent once.
        return flag(host.set_header(HeaderMap::Request, TRACEPARENT, traceparent.as_bytes()));
    }
    let refused = replace(host, headers, TRACEPARENT, traceparent);
    let stale = headers.get(TRACESTATE).is_some();
    let removed = if stale { host.remove_header(HeaderMap::Request, TRACESTATE) } else { Ok(()) };
    refused.saturating_add(flag(removed))
}

/// Writes a header of the request, replacing any values that it has.
fn replace(host: &dyn Host, headers: &Headers, name: &str, value: &str) -> u64 {
    let mut refused = 0_u64;
    if headers.values(name).nth(1).is_some() {
        // When Envoy replaces a repeated header, its other values stay.
        refused = refused.saturating_add(flag(host.remove_header(HeaderMap::Request, name)));
    }
    refused.saturating_add(flag(host.set_header(HeaderMap::Request, name, value.as_bytes())))
}

/// Lets pages of other origins read the ids. Source: Fetch standard, CORS protocol.
fn expose(host: &dyn Host, policies: &[&IdPolicy]) -> u64 {
    const EXPOSE: &str = "access-control-expose-headers";
    let names: Vec<&str> = policies
        .iter()
        .filter(|policy| policy.echo && policy.expose)
        .map(|policy| policy.header.as_str())
        .collect();
    let cross_origin = || host.header(HeaderMap::Response, "access-control-allow-origin").is_some();
    if names.is_empty() || !cross_origin() {
        return 0;
    }
    let mut value = host.header(HeaderMap::Response, EXPOSE).unwrap_or_default();
    for name in names {
        if !value.is_empty() {
            value.extend_from_slice(b", ");
        }
        value.extend_from_slice(name.as_bytes());
    }
    flag(host.set_header(HeaderMap::Response, EXPOSE, &value))
}

fn flag(result: Result<(), Refused>) -> u64 {
    u64::from(result.is_err())
}

/// The client's address as Envoy determines it.
pub fn peer(host: &dyn Host) -> Option<IpAddr> {
    property::ip(&host.property(property::SOURCE_ADDRESS)?)
}

#[cfg(test)]
mod tests;
