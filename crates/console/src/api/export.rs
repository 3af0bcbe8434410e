//! `export`: everything that matches, streamed, so that memory does not grow with it.

use std::convert::Infallible;
use std::fmt::Write;
use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderName};
use axum::http::{HeaderValue, Response};
use gatelog_search::{End, Found, Key, Reach, SearchError, csv};
use http_body_util::BodyExt;
use http_body_util::channel::{Channel, Sender};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::App;
use super::answer::Refusal;
use super::caller::Caller;
use super::search::wanted;
use super::span::Span;
use super::turns::Turn;
use super::walk::{Time, Walk};
use crate::audit::Entry;
use crate::metrics::Metrics;

/// Maximum time that the database searches for the next records. One that finds none, and gets no
/// further, ends the export.
const STEP_TIME: Duration = Duration::from_secs(30);
/// After this time, what was found is sent, if anything was: a client that has gone away is noticed then.
const SEND_AFTER: Duration = Duration::from_millis(250);
/// Maximum time for a client to read the next records, about two megabytes.
const READ_TIME: Duration = Duration::from_secs(30);
/// Maximum time of an export.
const EXPORT_TIME: Duration = Duration::from_mins(30);
/// The header with the maximum number of records.
const LIMIT: HeaderName = HeaderName::from_static("x-gatelog-export-limit");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Ndjson,
    Csv,
}

impl Format {
    fn of(text: Option<&str>) -> Result<Self, Refusal> {
        match text {
            None | Some("ndjson") => Ok(Format::Ndjson),
            Some("csv") => Ok(Format::Csv),
            Some(other) => {
                let other = other.escape_debug();
                Err(Refusal::invalid(format!("format = \"{other}\": must be ndjson or csv")))
            }
        }
    }

    const fn headers(self) -> [(HeaderName, HeaderValue); 2] {
        let (kind, name) = match self {
            Format::Ndjson => ("application/x-ndjson", "attachment; filename=\"gatelog.ndjson\""),
            Format::Csv => ("text/csv; charset=utf-8", "attachment; filename=\"gatelog.csv\""),
        };
        [
            (CONTENT_TYPE, HeaderValue::from_static(kind)),
            (CONTENT_DISPOSITION, HeaderValue::from_static(name)),
        ]
    }
}

pub(super) async fn export(
    State(app): State<App>,
    caller: Caller,
) -> Result<Response<Body>, Refusal> {
    let known = ["query", "since", "until", "after", "reach", "limit", "format"];
    let params = caller.params(&known)?;
    let span = Span::of(&params)?;
    let format = Format::of(params.get("format"))?;
    let bound = app.inner.limits.export_records;
    let most = params.count("limit", bound, bound)?;
    let search = wanted(&caller.viewer, &params, span, Reach::Everything)?;
    let place = app.turn_of(&app.inner.exports, &caller.viewer).await?;
    app.inner.audit.add(&Entry {
        action: "export",
        viewer: Some(caller.viewer.name.clone()),
        peer: caller.address.ip().to_string(),
        extra: json!({
            "query": search.selection.query().to_string(),
            "since": span.since.to_string(),
            "until": span.until.to_string(),
            "limit": most,
        }),
    });
    let (sender, body) = Channel::new(1);
    let (there, gone) = oneshot::channel::<Infallible>();
    let body = body.map_frame(move |frame| {
        let _ = &there;
        frame
    });
    let mut walk = Walk::new(app.inner.searcher.clone(), search);
    let deadline = after(EXPORT_TIME);
    // An error has a status of its own as long as no answer has begun.
    let first = Step::take(&mut walk, most, deadline).await;
    if let Err(error) = first.found {
        return Err(error.into());
    }
    let written = Written { format, most, records: 0, metrics: app.inner.metrics.clone() };
    // The connection is busy until the last record, not only until the headers.
    let turn = caller.peer.as_ref().map(gatelog_collector::http::server::Peer::begin);
    tokio::spawn(async move {
        send(walk, first, written, Client { sender, gone }, deadline, place).await;
        drop(turn);
    });
    let mut response = Response::new(Body::new(body));
    response.headers_mut().extend(format.headers());
    response.headers_mut().insert(LIMIT, HeaderValue::from(most));
    Ok(response)
}

/// Who reads an export.
struct Client {
    sender: Sender<Bytes, io::Error>,
    /// Ends when the answer is dropped, as the client has gone away.
    gone: oneshot::Receiver<Infallible>,
}

/// Sends records as fast as the client reads them; at last, what was sent and why it ends.
async fn send(
    mut walk: Walk,
    mut step: Step,
    mut written: Written,
    Client { mut sender, mut gone }: Client,
    deadline: Instant,
    _place: Turn,
) {
    let mut first = written.begin();
    let reason = loop {
        let Step { before, found } = step;
        let text = match found {
            Ok(found) => std::mem::take(&mut first) + &written.records(&found),
            Err(error) => break Reason::Failed(error),
        };
        if !text.is_empty() && !taken(&mut sender, text).await {
            return;
        }
        match walk.end() {
            Some(End::Complete) => break Reason::Complete,
            _ if written.records >= written.most => break Reason::Limit,
            Some(End::OutOfTime) if walk.reached() == before || deadline <= Instant::now() => {
                break Reason::Time;
            }
            Some(End::OutOfTime | End::Full) | None => walk.resume(),
        }
        let left = written.most.saturating_sub(written.records);
        // A client that goes away while records are read gives up its place at once.
        step = tokio::select! {
            step = Step::take(&mut walk, left, deadline) => step,
            _ = &mut gone => return,
        };
    };
    if let Reason::Failed(error) = &reason {
        tracing::warn!(%error, records = written.records, "an export ended early");
    }
    let last = first + &written.end(&reason, walk.reached());
    let whole = taken(&mut sender, last).await;
    // So that a program sees it too that does not read the last line.
    if whole && matches!(reason, Reason::Failed(_) | Reason::Time) {
        sender.abort(io::Error::other("the export ended early"));
    }
}

/// The next records, and where the search was before them.
struct Step {
    before: Key,
    found: Result<Vec<Found>, SearchError>,
}

impl Step {
    async fn take(walk: &mut Walk, most: usize, deadline: Instant) -> Self {
        let before = walk.reached();
        let deadline = deadline.min(after(STEP_TIME));
        let time = Time { enough: after(SEND_AFTER).min(deadline), deadline };
        Self { before, found: walk.step(most, time).await }
    }
}

fn after(time: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(time).unwrap_or(now)
}

/// Whether the client took it.
async fn taken(sender: &mut Sender<Bytes, io::Error>, text: String) -> bool {
    let sent = tokio::time::timeout(READ_TIME, sender.send_data(text.into())).await;
    matches!(sent, Ok(Ok(())))
}

/// Why an export ends.
#[derive(Debug)]
enum Reason {
    Complete,
    Limit,
    Time,
    Failed(SearchError),
}

/// What was written.
struct Written {
    format: Format,
    most: usize,
    records: usize,
    metrics: Metrics,
}

impl Written {
    fn begin(&self) -> String {
        match self.format {
            Format::Ndjson => String::new(),
            Format::Csv => csv::head(),
        }
    }

    fn records(&mut self, found: &[Found]) -> String {
        let mut text = String::new();
        for found in found {
            match self.format {
                Format::Ndjson => drop(writeln!(text, "{}", found.record())),
                Format::Csv => text.push_str(&csv::row(&found.record(), |cell| cell)),
            }
        }
        self.records = self.records.saturating_add(found.len());
        self.metrics.exported(found.len());
        text
    }

    /// The last line: how many records there are, and whether that is all.
    fn end(&self, reason: &Reason, reached: Key) -> String {
        let (complete, reason) = match reason {
            Reason::Complete => (true, Value::Null),
            Reason::Limit => (false, "limit".into()),
            Reason::Time => (false, "time".into()),
            Reason::Failed(_) => (false, "error".into()),
        };
        let next = (!complete).then(|| reached.to_string());
        let told = json!({
            "records": self.records, "complete": complete, "reason": reason, "next": next,
        });
        match self.format {
            Format::Ndjson => format!("{}\n", json!({"export": told})),
            Format::Csv => csv::note(&format!("export: {told}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use gatelog_record::Timestamp;

    use super::*;

    #[test]
    fn the_last_line_says_how_many_records_there_are_and_whether_that_is_all() {
        let written = |format| Written { format, most: 9, records: 7, metrics: Metrics::new() };
        let key = Key::first(Timestamp::from_unix_micros(0));
        let line = written(Format::Ndjson).end(&Reason::Limit, key);
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (&line["export"]["records"], &line["export"]["reason"]),
            (&json!(7), &json!("limit"))
        );
        assert_eq!(line["export"]["next"], key.to_string());
        let line = written(Format::Csv).end(&Reason::Complete, key);
        assert!(line.starts_with("\"export: {\"\"records\"\":7,\"\"complete\"\":true"), "{line}");
    }
}
