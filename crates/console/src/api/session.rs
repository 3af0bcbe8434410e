//! `session`: signing in, who one is, and signing out.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::SET_COOKIE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use axum::response::IntoResponse;
use serde::Deserialize;
use serde_json::{Value, json};

use super::App;
use super::answer::{self, Refusal};
use super::caller::{Caller, address};
use crate::audit::Entry;
use crate::who::{COOKIE_NAME, Nobody, Role, Secret, Viewer};

/// Maximum bytes of a body.
const BODY_BYTES: usize = 4 << 10;
/// Maximum time for a body to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shown {
    token: Option<String>,
    code: Option<String>,
}

pub(super) async fn get(State(app): State<App>, caller: Caller) -> Response<Body> {
    answer::json(&shown(&app, &caller.viewer))
}

pub(super) async fn post(State(app): State<App>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    sign_in(&app, &parts, body).await.unwrap_or_else(IntoResponse::into_response)
}

async fn sign_in(app: &App, parts: &Parts, body: Body) -> Result<Response<Body>, Refusal> {
    let from = address(parts)?.ip();
    let body = tokio::time::timeout(BODY_TIME, to_bytes(body, BODY_BYTES)).await;
    let body = body.map_err(|_| Refusal::too_slow())?;
    let shape = || Refusal::invalid("must be {\"token\": \"…\"} or {\"code\": \"…\"}");
    let body: Shown = serde_json::from_slice(&body.map_err(|_| shape())?).map_err(|_| shape())?;
    let (secret, by) = match (&body.token, &body.code) {
        (Some(token), None) => (Secret::Token(token), "token"),
        (None, Some(code)) => (Secret::Code(code), "code"),
        _ => return Err(shape()),
    };
    let audited = |action, viewer: Option<&Viewer>| {
        let (viewer, peer) = (viewer.map(|viewer| viewer.name.clone()), from.to_string());
        app.inner.audit.add(&Entry { action, viewer, peer, extra: json!({"by": by}) });
    };
    match app.who().sign_in(secret, from) {
        Ok((id, viewer)) => {
            // A session is never taken over: what the browser had ends.
            app.who().sign_out(&parts.headers);
            app.inner.metrics.sign_in("accepted");
            audited("sign_in", Some(&viewer));
            let mut response = answer::json(&shown(app, &viewer));
            let cookie = cookie(&id, is_secure(app, &parts.headers), None)?;
            response.headers_mut().insert(SET_COOKIE, cookie);
            Ok(response)
        }
        Err(nobody) => {
            let limited = matches!(nobody, Nobody::TooMany(_));
            app.inner.metrics.sign_in(if limited { "limited" } else { "refused" });
            // What the limit refuses is not audited each time: it would be a flood.
            if !limited {
                audited("sign_in_refused", None);
            }
            Err(nobody.into())
        }
    }
}

pub(super) async fn delete(State(app): State<App>, headers: HeaderMap) -> Response<Body> {
    app.who().sign_out(&headers);
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Ok(cookie) = cookie("", is_secure(&app, &headers), Some(0)) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

/// Whether the browser speaks TLS with the console, or with the proxy before it.
fn is_secure(app: &App, headers: &HeaderMap) -> bool {
    app.inner.tls || headers.get("x-forwarded-proto").is_some_and(|value| value == "https")
}

/// Until the browser closes, or for this many seconds.
fn cookie(id: &str, secure: bool, seconds: Option<u32>) -> Result<HeaderValue, Refusal> {
    let secure = if secure { "; Secure" } else { "" };
    let age = seconds.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
    let text = format!("{COOKIE_NAME}={id}; HttpOnly; SameSite=Strict; Path=/{secure}{age}");
    let mut value = HeaderValue::from_str(&text).map_err(|_| Refusal::fault())?;
    value.set_sensitive(true);
    Ok(value)
}

fn shown(app: &App, viewer: &Viewer) -> Value {
    let role = match &viewer.role {
        Role::All => "all",
        Role::Organizations(_) => "organizations",
    };
    json!({
        "name": viewer.name,
        "role": role,
        "organizations": viewer.organizations().unwrap_or_default(),
        "expires": viewer.expires.map(|time| time.to_string()),
        "live": app.inner.tails.any(),
    })
}
