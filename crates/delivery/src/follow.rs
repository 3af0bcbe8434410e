//! Follows the live tail of one collector, and again when the connection breaks.

mod events;

use std::time::Duration;

use hyper::StatusCode;
use serde_json::Value;
use tokio::time::Instant;

use crate::client::{Client, Stream};
pub use events::Room;
use events::{Event, Events};

/// After this time without even a sign of life the connection counts as broken: a collector sends
/// one every 5 s, earlier versions every 15 s.
const SILENCE: Duration = Duration::from_secs(20);
/// Maximum time for an event to come completely: it may hold room that others need.
const EVENT_TIME: Duration = Duration::from_mins(1);
/// A connection that lasted this long ends the pauses' growth.
const LASTED: Duration = Duration::from_secs(30);
/// The first pause before a collector is tried again; it doubles each time.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// Maximum bytes of a refusal that are read.
const REFUSAL_BYTES: usize = 1_024;
/// Maximum time to read them.
const REFUSAL_TIME: Duration = Duration::from_secs(5);

/// What is heard of a collector. Its texts may hold any character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// It answers: its records come from now on.
    Following,
    /// A record, one line of JSON.
    Record(String),
    /// It left out as many records.
    Skipped(u64),
    /// It cannot be reached, or broke off: told once, and tried again.
    Lost(String),
    /// It refuses, and will refuse again unless something is changed.
    Refused(String),
}

/// Who hears it.
pub trait Listener: Send {
    /// Hears something; returns whether to go on.
    fn hear(&mut self, news: News) -> impl Future<Output = bool> + Send;
}

/// Follows a collector as long as somebody listens. An event that has begun takes its room.
pub async fn follow(client: &Client, path: &str, room: &Room, listener: &mut impl Listener) {
    let mut pause = PAUSE_FIRST;
    // Once for each outage.
    let mut told = false;
    loop {
        let news = match client.follow(path).await {
            Err(error) => News::Lost(error.to_string()),
            Ok(stream) if stream.status == StatusCode::OK && !stream.is_events => {
                News::Lost("it answers with something else than events".to_owned())
            }
            Ok(mut stream) if stream.status == StatusCode::OK => {
                let began = Instant::now();
                told = false;
                if !listener.hear(News::Following).await {
                    return;
                }
                let broke = read(&mut stream, room, listener).await;
                if began.elapsed() >= LASTED {
                    pause = PAUSE_FIRST;
                }
                match broke {
                    Some(broke) => News::Lost(broke),
                    None => return,
                }
            }
            Ok(mut stream) => {
                let text = tokio::time::timeout(REFUSAL_TIME, refusal(&mut stream)).await;
                let text = text.unwrap_or_default();
                let text = format!("{}: {text}", stream.status);
                if stream.status.is_client_error() { News::Refused(text) } else { News::Lost(text) }
            }
        };
        let heard = told && matches!(news, News::Lost(_));
        if !heard && !listener.hear(news).await {
            return;
        }
        told = true;
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(PAUSE_MAX);
    }
}

/// Reads to the end; says why it ended, or `None` if nobody wants more.
async fn read(stream: &mut Stream, room: &Room, listener: &mut impl Listener) -> Option<String> {
    let mut events = Events::new(room);
    let mut begun = None;
    loop {
        let part = match stream.next(SILENCE).await {
            Ok(Some(part)) => part,
            Ok(None) => return Some("the connection was closed".to_owned()),
            Err(error) => return Some(error.to_string()),
        };
        let complete = match events.push(&part) {
            Ok(complete) => complete,
            Err(error) => return Some(error.to_string()),
        };
        if !events.has_begun() || !complete.is_empty() {
            begun = None;
        } else if begun.get_or_insert_with(Instant::now).elapsed() > EVENT_TIME {
            return Some("a record of it did not come completely in time".to_owned());
        }
        for event in complete {
            let Event { kind, data } = event;
            let news = match kind.as_str() {
                "record" => News::Record(data),
                "skipped" => News::Skipped(said(&data, "records").as_u64().unwrap_or_default()),
                "end" => return Some(text(&data, "reason")),
                _ => continue,
            };
            if !listener.hear(news).await {
                return None;
            }
        }
    }
}

fn said(data: &str, key: &str) -> Value {
    let data: Value = serde_json::from_str(data).unwrap_or_default();
    data.get(key).cloned().unwrap_or_default()
}

fn text(data: &str, key: &str) -> String {
    said(data, key).as_str().unwrap_or_default().to_owned()
}

/// What the collector says about a refusal.
async fn refusal(stream: &mut Stream) -> String {
    let mut body = Vec::new();
    while body.len() < REFUSAL_BYTES
        && let Ok(Some(part)) = stream.next(SILENCE).await
    {
        body.extend(part.iter().take(REFUSAL_BYTES.saturating_sub(body.len())));
    }
    text(&String::from_utf8_lossy(&body), "error")
}
