//! One record, as the rollups see it.

use super::dimension::Dimension;
use super::facts::Facts;
use super::measure::Measure;
use super::value::Value;

/// A record, measured, and under which dimensions it is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// What it adds.
    pub measure: Measure,
    /// To these.
    pub dimensions: Vec<Dimension>,
}

impl Observation {
    /// Observes a record as [`Measure::of`] does.
    pub fn of(facts: &Facts<'_>, received: i64) -> Option<Self> {
        let measure = Measure::of(facts, received)?;
        Some(Self { measure, dimensions: facts.dimensions() })
    }

    /// What is added to each dimension.
    pub fn value(&self) -> Value {
        let mut value = Value::default();
        value.add(&self.measure);
        value
    }
}

#[cfg(test)]
mod tests {
    use gatelog_record::{DecodeLimits, Uuid, decode_record};
    use serde_json::{Value as Json, json};

    use super::super::facts::WEIGHT_ONE;
    use super::*;

    const RECEIVED: i64 = 1_769_393_518_000;

    fn observed(level: &str, more: &Json) -> Option<Observation> {
        let mut record = json!({
            "timestamp": "2026-01-26T02:11:57.469652+00:00", "level": level, "message": "m 7",
            "logger_name": "gateway.edge", "function_name": "orders",
        });
        record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let line = record.to_string();
        let record = decode_record(line.as_bytes(), &DecodeLimits::default(), Uuid::nil()).unwrap();
        Observation::of(&Facts::of(&record), RECEIVED)
    }

    fn texts(observation: &Observation) -> Vec<String> {
        observation.dimensions.iter().map(Dimension::to_string).collect()
    }

    #[test]
    fn an_exchange_is_counted_by_route_and_organization_at_its_end() {
        let exchange = json!({
            "http": {"method": "GET", "status": 204}, "context": {"organization_id": "org_1"},
            "trace": {"execution_time_ms": 3_000.25}, "sampling": {"weight": 2.5},
        });
        let observation = observed("INFO", &exchange).unwrap();
        assert_eq!(
            texts(&observation),
            [r#"["gateway.edge","orders","GET","2xx","INFO"]"#, r#"["org_1","INFO","2xx"]"#]
        );
        assert_eq!(observation.measure.slot.minute().unwrap().to_string(), "2026-01-26T02:12");
        let value = observation.value();
        assert_eq!((value.records, value.requests, value.errors), (1, 2_500_000, 0));
        assert_eq!((value.max_us, value.sum_us), (3_000_250, 7_500_625));
        assert_eq!(value.histogram.count(), 2_500_000);
    }

    #[test]
    fn the_second_record_of_a_request_is_not_counted() {
        assert_eq!(observed("DEBUG", &json!({"http": {"method": "GET", "status": 200}})), None);
        let application = observed("DEBUG", &json!({})).unwrap();
        assert_eq!(texts(&application), [r#"["gateway.edge","DEBUG"]"#]);
        assert_eq!(application.value().histogram.count(), 0, "it has no time");
    }

    #[test]
    fn an_error_has_a_fingerprint_without_what_changes() {
        let details = |port: u32| {
            let details = format!("upstream_reset{{connection_to_10.0.0.1:{port}}}");
            let more = json!({"http": {"method": "BREW"}, "error": {"details": details}});
            observed("CRITICAL", &more).unwrap()
        };
        let (one, other) = (details(1), details(2));
        assert_eq!(texts(&one), texts(&other));
        assert_eq!(one.value().errors, WEIGHT_ONE);
        assert_eq!(texts(&one)[0], r#"["gateway.edge","orders","_OTHER","none","CRITICAL"]"#);
        assert!(texts(&one)[1].ends_with(r#""gateway.edge","orders","upstream_reset"]"#));
        let application = observed("ERROR", &json!({"error": {"type": "KeyError"}})).unwrap();
        assert!(texts(&application)[1].ends_with(r#""orders","KeyError"]"#));
    }

    #[test]
    fn no_weight_and_no_time_is_too_large_to_count() {
        for (weight, requests) in [(1e300, 1_000_000_000_000), (1e-300, 1)] {
            let more = json!({
                "http": {"method": "GET"}, "sampling": {"weight": weight},
                "trace": {"execution_time_ms": 1e300},
            });
            let value = observed("INFO", &more).unwrap().value();
            assert_eq!((value.requests, value.max_us), (requests, 1 << 50), "{weight}");
        }
        let negative = json!({"trace": {"execution_time_ms": -5.0}});
        assert_eq!(observed("INFO", &negative).unwrap().value().max_us, 0);
    }
}
