//! `search`: the newest records that match, page by page.

use std::fmt::Write;

use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use gatelog_search::{End, Query, Reach, Search};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::App;
use super::answer::{self, Refusal};
use super::caller::Caller;
use super::params::Params;
use super::span::Span;
use super::walk::Walk;
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
    let params = caller.params(&["query", "since", "until", "limit", "after", "reach"])?;
    let span = Span::of(&params)?;
    let most = params.count("limit", LIMIT, LIMIT_MAX)?;
    let search = wanted(&caller.viewer, &params, span, Reach::Flows)?;
    let turn = app.turn(&caller.viewer).await?;
    let deadline = deadline(&app);
    let mut walk = Walk::new(app.inner.searcher.clone(), search);
    let (mut body, mut records) = (String::from("{\"records\":["), 0_usize);
    while walk.end().is_none() && records < most && body.len() < ANSWER_BYTES {
        for found in walk.step(most.saturating_sub(records), deadline).await? {
            if records > 0 {
                body.push(',');
            }
            let _ = write!(body, "{}", found.record());
            records = records.saturating_add(1);
        }
    }
    let complete = walk.end() == Some(End::Complete);
    let next = (!complete).then(|| walk.reached().to_string());
    let _ = writeln!(body, "],\"next\":{},\"reach\":{}}}", json!(next), reach(&walk, span));
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

/// When a query that begins now must have ended.
pub(super) fn deadline(app: &App) -> Instant {
    let now = Instant::now();
    now.checked_add(app.inner.limits.query_time).unwrap_or(now)
}

/// How far a search looked.
pub(super) fn reach(walk: &Walk, span: Span) -> Value {
    let (complete, reason) = match walk.end() {
        Some(End::Complete) => (true, None),
        Some(End::OutOfTime) => (false, Some("time")),
        Some(End::Full) | None => (false, Some("page")),
    };
    let from = if complete { span.since } else { walk.reached().at.max(span.since) };
    json!({
        "from": from.to_string(),
        "until": span.until.to_string(),
        "complete": complete,
        "reason": reason,
        "only_flows": walk.only_flows(),
    })
}
