//! `delivery`: where every record is, by gateway and service, as the collectors account for it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use gatelog_collector::accounting::report::{Filter, Report};
use gatelog_collector::accounting::{Peers, Unnumbered, reading};
use gatelog_collector::clock::now_millis;
use gatelog_collector::store::{Store, StoreError};
use gatelog_record::Uuid;
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::App;
use super::answer::{self, Refusal};
use super::caller::Caller;
use crate::who::Role;

/// How long accounts that were read count: collectors share theirs every few seconds.
const FRESH: Duration = Duration::from_secs(2);

/// The accounts, and whether that is all of them.
type Shared = Arc<(Peers, bool)>;

struct Read {
    at: Instant,
    accounts: Shared,
}

/// The accounts of all collectors, read at most every two seconds.
#[derive(Default)]
pub(super) struct Accounts {
    last: Mutex<Option<Read>>,
}

impl Accounts {
    async fn get(&self, store: &Store) -> Result<Shared, StoreError> {
        let mut last = self.last.lock().await;
        if let Some(read) = last.as_ref()
            && read.at.elapsed() < FRESH
        {
            return Ok(Arc::clone(&read.accounts));
        }
        let accounts = Arc::new(reading::read(store).await?);
        *last = Some(Read { at: Instant::now(), accounts: Arc::clone(&accounts) });
        Ok(accounts)
    }
}

pub(super) async fn delivery(
    State(app): State<App>,
    caller: Caller,
) -> Result<Response<Body>, Refusal> {
    if caller.viewer.role != Role::All {
        return Err(Refusal::forbidden("the delivery is for the role all only"));
    }
    let filter = Filter::parse(caller.query.as_deref().unwrap_or_default());
    let filter = filter.map_err(Refusal::invalid)?;
    let turn = app.turn(&caller.viewer).await?;
    let accounts = app.inner.accounts.get(&app.inner.store).await?;
    let after = i64::try_from(app.inner.limits.silent_after.as_millis()).unwrap_or(i64::MAX);
    let silent_before = now_millis().saturating_sub(after);
    // Merging the accounts of many boots takes a while.
    let made = tokio::task::spawn_blocking(move || report(&accounts, filter, silent_before)).await;
    let body = made.ok().flatten().ok_or_else(Refusal::fault)?;
    Ok(answer::held(format!("{body}\n"), turn))
}

fn report(accounts: &(Peers, bool), filter: Filter, silent_before: i64) -> Option<Value> {
    let (peers, complete) = accounts;
    let mut report = Report::new(Uuid::nil(), Unnumbered::default(), silent_before, filter);
    let mut text = String::new();
    while let Some(part) = report.next_part(peers, |_, _| Vec::new()) {
        text.push_str(&part);
    }
    let mut report: Map<String, Value> = serde_json::from_str(&text).ok()?;
    let (boots, sum) = peers.sum(|_, _| Vec::new(), silent_before);
    let mut sums = Map::new();
    sums.insert("boots".into(), boots.into());
    sums.extend(sum.terms().map(|(term, count)| (term.to_owned(), json!(count))));
    Some(json!({
        "boots": report.remove("boots")?,
        "next": report.remove("next"),
        "sums": sums,
        "complete": complete,
    }))
}
