//! Nothing that is logged grows a record past its bounds.

use std::fmt;

use gatelog_record::limits::{PAIRS, RECORD_BYTES, VALUE_BYTES};
use gatelog_tracing::builder;
use tracing::{info, info_span};

use crate::logged::logged_by;

/// Writes without end until it is told to stop.
struct Endless;

impl fmt::Debug for Endless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        loop {
            f.write_str("0123456789")?;
        }
    }
}

#[test]
fn a_value_without_end_is_cut() {
    let (records, counts) =
        logged_by(builder("orders"), || info!(value = ?Endless, "{:?}", Endless));
    for text in [&records[0]["message"], &records[0]["extra"]["value"]] {
        let text = text.as_str().unwrap();
        assert!(text.len() <= VALUE_BYTES && text.ends_with('…'), "{}", text.len());
    }
    assert_eq!((counts.values_cut, counts.records_shortened), (2, 0));
}

#[test]
fn a_record_past_its_bound_is_shortened_and_counted() {
    let (records, counts) = logged_by(builder("orders"), || {
        let spans = (0..10).map(|_| info_span!("s", a = ?Endless, b = ?Endless).entered());
        let _spans: Vec<_> = spans.collect();
        let x = tracing::field::debug(&Endless);
        info!(c = &x, d = &x, e = &x, f = &x, g = &x, h = &x, i = &x, "{:?}", Endless);
    });
    assert!(records[0].to_string().len() <= RECORD_BYTES);
    assert!(records[0].get("extra").is_none());
    assert_eq!(counts.records_shortened, 1);
}

#[test]
fn a_span_keeps_a_bounded_number_of_fields_however_often_it_is_recorded() {
    let (records, _) = logged_by(builder("orders"), || {
        let span = info_span!("s", progress = 0);
        for progress in 0..10_000 {
            span.record("progress", progress);
        }
        span.in_scope(|| info!("done"));
    });
    assert_eq!(records[0]["extra"], serde_json::json!({"progress": 9_999}));
    assert!(records[0]["extra"].as_object().unwrap().len() <= PAIRS);
}
