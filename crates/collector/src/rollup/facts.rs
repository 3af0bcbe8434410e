//! What is looked at of a record, and under which dimensions it is counted.

use gatelog_record::{Decoded, Level, Timestamp};
use serde_json::Value as Json;

use super::dimension::{Dimension, Family, cut};
use super::fingerprint::{fingerprint, template};

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

    pub(super) fn is_exchange(&self) -> bool {
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

    /// The method, if it is an exchange.
    fn known_method(&self) -> Option<&'static str> {
        let known = |method| METHODS.into_iter().find(|known| *known == method);
        self.method.map(|method| known(method).unwrap_or(OTHER_METHOD))
    }

    fn named_organization(&self) -> Option<&'a str> {
        self.organization.filter(|name| !name.is_empty())
    }

    /// The kind of an error.
    fn kind(&self) -> Option<&'a str> {
        (self.level >= Level::Error).then(|| match (self.error_type, self.error_details) {
            (Some(kind), _) => kind,
            // In braces is what changes: addresses, texts of other programs.
            (None, Some(details)) => details.split('{').next().unwrap_or_default(),
            (None, None) if self.is_exchange() => self.class(),
            (None, None) => "",
        })
    }

    /// Under which dimensions it is counted.
    pub(super) fn dimensions(&self) -> Vec<Dimension> {
        let level = self.level.as_str();
        let mut dimensions = Vec::with_capacity(3);
        match self.known_method() {
            Some(method) => {
                let values = [self.logger, self.function, method, self.class(), level];
                dimensions.push(Dimension::new(Family::Route, &values));
            }
            None => dimensions.push(Dimension::new(Family::Service, &[self.logger, level])),
        }
        if let Some(organization) = self.named_organization() {
            let values = [organization, level, self.class()];
            dimensions.push(Dimension::new(Family::Tenant, &values));
        }
        if let Some(kind) = self.kind() {
            let mark = fingerprint(self.logger, self.function, kind, self.message);
            let values = [&mark, self.logger, self.function, kind];
            dimensions.push(Dimension::new(Family::Fingerprint, &values));
        }
        dimensions
    }

    /// Writes what the dimensions depend on, which takes less than to make them.
    pub(super) fn identify(&self, out: &mut Vec<u8>) {
        let kind = self.kind();
        let template = if kind == Some("") { template(self.message) } else { String::new() };
        for part in [
            self.level.as_str(),
            self.class(),
            self.known_method().unwrap_or_default(),
            cut(self.logger),
            cut(self.function),
            cut(self.named_organization().unwrap_or_default()),
            cut(kind.unwrap_or_default()),
            &template,
        ] {
            out.extend_from_slice(part.as_bytes());
            // No text contains this byte.
            out.push(0xff);
        }
    }

    /// How many requests it stands for, in millionths.
    pub(super) fn weight(&self) -> u64 {
        let weight = self.weight.filter(|weight| *weight > 0.0);
        weight.map_or(WEIGHT_ONE, |weight| whole(weight * 1e6, WEIGHT_MAX).max(1))
    }

    /// How long it took, in µs.
    pub(super) fn took_us(&self) -> Option<u64> {
        self.took_ms.map(|took| whole(took * 1e3, TOOK_MAX))
    }
}

/// The nearest whole number from 0 to `most`.
fn whole(value: f64, most: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let whole = value.round().clamp(0.0, most) as u64;
    whole
}
