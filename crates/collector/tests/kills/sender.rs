//! A sender: one batch after the other, each to either collector until one acknowledgement arrives.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::http::Method;
use gatelog_record::Uuid;
use gatelog_testkit::Client;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::PATIENCE;
use crate::records::batch;
use crate::swallow::Swallow;

/// Pause between two batches.
const PAUSE: Duration = Duration::from_millis(200);

/// What was sent and acknowledged: the records from 1 to `last`.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) boot: Uuid,
    pub(crate) last: u64,
    /// Records that both collectors acknowledged.
    pub(crate) by_both: u64,
}

pub(crate) struct Sender {
    stop: Arc<AtomicBool>,
    /// How many batches may be sent.
    may: Arc<Semaphore>,
    by_both: Arc<AtomicU64>,
    task: JoinHandle<Sent>,
}

impl Sender {
    /// Sends `records` at a time, as often as it [may](Self::more).
    pub(crate) async fn start(
        collectors: [SocketAddr; 2],
        boot: Uuid,
        records: u64,
        mut rng: fastrand::Rng,
    ) -> Self {
        let (stop, by_both) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut vias = Vec::new();
        for collector in collectors {
            vias.push(Swallow::start(collector, rng.fork()).await);
        }
        let may = Arc::new(Semaphore::new(0));
        let (until, counted, turns) = (Arc::clone(&stop), Arc::clone(&by_both), Arc::clone(&may));
        let task = tokio::spawn(send(vias, boot, records, rng, (until, turns), counted));
        Self { stop, may, by_both, task }
    }

    /// Lets it send more batches: no more than the database can store on a busy machine.
    pub(crate) fn more(&self, batches: usize) {
        self.may.add_permits(batches);
    }

    /// How many records both collectors have acknowledged so far.
    pub(crate) fn by_both(&self) -> u64 {
        self.by_both.load(Ordering::SeqCst)
    }

    /// Stops once the current batch is acknowledged.
    pub(crate) async fn finish(self) -> Sent {
        self.stop.store(true, Ordering::SeqCst);
        self.may.add_permits(1);
        tokio::time::timeout(PATIENCE, self.task).await.unwrap().unwrap()
    }
}

async fn send(
    vias: Vec<Swallow>,
    boot: Uuid,
    records: u64,
    mut rng: fastrand::Rng,
    (stop, may): (Arc<AtomicBool>, Arc<Semaphore>),
    by_both: Arc<AtomicU64>,
) -> Sent {
    let client = Client::default();
    let headers: [(&str, &[u8]); 1] = [("content-type", b"application/x-ndjson")];
    let mut last = 0;
    loop {
        may.acquire().await.unwrap().forget();
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let body = batch(boot, last + 1..=last + records, &mut rng);
        let mut turn = rng.usize(..vias.len());
        let mut acknowledged = vec![false; vias.len()];
        loop {
            let via = &vias[turn];
            let before = via.swallowed();
            let sent =
                client.send(via.address(), Method::POST, "/v1/records", &headers, body.clone());
            let reply = sent.await;
            acknowledged[turn] |= via.swallowed() > before;
            match reply {
                Ok(reply) if reply.status == 202 => {
                    acknowledged[turn] = true;
                    break;
                }
                Ok(reply) => assert_eq!(reply.status, 503, "{}", reply.text()),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
            turn = (turn + 1) % vias.len();
        }
        last += records;
        if acknowledged.iter().all(|by| *by) {
            by_both.fetch_add(records, Ordering::SeqCst);
        }
        tokio::time::sleep(PAUSE).await;
    }
    Sent { boot, last, by_both: by_both.load(Ordering::SeqCst) }
}
