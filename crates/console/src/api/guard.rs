//! The checks that every request passes, and the headers that every answer has.

use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName, ORIGIN,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::uri::Authority;
use axum::http::{HeaderValue, Method, Response};
use axum::middleware::Next;
use axum::response::IntoResponse;

use super::App;
use super::answer::Refusal;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The headers of every answer. Nothing from elsewhere, nothing inline, in nobody's frame.
const HEADERS: [(HeaderName, &str); 5] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src \
         'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Adds the headers of every answer.
pub(super) async fn headers(request: Request, next: Next) -> Response<Body> {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Refuses what another site makes a browser send.
pub(super) async fn same_site(request: Request, next: Next) -> Response<Body> {
    match from_elsewhere(&request) {
        Some(refusal) => refusal.into_response(),
        None => next.run(request).await,
    }
}

/// Browsers say where a request comes from; programs say nothing.
fn from_elsewhere(request: &Request) -> Option<Refusal> {
    let mut sites = request.headers().get_all(SEC_FETCH_SITE).iter().map(HeaderValue::as_bytes);
    // No browser sends two.
    let (site, only) = (sites.next(), sites.next().is_none());
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    let own = match site {
        Some(b"same-origin") => only,
        // Typed by the user.
        Some(b"none") => only && !changes,
        Some(_) => false,
        None => has_own_origin(request),
    };
    if !own {
        return Some(Refusal::forbidden("a request from another site: open the console itself"));
    }
    let json = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let json = json.is_some_and(|value| {
        let kind = value.split(';').next().unwrap_or_default();
        kind.trim().eq_ignore_ascii_case("application/json")
    });
    (changes && !json).then(Refusal::content_type)
}

/// Whether the origin, if there is one, is the host that was asked.
fn has_own_origin(request: &Request) -> bool {
    let Some(origin) = request.headers().get(ORIGIN) else { return true };
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| request.uri().authority().map(Authority::as_str));
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    matches!((origin, host), (Some((_, origin)), Some(host)) if origin == host)
}

/// Counts the requests of the API.
pub(super) async fn counted(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Response<Body> {
    let started = Instant::now();
    let endpoint = endpoint(request.uri().path());
    let response = next.run(request).await;
    app.inner.metrics.answered(endpoint, response.status().as_u16(), started.elapsed());
    response
}

/// The name of an endpoint: its path's first part. Unknown ones have one name together.
fn endpoint(path: &str) -> &'static str {
    const ENDPOINTS: [&str; 10] = [
        "session",
        "search",
        "records",
        "flows",
        "histogram",
        "overview",
        "delivery",
        "export",
        "tail",
        "views",
    ];
    let path = path.strip_prefix("/api/v1").unwrap_or(path);
    let first = path.split('/').nth(1).unwrap_or_default();
    ENDPOINTS.into_iter().find(|name| *name == first).unwrap_or("other")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(method: &str, headers: &[(&str, &str)]) -> Option<u16> {
        let mut request = Request::builder().method(method).uri("/api/v1/session");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        from_elsewhere(&request).map(|refusal| refusal.into_response().status().as_u16())
    }

    #[test]
    fn what_another_site_makes_a_browser_send_is_refused() {
        let json = ("content-type", "application/json; charset=utf-8");
        let host = ("host", "console.example:8687");
        for (method, headers, status) in [
            ("GET", &[][..], None),
            ("GET", &[("sec-fetch-site", "none")], None),
            ("GET", &[("sec-fetch-site", "same-origin")], None),
            ("GET", &[("sec-fetch-site", "same-site")], Some(403)),
            ("GET", &[("sec-fetch-site", "cross-site")], Some(403)),
            (
                "GET",
                &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")],
                Some(403),
            ),
            ("GET", &[host, ("origin", "https://console.example:8687")], None),
            ("GET", &[host, ("origin", "https://evil.example")], Some(403)),
            ("GET", &[host, ("origin", "null")], Some(403)),
            ("POST", &[json], None),
            ("POST", &[], Some(415)),
            ("DELETE", &[], Some(415)),
            ("POST", &[("content-type", "text/plain")], Some(415)),
            ("POST", &[("content-type", "application/jsonx")], Some(415)),
            ("POST", &[json, ("sec-fetch-site", "same-origin")], None),
            ("POST", &[json, ("sec-fetch-site", "none")], Some(403)),
            ("POST", &[json, ("sec-fetch-site", "cross-site")], Some(403)),
            ("POST", &[json, host, ("origin", "https://console.example:8687")], None),
            ("POST", &[json, host, ("origin", "https://evil.example")], Some(403)),
            ("POST", &[json, host, ("origin", "null")], Some(403)),
            ("DELETE", &[json, host, ("origin", "https://console.example")], Some(403)),
        ] {
            assert_eq!(refused(method, headers), status, "{method} {headers:?}");
        }
    }
}
