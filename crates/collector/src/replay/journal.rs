//! What a journal holds, line by line: records, other text, and records that were damaged.
//!
//! A record is one line. But a killed writer leaves its last line cut off, and what is
//! written next follows on the same line; a disk that lost power leaves NULs there. So
//! in a line that is not one record, whole ones are looked for: at its start, behind a NUL,
//! behind another record, and, if they end where the line does, behind the broken rest of one.
//!
//! Nowhere else: other logs' lines hold what clients sent, quotes and all, and a record that
//! stands in the middle of one may be a client's invention. In a record's own values a quote is
//! escaped, so nothing within them looks like the beginning of another one.

use std::io::{self, BufRead};

use gatelog_record::decode::Plain;
use gatelog_record::{DecodeError, DecodeLimits, Decoded, Uuid, decode_record};
use serde_json::Deserializer;

use super::lines::{self, Read};

/// How every record of a gateway begins.
const BEGIN: &[u8] = b"{\"timestamp\":";

/// A record as found in a journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Found<'a> {
    /// Its text, one JSON object.
    pub text: &'a [u8],
    /// What it says; its id is nil where it has none.
    pub record: Decoded,
}

/// What a line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One whole record.
    Record,
    /// Something else.
    Other,
    /// It begins as a record does, and is not one whole record; says why, in one line that
    /// quotes no value.
    Damaged(String),
}

/// One line of a journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Line<'a> {
    /// Its number, from 1.
    pub number: u64,
    /// What it is.
    pub kind: Kind,
    /// The whole records in it: one in a record's line, any number in a damaged one.
    pub records: Vec<Found<'a>>,
}

/// A journal under reading. Holds one line in memory, of twice a record's bound: the broken rest
/// of one and a whole one.
#[derive(Debug)]
pub struct Journal<R> {
    from: R,
    limits: DecodeLimits,
    line: Vec<u8>,
    number: u64,
    bytes: u64,
}

impl<R: BufRead> Journal<R> {
    /// A journal whose records keep these bounds.
    pub fn new(from: R, limits: DecodeLimits) -> Self {
        Self { from, limits, line: Vec::new(), number: 0, bytes: 0 }
    }

    /// Bytes read until now.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads the next line; `None` at the end.
    ///
    /// # Errors
    ///
    /// The journal cannot be read.
    pub fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        let Self { from, limits, line, number, bytes } = self;
        let most = limits.record_bytes.saturating_mul(2);
        let read = lines::next(from, most, line, bytes)?;
        if read == Read::End {
            return Ok(None);
        }
        *number = number.saturating_add(1);
        let (kind, records) = match read {
            Read::TooLong => {
                let (kind, records) = salvage(line, limits);
                let too_long = || Kind::Damaged(format!("longer than {most} bytes"));
                (if kind == Kind::Other { kind } else { too_long() }, records)
            }
            Read::Whole | Read::End => understand(line, limits),
        };
        Ok(Some(Line { number: *number, kind, records }))
    }
}

fn understand<'a>(line: &'a [u8], limits: &DecodeLimits) -> (Kind, Vec<Found<'a>>) {
    let text = line.trim_ascii();
    match decode_record(text, limits, Uuid::nil()) {
        Ok(record) => (Kind::Record, vec![Found { text, record }]),
        Err(_) => salvage(line, limits),
    }
}

/// The whole records of a line that is not one.
fn salvage<'a>(line: &'a [u8], limits: &DecodeLimits) -> (Kind, Vec<Found<'a>>) {
    let (mut records, mut fault) = (Vec::new(), None);
    for text in line.split(|byte| *byte == 0) {
        let found = salvage_text(text.trim_ascii(), limits, &mut records);
        fault = fault.or(found);
    }
    let kind = match fault {
        Some(fault) => Kind::Damaged(fault.to_string()),
        None if records.is_empty() => Kind::Other,
        None => Kind::Damaged("not one record alone".into()),
    };
    (kind, records)
}

/// Adds the whole records of a text without NULs, and returns what is wrong with the first that
/// is broken.
fn salvage_text<'a>(
    text: &'a [u8],
    limits: &DecodeLimits,
    records: &mut Vec<Found<'a>>,
) -> Option<DecodeError> {
    let (mut rest, mut fault, mut broken) = (text, None, false);
    while let Some((before, at)) = split_at_begin(rest) {
        if !broken && !cut_early(before) {
            break;
        }
        broken |= !before.is_empty();
        rest = match first_record(at, limits) {
            Ok((found, after)) => {
                if !broken || ends_or_begins(after) {
                    records.push(found);
                    broken = false;
                }
                after
            }
            Err(error) => {
                fault = fault.or(Some(error));
                broken = true;
                at.get(BEGIN.len()..).unwrap_or_default()
            }
        };
    }
    fault
}

/// Splits before the first place where a record may begin.
fn split_at_begin(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = text.windows(BEGIN.len()).position(|window| window == BEGIN)?;
    text.split_at_checked(at)
}

/// Whether a text ends, or goes on with a record, be it one that was cut off.
fn ends_or_begins(text: &[u8]) -> bool {
    cut_early(split_at_begin(text).map_or(text, |(before, _)| before))
}

/// Whether a text is nothing but records that were cut off within [`BEGIN`], or empty.
fn cut_early(text: &[u8]) -> bool {
    let (brace, key) = BEGIN.split_at_checked(1).unwrap_or_default();
    let mut cut = text.split(|byte| brace.contains(byte));
    cut.next().is_none_or(<[u8]>::is_empty) && cut.all(|cut| key.starts_with(cut))
}

/// The record at the start of a text, and what follows it. Takes a time that is bounded by the
/// text's length times the depth that the parser allows: it stops at the first byte that is no
/// JSON, so two records that one try reads past lie one within the other.
fn first_record<'a>(
    text: &'a [u8],
    limits: &DecodeLimits,
) -> Result<(Found<'a>, &'a [u8]), DecodeError> {
    let mut values = Deserializer::from_slice(text).into_iter::<Plain>();
    let end = match values.next() {
        Some(Ok(_)) => values.byte_offset(),
        // No further than it was read: what is wrong there is found again.
        Some(Err(error)) => error.column(),
        None => text.len(),
    };
    let (text, after) = text.split_at_checked(end).unwrap_or((text, &[]));
    let record = decode_record(text, limits, Uuid::nil())?;
    Ok((Found { text, record }, after.trim_ascii_start()))
}

#[cfg(test)]
mod tests {
    use rustix::time::{ClockId, clock_gettime};

    use super::*;

    fn record(seq: u64) -> String {
        format!(
            concat!(
                r#"{{"timestamp":"2026-01-26T02:11:57.469652+00:00","level":"INFO","message":"m","#,
                r#""http":{{"user_agent":"{{\"timestamp\":"}},"id":"00000000-0000-7000-8000-{:012}"}}"#,
            ),
            seq
        )
    }

    fn start(record: &str, end: usize) -> &str {
        record.get(..end).unwrap()
    }

    /// Each line's kind, by a letter, and the numbers of the records in it.
    fn read(journal: impl AsRef<[u8]>) -> Vec<(char, Vec<u128>)> {
        let mut journal = Journal::new(journal.as_ref(), DecodeLimits::default());
        let mut lines = Vec::new();
        while let Some(line) = journal.next_line().unwrap() {
            let kind = match line.kind {
                Kind::Record => 'r',
                Kind::Other => 'o',
                Kind::Damaged(_) => 'd',
            };
            let low = |found: &Found<'_>| found.record.id.as_u128() & 0xffff;
            lines.push((kind, line.records.iter().map(low).collect()));
            assert_eq!(line.number, lines.len() as u64);
        }
        lines
    }

    #[test]
    fn records_stand_among_other_lines() {
        let journal = format!("[info] starting\n{}\r\n\n{{\"an\":1}}\n{}", record(1), record(2));
        let expected =
            [('o', vec![]), ('r', vec![1]), ('o', vec![]), ('o', vec![]), ('r', vec![2])];
        assert_eq!(read(journal), expected);
    }

    #[test]
    fn a_record_behind_one_that_was_cut_off_at_any_byte_is_found() {
        let (one, two) = (record(1), record(2));
        for end in 1..one.len() {
            let cut = start(&one, end);
            assert_eq!(read(format!("{cut}{two}\n")), [('d', vec![2])], "{cut}");
            assert_eq!(read(format!("{two}{cut}")), [('d', vec![2])], "{cut}");
        }
    }

    #[test]
    fn records_that_ran_together_are_found() {
        let (one, two, three) = (record(1), record(2), record(3));
        assert_eq!(read(format!("{one}{two} {three}\n")), [('d', vec![1, 2, 3])]);
        assert_eq!(read(format!("{one}[info] text\n{two}")), [('d', vec![1]), ('r', vec![2])]);
        let cut = start(&one, 100);
        assert_eq!(read(format!("{cut}{cut}{two}{cut}{three}")), [('d', vec![2, 3])]);
        for cut in ["{", "{\"time", "{\"time{{\"t"] {
            assert_eq!(read(format!("{cut}{two}{cut}{three}{cut}")), [('d', vec![2, 3])]);
        }
    }

    #[test]
    fn a_record_behind_what_a_disk_lost_is_found_however_much_it_was() {
        let (one, two) = (record(1), record(2));
        for nuls in [1, 4_096, 5 << 20] {
            let lost = "\0".repeat(nuls);
            let journal = format!("{}{lost}{one}\n{two}{lost}\n{lost}", start(&two, 90));
            assert_eq!(read(journal), [('d', vec![1]), ('d', vec![2]), ('o', vec![])]);
        }
    }

    #[test]
    fn what_a_client_may_have_had_written_into_another_log_is_no_record() {
        let (one, forged) = (record(1), record(2));
        let access_log = format!(r#"[2026-01-26] "GET / HTTP/1.1" 200 "{forged}""#);
        assert_eq!(read(&access_log), [('o', vec![])]);
        assert_eq!(read(format!("{}{access_log}", start(&one, 90))), [('d', vec![])]);
        assert_eq!(read(format!("{one}{access_log}")), [('d', vec![1])]);
        let header = r#"{"batch":{"v":2}}"#;
        assert_eq!(read(header), [('o', vec![])]);
        assert_eq!(read(format!("{header}\0{one}")), [('d', vec![1])]);
    }

    #[test]
    fn a_line_that_is_too_long_is_read_as_far_as_its_bound() {
        let (one, long) = (record(1), "x".repeat(3 << 20));
        assert_eq!(read(format!("{long}{one}\n{one}")), [('o', vec![]), ('r', vec![1])]);
        assert_eq!(read(format!("{one}{long}\n{one}")), [('d', vec![1]), ('r', vec![1])]);
    }

    #[test]
    fn what_is_wrong_with_a_damaged_line_quotes_nothing() {
        for text in [
            r#"{"timestamp":"secret"#,
            r#"{"timestamp":"secret","level":"INFO","message":"m"}"#,
            r#"{"timestamp":"2026-01-26T02:11:57Z","level":"secret","message":"m"}"#,
            r#"{"timestamp":"2026-01-26T02:11:57Z","level":"INFO","message":"m"}secret"#,
        ] {
            let mut journal = Journal::new(text.as_bytes(), DecodeLimits::default());
            let line = journal.next_line().unwrap().unwrap();
            let Kind::Damaged(reason) = line.kind else { panic!("{:?}", line.kind) };
            assert!(!reason.is_empty() && !reason.contains("secret"), "{reason}");
        }
    }

    #[test]
    fn a_line_made_to_be_read_again_and_again_costs_little_processor_time() {
        // Each beginning is tried; each try could read to the end.
        let nested = r#"{"timestamp":["#.repeat(1 << 14);
        let flat = r#"{"timestamp":1},"#.repeat(1 << 14);
        let faulty = r#"{"timestamp":x},"#.repeat(1 << 14);
        // The clock of this thread: a busy machine makes no difference.
        let processor_time = || clock_gettime(ClockId::ThreadCPUTime).tv_sec;
        let started = processor_time();
        for text in [nested, format!("{{\"timestamp\":[{flat}"), flat, faulty] {
            assert_eq!(read(text), [('d', vec![])]);
        }
        let seconds = processor_time() - started;
        assert!(seconds < 30, "{seconds} s");
    }
}
