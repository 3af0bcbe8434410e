//! `overview`: requests, errors and times over a period, by what they have in common, and how that
//! has changed. Made of rollups alone: no record is read.

mod complete;
mod merge;
mod period;
mod read;
mod scope;
mod shared;
mod table;

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::Response;
use gatelog_collector::clock::now_millis;
use gatelog_collector::store::StoreError;
use serde_json::{Map, json};
use tokio::time::{Instant, timeout, timeout_at};

use super::answer::{self, Refusal};
use super::caller::Caller;
use super::search::deadline;
use super::span::{Span, time};
use super::turns::Bound;
use super::{App, TURN_TIME};
use complete::Complete;
use period::Looked;
use scope::Visible;
pub(super) use shared::Shared;

/// How long the database's answer may take beyond the time that it may search.
const ANSWER_TIME: Duration = Duration::from_secs(2);

pub(super) async fn overview(
    State(app): State<App>,
    caller: Caller,
) -> Result<Response<Body>, Refusal> {
    let params = caller.params(&["since", "until"])?;
    let looked = Looked::of(Span::of(&params)?, now_millis());
    let visible = Visible::of(caller.viewer.scope());
    let turn = app.turn_of(&app.inner.overviews, &caller.viewer).await?;
    let wait = app.inner.limits.query_time.saturating_add(TURN_TIME).saturating_add(ANSWER_TIME);
    let made = make(&app, visible.clone(), looked);
    let body = app.inner.shared_overviews.get((visible, looked), wait, made).await;
    Ok(answer::held(body.unwrap_or_else(|| Err(app.busy("overview", Bound::All)))?, turn))
}

/// Reads and adds up an overview.
async fn make(app: &App, visible: Visible, looked: Looked) -> Result<Bytes, Refusal> {
    let turn = timeout(TURN_TIME, app.inner.overviews_made.acquire()).await;
    let Ok(Ok(turn)) = turn else { return Err(app.busy("overview", Bound::All)) };
    let now = now_millis();
    let deadline = deadline(app);
    let store = &app.inner.store;
    let reads = async {
        // In this order: what is counted after the states were read does no harm.
        let within = deadline.saturating_duration_since(Instant::now());
        let states = read::states(store, &visible, looked, now, within).await?;
        Ok::<_, StoreError>((states, read::counts(store, &visible, looked, deadline).await?))
    };
    let too_slow = || StoreError::Timeout { after: app.inner.limits.query_time };
    let latest = deadline.checked_add(ANSWER_TIME).unwrap_or(deadline);
    let reads = timeout_at(latest, reads).await;
    let (states, read) = reads.map_err(|_| too_slow())??;
    if read.reached >= looked.until {
        // Nothing of the period was read: no number would be true.
        return Err(too_slow().into());
    }
    let restricted = visible.is_restricted();
    let made = tokio::task::spawn_blocking(move || {
        let reached = (read.reached, read.stop);
        let complete = Complete::of(&states, looked, now, reached, restricted);
        let mut shown = head(looked, &complete);
        shown.extend(read.merged.shown(read.reached, complete.before));
        format!("{}\n", json!(shown))
    });
    let body = made.await.map_err(|_| Refusal::fault())?;
    drop(turn);
    Ok(body.into())
}

/// Which period it is of, and whether it is complete.
fn head(looked: Looked, complete: &Complete) -> Map<String, serde_json::Value> {
    let mut head = Map::new();
    let text = |at| json!(time(at).to_string());
    head.insert("from".into(), text(looked.from));
    head.insert("until".into(), text(looked.until));
    head.insert("before".into(), text(looked.before));
    head.insert("resolution".into(), looked.resolution().into());
    head.insert("step_ms".into(), looked.step.into());
    head.insert("complete".into(), complete.reasons.is_empty().into());
    head.insert("reasons".into(), json!(complete.reasons));
    head.insert("counted_to".into(), text(complete.counted_to));
    head.insert("counting".into(), complete.counting.into());
    head.insert("explanation".into(), json!(complete.explanation()));
    head
}
