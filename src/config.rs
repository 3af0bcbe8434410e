//! The plugin's configuration: raw JSON to compiled form, once, with every fault at once.

mod delivery;
mod fault;
mod headers;
mod json;
mod policy;
mod rules;
mod section;

use gatelog_record::limits::{
    RECORD_BYTES, RECORD_BYTES_MAX, RECORD_BYTES_MIN, VALUE_BYTES, VALUE_BYTES_MIN,
};
use gatelog_record::{Level, RecordLimits};
use serde_json::{Map, Value};

pub use delivery::Delivery;
pub use fault::{Fault, Faults};
pub use section::{Environment, Section};

use crate::compose::redaction::Redaction;
use crate::compose::tenancy::Tenancy;
use crate::decision::audit::AuditPolicy;
use crate::decision::health_checks::HealthChecks;
use crate::decision::rules::Rule;
use crate::decision::sampling::Sampling;
use crate::identity::ids::Identity;

/// Maximum bytes of a configuration.
pub const CONFIGURATION_BYTES_MAX: usize = 1024 * 1024;

/// Maximum bytes of a gateway's name: what a record keeps of it when all its values are cut short.
/// Records are accounted for by this name, so it must be the same in each.
pub const GATEWAY_BYTES_MAX: usize = gatelog_record::limits::TIGHT_VALUE_BYTES;

const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MILLISECOND;
const HOUR: u64 = 3_600 * SECOND;

/// Exchanges slower than this are marked `slow`: a delay that a person notices.
const SLOW_MS: u64 = 1_000;

/// A whole configuration, ready for use.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `gateway.<service>`.
    pub logger_name: String,
    /// The gateway's name in the record; defaults to the proxy's node id.
    pub gateway: Option<String>,
    /// Records below this level are not made, unless they are audited.
    pub level: Level,
    /// Whether the record is given to the proxy's own access logger.
    pub stdout: bool,
    /// The two ids.
    pub identity: Identity,
    /// The tenant.
    pub tenancy: Tenancy,
    /// What the record contains.
    pub record: RecordPolicy,
    /// Which records belong to the audit trail.
    pub audit: AuditPolicy,
    /// What is kept out of the record.
    pub redaction: Redaction,
    /// Requests whose records are not made unless they fail.
    pub health_checks: HealthChecks,
    /// Exceptions for the records of matching requests.
    pub rules: Vec<Rule>,
    /// Which records are kept.
    pub sampling: Sampling,
    /// Where records go; `None` if they go only to stdout.
    pub delivery: Option<Delivery>,
}

/// What a record contains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordPolicy {
    /// Request headers, lower case.
    pub request_headers: Vec<String>,
    /// Response headers, lower case.
    pub response_headers: Vec<String>,
    /// Whether the query is in it.
    pub query: bool,
    /// Whether `Server-Timing` is read.
    pub server_timing: bool,
    /// Slower exchanges are marked, in nanoseconds.
    pub slow_ns: u64,
    /// The level of slow exchanges that would have a lower one.
    pub slow_level: Option<Level>,
    /// Fixed fields, under `extra`.
    pub fields: Vec<(String, String)>,
    /// Bounds.
    pub limits: RecordLimits,
}

impl Config {
    /// Reads a configuration. No bytes, only white space, and `null` are the empty configuration
    /// `{}`.
    ///
    /// # Errors
    /// Every fault found.
    pub fn parse(bytes: &[u8], environment: Environment<'_>) -> Result<Self, Vec<Fault>> {
        let faults = Faults::default();
        let object = parse_object(bytes, &faults);
        let config = object
            .map(|object| compile(&Section::root(&object, &faults, environment), environment));
        match (config, faults.into_vec()) {
            (Some(config), faults) if faults.is_empty() => Ok(config),
            (_, faults) => Err(faults),
        }
    }
}

fn parse_object(bytes: &[u8], faults: &Faults) -> Option<Map<String, Value>> {
    if bytes.len() > CONFIGURATION_BYTES_MAX {
        let remedy = format!("has {} bytes, limit is {CONFIGURATION_BYTES_MAX}", bytes.len());
        faults.report_hidden("", remedy);
        return None;
    }
    if bytes.trim_ascii().is_empty() {
        return Some(Map::new());
    }
    match json::parse(bytes, faults) {
        Ok(Value::Object(object)) => Some(object),
        Ok(Value::Null) => Some(Map::new()),
        Ok(other) => {
            faults.report("", &other, "must be a JSON object");
            None
        }
        Err(_) if is_protobuf_struct(bytes) => {
            faults.report_hidden(
                "",
                "is a protobuf Struct: give it as JSON text, with \
                 \"@type\": type.googleapis.com/google.protobuf.StringValue",
            );
            None
        }
        Err(error) => {
            faults.report_hidden("", format!("is not JSON: {error}"));
            None
        }
    }
}

/// A serialized `google.protobuf.Struct` begins with the tag of its field 1, a map entry, and
/// that entry with the tag of its key.
fn is_protobuf_struct(bytes: &[u8]) -> bool {
    let [0x0a, rest @ ..] = bytes else {
        return false;
    };
    let length = rest.iter().take_while(|byte| **byte & 0x80 != 0).count();
    rest.get(length.saturating_add(1)) == Some(&0x0a)
}

fn compile(root: &Section<'_>, environment: Environment<'_>) -> Config {
    let level = level(root, environment);
    let service = root.string_or("service", "gateway", 128);
    let gateway = root.bounded("gateway", GATEWAY_BYTES_MAX);
    let stdout = root.bool("stdout", true);
    let identity = policy::identity(root);
    let tenancy = policy::tenancy(&root.section("tenant"), &identity);
    let record = record(&root.section("record"));
    let config = Config {
        logger_name: format!("gateway.{service}"),
        gateway,
        level,
        stdout,
        tenancy,
        identity,
        audit: policy::audit(&root.section("audit")),
        redaction: policy::redaction(&root.section("redact")),
        health_checks: policy::health_checks(&root.section("health_checks")),
        rules: rules::rules(root),
        sampling: sampling(&root.section("sampling")),
        delivery: delivery::delivery(&root.section("delivery"), record.limits.record_bytes),
        record,
    };
    root.refuse_unknown();
    config
}

/// `LOG_LEVEL` of the environment, else `level`.
fn level(root: &Section<'_>, environment: Environment<'_>) -> Level {
    let own = root.level("level").unwrap_or(Level::Info);
    match environment("LOG_LEVEL").filter(|text| !text.trim().is_empty()) {
        None => own,
        Some(text) => text.trim().parse().unwrap_or_else(|error| {
            root.report_environment("LOG_LEVEL", &format!("{error}"));
            own
        }),
    }
}

fn record(section: &Section<'_>) -> RecordPolicy {
    let bytes = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    let range = |from: usize, to: usize| (from as u64)..=(to as u64);
    let record_bytes =
        section.size("max_bytes", RECORD_BYTES as u64, range(RECORD_BYTES_MIN, RECORD_BYTES_MAX));
    let value_bytes = section.size(
        "value_max_bytes",
        VALUE_BYTES as u64,
        range(VALUE_BYTES_MIN, RECORD_BYTES_MAX),
    );
    let policy = RecordPolicy {
        request_headers: policy::header_names(section, "request_headers"),
        response_headers: policy::header_names(section, "response_headers"),
        query: section.bool("query", true),
        server_timing: section.bool("server_timing", true),
        slow_ns: section.uint("slow_ms", SLOW_MS, 1..=86_400_000).saturating_mul(MILLISECOND),
        slow_level: section.level("slow_level"),
        fields: policy::fields(section),
        limits: RecordLimits { record_bytes: bytes(record_bytes), value_bytes: bytes(value_bytes) },
    };
    section.refuse_unknown();
    policy
}

fn sampling(section: &Section<'_>) -> Sampling {
    let sampling = Sampling {
        rate: section.share("rate", 1.0),
        always_from: section.level("always_from").unwrap_or(Level::Warning),
        always_slower_than_ns: section.duration("always_slower_than", SECOND, 0..=24 * HOUR),
    };
    section.refuse_unknown();
    sampling
}

#[cfg(test)]
mod tests;
