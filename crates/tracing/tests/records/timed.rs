//! Operations with their time and metrics.

use std::time::Duration;

use gatelog_tracing::timed;
use serde_json::json;
use tracing::{info, info_span};

use crate::logged::{logged, one};

#[test]
fn an_operation_logs_its_time_and_metrics_when_it_ends() {
    let record = one(|| {
        let _span = info_span!(target: "flows::run", "execute", flow = "f-1").entered();
        let mut flow = timed("flow_execution");
        flow.metric("nodes_executed", 4).metric("wait", Duration::from_millis(1_500));
        flow.metric("nodes_executed", 5_usize).metric("no number", f64::NAN);
        flow.end();
    });
    assert_eq!(record["level"], "INFO");
    assert_eq!(record["message"], "flow_execution finished");
    assert_eq!(record["logger_name"], "flows::run");
    assert_eq!(record["function_name"], "execute");
    assert!(record["line_number"].is_u64());
    assert!(record["trace"]["execution_time_ms"].is_f64());
    assert_eq!(record["trace"]["status"], "success");
    assert_eq!(record["trace"]["metrics"], json!({"nodes_executed": 5.0, "wait": 1_500.0}));
    assert_eq!(record["extra"], json!({"operation": "flow_execution", "flow": "f-1"}));
}

#[test]
fn an_operation_that_fails_or_panics_is_an_error() {
    let records = logged(|| {
        timed("failing").fail();
        let panicked = std::panic::catch_unwind(|| {
            let _flow = timed("panicking");
            panic!("on purpose");
        });
        assert!(panicked.is_err());
        info!("no metrics are left over");
    });
    for record in &records[..2] {
        assert_eq!(record["level"], "ERROR");
        assert_eq!(record["trace"]["status"], "error");
    }
    assert!(records[2].get("trace").is_none());
}

#[test]
fn any_event_can_carry_times_and_metrics_by_the_records_own_names() {
    let record = one(|| {
        info!(
            trace.execution_time_ms = 12.5,
            trace.status = "success",
            trace.metrics.rows = 3,
            "x"
        );
    });
    let trace = json!({"execution_time_ms": 12.5, "status": "success", "metrics": {"rows": 3.0}});
    assert_eq!(record["trace"], trace);
}

#[test]
fn a_negative_time_is_an_ordinary_field() {
    let record = one(|| info!(trace.execution_time_ms = -1.5, "x"));
    assert!(record.get("trace").is_none(), "{record:#}");
    assert_eq!(record["extra"]["trace.execution_time_ms"], -1.5);
}
