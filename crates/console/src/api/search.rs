//! `search`: the newest records that match, page by page.

use std::fmt::Write;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use gatelog_record::Timestamp;
use gatelog_record::units::parse_duration;
use gatelog_search::{End, Key, Query, Reach, Search, SearchError};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::App;
use super::answer::{self, Refusal};
use super::caller::Caller;
use super::cursor::Cursor;
use super::params::Params;
use super::span::Span;
use super::walk::{Time, Walk};
use crate::who::Viewer;

/// Records of a page by default.
const LIMIT: usize = 100;
/// Maximum records of a page.
const LIMIT_MAX: usize = 1_000;
/// About how many bytes an answer may have: it ends behind the record that exceeds this.
const ANSWER_BYTES: usize = 4 << 20;

pub(super) async fn search(
    State(app): State<App>,
    caller: Caller,
) -> Result<Response<Body>, Refusal> {
    let known = ["query", "since", "until", "limit", "after", "reach", "within"];
    let params = caller.params(&known)?;
    let span = Span::of(&params)?;
    let most = params.count("limit", LIMIT, LIMIT_MAX)?;
    let search = wanted(&caller.viewer, &params, span, Reach::Flows)?;
    let within = within(&app, &params)?;
    let turn = app.turn(&caller.viewer).await?;
    let time = within.begin();
    let mut walk = walk(&app, &params, search)?;
    let (mut body, mut records) = (String::from("{\"records\":["), 0_usize);
    while walk.end().is_none() && records < most && body.len() < ANSWER_BYTES {
        for found in walk.step(most.saturating_sub(records), time).await? {
            if records > 0 {
                body.push(',');
            }
            let _ = write!(body, "{}", found.record());
            records = records.saturating_add(1);
        }
    }
    let (reach, next) = (reach(&app, &walk, span)?, next(&walk));
    let _ = writeln!(body, "],\"next\":{},\"reach\":{}}}", json!(next), reach);
    Ok(answer::held(body, turn))
}

/// What a viewer searches for: the query within their scope. Everything that is searched is made here.
pub(super) fn wanted(
    viewer: &Viewer,
    params: &Params,
    span: Span,
    default: Reach,
) -> Result<Search, Refusal> {
    let text = params.get("query").unwrap_or_default();
    let query: Query = text.parse().map_err(|error: gatelog_search::ParseError| {
        Refusal::query(error.to_string(), error.at())
    })?;
    let reach = match params.get("reach") {
        None => default,
        Some("flows") => Reach::Flows,
        Some("everything") => Reach::Everything,
        Some(other) => {
            let other = other.escape_debug();
            let message = format!("reach = \"{other}\": must be flows or everything");
            return Err(Refusal::invalid(message));
        }
    };
    Ok(Search {
        selection: viewer.scope().select(query),
        since: span.since,
        before: span.before(params)?,
        reach,
    })
}

/// The walk of a search that begins, or goes on.
pub(super) fn walk(app: &App, params: &Params, search: Search) -> Result<Walk, Refusal> {
    let pace = Cursor::of(params)?.map(|cursor| cursor.pace).unwrap_or_default();
    Ok(Walk::new(app.inner.searcher.clone(), search).at_pace(pace))
}

/// Where it goes on; `None` if everything was searched.
pub(super) fn next(walk: &Walk) -> Option<String> {
    let on = walk.end() != Some(End::Complete);
    on.then(|| Cursor { key: walk.reached(), pace: walk.pace().clone() }.to_string())
}

/// The time that a request has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Within {
    asked: Instant,
    /// What was found by then is enough, counted from when it was asked: it includes the wait for a turn.
    enough: Option<Duration>,
    /// How long the query may search.
    most: Duration,
}

impl Within {
    /// That of a search that begins now.
    pub(super) fn begin(self) -> Time {
        let deadline = after(self.most);
        let enough = self.enough.and_then(|enough| self.asked.checked_add(enough));
        Time { enough: enough.unwrap_or(deadline).min(deadline), deadline }
    }
}

/// Reads `within`: by when an answer is wanted, whatever was found by then.
pub(super) fn within(app: &App, params: &Params) -> Result<Within, Refusal> {
    let (asked, most) = (Instant::now(), app.inner.limits.query_time);
    let enough = params.get("within").map(|text| {
        let time = parse_duration(text).ok().filter(|time| !time.is_zero());
        time.ok_or_else(|| {
            let text = text.escape_debug();
            Refusal::invalid(format!(
                "within = \"{text}\": must be a duration above zero, for example 300ms"
            ))
        })
    });
    Ok(Within { asked, enough: enough.transpose()?, most })
}

/// When a query that begins now must have ended.
pub(super) fn deadline(app: &App) -> Instant {
    after(app.inner.limits.query_time)
}

fn after(time: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(time).unwrap_or(now)
}

/// From when on everything was found, down to this place: of its instant something may be missing.
fn all_from(reached: Key) -> Timestamp {
    let micros = i64::from(reached > Key::first(reached.at));
    Timestamp::from_unix_micros(reached.at.unix_micros().saturating_add(micros))
}

/// How far a search looked. One that did not get on at all has no answer: who asks for what follows it
/// would ask the same for ever.
pub(super) fn reach(app: &App, walk: &Walk, span: Span) -> Result<Value, Refusal> {
    let (complete, reason) = match walk.end() {
        Some(End::Complete) => (true, None),
        Some(End::OutOfTime) if !walk.got_on() => {
            return Err(SearchError::Timeout { after: app.inner.limits.query_time }.into());
        }
        Some(End::OutOfTime) => (false, Some("time")),
        Some(End::Full) | None => (false, Some("page")),
    };
    let from = if complete { span.since } else { all_from(walk.reached()).max(span.since) };
    Ok(json!({
        "from": from.to_string(),
        "until": span.until.to_string(),
        "complete": complete,
        "reason": reason,
        "only_flows": walk.only_flows(),
    }))
}
