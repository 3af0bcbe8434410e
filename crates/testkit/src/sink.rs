//! A collector that keeps what it receives in memory and responds as configured: for behavior that
//! a real one cannot be made to show, and for loads that no test database could handle.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Result, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use gatelog_record::BatchHeader;
use serde_json::Value;
use tokio::time::sleep;

use crate::SampleService;

/// How the sink responds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 202, and the batch counts.
    Accept,
    /// This status; the batch does not count.
    Refuse(u16),
    /// 202 for a batch of at most this many records, 413 for any other.
    TakeRecords(usize),
    /// 202 after this delay: the batch counts even though the filter may have timed out.
    AcceptLate(Duration),
}

#[derive(Debug)]
struct Shared {
    answer: Answer,
    /// What was accepted.
    batches: Vec<(BatchHeader, Vec<Value>)>,
    /// Requests, whether accepted or not.
    requests: u64,
    faults: Vec<String>,
}

/// The sink; it runs until this value is dropped.
#[derive(Debug)]
pub struct Sink {
    shared: Arc<Mutex<Shared>>,
    service: SampleService,
}

impl Sink {
    /// Starts one that accepts.
    pub async fn start() -> Result<Self> {
        let shared = Arc::new(Mutex::new(Shared {
            answer: Answer::Accept,
            batches: Vec::new(),
            requests: 0,
            faults: Vec::new(),
        }));
        let app = Router::new()
            .route("/v1/records", post(receive))
            .layer(axum::extract::DefaultBodyLimit::max(64 << 20))
            .with_state(Arc::clone(&shared));
        Ok(Self { shared, service: SampleService::serve(app).await? })
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.service.address()
    }

    /// Responds this way from now on.
    pub fn answer(&self, answer: Answer) {
        lock(&self.shared).answer = answer;
    }

    /// Number of batches received, whether accepted or not.
    pub fn requests(&self) -> u64 {
        lock(&self.shared).requests
    }

    /// Records of the accepted batches, each once, as a collector keeps them: a batch whose
    /// response came too late for the filter is sent again, with the same ids.
    pub fn records(&self) -> Vec<Value> {
        let shared = lock(&self.shared);
        let mut seen = HashSet::new();
        let records = shared.batches.iter().flat_map(|(_, records)| records);
        records.filter(|record| seen.insert(record["id"].to_string())).cloned().collect()
    }

    /// The latest totals of each boot that has produced a record.
    pub fn totals(&self) -> BTreeMap<String, BatchHeader> {
        let mut totals: BTreeMap<String, BatchHeader> = BTreeMap::new();
        for (header, _) in &lock(&self.shared).batches {
            let newest = totals.entry(header.boot.to_string()).or_insert_with(|| header.clone());
            if header.assigned >= newest.assigned {
                *newest = header.clone();
            }
        }
        totals
    }

    /// Returns an error if anything received was not a valid batch.
    pub fn ensure_well_formed(&self) -> Result<()> {
        let shared = lock(&self.shared);
        ensure!(shared.faults.is_empty(), "malformed: {:#?}", shared.faults);
        Ok(())
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn receive(State(shared): State<Arc<Mutex<Shared>>>, body: Bytes) -> Response {
    let answer = {
        let mut shared = lock(&shared);
        shared.requests += 1;
        match (shared.answer, read(&body)) {
            (Answer::Refuse(_), Ok(_)) => {}
            (Answer::TakeRecords(most), Ok((_, records))) if records.len() > most => {
                return StatusCode::PAYLOAD_TOO_LARGE.into_response();
            }
            (_, Ok(batch)) => shared.batches.push(batch),
            (_, Err(fault)) => shared.faults.push(fault),
        }
        shared.answer
    };
    match answer {
        Answer::Accept | Answer::TakeRecords(_) => StatusCode::ACCEPTED.into_response(),
        Answer::Refuse(status) => {
            StatusCode::from_u16(status).unwrap_or(StatusCode::IM_A_TEAPOT).into_response()
        }
        Answer::AcceptLate(late) => {
            sleep(late).await;
            StatusCode::ACCEPTED.into_response()
        }
    }
}

fn read(body: &[u8]) -> Result<(BatchHeader, Vec<Value>), String> {
    let mut lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let header =
        BatchHeader::decode(lines.next().unwrap_or_default()).map_err(|e| e.to_string())?;
    let records = lines.map(|line| {
        serde_json::from_slice(line)
            .map_err(|error| format!("{error}: {}", String::from_utf8_lossy(line)))
    });
    Ok((header, records.collect::<Result<_, _>>()?))
}
