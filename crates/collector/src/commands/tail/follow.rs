//! Follows one collector, and again when the connection breaks.

use std::time::Duration;

use gatelog_delivery::client::{Client, Stream};
use hyper::StatusCode;
use serde::Deserialize;
use tokio::sync::mpsc::Sender;

use super::events::{Event, Events};

/// After this time without even a sign of life the connection counts as broken: a collector sends
/// one every 15 s.
const SILENCE: Duration = Duration::from_secs(45);
/// The first pause before a collector is tried again; it doubles each time.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// Maximum bytes of a refusal that are shown.
const REFUSAL_BYTES: usize = 1_024;

/// What a collector brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// A record, one line of JSON.
    Record(String),
    /// Something to tell, safe for a terminal.
    Note(String),
    /// The collector refuses, and will refuse again.
    Refused(String),
}

/// Follows a collector as long as somebody wants its news.
pub(super) async fn follow(client: Client, path: String, news: Sender<News>) {
    let mut pause = PAUSE_FIRST;
    let mut told = false;
    loop {
        let broke = match client.follow(&path).await {
            Err(error) => error.to_string(),
            Ok(mut stream) if stream.status == StatusCode::OK => {
                (pause, told) = (PAUSE_FIRST, false);
                if news.send(note(&client, "following")).await.is_err() {
                    return;
                }
                match read(&client, &mut stream, &news).await {
                    Some(broke) => broke,
                    None => return,
                }
            }
            Ok(mut stream) => {
                let text = refusal(&mut stream).await;
                let text = format!("{}: {text}", stream.status);
                if stream.status.is_client_error() {
                    let _ = news.send(News::Refused(format!("{}: {text}", client.url()))).await;
                    return;
                }
                text
            }
        };
        // Once for each outage.
        let again = format!("{broke}; trying again until it answers");
        if !told && news.send(note(&client, &again)).await.is_err() {
            return;
        }
        told = true;
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(PAUSE_MAX);
    }
}

fn note(client: &Client, text: &str) -> News {
    News::Note(format!("{}: {}", client.url().escape_debug(), text.escape_debug()))
}

/// Reads to the end; says why it ended, or `None` if nobody wants more.
async fn read(client: &Client, stream: &mut Stream, news: &Sender<News>) -> Option<String> {
    let mut events = Events::default();
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
        for event in complete {
            let Event { kind, data } = event;
            let item = match kind.as_str() {
                "record" => News::Record(data),
                "skipped" => note(client, &skipped(&data)),
                "end" => return Some(reason(&data)),
                _ => continue,
            };
            if news.send(item).await.is_err() {
                return None;
            }
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Said {
    records: u64,
    reason: String,
    error: String,
}

fn said(data: &str) -> Said {
    serde_json::from_str(data).unwrap_or_default()
}

fn skipped(data: &str) -> String {
    format!("{} records skipped: too many to show them all", said(data).records)
}

fn reason(data: &str) -> String {
    said(data).reason
}

/// What the collector says about a refusal.
async fn refusal(stream: &mut Stream) -> String {
    let mut text = Vec::new();
    while let Ok(Some(part)) = stream.next(SILENCE).await {
        text.extend(part.iter().take(REFUSAL_BYTES.saturating_sub(text.len())));
    }
    said(&String::from_utf8_lossy(&text)).error.escape_debug().to_string()
}
