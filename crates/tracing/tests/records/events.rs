//! Levels, places, fields and numbers.

use serde_json::{Value, json};
use tracing::{debug, error, info, info_span, trace, warn};

use crate::logged::{logged, logged_by, one};

#[test]
fn levels_are_those_of_the_record_and_a_mark_makes_it_critical() {
    let records = logged(|| {
        trace!("a");
        debug!("b");
        info!("c");
        warn!("d");
        error!("e");
        error!(critical = true, "f");
        error!(critical = false, "g");
    });
    let levels: Vec<_> = records.iter().map(|record| record["level"].as_str().unwrap()).collect();
    assert_eq!(levels, ["DEBUG", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", "ERROR"]);
    assert!(records.iter().all(|record| record.get("extra").is_none()), "{records:#?}");
}

#[test]
fn an_event_says_where_it_was_and_what_it_carried() {
    let record = one(|| {
        let _outer = info_span!("handle", shop = "s-1", attempt = 1).entered();
        let _inner = info_span!("reserve", attempt = 2, left = tracing::field::Empty).entered();
        tracing::Span::current().record("left", 7_u64);
        info!(target: "orders::stock", sku = "a-1", ok = true, share = 0.5, delta = -3, "reserved {}", 1);
    });
    assert_eq!(record["logger_name"], "orders::stock");
    assert_eq!(record["function_name"], "reserve");
    assert!(record["line_number"].is_u64());
    assert_eq!(record["message"], "reserved 1");
    let extra = json!({
        "sku": "a-1", "ok": true, "share": 0.5, "delta": -3, "attempt": 2, "left": 7, "shop": "s-1"
    });
    assert_eq!(record["extra"], extra);
    assert!(record.get("trace").is_none() && record.get("error").is_none(), "{record:#}");
}

#[test]
fn records_are_numbered_from_one_and_share_a_boot() {
    let records = logged(|| (0..3).for_each(|_| info!("again")));
    let seqs: Vec<_> = records.iter().map(|record| record["source"]["seq"].as_u64()).collect();
    assert_eq!(seqs, [Some(1), Some(2), Some(3)]);
    assert!(records.iter().all(|record| record["source"]["gateway"] == "orders"));
    assert!(records.iter().all(|record| record["source"]["boot"] == records[0]["source"]["boot"]));
    assert_ne!(records[0]["id"], records[1]["id"]);
}

#[test]
fn fixed_fields_are_in_every_record_and_audited_ones_are_marked() {
    let builder = gatelog_tracing::builder("orders").field("region", "eu").field("api_key", "S");
    let (records, _) = logged_by(builder, || {
        info!(audit = true, "deleted");
        info!("read");
    });
    assert_eq!(records[0]["audit"], true);
    assert!(records[1].get("audit").is_none());
    assert_eq!(records[1]["extra"], json!({"region": "eu", "api_key": "[redacted]"}));
}

#[test]
fn numbers_that_no_database_has_become_text() {
    let record = one(|| info!(large = u64::MAX, wide = u128::MAX, none = f64::NAN, "x"));
    assert_eq!(record["extra"]["large"], u64::MAX.to_string());
    assert_eq!(record["extra"]["wide"], u128::MAX.to_string());
    assert_eq!(record["extra"]["none"], Value::Null);
}

#[test]
fn a_value_that_panics_while_it_is_formatted_costs_no_number() {
    struct Broken;
    impl std::fmt::Debug for Broken {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("broken")
        }
    }
    let records = logged(|| {
        let broken = std::panic::catch_unwind(|| info!(value = ?Broken, "lost"));
        assert!(broken.is_err());
        info!("next");
    });
    assert_eq!(records[0]["source"]["seq"], 1);
    assert_eq!(records[0]["message"], "next");
}

#[test]
fn one_line_stays_one_line() {
    let record = one(|| info!(text = "a\nb", "x\n{{\"level\":\"CRITICAL\"}}"));
    assert_eq!(record["message"], "x\n{\"level\":\"CRITICAL\"}");
    assert_eq!(record["level"], "INFO");
}

#[test]
fn a_record_of_the_log_crate_keeps_its_own_place() {
    let record = one(|| {
        tracing::event!(
            target: "log",
            tracing::Level::INFO,
            { log.target = "mongodb::pool", log.module_path = "m", log.file = "f", log.line = 17 },
            "connected"
        );
    });
    assert_eq!(record["logger_name"], "mongodb::pool");
    assert_eq!(record["line_number"], 17);
    assert!(record.get("extra").is_none(), "{record:#}");
}

#[test]
fn an_error_without_a_message_is_its_own_message() {
    let record = one(|| error!(error = "no such user"));
    assert_eq!(record["message"], "no such user");
}
