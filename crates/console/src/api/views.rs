//! `views`: saved views, to list, to save and to delete.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use serde::Deserialize;
use serde_json::{Value, json};

use super::App;
use super::answer::{self, Refusal};
use super::caller::Caller;
use crate::audit::Entry;
use crate::views::{Draft, Full, NotKept, View, ViewsError};
use crate::who::Role;

/// Maximum bytes of a body: an address and a name, however they are escaped.
const BODY_BYTES: usize = 32 << 10;
/// Maximum time for a body to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    name: String,
    address: String,
    #[serde(default)]
    shared: bool,
}

pub(super) async fn get(State(app): State<App>, caller: Caller) -> Result<Response<Body>, Refusal> {
    caller.params(&[])?;
    let turn = app.turn(&caller.viewer).await?;
    let (views, why) = match app.inner.views.of(&caller.viewer).await {
        Ok(views) => (views, None),
        Err(ViewsError::NotKept(why)) => (Vec::new(), Some(why)),
        Err(error) => return Err(refusal(&app, error)),
    };
    let body = json!({
        "kept": why.is_none(),
        "reason": why.map(|why| match why {
            NotKept::Off => "off",
            NotKept::Denied => "denied",
        }),
        "may_share": why.is_none() && caller.viewer.role == Role::All,
        "views": views.iter().map(shown).collect::<Vec<_>>(),
    });
    Ok(answer::held(format!("{body}\n"), turn))
}

pub(super) async fn put(
    State(app): State<App>,
    caller: Caller,
    body: Body,
) -> Result<Response<Body>, Refusal> {
    let counted = |outcome, refusal| {
        app.inner.metrics.views(outcome);
        refusal
    };
    caller.params(&[])?;
    let body = tokio::time::timeout(BODY_TIME, to_bytes(body, BODY_BYTES)).await;
    let body = body.map_err(|_| Refusal::too_slow())?;
    let body = body.map_err(|_| counted("invalid", Refusal::too_large(BODY_BYTES)))?;
    let given: Given = serde_json::from_slice(&body).map_err(|_| {
        let shape = "must be {\"name\": \"…\", \"address\": \"…\", \"shared\": true or false}";
        counted("invalid", Refusal::invalid(shape))
    })?;
    if given.shared && caller.viewer.role != Role::All {
        let told = "sharing views is for the role all only: save it with \"shared\": false";
        return Err(counted("invalid", Refusal::forbidden(told)));
    }
    let draft = Draft::new(given.name, given.address, given.shared)
        .map_err(|fault| counted("invalid", Refusal::invalid(fault.to_string())))?;
    let turn = app.turn_of(&app.inner.view_turns, &caller.viewer).await?;
    let view = app.inner.views.put(&caller.viewer, draft, turn).await;
    let view = view.map_err(|error| refusal(&app, error))?;
    app.inner.metrics.views(if view.shared { "shared" } else { "saved" });
    let detail = json!({"name": view.name, "address": view.address, "shared": view.shared});
    audit(&app, &caller, "save_view", detail);
    Ok(answer::json(&shown(&view)))
}

pub(super) async fn delete(
    State(app): State<App>,
    caller: Caller,
) -> Result<Response<Body>, Refusal> {
    let params = caller.params(&["name"])?;
    let name = params.get("name").ok_or_else(|| Refusal::invalid("name is missing"))?;
    let turn = app.turn_of(&app.inner.view_turns, &caller.viewer).await?;
    let deleted = app.inner.views.delete(&caller.viewer, name, turn).await;
    if !deleted.map_err(|error| refusal(&app, error))? {
        return Err(Refusal::not_found("you have no saved view with this name"));
    }
    app.inner.metrics.views("deleted");
    audit(&app, &caller, "delete_view", json!({"name": name}));
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn shown(view: &View) -> Value {
    json!({
        "name": view.name,
        "address": view.address,
        "shared": view.shared,
        "own": view.own,
        "by": view.by,
        "at": view.at.to_string(),
    })
}

fn audit(app: &App, caller: &Caller, action: &'static str, extra: Value) {
    let viewer = Some(caller.viewer.name.clone());
    let peer = caller.address.ip().to_string();
    app.inner.audit.add(&Entry { action, viewer, peer, extra });
}

fn refusal(app: &App, error: ViewsError) -> Refusal {
    match error {
        ViewsError::NotKept(why) => Refusal::not_found(match why {
            NotKept::Off => "the server keeps no views: GATELOG_CONSOLE_DATABASE is off",
            NotKept::Denied => {
                "the server keeps no views: it may not write the database of \
                 GATELOG_CONSOLE_DATABASE; the console's log says what to grant"
            }
        }),
        ViewsError::Full(full) => {
            app.inner.metrics.views(match full {
                Full::Viewer => "full_viewer",
                Full::Shared => "full_shared",
                Full::All => "full_all",
            });
            Refusal::full(full.to_string())
        }
        ViewsError::Store(error) => error.into(),
    }
}
