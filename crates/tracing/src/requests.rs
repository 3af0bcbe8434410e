//! Requests of a service: everything logged while one is handled has its ids.

use std::task::{Context as Waker, Poll};

use http::Request;
use tower_layer::Layer;
use tower_service::Service;
use tracing::Instrument;
use tracing::instrument::Instrumented;

use crate::context::Context;
use crate::counters::{CONTEXTS_LOST, count};
use crate::headers::HeaderNames;

/// A tower layer, for axum, tonic and anything that is a service of `http` requests: it takes ids and
/// tenant from the headers that the gateway sends, and every record made while the request is handled has them,
/// across `await`. A spawned task takes them along with `.in_current_span()`.
///
/// Add it as the outermost layer, so that what other layers log has the ids too.
///
/// ```
/// use gatelog_tracing::RequestLayer;
/// use tower_layer::Layer;
///
/// # #[derive(Clone)] struct Routes;
/// // With axum: Router::new().route(…).layer(RequestLayer::new())
/// let service = RequestLayer::new().layer(Routes);
/// # drop(service);
/// ```
#[derive(Clone, Debug, Default)]
pub struct RequestLayer {
    names: HeaderNames,
}

impl RequestLayer {
    /// A layer that reads the gateway's default headers.
    ///
    /// ```
    /// let layer = gatelog_tracing::RequestLayer::new();
    /// # drop(layer);
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// A layer that reads these headers.
    ///
    /// ```
    /// use gatelog_tracing::{HeaderNames, RequestLayer};
    ///
    /// let layer = RequestLayer::reading(HeaderNames::default());
    /// # drop(layer);
    /// ```
    pub fn reading(names: HeaderNames) -> Self {
        Self { names }
    }
}

impl<S> Layer<S> for RequestLayer {
    type Service = Requests<S>;

    fn layer(&self, inner: S) -> Requests<S> {
        Requests { inner, names: self.names.clone() }
    }
}

/// A service whose requests carry ids: made by [`RequestLayer`].
///
/// ```
/// use gatelog_tracing::{RequestLayer, Requests};
/// use tower_layer::Layer;
///
/// let service: Requests<&str> = RequestLayer::new().layer("a service");
/// # drop(service);
/// ```
#[derive(Clone, Debug)]
pub struct Requests<S> {
    inner: S,
    names: HeaderNames,
}

impl<S, B> Service<Request<B>> for Requests<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Instrumented<S::Future>;

    fn poll_ready(&mut self, waker: &mut Waker<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(waker)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let context = Context::of_headers(request.headers(), &self.names);
        let span = context.span();
        if !Context::is_kept(&span) {
            count(&CONTEXTS_LOST, 1);
        }
        span.in_scope(|| self.inner.call(request)).instrument(span)
    }
}
