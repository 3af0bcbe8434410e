//! Whether MongoDB accepts records, judged by inserts. Logged once when it stops, occasionally while
//! it does not, and once when it does again.
//!
//! A ping shows only that somebody answers: a server that refuses every write, or a user who may
//! not write, answers pings. So while an insert is being refused no ping makes up for it; where
//! nothing waits to be inserted, pings are all there is to go by.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::metrics::Metrics;
use crate::store::StoreError;

/// How often a lasting outage is logged again.
const REMIND: Duration = Duration::from_mins(1);

/// What is known about the database; clones share it.
#[derive(Clone)]
pub struct Outage {
    inner: Arc<Inner>,
}

struct Inner {
    metrics: Metrics,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// How many writers are being refused.
    refused: usize,
    unreachable: bool,
    since: Option<Since>,
}

struct Since {
    began: Instant,
    told: Instant,
}

impl Outage {
    /// Nothing is known yet: the database is not up until it has answered.
    pub fn new(metrics: Metrics) -> Self {
        Self { inner: Arc::new(Inner { metrics, state: Mutex::default() }) }
    }

    /// For one who inserts again and again until it succeeds.
    pub fn writer(&self) -> Writer {
        Writer { outage: self.clone(), refused: false }
    }

    /// The database did not answer a ping.
    pub fn unreachable(&self, error: &StoreError) {
        let mut state = self.state();
        state.unreachable = true;
        self.down(&mut state, error);
    }

    /// The database answered a ping.
    pub fn reached(&self) {
        let mut state = self.state();
        state.unreachable = false;
        self.settle(&mut state);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn down(&self, state: &mut State, error: &StoreError) {
        self.inner.metrics.set_mongodb_up(false);
        let now = Instant::now();
        let since = state.since.get_or_insert(Since { began: now, told: now });
        if since.began == now || now.saturating_duration_since(since.told) >= REMIND {
            since.told = now;
            let seconds = now.saturating_duration_since(since.began).as_secs();
            tracing::warn!(%error, kind = error.kind(), seconds,
                "MongoDB does not accept records: they wait in the spool");
        }
    }

    fn settle(&self, state: &mut State) {
        if state.refused > 0 || state.unreachable {
            return;
        }
        self.inner.metrics.set_mongodb_up(true);
        if let Some(since) = state.since.take() {
            let seconds = since.began.elapsed().as_secs();
            tracing::info!(seconds, "MongoDB accepts records again");
        }
    }
}

/// One who inserts until it succeeds; no longer counted as refused once dropped.
pub struct Writer {
    outage: Outage,
    refused: bool,
}

impl Writer {
    /// An insert was not taken, in whole or in part.
    pub fn failed(&mut self, error: &StoreError) {
        let outage = self.outage.clone();
        let mut state = outage.state();
        self.refuse(&mut state);
        outage.down(&mut state, error);
    }

    /// One collection accepts nothing, which was already logged.
    pub fn shut(&mut self) {
        let outage = self.outage.clone();
        self.refuse(&mut outage.state());
        outage.inner.metrics.set_mongodb_up(false);
    }

    fn refuse(&mut self, state: &mut State) {
        if !self.refused {
            self.refused = true;
            state.refused += 1;
        }
    }

    /// An insert was taken in whole.
    pub fn passed(&mut self) {
        let outage = self.outage.clone();
        let mut state = outage.state();
        state.unreachable = false;
        self.release(&mut state);
        outage.settle(&mut state);
    }

    fn release(&mut self, state: &mut State) {
        if std::mem::take(&mut self.refused) {
            state.refused = state.refused.saturating_sub(1);
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let outage = self.outage.clone();
        self.release(&mut outage.state());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error() -> StoreError {
        StoreError::Away("nobody there".into())
    }

    #[test]
    fn a_ping_does_not_make_up_for_a_refused_insert() {
        let metrics = Metrics::new();
        let outage = Outage::new(metrics.clone());
        assert!(!metrics.mongodb_up(), "not before it has answered");
        outage.reached();
        assert!(metrics.mongodb_up());
        let mut writer = outage.writer();
        writer.failed(&error());
        for _ in 0..3 {
            outage.reached();
            assert!(!metrics.mongodb_up());
        }
        writer.passed();
        assert!(metrics.mongodb_up());
    }

    #[test]
    fn one_writer_that_is_taken_does_not_make_up_for_one_that_is_refused() {
        let metrics = Metrics::new();
        let outage = Outage::new(metrics.clone());
        let (mut refused, mut taken) = (outage.writer(), outage.writer());
        refused.failed(&error());
        refused.failed(&error());
        taken.passed();
        assert!(!metrics.mongodb_up());
        drop(refused);
        taken.passed();
        assert!(metrics.mongodb_up());
    }

    #[test]
    fn an_insert_is_a_sign_of_life_too() {
        let metrics = Metrics::new();
        let outage = Outage::new(metrics.clone());
        outage.unreachable(&error());
        assert!(!metrics.mongodb_up());
        outage.writer().passed();
        assert!(metrics.mongodb_up());
        outage.unreachable(&error());
        outage.reached();
        assert!(metrics.mongodb_up());
    }
}
