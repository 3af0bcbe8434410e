//! From a body to what goes into the spool.
//!
//! Every line is decoded here once, so that the answer says how many were good, and what is in
//! the spool can always be decoded again. A record without an id is given one before it is made
//! durable: whatever happens afterwards, it keeps it.

use std::borrow::Cow;
use std::fmt;

use gatelog_record::limits::GATEWAY_BYTES;
use gatelog_record::{BatchHeader, DecodeLimits, HeaderError, Uuid, check_record, decode_record};
use serde::Deserialize;

use crate::accounting::{BootKey, Totals};
use crate::spool::{Append, DeadLetter};

use super::body::POST_BYTES;
use super::elements::Elements;

/// The form of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One JSON object a line, the first one maybe a batch header.
    Lines,
    /// A JSON array of objects, or one object.
    Json,
}

/// The bounds of a batch.
#[derive(Clone, Copy, Debug)]
pub struct BatchLimits {
    /// Most records.
    pub records: usize,
    /// The bounds of each.
    pub record: DecodeLimits,
}

impl BatchLimits {
    /// Most memory, in bytes, that a post takes beside the text of its lines: where each is a dead
    /// letter, and each of a boot of its own.
    pub fn beside_text(&self) -> usize {
        self.records.saturating_mul(LETTER_BYTES + BOOT_BYTES).saturating_add(POST_BYTES)
    }

    /// The bounds that every line in the spool keeps: those of a record, and room for an id that
    /// it came without.
    pub fn spooled(&self) -> DecodeLimits {
        DecodeLimits {
            record_bytes: self.record.record_bytes.saturating_add(ID_BYTES),
            values: self.record.values.saturating_add(1),
            ..self.record
        }
    }
}

/// What an id adds to a line.
const ID_BYTES: usize = r#","id":"00000000-0000-7000-8000-000000000000""#.len();
/// What a dead letter takes in memory beside its line, about.
const LETTER_BYTES: usize = 256;
/// What a boot's sequence numbers take, about.
const BOOT_BYTES: usize = 512;

/// How much memory a batch takes beside the text of its lines, in bytes, about.
pub(crate) fn beside_text(batch: &Append) -> usize {
    let boots = batch.seqs.iter().chain(batch.quarantined.iter()).count();
    let letters = batch.letters.len().saturating_mul(LETTER_BYTES);
    letters.saturating_add(boots.saturating_mul(BOOT_BYTES))
}

/// A body that is no batch at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchError {
    /// More records than allowed.
    TooMany {
        /// The bound.
        limit: usize,
    },
    /// A batch of a version that this collector does not read.
    Version(u64),
    /// Not a JSON array or object.
    Json(String),
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BatchError::TooMany { limit } => {
                write!(f, "too many records: limit is {limit}; send smaller batches")
            }
            BatchError::Version(version) => HeaderError::Version(*version).fmt(f),
            BatchError::Json(text) => write!(f, "body is not a JSON array of records: {text}"),
        }
    }
}

impl std::error::Error for BatchError {}

/// Reads a body. Lines that are no records become dead letters and harm no other.
pub fn parse(body: &[u8], form: Form, limits: &BatchLimits) -> Result<Append, BatchError> {
    let mut batch = Append { body: Vec::with_capacity(body.len()), ..Append::default() };
    let mut left = limits.records;
    let mut one = |batch: &mut Append, line: &[u8]| {
        left = left.checked_sub(1).ok_or(BatchError::TooMany { limit: limits.records })?;
        add(batch, line, &limits.record);
        Ok(())
    };
    match form {
        Form::Lines => {
            let mut lines = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
            let mut first = lines.next();
            if let Some(line) = first.filter(|line| BatchHeader::is_header(line)) {
                header(&mut batch, line)?;
                first = None;
            }
            for line in first.into_iter().chain(lines).filter(|line| !line.is_empty()) {
                one(&mut batch, line)?;
            }
        }
        Form::Json => {
            let mut line = Vec::new();
            let elements =
                Elements::of(body).map_err(|error| BatchError::Json(error.to_string()))?;
            for element in elements {
                let element = element.map_err(|error| BatchError::Json(error.to_string()))?;
                // A line feed can only stand between tokens here, where a space does as well.
                line.clear();
                line.extend(element.iter().map(|byte| match byte {
                    b'\n' | b'\r' => b' ',
                    other => *other,
                }));
                one(&mut batch, &line)?;
            }
        }
    }
    Ok(batch)
}

fn header(batch: &mut Append, line: &[u8]) -> Result<(), BatchError> {
    match BatchHeader::decode(line) {
        Ok(header) => {
            let key = BootKey { gateway: header.gateway.clone(), boot: header.boot };
            batch.totals = Some((key, Totals::of(&header, 0)));
        }
        Err(HeaderError::Version(version)) => return Err(BatchError::Version(version)),
        Err(error @ HeaderError::Shape(_)) => {
            batch.letters.push(DeadLetter {
                kind: "header".into(),
                reason: error.to_string(),
                line: line.to_vec(),
            });
        }
    }
    Ok(())
}

fn add(batch: &mut Append, line: &[u8], limits: &DecodeLimits) {
    // A gateway's record as it should be, which is nearly every one, costs a fifth of decoding.
    if let Some(checked) = check_record(line, limits) {
        if let Some(source) = &checked.source {
            batch.seqs.add(&source.gateway, source.boot, source.seq);
        }
        write_line(line, None, &mut batch.body);
        batch.records = batch.records.saturating_add(1);
        return;
    }
    let fresh = Uuid::now_v7();
    match decode_record(line, limits, fresh) {
        Ok(record) => {
            if let Some(source) = &record.source {
                batch.seqs.add(&source.gateway, source.boot, source.seq);
            }
            write_line(line, (record.id == fresh).then_some(fresh), &mut batch.body);
            batch.records = batch.records.saturating_add(1);
        }
        Err(error) => {
            if let Some((key, seq)) = numbered(line) {
                batch.quarantined.add(&key.gateway, key.boot, seq);
            }
            batch.letters.push(DeadLetter {
                kind: error.kind_name().to_owned(),
                reason: error.to_string(),
                line: line.to_vec(),
            });
        }
    }
}

/// Writes a record's line, with an id at its end where it has none. Of a key that stands twice
/// the last one counts, so an `"id":null` before it does no harm.
pub(crate) fn write_line(line: &[u8], id: Option<Uuid>, out: &mut Vec<u8>) {
    match (id, line.strip_suffix(b"}")) {
        (Some(id), Some(open)) => {
            out.extend_from_slice(open);
            out.extend_from_slice(b",\"id\":\"");
            let mut text = Uuid::encode_buffer();
            out.extend_from_slice(id.hyphenated().encode_lower(&mut text).as_bytes());
            out.extend_from_slice(b"\"}");
        }
        _ => out.extend_from_slice(line),
    }
    out.push(b'\n');
}

/// The sequence number of a line that is not a record otherwise; none that a record could not have.
fn numbered(line: &[u8]) -> Option<(BootKey, u64)> {
    #[derive(Deserialize)]
    struct Line<'a> {
        #[serde(borrow)]
        source: Source<'a>,
    }
    #[derive(Deserialize)]
    struct Source<'a> {
        #[serde(borrow)]
        gateway: Cow<'a, str>,
        #[serde(borrow)]
        boot: Cow<'a, str>,
        seq: i64,
    }
    let Line { source } = serde_json::from_slice(line).ok()?;
    let seq = u64::try_from(source.seq).ok().filter(|seq| *seq > 0)?;
    let boot = Uuid::try_parse(&source.boot).ok()?;
    let gateway = (source.gateway.len() <= GATEWAY_BYTES).then(|| source.gateway.into_owned())?;
    Some((BootKey { gateway, boot }, seq))
}
