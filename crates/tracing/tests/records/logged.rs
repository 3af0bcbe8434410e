//! Runs code under a layer of its own and returns what it logged.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gatelog_record::{DecodeLimits, Uuid, decode_record};
use gatelog_tracing::{Builder, Counts, builder};
use serde_json::Value;
use tracing_subscriber::prelude::*;

/// A writer that keeps what is written.
#[derive(Clone, Default)]
pub(crate) struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Kept {
    /// The lines as JSON, each a record that a collector takes.
    pub(crate) fn records(&self) -> Vec<Value> {
        let bytes = self.0.lock().unwrap().clone();
        let lines = String::from_utf8(bytes).unwrap();
        let lines = lines.lines().map(|line| {
            decode_record(line.as_bytes(), &DecodeLimits::default(), Uuid::nil()).expect(line);
            serde_json::from_str(line).unwrap()
        });
        lines.collect()
    }
}

/// What `work` logged.
pub(crate) fn logged(work: impl FnOnce()) -> Vec<Value> {
    logged_by(builder("orders"), work).0
}

/// What `work` logged with these settings, and the counters.
pub(crate) fn logged_by(builder: Builder, work: impl FnOnce()) -> (Vec<Value>, Counts) {
    let kept = Kept::default();
    let (layer, guard) = builder.writer(kept.clone()).layer().unwrap();
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::subscriber::with_default(subscriber, work);
    assert!(guard.flush(Duration::from_secs(10)));
    let counts = guard.counters().read();
    (kept.records(), counts)
}

/// The only record that `work` logged.
pub(crate) fn one(work: impl FnOnce()) -> Value {
    let mut records = logged(work);
    assert_eq!(records.len(), 1, "{records:#?}");
    records.remove(0)
}
