//! `tail`: live records of all collectors, as server-sent events. Source: the HTML standard,
//! "Server-sent events".
//!
//! - `collectors` `{"collectors": […]}`: these are followed from now on
//! - `following` `{"collector"}`: it answers
//! - `lost` `{"collector", "message"}`: it cannot be reached, and is tried again
//! - `record`: the record, one line of JSON
//! - `skipped` `{"count": n or null}`: as many were left out here
//! - `end` `{"reason"}`: the stream ends

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::HeaderName;
use axum::http::{HeaderMap, HeaderValue, Response};
use gatelog_collector::http::event_stream::event_stream;
use gatelog_search::{ParseError, Query};
use http_body_util::channel::{Channel, Sender};
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::App;
use super::answer::Refusal;
use super::caller::Caller;
use crate::tail::{Item, Notice, Tail};
use crate::who::Viewer;

/// How often something is sent in any case, and it is looked whether the viewer still is one.
const ALIVE_EVERY: Duration = Duration::from_secs(5);
/// Maximum time for a client to read one part.
const PART_TIME: Duration = Duration::from_secs(30);
/// Bytes of a part from which on no further record is added.
const PART_BYTES: usize = 64 << 10;
/// Maximum time of a tail: whoever a proxy speaks for is then verified again.
const LIFE: Duration = Duration::from_hours(1);
/// Asks proxies such as nginx to send each part at once.
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");

pub(super) async fn tail(
    State(app): State<App>,
    caller: Caller,
    request: Request,
) -> Result<Response<Body>, Refusal> {
    if !app.inner.tails.any() {
        return Err(Refusal::not_found(
            "there is no tail: GATELOG_CONSOLE_TAIL names no collector",
        ));
    }
    let params = caller.params(&["query"])?;
    let query: Query = params
        .get("query")
        .unwrap_or_default()
        .parse()
        .map_err(|error: ParseError| Refusal::query(error.to_string(), error.at()))?;
    let turn = app.turn_at_once(&app.inner.tail_turns, &caller.viewer).await?;
    let tail = app.inner.tails.open(caller.viewer.scope().select(query), &caller.viewer);
    let (sender, body) = Channel::new(1);
    let headers = request.into_parts().0.headers;
    let proof = Proof { app, viewer: caller.viewer, headers, from: caller.address.ip() };
    // A request as long as the stream lasts: its connection is not idle.
    let busy = caller.peer.as_ref().map(gatelog_collector::http::server::Peer::begin);
    let sending = tokio::spawn(async move {
        let _open = proof.app.inner.metrics.tail_opened();
        send(proof, tail, sender).await;
        drop((turn, busy));
    });
    let mut response = event_stream(body, &sending);
    response.headers_mut().insert(UNBUFFERED, HeaderValue::from_static("no"));
    Ok(response)
}

/// Who opened the tail, and what shows it.
struct Proof {
    app: App,
    viewer: Arc<Viewer>,
    headers: HeaderMap,
    from: IpAddr,
}

impl Proof {
    fn holds(&self) -> bool {
        self.app.who().is_still(&self.viewer, &self.headers, self.from)
    }
}

/// Sends what the tail brings, as fast as the client reads it.
async fn send(proof: Proof, mut tail: Tail, mut sender: Sender<Bytes, io::Error>) {
    let begun = Instant::now();
    let mut stops = proof.app.inner.tails.stops();
    let mut alive = interval(ALIVE_EVERY);
    alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let mut part = String::new();
        let end = tokio::select! {
            _ = stops.wait_for(|stop| *stop) => Some("the console is stopping"),
            item = tail.next() => {
                told_skipped(&mut part, &tail);
                let mut item = item;
                while let Some(one) = item.take() {
                    push_item(&mut part, one);
                    item = if part.len() < PART_BYTES { tail.waiting() } else { None };
                }
                None
            }
            _ = alive.tick() => {
                told_skipped(&mut part, &tail);
                if part.is_empty() {
                    part.push_str(":\n\n");
                }
                if !proof.holds() {
                    Some("the session has ended, or its rights have changed")
                } else if begun.elapsed() >= LIFE {
                    Some("it lasted an hour: begin again")
                } else {
                    None
                }
            }
        };
        if let Some(reason) = end {
            push(&mut part, "end", &json!({"reason": reason}).to_string());
        }
        match tokio::time::timeout(PART_TIME, sender.send_data(part.into())).await {
            Ok(Ok(())) if end.is_none() => {}
            Ok(_) => return,
            Err(_) => {
                sender.abort(io::Error::other("the client reads too slowly"));
                return;
            }
        }
    }
}

fn told_skipped(part: &mut String, tail: &Tail) {
    let skipped = tail.skipped();
    if skipped > 0 {
        push(part, "skipped", &json!({"count": skipped}).to_string());
    }
}

fn push_item(part: &mut String, item: Item) {
    let (event, data): (_, Value) = match item {
        Item::Record(line) => return push(part, "record", &line),
        Item::Notice(Notice::Collectors(list)) => ("collectors", json!({"collectors": list})),
        Item::Notice(Notice::Following(collector)) => {
            ("following", json!({"collector": collector}))
        }
        Item::Notice(Notice::Lost(collector, message)) => {
            ("lost", json!({"collector": collector, "message": message}))
        }
        Item::Notice(Notice::Skipped(count)) => ("skipped", json!({"count": count})),
    };
    push(part, event, &data.to_string());
}

/// One event. JSON has no line feed.
fn push(part: &mut String, event: &str, data: &str) {
    for text in ["event: ", event, "\ndata: ", data, "\n\n"] {
        part.push_str(text);
    }
}
