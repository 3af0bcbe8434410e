//! Records of all kinds that are counted, and of those that are not.

use std::ops::RangeInclusive;
use std::time::{SystemTime, UNIX_EPOCH};

use gatelog_record::{Timestamp, Uuid};
use serde_json::{Value, json};

/// A batch with its header.
pub(crate) fn batch(boot: Uuid, seqs: RangeInclusive<u64>, rng: &mut fastrand::Rng) -> String {
    let header = json!({"batch": {
        "v": 1, "gateway": "edge", "boot": boot.hyphenated().to_string(), "assigned": seqs.end(),
        "queued": 0, "dropped": {"queue_full": 0, "sampled": 0, "rejected": 0, "too_large": 0},
    }});
    seqs.fold(format!("{header}\n"), |batch, seq| {
        let mut record = record(rng);
        record["id"] = Uuid::new_v5(&boot, &seq.to_le_bytes()).hyphenated().to_string().into();
        record["source"] =
            json!({"gateway": "edge", "boot": boot.hyphenated().to_string(), "seq": seq});
        batch + &record.to_string() + "\n"
    })
}

fn record(rng: &mut fastrand::Rng) -> Value {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let timestamp = Timestamp::from_unix_nanos(u64::try_from(since.as_nanos()).unwrap());
    let mut of = |choices: &[Value]| choices[rng.usize(..choices.len())].clone();
    let mut record = json!({
        "timestamp": timestamp.to_string(),
        "level": of(&["INFO", "INFO", "WARNING", "ERROR", "CRITICAL", "DEBUG"].map(Value::from)),
        "logger_name": of(&["gateway.edge", "gateway \"inner\""].map(Value::from)),
        "function_name": of(&["orders", "users", "größe", ""].map(Value::from)),
        "audit": of(&[json!(true), json!(false), json!(false)]),
        "context": {
            "organization_id": of(&["org_1", "org_2", "org_3", ""].map(Value::from)),
            "correlation_id": of(&[json!("c"), Value::Null, Value::Null, Value::Null]),
        },
    });
    let took = of(&[json!(0), json!(0.0004), json!(1.024), json!(7), json!(2e9), Value::Null]);
    let took = if rng.bool() { took } else { json!(rng.f64() * 4_000.0) };
    if !took.is_null() {
        record["trace"] = json!({"execution_time_ms": took});
    }
    let mut of = |choices: &[Value]| choices[rng.usize(..choices.len())].clone();
    if of(&[json!(0), json!(1), json!(1), json!(1)]) == 0 {
        record["message"] = format!("attempt {} failed", of(&[json!(1), json!(27)])).into();
        if let kind @ Value::String(_) = of(&[json!("KeyError"), json!("IoError"), Value::Null]) {
            record["error"] = json!({"type": kind});
        }
        return record;
    }
    record["message"] = "GET /".into();
    record["http"] = json!({"method": of(&["GET", "POST", "BREW"].map(Value::from)), "path": "/"});
    if let status @ Value::Number(_) = of(&[json!(200), json!(404), json!(503), Value::Null]) {
        record["http"]["status"] = status;
    }
    if let weight @ Value::Number(_) = of(&[json!(1), json!(2.5), json!(17), Value::Null]) {
        record["sampling"] = json!({"weight": weight});
    }
    if let details @ Value::String(_) = of(&[json!("reset{10.0.0.1:80}"), Value::Null]) {
        record["error"] = json!({"details": details});
    }
    record
}
