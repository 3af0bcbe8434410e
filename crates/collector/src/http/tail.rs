//! `GET /v1/tail`: records as they become durable, as server-sent events. Source: the HTML standard,
//! "Server-sent events".
//!
//! - `event: record`, `data:` the record, one line of JSON
//! - `event: skipped`, `data: {"records":n}`: as many were left out here
//! - `event: end`, `data: {"reason":"…"}`: the stream ends

use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use axum::response::IntoResponse;
use gatelog_search::{Query, Scope, Selection};
use http_body_util::channel::{Channel, Sender};
use percent_encoding::percent_decode_str;
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};

use super::App;
use super::answer::{Refusal, json as answer};
use super::event_stream::event_stream;
use super::server::Peer;
use crate::tail::Subscription;

/// How often something is sent in any case, and the token is checked again.
const ALIVE_EVERY: Duration = Duration::from_secs(5);
/// Maximum time for a client to read one part.
const PART_TIME: Duration = Duration::from_secs(30);
/// Bytes of a part from which on no further record is added.
const PART_BYTES: usize = 64 << 10;

pub(super) async fn tail(State(app): State<App>, request: Request) -> Response<Body> {
    let (head, _) = request.into_parts();
    if let Err(refusal) = allowed(&app, &head.headers) {
        return refusal.into_response();
    }
    let selection = match selection(head.uri.query().unwrap_or_default()) {
        Ok(selection) => selection,
        Err(text) => return answer(StatusCode::BAD_REQUEST, &json!({"error": text})),
    };
    let Some(subscription) = app.inner.tail.subscribe(selection) else {
        return Refusal::Busy.into_response();
    };
    // A request as long as the stream lasts: its connection is not idle.
    let turn = head.extensions.get::<Peer>().map(|peer| {
        peer.trust();
        peer.begin()
    });
    let (sender, body) = Channel::new(1);
    let headers = head.headers;
    let sending = tokio::spawn(async move {
        send(app, subscription, sender, headers).await;
        drop(turn);
    });
    let mut response = event_stream(body, &sending);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn allowed(app: &App, headers: &HeaderMap) -> Result<(), Refusal> {
    match app.inner.auth.grant(headers) {
        None => Err(Refusal::Unauthorized),
        Some(grant) if !grant.read => {
            let text = "this token may not read: give it the role read";
            Err(Refusal::Forbidden(text.into()))
        }
        Some(_) => Ok(()),
    }
}

/// `?query=…`, and `?org=…` for each organization whose records may be seen: without any, all; with
/// only an empty one, none.
fn selection(query: &str) -> Result<Selection, String> {
    if percent_decode_str(query).decode_utf8().is_err() {
        return Err("the parameters must be UTF-8, percent-encoded".to_owned());
    }
    let (mut text, mut organizations) = (String::new(), None::<Vec<String>>);
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "query" => text = value.into_owned(),
            "org" => organizations.get_or_insert_default().push(value.into_owned()),
            _ => return Err("unknown parameter: must be query=… or org=…".to_owned()),
        }
    }
    let query: Query = text.parse().map_err(|error| format!("query: {error}"))?;
    let scope = organizations.map_or(Ok(Scope::ALL), Scope::organizations);
    Ok(scope.map_err(|error| error.to_string())?.select(query))
}

/// Sends what the subscription brings, as fast as the client reads it.
async fn send(
    app: App,
    mut subscription: Subscription,
    mut sender: Sender<Bytes, io::Error>,
    headers: HeaderMap,
) {
    let mut alive = interval(ALIVE_EVERY);
    alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let mut part = Vec::new();
        let mut ended = false;
        tokio::select! {
            record = subscription.next() => {
                told_skipped(&mut part, &subscription);
                match record {
                    Some(line) => push(&mut part, "record", &line),
                    None => {
                        ended = true;
                        push(&mut part, "end", br#"{"reason":"the collector is stopping"}"#);
                    }
                }
                while part.len() < PART_BYTES && let Some(line) = subscription.waiting() {
                    push(&mut part, "record", &line);
                }
            }
            _ = alive.tick() => {
                told_skipped(&mut part, &subscription);
                if allowed(&app, &headers).is_err() {
                    ended = true;
                    push(&mut part, "end", br#"{"reason":"the token is no longer valid"}"#);
                } else if part.is_empty() {
                    part.extend_from_slice(b":\n\n");
                }
            }
        }
        match tokio::time::timeout(PART_TIME, sender.send_data(part.into())).await {
            Ok(Ok(())) if !ended => {}
            Ok(_) => return,
            Err(_) => {
                sender.abort(io::Error::other("the client reads too slowly"));
                return;
            }
        }
    }
}

fn told_skipped(part: &mut Vec<u8>, subscription: &Subscription) {
    let skipped = subscription.skipped();
    if skipped > 0 {
        push(part, "skipped", json!({"records": skipped}).to_string().as_bytes());
    }
}

/// One event. JSON has no line feed.
fn push(part: &mut Vec<u8>, event: &str, data: &[u8]) {
    part.extend_from_slice(b"event: ");
    part.extend_from_slice(event.as_bytes());
    part.extend_from_slice(b"\ndata: ");
    part.extend_from_slice(data);
    part.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_and_whose_records_come_as_parameters() {
        let text = |query: &str| selection(query).map(|it| it.query().to_string());
        assert_eq!(text(""), Ok(String::new()));
        assert_eq!(text("query=user%3A17+%22a%20b%22&org=x"), Ok("user:\"17\" \"a b\"".to_owned()));
        let error = text("query=stauts%3A5").unwrap_err();
        assert!(error.starts_with("query: at character 1: no field is named"), "{error}");
        assert!(text("q=a").unwrap_err().contains("must be query=… or org=…"));
        assert!(text("org=%ff").unwrap_err().contains("UTF-8"));
        assert_ne!(selection("org=a"), selection(""));
        assert_ne!(selection("org="), selection(""), "nobody's, not everybody's");
        let many: Vec<_> = (0..1_001).map(|number| format!("org={number}")).collect();
        assert!(text(&many.join("&")).unwrap_err().contains("more than 1000 organizations"));
    }
}
