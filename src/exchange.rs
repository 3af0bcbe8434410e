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
use crate::identity::ids::{IdPolicy, Resolved};
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
    /// Handles the request's headers: assigns the ids.
    pub fn request_headers(&mut self, worker: &mut Worker, host: &dyn Host) {
        let start_unix_ns = host.unix_nanos();
        let headers = host.headers(HeaderMap::Request);
        let settings = Rc::clone(&worker.settings);
        let config = &settings.config;
        let peer = || peer(host);
        let fresh = || worker.uuids.fresh(host, start_unix_ns).to_string();
        let redirected =
            worker.redirected.take().filter(|ids| config.identity.are_carried(ids, &headers));
        let resolved = match redirected {
            Some(ids) => Resolved::carried(ids),
            None => config.identity.resolve(&headers, peer, fresh),
        };

        let mut refused = 0_u64;
        if resolved.write_request_id {
            let policy = &config.identity.request;
            refused =
                refused.saturating_add(replace(host, &headers, policy, &resolved.ids.request_id));
        }
        if resolved.write_correlation_id {
            let policy = &config.identity.correlation;
            refused = refused.saturating_add(replace(
                host,
                &headers,
                policy,
                &resolved.ids.correlation_id,
            ));
        }
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

/// Writes an id to the request, replacing any values of the header.
fn replace(host: &dyn Host, headers: &Headers, policy: &IdPolicy, id: &str) -> u64 {
    let mut refused = 0_u64;
    if headers.values(&policy.header).nth(1).is_some() {
        // When Envoy replaces a repeated header, its other values stay.
        refused =
            refused.saturating_add(flag(host.remove_header(HeaderMap::Request, &policy.header)));
    }
    refused.saturating_add(flag(host.set_header(HeaderMap::Request, &policy.header, id.as_bytes())))
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
