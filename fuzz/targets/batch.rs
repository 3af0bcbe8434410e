//! Any posted bytes are either a batch, every line of which is accepted or quarantined, or are
//! refused with a status and a short reason; memory use is bounded, however far they decompress.
#![no_main]

mod post;

use axum::body::to_bytes;
use axum::http::header::RETRY_AFTER;
use axum::response::IntoResponse;
use gatelog_collector::http::{Post, Refusal};
use gatelog_collector::ingest::{BatchError, BodyError, Budget};
use gatelog_collector::spool::Append;
use gatelog_record::limits::GATEWAY_BYTES;
use gatelog_record::{BatchHeader, HeaderError, Uuid, decode_record};
use libfuzzer_sys::fuzz_target;
use post::{LIMITS, Manner, ONE_RECORD, RUNTIME, decoded, measured, post};
use serde::de::IgnoredAny;

fuzz_target!(|data: &[u8]| {
    let [manner, bytes @ ..] = data else { return };
    let manner = Manner(*manner);
    let (headers, encoded, body) = post(bytes, manner, "application/x-ndjson");
    let budget = Budget::new(LIMITS.memory);
    let (taken, most) = measured(|| {
        RUNTIME.block_on(Post::read(headers, body, &LIMITS, &budget)).and_then(Post::decode)
    });

    let decoded = decoded(&encoded, manner);
    let given = decoded.as_deref().and_then(|decoded| given(decoded, manner));
    let accounted = match taken {
        Ok((batch, share)) => {
            taken_whole(&batch, given.expect("what cannot be read is refused"));
            // Room for every line if valid; invalid lines leave as much of it unused.
            share.bytes() + decoded.map_or(0, |decoded| decoded.len())
        }
        Err(refusal) => {
            refused(refusal, given);
            LIMITS.memory
        }
    };
    assert!(most <= accounted + ONE_RECORD, "{most} bytes in use, {accounted} accounted for");
});

/// How many lines must be accounted for, counted independently; `None` if it is not a batch.
fn given(decoded: &[u8], manner: Manner) -> Option<usize> {
    if manner.json() {
        std::str::from_utf8(decoded).ok()?;
        return if decoded.trim_ascii_start().starts_with(b"{") {
            serde_json::from_slice::<IgnoredAny>(decoded).ok().map(|_| 1)
        } else {
            serde_json::from_slice::<Vec<IgnoredAny>>(decoded).ok().map(|all| all.len())
        };
    }
    let mut lines = decoded.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let first = lines.next().unwrap_or_default();
    let header = BatchHeader::is_header(first).then(|| BatchHeader::decode(first));
    let first = match header {
        Some(Ok(_)) => 0,
        Some(Err(HeaderError::Version(_))) => return None,
        Some(Err(HeaderError::Shape(_))) => 1,
        None => usize::from(!first.is_empty()),
    };
    Some(first + lines.filter(|line| !line.is_empty()).count())
}

fn taken_whole(batch: &Append, given: usize) {
    let lines: Vec<_> = batch.body.split_inclusive(|byte| *byte == b'\n').collect();
    assert_eq!(lines.len() as u64, batch.records);
    assert_eq!(lines.len() + batch.letters.len(), given, "accepted and quarantined");
    for line in lines {
        let line = line.strip_suffix(b"\n").expect("a whole line");
        let record = decode_record(line, &LIMITS.batch.spooled(), Uuid::nil())
            .expect("readable from the spool");
        assert!(!record.id.is_nil());
    }
    let names = batch.seqs.iter().chain(batch.quarantined.iter()).map(|(key, _)| &key.gateway);
    let names = names.chain(batch.totals.iter().map(|(key, _)| &key.gateway));
    assert!(names.into_iter().all(|name| name.len() <= GATEWAY_BYTES));
    for letter in &batch.letters {
        assert!(!letter.kind.is_empty() && !letter.reason.is_empty());
        assert!(!letter.reason.contains('\n'), "{:?}", letter.reason);
    }
}

fn refused(refusal: Refusal, given: Option<usize>) {
    match &refusal {
        Refusal::Batch(BatchError::TooMany { .. }) => {
            // An array is not read beyond that.
            assert!(given.is_none_or(|given| given > LIMITS.batch.records));
        }
        Refusal::Body(BodyError::Busy) => panic!("one post alone finds the memory taken"),
        _ => assert_eq!(given, None, "{refusal:?}"),
    }
    let response = refusal.into_response();
    let (status, later) =
        (response.status().as_u16(), response.headers().contains_key(RETRY_AFTER));
    assert!([400, 408, 413].contains(&status) && !later, "{status}");
    let body = RUNTIME.block_on(to_bytes(response.into_body(), usize::MAX)).expect("a body");
    let answer: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    let text = answer["error"].as_str().expect("a reason");
    assert!((1..=512).contains(&text.len()), "{} bytes", text.len());
    assert!(!text.contains(char::is_control), "{text:?}");
}
