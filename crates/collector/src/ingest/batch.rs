//! Converts a request body into what goes into the spool.
//!
//! Every line is decoded here once, so that the response says how many were valid, and so that what
//! is in the spool can always be decoded again. A record without an id is assigned one before it is
//! made durable, and keeps it whatever happens afterwards.

use std::borrow::Cow;
use std::fmt;

use gatelog_record::limits::GATEWAY_BYTES;
use gatelog_record::units::show_size;
use gatelog_record::{BatchHeader, DecodeLimits, HeaderError, Uuid, check_record, decode_record};
use serde::Deserialize;

use crate::accounting::{BootKey, Totals, Unnumbered};
use crate::spool::{Append, DeadLetter};

use super::body::POST_BYTES;
use super::elements::Elements;

/// The format of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One JSON object per line; the first one may be a batch header.
    Lines,
    /// A JSON array of objects, or a single object.
    Json,
}

/// The bounds of a batch.
#[derive(Clone, Copy, Debug)]
pub struct BatchLimits {
    /// Maximum number of records.
    pub records: usize,
    /// The bounds of each record.
    pub record: DecodeLimits,
}

impl BatchLimits {
    /// Maximum memory, in bytes, that a post takes in addition to the text of its lines: when every
    /// line is a dead letter, and each belongs to a different boot.
    pub fn beside_text(&self) -> usize {
        self.records.saturating_mul(LETTER_BYTES + BOOT_BYTES).saturating_add(POST_BYTES)
    }

    /// The bounds for every line in the spool: those of a record, plus room for an id that it
    /// arrived without.
    pub fn spooled(&self) -> DecodeLimits {
        DecodeLimits {
            record_bytes: self.record.record_bytes.saturating_add(ID_BYTES),
            values: self.record.values.saturating_add(1),
            ..self.record
        }
    }
}

/// One record, and one line that is not a record, without a number.
const ACCEPTED: Unnumbered = Unnumbered { accepted: 1, quarantined: 0 };
const QUARANTINED: Unnumbered = Unnumbered { accepted: 0, quarantined: 1 };

/// How much an id adds to a line.
const ID_BYTES: usize = r#","id":"00000000-0000-7000-8000-000000000000""#.len();
/// Approximate memory that a dead letter takes in addition to its line.
const LETTER_BYTES: usize = 256;
/// Approximate memory that a boot's sequence numbers take.
const BOOT_BYTES: usize = 512;

/// Approximate memory that a batch takes in addition to the text of its lines, in bytes.
pub(crate) fn beside_text(batch: &Append) -> usize {
    let boots = batch.seqs.iter().chain(batch.quarantined.iter()).count();
    let letters = batch.letters.len().saturating_mul(LETTER_BYTES);
    letters.saturating_add(boots.saturating_mul(BOOT_BYTES))
}

/// A body that is not a valid batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchError {
    /// More records than allowed.
    TooMany {
        /// The bound.
        limit: usize,
    },
    /// The batch's version is not supported by this collector.
    Version(u64),
    /// Not a JSON array or object.
    Json(String),
    /// Not an OTLP export request.
    Export(String),
    /// An export request whose records, each with its resource's attributes, are too large together.
    Expands {
        /// The bound in bytes.
        limit: usize,
    },
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BatchError::TooMany { limit } => {
                write!(f, "too many records: limit is {limit}; send smaller batches")
            }
            BatchError::Version(version) => HeaderError::Version(*version).fmt(f),
            BatchError::Json(text) => write!(f, "body is not a JSON array of records: {text}"),
            BatchError::Export(text) => write!(f, "body is not an OTLP export request: {text}"),
            BatchError::Expands { limit } => {
                let limit = show_size(u64::try_from(*limit).unwrap_or(u64::MAX));
                write!(
                    f,
                    "the records, each with its resource's attributes, are too large together: \
                     limit is {limit}; send smaller batches"
                )
            }
        }
    }
}

impl std::error::Error for BatchError {}

/// Parses a body. Lines that are not valid records become dead letters and do not affect others.
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
                // A line feed can only occur between tokens here, where a space is equivalent.
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

/// Adds a line: a record, or else a dead letter.
pub(super) fn add(batch: &mut Append, line: &[u8], limits: &DecodeLimits) {
    // Fast path: checking a well-formed gateway record, which nearly every one is, costs a fifth of
    // decoding it.
    if let Some(checked) = check_record(line, limits) {
        match &checked.source {
            Some(source) => batch.seqs.add(&source.gateway, source.boot, source.seq),
            None => batch.unnumbered.add(ACCEPTED),
        }
        write_line(line, None, &mut batch.body);
        batch.records = batch.records.saturating_add(1);
        return;
    }
    let fresh = Uuid::now_v7();
    match decode_record(line, limits, fresh) {
        Ok(record) => {
            match &record.source {
                Some(source) => batch.seqs.add(&source.gateway, source.boot, source.seq),
                None => batch.unnumbered.add(ACCEPTED),
            }
            write_line(line, (record.id == fresh).then_some(fresh), &mut batch.body);
            batch.records = batch.records.saturating_add(1);
        }
        Err(error) => {
            match numbered(line) {
                Some((key, seq)) => batch.quarantined.add(&key.gateway, key.boot, seq),
                None => batch.unnumbered.add(QUARANTINED),
            }
            batch.letters.push(DeadLetter {
                kind: error.kind_name().to_owned(),
                reason: error.to_string(),
                line: line.to_vec(),
            });
        }
    }
}

/// Writes a record's line, appending an id if it has none. If a key occurs twice, the last one
/// counts, so an earlier `"id":null` does no harm.
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

/// The sequence number of a line that is not a valid record; `None` if no record could have that
/// number.
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
