//! The thread that looks at batches: decodes each record once, and tests it for every subscriber.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use gatelog_record::{DecodeLimits, Uuid, decode_record};
use hyper::body::Bytes;
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

use super::{QUEUE_BATCHES, Shared};

/// The text of a batch, one record a line.
pub(super) struct Batch {
    pub(super) body: Vec<u8>,
    pub(super) _room: OwnedSemaphorePermit,
}

/// Starts it. It ends with the last sender.
pub(super) fn start(shared: Arc<Shared>, limits: DecodeLimits) -> io::Result<SyncSender<Batch>> {
    let (sender, batches) = sync_channel::<Batch>(QUEUE_BATCHES);
    std::thread::Builder::new().name("tail".to_owned()).spawn(move || {
        while let Ok(batch) = batches.recv() {
            look_at(&shared, &limits, &batch);
        }
    })?;
    Ok(sender)
}

fn look_at(shared: &Shared, limits: &DecodeLimits, batch: &Batch) {
    // A subscriber that comes meanwhile sees the next batch.
    let subscribers = shared.subscribers().clone();
    if subscribers.is_empty() {
        return;
    }
    for line in batch.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        // It was decoded before, or checked to be a record.
        let Ok(record) = decode_record(line, limits, Uuid::nil()) else { continue };
        let mut matching = subscribers.iter().filter(|it| it.matches(&record)).peekable();
        if matching.peek().is_none() {
            continue;
        }
        let matching: Vec<_> = matching.cloned().collect();
        let text = Bytes::from(Value::Object(record.body).to_string());
        for subscriber in matching {
            subscriber.offer(&text);
        }
    }
}
