//! OTLP logs: an export request, in protobuf or JSON, becomes records of docs/record.md.
//!
//! Nothing is built in memory of what a request says. A request is checked in one pass, then its
//! log records are read in place, one after the other, and each is written as a line that the same
//! decoder checks as a posted one. So an attribute of two bytes costs what its text takes in the line,
//! and a line no more than a record's bound. A resource's attributes, which stand once in a request
//! and in each of its records, are bounded before, and the records are handed on in parts.
//!
//! JSON is first rewritten as protobuf, which is shorter.

mod answer;
mod check;
mod extra;
mod json;
mod line;
mod model;
mod record;
mod scalar;
mod schema;
mod secrets;
mod slots;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use gatelog_record::{Timestamp, Uuid};
use sha2::{Digest, Sha256};

use super::batch::{self, BatchError, BatchLimits};
use crate::spool::Append;
use check::{Amount, check};
use model::{LOG_RECORDS, LogRecord, Origin, RESOURCE, RESOURCE_LOGS, SCOPE, SCOPE_LOGS};
use record::nanos;
use wire::Message;

pub use answer::Encoding;
pub use json::to_protobuf;
pub use record::Mapping;
pub use secrets::{PLAIN_ATTRIBUTES, Secrets};
pub use slots::{IDS, ParseIdsError, Slot, Slots};

/// Bytes of records and dead letters after which a part is handed on.
pub const PART_BYTES: usize = 1 << 20;

/// How many times larger a request may become when its resources' and scopes' attributes are
/// repeated in each of their records.
const EXPANSION: usize = 8;

/// A checked export request.
#[derive(Clone, Copy, Debug)]
pub struct Export<'a> {
    request: Message<'a>,
    amount: Amount,
}

/// What became of an export's records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Records handed on.
    pub accepted: u64,
    /// Dead letters, by kind.
    pub rejected: BTreeMap<String, u64>,
    /// Why the first record was rejected.
    pub reason: String,
}

impl Outcome {
    fn add(&mut self, part: &Append) {
        self.accepted = self.accepted.saturating_add(part.records);
        for letter in &part.letters {
            if self.rejected.is_empty() {
                self.reason.clone_from(&letter.reason);
            }
            let count = self.rejected.entry(letter.kind.clone()).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// How many records became dead letters.
    pub fn rejected(&self) -> u64 {
        self.rejected.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Why, for the sender; empty if none was rejected.
    pub fn message(&self) -> String {
        let mut text = String::new();
        for (kind, count) in &self.rejected {
            let comma = if text.is_empty() { "kept as dead letters: " } else { ", " };
            let _ = write!(text, "{comma}{count} {kind}");
        }
        if !text.is_empty() {
            let _ = write!(text, "; the first: {}", self.reason);
        }
        text
    }
}

impl<'a> Export<'a> {
    /// Checks a request in protobuf; `decoded_bytes` is the bound of a body.
    ///
    /// # Errors
    ///
    /// It is malformed, or has too many records, or too large ones altogether.
    pub fn check(
        request: &'a [u8],
        limits: &BatchLimits,
        decoded_bytes: usize,
    ) -> Result<Self, BatchError> {
        let request = Message::new(request);
        // One level more than may be stored, so that all that is read was checked.
        let amount = check(request, limits.record.depth.saturating_add(1))
            .map_err(|error| BatchError::Export(format!("not protobuf: {error}")))?;
        if amount.records > limits.records {
            return Err(BatchError::TooMany { limit: limits.records });
        }
        let limit = decoded_bytes.saturating_mul(EXPANSION);
        if amount.bytes > limit {
            return Err(BatchError::Expands { limit });
        }
        Ok(Self { request, amount })
    }

    /// Approximate memory that a part takes, in bytes.
    pub fn part_bytes(&self) -> usize {
        let lines = self.amount.bytes.saturating_add(self.amount.records.saturating_mul(512));
        lines.saturating_mul(2).min(PART_BYTES)
    }

    /// Hands its records on, in parts of about [`PART_BYTES`], each once the one before was taken.
    /// Returns the last part, for most requests the only one, and what becomes of all records once
    /// that is taken too.
    ///
    /// # Errors
    ///
    /// A part was not taken.
    pub fn store<E>(
        &self,
        mapping: &Mapping,
        limits: &BatchLimits,
        received: Timestamp,
        mut take: impl FnMut(Append) -> Result<(), E>,
    ) -> Result<(Outcome, Append), E> {
        let digest: [u8; 32] = Sha256::digest(self.request.bytes()).into();
        // What is reserved here is accounted for; a buffer that doubled as it grew would not be.
        let empty = || Append { body: Vec::with_capacity(self.part_bytes()), ..Append::default() };
        let (mut outcome, mut part, mut line) = (Outcome::default(), empty(), Vec::new());
        let mut written = 0_usize;
        let mut position = 0_u64;
        for (origin, scope_logs) in self.scopes() {
            let source = mapping.source(origin, received);
            for message in scope_logs.messages(LOG_RECORDS) {
                let record = LogRecord::of(message);
                let id = id(nanos(&record), &digest, position);
                position = position.saturating_add(1);
                mapping.write(&source, (message, &record), id, &limits.record, &mut line);
                // A line that was cut exceeds this bound: it becomes a dead letter.
                part.body.reserve_exact(line.len().saturating_add(1));
                batch::add(&mut part, &line, &limits.record);
                written = written.saturating_add(line.len());
                if written >= PART_BYTES {
                    outcome.add(&part);
                    take(std::mem::replace(&mut part, empty()))?;
                    written = 0;
                }
            }
        }
        outcome.add(&part);
        Ok((outcome, part))
    }

    /// The log records by scope, and where they come from.
    fn scopes(self) -> impl Iterator<Item = (Origin<'a>, Message<'a>)> {
        self.request.messages(RESOURCE_LOGS).flat_map(|resource_logs| {
            let resource = resource_logs.messages(RESOURCE).next().unwrap_or_default();
            resource_logs.messages(SCOPE_LOGS).map(move |scope_logs| {
                let scope = scope_logs.messages(SCOPE).next().unwrap_or_default();
                (Origin { resource, scope }, scope_logs)
            })
        })
    }
}

/// The id of a record: a `UUIDv8` of its time in milliseconds (48 bits), and of a hash of the whole
/// request and the position in it. A request that is sent again has the same ids, and two equal
/// records of one request have different ones.
fn id(nanos: u64, request: &[u8; 32], position: u64) -> Uuid {
    let mut hash = Sha256::new();
    hash.update(request);
    hash.update(position.to_be_bytes());
    let digest: [u8; 32] = hash.finalize().into();
    // Of eight bytes the first two are 0 until the year 10889.
    let time = (nanos / 1_000_000).to_be_bytes().into_iter().skip(2);
    let mut bytes = [0; 16];
    for (byte, value) in bytes.iter_mut().zip(time.chain(digest)) {
        *byte = value;
    }
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}
