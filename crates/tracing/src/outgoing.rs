//! Requests to other services take the ids along.

use http::Extensions;
use reqwest::{Request, Response, Url};
use reqwest_middleware::{Middleware, Next, Result};

use crate::context::Context;
use crate::headers::HeaderNames;

/// A middleware of `reqwest` that adds the [current context](Context::current) to requests, for the listed hosts only:
/// nobody else should see who the tenant is. What is added is described at [`Context::add_to`].
///
/// A redirect that `reqwest` follows takes these headers along, to any host: forbid or limit redirects in the
/// client where services may redirect elsewhere.
///
/// ```
/// use gatelog_tracing::Outgoing;
/// use reqwest_middleware::ClientBuilder;
///
/// let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
/// let client = ClientBuilder::new(client).with(Outgoing::to(["gateway", "*.internal"])).build();
/// # drop(client);
/// # Ok::<(), reqwest::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Outgoing {
    hosts: Vec<String>,
    names: HeaderNames,
}

impl Outgoing {
    /// For these hosts: `orders`, `orders:8080` for that port only, `*.internal` for all below it.
    ///
    /// ```
    /// let middleware = gatelog_tracing::Outgoing::to(["orders", "gateway:8080"]);
    /// # drop(middleware);
    /// ```
    pub fn to(hosts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let hosts = hosts.into_iter().map(|host| host.into().to_ascii_lowercase());
        Self { hosts: hosts.collect(), names: HeaderNames::default() }
    }

    /// With these headers instead of the gateway's defaults.
    ///
    /// ```
    /// use gatelog_tracing::{HeaderNames, Outgoing};
    ///
    /// let middleware = Outgoing::to(["orders"]).writing(HeaderNames::default());
    /// # drop(middleware);
    /// ```
    pub fn writing(mut self, names: HeaderNames) -> Self {
        self.names = names;
        self
    }

    fn covers(&self, url: &Url) -> bool {
        // A URL's host is in lower case.
        let Some(host) = url.host_str() else { return false };
        let with_port = url.port_or_known_default().map(|port| format!("{host}:{port}"));
        self.hosts.iter().any(|listed| match listed.strip_prefix('*') {
            Some(below) => below.starts_with('.') && host.ends_with(below),
            None => listed == host || Some(listed) == with_port.as_ref(),
        })
    }
}

#[async_trait::async_trait]
impl Middleware for Outgoing {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        if self.covers(request.url()) {
            Context::current().add_to(request.headers_mut(), &self.names);
        }
        next.run(request, extensions).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_hosts_are_covered() {
        let outgoing = Outgoing::to(["Orders", "gateway:8080", "*.internal", "*evil", "[::1]"]);
        for (url, covered) in [
            ("http://orders/", true),
            ("https://ORDERS:9/", true),
            ("http://gateway:8080/", true),
            ("http://gateway/", false),
            ("http://a.internal/", true),
            ("http://internal/", false),
            ("http://ainternal/", false),
            ("http://orders.example.org/", false),
            ("http://orders@example.org/", false),
            ("http://my-evil/", false),
            ("http://[::1]:7/", true),
        ] {
            assert_eq!(outgoing.covers(&url.parse().unwrap()), covered, "{url}");
        }
    }
}
