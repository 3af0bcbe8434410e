//! In any file, every complete record in a place where only gatelog can have written it is found
//! exactly once; every other line is counted, with its number and its fault.
#![no_main]

use std::collections::BTreeMap;
use std::io::BufReader;

use arbitrary::{Arbitrary, Unstructured};
use gatelog_collector::ingest::{BatchLimits, Form, parse};
use gatelog_collector::replay::{Journal, Kind, Line, Tally};
use gatelog_record::{BatchHeader, DecodeLimits, Uuid, decode_record};
use libfuzzer_sys::fuzz_target;

const LIMITS: DecodeLimits = DecodeLimits { record_bytes: 512, depth: 16, values: 256 };
/// Maximum bytes read of a line.
const LINE_BYTES: usize = LIMITS.record_bytes * 2;

const BEGIN: &[u8] = b"{\"timestamp\":";

/// The parts that a journal is assembled from.
#[derive(Arbitrary, Debug)]
enum Part<'a> {
    Record(u8),
    Cut(u8, u16),
    LineEnd,
    Nuls(u8),
    Text(&'a [u8]),
}

impl Part<'_> {
    fn text(&self, number: usize) -> Vec<u8> {
        match self {
            Part::Record(shape) => record(number, *shape).into_bytes(),
            Part::Cut(shape, length) => {
                let mut text = record(number, *shape).into_bytes();
                text.truncate(1 + usize::from(*length) % (text.len() - 1));
                text
            }
            Part::LineEnd => vec![b'\n'],
            Part::Nuls(count) => vec![0; 1 + usize::from(*count) * 16],
            Part::Text(text) => text.to_vec(),
        }
    }
}

/// A record identified by its number.
fn record(number: usize, shape: u8) -> String {
    let values = [
        "m",
        r#"{\"timestamp\":\"2026-01-26T02:11:57Z\",\"level\""#,
        r"a\\\n\u0000\u007b…",
        "}}]]\\\"",
    ];
    let value = values[usize::from(shape) % values.len()];
    let level = if shape & 4 == 0 { "INFO" } else { "ERROR" };
    let more = match shape >> 3 & 3 {
        0 => "",
        1 => r#","audit":true,"extra":{"a":[1,{"b":null}]}"#,
        2 => r#","extra":{"$serde_json::private::RawValue":"[[[1]]"}"#,
        _ => r#","extra":{"a":{"$serde_json::private::Number":"1e999"},"n":-0}"#,
    };
    format!(
        r#"{{"timestamp":"2026-01-26T02:11:57.469652+00:00","level":"{level}","message":"{value}","http":{{"path":"{value}"}}{more},"id":"{}"}}"#,
        Uuid::from_u128(number as u128 + 1)
    )
}

/// How trustworthy a record is at a position: what precedes it on the line.
#[derive(Clone, Copy, PartialEq)]
enum Before {
    /// Nothing, or whole records.
    Records,
    /// A truncated record last.
    Cut,
    /// Arbitrary text.
    Text,
}

/// Assembles a journal, and returns the numbers of the records that must be found in it.
fn put_together(parts: &[Part<'_>]) -> (Vec<u8>, Vec<usize>) {
    let (mut journal, mut expected) = (Vec::new(), Vec::new());
    let (mut before, mut in_line) = (Before::Records, 0);
    for (number, part) in parts.iter().enumerate() {
        let text = part.text(number);
        in_line += if matches!(part, Part::Nuls(_)) { 1 } else { text.len() };
        let followed = match parts.get(number + 1) {
            None | Some(Part::LineEnd | Part::Nuls(_) | Part::Record(_)) => true,
            Some(next @ Part::Cut(..)) => next.text(number).starts_with(BEGIN),
            Some(Part::Text(_)) => false,
        };
        match part {
            Part::Record(_) => {
                let safe = before == Before::Records || (before == Before::Cut && followed);
                if safe && in_line <= LINE_BYTES {
                    expected.push(number);
                }
                if before == Before::Cut {
                    before = if followed { Before::Records } else { Before::Text };
                }
            }
            Part::Cut(..) if before == Before::Records => before = Before::Cut,
            Part::Cut(..) => {}
            Part::LineEnd => (before, in_line) = (Before::Records, 0),
            Part::Nuls(_) => before = Before::Records,
            Part::Text([]) => {}
            Part::Text(text) => {
                before = Before::Text;
                let line = text.iter().rev().take_while(|byte| **byte != b'\n').count();
                in_line = if line < text.len() { line } else { in_line };
                if matches!(text.last(), Some(0 | b'\n')) {
                    before = Before::Records;
                }
            }
        }
        journal.extend_from_slice(&text);
    }
    (journal, expected)
}

fuzz_target!(|data: &[u8]| {
    let [manner, data @ ..] = data else { return };
    let (journal, expected) = if manner & 1 == 0 {
        (data.to_vec(), Vec::new())
    } else {
        let parts = Vec::<Part<'_>>::arbitrary_take_rest(Unstructured::new(data));
        put_together(&parts.unwrap_or_default())
    };
    let lines: Vec<&[u8]> = journal.split(|byte| *byte == b'\n').collect();
    let lines = match lines.split_last() {
        Some((last, others)) if last.is_empty() => others,
        _ => &lines,
    };
    // A small buffer, so that lines and records arrive in pieces.
    let buffer = 1 + usize::from(manner >> 1) * 16;
    let mut reader = Journal::new(BufReader::with_capacity(buffer, &journal[..]), LIMITS);
    let (mut tally, mut batch, mut ids) = (Tally::default(), Vec::new(), BTreeMap::new());
    while let Some(line) = reader.next_line().expect("memory is readable") {
        tally.count(&line);
        let number = usize::try_from(line.number).expect("a small number");
        assert_eq!(line.number, tally.lines, "each line once, in order");
        understood(&line, lines[number - 1]);
        for found in line.records {
            *ids.entry(found.record.id.as_u128()).or_insert(0) += 1;
            batch.extend_from_slice(found.text);
            batch.push(b'\n');
        }
    }
    assert_eq!(tally.lines, lines.len() as u64);
    assert_eq!(reader.bytes(), journal.len() as u64);
    assert_eq!(tally.lines, tally.records - tally.salvaged + tally.other + tally.damaged);
    for number in expected {
        assert!(
            ids.contains_key(&(number as u128 + 1)),
            "part {number} was not found in {}",
            journal.escape_ascii()
        );
    }
    // Every line that is sent is accepted.
    let limits = BatchLimits { records: usize::MAX, record: DecodeLimits::default() };
    let taken = parse(&batch, Form::Lines, &limits).expect("a batch");
    assert_eq!((taken.records, taken.letters.len()), (tally.records, 0));
});

fn understood(line: &Line<'_>, text: &[u8]) {
    let whole = text.trim_ascii();
    let is_record = decode_record(whole, &LIMITS, Uuid::nil()).is_ok() && text.len() <= LINE_BYTES;
    assert!(!is_record || !BatchHeader::is_header(whole), "first in a batch it stays a record");
    assert_eq!(line.kind == Kind::Record, is_record, "{}", text.escape_ascii());
    match &line.kind {
        Kind::Record => assert_eq!(line.records.len(), 1),
        Kind::Other => assert!(line.records.is_empty()),
        Kind::Damaged(reason) => {
            assert!((1..=256).contains(&reason.len()) && !reason.contains('\n'), "{reason:?}");
        }
    }
    let mut end = std::ptr::null();
    for found in &line.records {
        assert!(found.text.as_ptr() >= end, "no byte is read twice");
        end = found.text.as_ptr_range().end;
        assert_eq!(decode_record(found.text, &LIMITS, Uuid::nil()).as_ref(), Ok(&found.record));
    }
}
