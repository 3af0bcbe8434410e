//! What one record adds to the rollups.

use std::sync::Arc;

use gatelog_record::{Decoded, Level, Timestamp};
use serde_json::Value as Json;

use super::dimension::{Dimension, Family};
use super::fingerprint::fingerprint;
use super::period::Slot;
use super::value::Value;

/// The weight of a record that stands for itself only, in millionths.
pub const WEIGHT_ONE: u64 = 1_000_000;

/// The largest weight, in millionths: a record stands for at most a million requests.
const WEIGHT_MAX: f64 = 1e12;

/// The longest time, in µs: about 36 years.
const TOOK_MAX: f64 = 1_125_899_906_842_624.0;

/// The methods of RFC 9110 and RFC 5789; all others are counted as `_OTHER`, as in OpenTelemetry.
const METHODS: [&str; 9] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
const OTHER_METHOD: &str = "_OTHER";

/// The class of an application's record.
const APPLICATION: &str = "application";

/// What is looked at of a record.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Its time: of an exchange the beginning.
    pub timestamp: Timestamp,
    /// Its level.
    pub level: Level,
    /// Its logger; empty if unknown, like all texts that are not optional.
    pub logger: &'a str,
    /// Its function; of an exchange the route.
    pub function: &'a str,
    /// Its message.
    pub message: &'a str,
    /// The method, which only exchanges have.
    pub method: Option<&'a str>,
    /// The response's status.
    pub status: Option<i64>,
    /// The organization; none if empty.
    pub organization: Option<&'a str>,
    /// How long it took, in ms.
    pub took_ms: Option<f64>,
    /// How many requests it stands for.
    pub weight: Option<f64>,
    /// The kind of an application's error.
    pub error_type: Option<&'a str>,
    /// Envoy's details of an exchange that failed.
    pub error_details: Option<&'a str>,
}

impl<'a> Facts<'a> {
    /// Those of a decoded record.
    pub fn of(record: &'a Decoded) -> Self {
        let top = |key: &str| record.body.get(key).and_then(Json::as_str);
        let part = |part: &str, key: &str| record.body.get(part).and_then(|part| part.get(key));
        Self {
            timestamp: record.timestamp,
            level: record.level,
            logger: top("logger_name").unwrap_or_default(),
            function: top("function_name").unwrap_or_default(),
            message: top("message").unwrap_or_default(),
            method: part("http", "method").and_then(Json::as_str),
            status: part("http", "status").and_then(Json::as_i64),
            organization: part("context", "organization_id").and_then(Json::as_str),
            took_ms: part("trace", "execution_time_ms").and_then(Json::as_f64),
            weight: part("sampling", "weight").and_then(Json::as_f64),
            error_type: part("error", "type").and_then(Json::as_str),
            error_details: part("error", "details").and_then(Json::as_str),
        }
    }

    fn is_exchange(&self) -> bool {
        self.method.is_some()
    }

    fn class(&self) -> &'static str {
        match self.status.unwrap_or(0) {
            _ if !self.is_exchange() => APPLICATION,
            100..200 => "1xx",
            200..300 => "2xx",
            300..400 => "3xx",
            400..500 => "4xx",
            500..600 => "5xx",
            _ => "none",
        }
    }

    fn dimensions(&self) -> Vec<Dimension> {
        let level = self.level.as_str();
        let mut dimensions = Vec::with_capacity(3);
        match self.method {
            Some(method) => {
                let method = METHODS.into_iter().find(|known| *known == method);
                let method = method.unwrap_or(OTHER_METHOD);
                let values = [self.logger, self.function, method, self.class(), level];
                dimensions.push(Dimension::new(Family::Route, &values));
            }
            None => dimensions.push(Dimension::new(Family::Service, &[self.logger, level])),
        }
        if let Some(organization) = self.organization.filter(|name| !name.is_empty()) {
            let values = [organization, level, self.class()];
            dimensions.push(Dimension::new(Family::Tenant, &values));
        }
        if self.level >= Level::Error {
            let kind = match (self.error_type, self.error_details) {
                (Some(kind), _) => kind,
                // In braces is what changes: addresses, texts of other programs.
                (None, Some(details)) => details.split('{').next().unwrap_or_default(),
                (None, None) if self.is_exchange() => self.class(),
                (None, None) => "",
            };
            let mark = fingerprint(self.logger, self.function, kind, self.message);
            let values = [&mark, self.logger, self.function, kind];
            dimensions.push(Dimension::new(Family::Fingerprint, &values));
        }
        dimensions
    }

    fn weight(&self) -> u64 {
        let weight = self.weight.filter(|weight| *weight > 0.0);
        weight.map_or(WEIGHT_ONE, |weight| whole(weight * 1e6, WEIGHT_MAX).max(1))
    }

    fn took_us(&self) -> Option<u64> {
        self.took_ms.map(|took| whole(took * 1e3, TOOK_MAX))
    }
}

/// The nearest whole number from 0 to `most`.
fn whole(value: f64, most: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let whole = value.round().clamp(0.0, most) as u64;
    whole
}

/// What one record adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// Where it is counted.
    pub slot: Slot,
    /// Under which dimensions: many records share them.
    pub dimensions: Arc<[Dimension]>,
    weight: u64,
    is_error: bool,
    took_us: Option<u64>,
}

impl Observation {
    /// Observes a record of a batch that arrived at `received`, in ms since 1970. `None` for the
    /// second record of a request, of level DEBUG, which is not counted.
    pub fn of(facts: &Facts<'_>, received: i64) -> Option<Self> {
        if facts.is_exchange() && facts.level == Level::Debug {
            return None;
        }
        // An application's record is made at its end.
        let took = facts.took_us().filter(|_| facts.is_exchange()).unwrap_or(0);
        let took = i64::try_from(took).unwrap_or(i64::MAX);
        let end = facts.timestamp.unix_micros().saturating_add(took);
        Some(Self {
            slot: Slot::of(end, received),
            dimensions: facts.dimensions().into(),
            weight: facts.weight(),
            is_error: facts.level >= Level::Error,
            took_us: facts.took_us(),
        })
    }

    /// What is added to each dimension.
    pub fn value(&self) -> Value {
        let mut value = Value {
            records: 1,
            requests: self.weight,
            errors: if self.is_error { self.weight } else { 0 },
            ..Value::default()
        };
        if let Some(took) = self.took_us {
            let weighted = u128::from(took).saturating_mul(self.weight.into()) / 1_000_000;
            value.sum_us = u64::try_from(weighted).unwrap_or(u64::MAX);
            value.max_us = took;
            value.histogram.add(took, self.weight);
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use gatelog_record::{DecodeLimits, Uuid, decode_record};
    use serde_json::json;

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
        assert_eq!(observation.slot.minute().unwrap().to_string(), "2026-01-26T02:12");
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
