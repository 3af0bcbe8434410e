//! Says once when the database stops taking records, now and then while it does not, and once
//! when it does again.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::metrics::Metrics;
use crate::store::StoreError;

/// How often an outage that lasts is told again.
const REMIND: Duration = Duration::from_mins(1);

pub(super) struct Outage {
    metrics: Metrics,
    state: Mutex<Option<Since>>,
}

struct Since {
    began: Instant,
    told: Instant,
}

impl Outage {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self { metrics, state: Mutex::new(None) }
    }

    pub(super) fn failed(&self, error: &StoreError) {
        self.metrics.insert_failed(error.kind());
        self.metrics.set_mongodb_up(false);
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let since = state.get_or_insert(Since { began: now, told: now });
        if since.began == now || now.saturating_duration_since(since.told) >= REMIND {
            since.told = now;
            let seconds = now.saturating_duration_since(since.began).as_secs();
            tracing::warn!(%error, kind = error.kind(), seconds,
                "MongoDB does not take records: they wait in the spool");
        }
    }

    pub(super) fn passed(&self) {
        self.metrics.set_mongodb_up(true);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(since) = state.take() {
            tracing::info!(
                seconds = since.began.elapsed().as_secs(),
                "MongoDB takes records again"
            );
        }
    }
}
