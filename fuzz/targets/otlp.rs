//! Any posted bytes are either an OTLP request, every log record of which is accepted or quarantined,
//! and the same ones when it comes again, or are refused; memory use is bounded, however far they
//! decompress.
#![no_main]

mod post;

use std::collections::HashSet;

use gatelog_collector::http::{LogsPost, Refusal};
use gatelog_collector::ingest::otlp::{Encoding, Mapping, Outcome};
use gatelog_collector::ingest::{BatchError, BodyError, Budget};
use gatelog_collector::spool::Append;
use gatelog_record::{DecodeLimits, Uuid, decode_record};
use libfuzzer_sys::fuzz_target;
use post::{LIMITS, Manner, ONE_RECORD, RUNTIME, decoded, measured, post};

/// Names of attributes of one record.
const NAMES: usize = LIMITS.batch.record.values * 256;

fuzz_target!(|data: &[u8]| {
    let [manner, bytes @ ..] = data else { return };
    let manner = Manner(*manner);
    let (first, ids, most) = store(bytes, manner);
    assert!(most <= LIMITS.memory + ONE_RECORD + NAMES, "{most} bytes in use");
    match &first {
        Ok(outcome) => {
            assert!(decoded(&post(bytes, manner, "").1, manner).is_some(), "readable");
            assert_eq!(ids.len() as u64, outcome.accepted, "each with an id of its own");
            assert_eq!(outcome.rejected() == 0, outcome.message().is_empty());
            let answer = Encoding::Json.response(outcome);
            serde_json::from_slice::<serde_json::Value>(&answer).expect("JSON");
            assert!(Encoding::Protobuf.response(outcome).len() < 1_024);
        }
        Err(refusal) => match refusal {
            Refusal::Batch(
                BatchError::Export(_) | BatchError::TooMany { .. } | BatchError::Expands { .. },
            ) => {}
            Refusal::Body(BodyError::Busy) => panic!("one post alone finds the memory taken"),
            Refusal::Body(_) => {}
            _ => panic!("{refusal:?}"),
        },
    }
    let (again, same, _) = store(bytes, manner);
    assert_eq!((first, ids), (again, same));
});

fn store(bytes: &[u8], manner: Manner) -> (Result<Outcome, Refusal>, HashSet<Uuid>, usize) {
    let (headers, _, body) = post(bytes, manner, "application/x-protobuf");
    let budget = Budget::new(LIMITS.memory);
    let mapping = Mapping::default();
    let mut ids = HashSet::new();
    let (outcome, most) = measured(|| {
        let read = RUNTIME.block_on(LogsPost::read(headers, body, &LIMITS, &budget));
        read.and_then(|post| {
            post.store(&mapping, |part| {
                take(&part, &mut ids);
                Ok(())
            })
        })
    });
    let outcome = outcome.map(|(outcome, last, _)| {
        take(&last, &mut ids);
        outcome
    });
    (outcome, ids, most)
}

fn take(part: &Append, ids: &mut HashSet<Uuid>) {
    let lines: Vec<_> = part.body.split_inclusive(|byte| *byte == b'\n').collect();
    assert_eq!(lines.len() as u64, part.records);
    assert_eq!((part.unnumbered.accepted, part.records), (part.records, part.unnumbered.accepted));
    assert!(part.seqs.is_empty() && part.quarantined.is_empty() && part.totals.is_none());
    for line in lines {
        let line = line.strip_suffix(b"\n").expect("a whole line");
        let limits = DecodeLimits { ..LIMITS.batch.record };
        let record = decode_record(line, &limits, Uuid::nil()).expect("readable from the spool");
        assert!(record.source.is_none());
        ids.insert(record.id);
    }
    for letter in &part.letters {
        assert!(!letter.kind.is_empty() && !letter.reason.contains('\n'), "{:?}", letter.reason);
        assert_ne!(letter.kind, "not_json", "{}", letter.line.escape_ascii());
    }
}
