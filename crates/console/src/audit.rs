//! Who signed in, exported what and changed which saved view, as audited records posted through a collector.
//!
//! Nobody waits for it: what does not fit into the queue is dropped and counted, and the console's own
//! log has every entry in any case.

use std::time::Duration;

use axum::http::Method;
use gatelog_collector::clock;
use gatelog_delivery::answer::Disposition;
use gatelog_delivery::client::{Client, Target};
use gatelog_record::Level;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::sync::watch;
use uuid::Uuid;

use crate::metrics::Metrics;

/// Maximum entries that wait: at most about 8 KiB each.
const QUEUE: usize = 1_000;
/// Maximum entries in one post.
const BATCH: usize = 100;
/// The pause after a failed post, doubled each time up to the longest.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// What the entries' logger is called.
const LOGGER: &str = "gatelog.console";

/// Something that is audited.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// `sign_in`, `sign_in_refused`, `export`, `save_view` or `delete_view`.
    pub action: &'static str,
    /// Who did it, if that is known.
    pub viewer: Option<String>,
    /// From where.
    pub peer: String,
    /// More about it.
    pub extra: Value,
}

impl Entry {
    fn record(&self) -> Value {
        let level = if self.viewer.is_none() { Level::Warning } else { Level::Info };
        let who = self.viewer.as_deref().unwrap_or("somebody");
        json!({
            "timestamp": clock::now().to_string(),
            "level": level.as_str(),
            "logger_name": LOGGER,
            "function_name": self.action,
            "line_number": null,
            "message": format!("{who}: {}", self.action.replace('_', " ")),
            // Without an organization: only the role all sees it.
            "context": {
                "request_id": null, "correlation_id": null, "organization_id": null,
                "user_id": self.viewer, "conversation_id": null,
            },
            "audit": true,
            "extra": {"peer": self.peer, "detail": self.extra},
            // The same at every attempt: a repeated post is no second record.
            "id": Uuid::now_v7().hyphenated().to_string(),
        })
    }
}

/// Takes entries. Cheap to clone.
#[derive(Clone)]
pub struct Audit {
    queue: Option<mpsc::Sender<Value>>,
    metrics: Metrics,
}

impl Audit {
    /// Entries are only logged.
    pub fn to_log(metrics: Metrics) -> Self {
        Self { queue: None, metrics }
    }

    /// Entries are also posted to this collector, by the returned future: it ends once `stop` is true
    /// and what waits was posted, or refused once more.
    ///
    /// # Errors
    ///
    /// What is wrong with the target.
    pub fn to_collector(
        target: &Target,
        metrics: Metrics,
        stop: watch::Receiver<bool>,
    ) -> Result<(Self, impl Future<Output = ()> + Send + 'static), String> {
        let client = Client::new(target)?;
        let (sender, receiver) = mpsc::channel(QUEUE);
        let sending = send(client, receiver, metrics.clone(), stop);
        Ok((Self { queue: Some(sender), metrics }, sending))
    }

    /// Audits this. Never waits.
    pub fn add(&self, entry: &Entry) {
        tracing::info!(
            action = entry.action,
            viewer = entry.viewer.as_deref().unwrap_or_default(),
            peer = entry.peer,
            "audit"
        );
        let Some(queue) = &self.queue else { return };
        if queue.try_send(entry.record()).is_err() {
            self.metrics.audited("dropped", 1);
            tracing::error!("an audit record was dropped: {QUEUE} wait for the collector");
        }
    }
}

async fn send(
    mut client: Client,
    mut queue: mpsc::Receiver<Value>,
    metrics: Metrics,
    mut stop: watch::Receiver<bool>,
) {
    let mut batch = Vec::new();
    let mut pause = PAUSE;
    loop {
        if batch.is_empty() {
            tokio::select! {
                biased;
                received = queue.recv_many(&mut batch, BATCH) => if received == 0 { return },
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
        let (status, told) = post(&mut client, &batch).await;
        match Disposition::of(status) {
            Disposition::Accepted => {
                metrics.audited("sent", batch.len());
                batch.clear();
                pause = PAUSE;
                continue;
            }
            Disposition::Rejected | Disposition::TooLarge => {
                metrics.audited("refused", batch.len());
                tracing::error!(records = batch.len(), told, "audit records refused: dropped");
                batch.clear();
                continue;
            }
            Disposition::Retry => {}
        }
        tracing::warn!(told, "audit records wait: GATELOG_CONSOLE_COLLECTOR did not take them");
        if *stop.borrow() {
            metrics.audited("dropped", batch.len().saturating_add(queue.len()));
            tracing::error!("audit records lost: the console stops, and no collector took them");
            return;
        }
        let _ = tokio::time::timeout(pause, stop.wait_for(|stop| *stop)).await;
        pause = pause.saturating_mul(2).min(PAUSE_MAX);
    }
}

async fn post(client: &mut Client, batch: &[Value]) -> (Option<u64>, String) {
    let lines = batch.iter().fold(String::new(), |lines, record| lines + &format!("{record}\n"));
    match client.ask(Method::POST, "/v1/records", Some(lines.into())).await {
        Ok(answer) => (Some(answer.status.as_u16().into()), answer.status.to_string()),
        Err(error) => (None, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use gatelog_record::{DecodeLimits, decode_record};

    use super::*;

    fn entry() -> Entry {
        Entry {
            action: "sign_in",
            viewer: Some("ann".into()),
            peer: "192.0.2.1".into(),
            extra: json!({"by": "token"}),
        }
    }

    #[test]
    fn an_entry_is_a_record_that_a_collector_accepts_as_audited() {
        let line = entry().record().to_string();
        let record = decode_record(line.as_bytes(), &DecodeLimits::default(), Uuid::nil()).unwrap();
        assert!(record.audit && record.id != Uuid::nil());
        assert_eq!(record.body["context"]["user_id"], "ann");
        assert_eq!(record.body["extra"]["peer"], "192.0.2.1");
    }

    #[tokio::test]
    async fn entries_never_wait_and_what_does_not_fit_is_counted() {
        let (_stop, stops) = watch::channel(false);
        let target = Target { url: "http://127.0.0.1:9".into(), ..Target::default() };
        let metrics = Metrics::new();
        let (audit, _sending) = Audit::to_collector(&target, metrics.clone(), stops).unwrap();
        for _ in 0..QUEUE + 3 {
            audit.add(&entry());
        }
        let line = "gatelog_console_audit_records_total{outcome=\"dropped\"} 3";
        assert!(metrics.render(0).contains(line));
    }
}
