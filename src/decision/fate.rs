//! Decides about the record of an exchange: one function, in the order in which the questions are
//! asked.

use gatelog_record::Level;

use crate::config::Config;
use crate::decision::outcome::Outcome;
use crate::decision::rules::{Overrides, Subject};
use crate::decision::sampling::Sample;
use crate::envoy::headers::Headers;

/// The decision about a record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fate {
    /// No record: a rule drops it, it is a health check, or its level is too low.
    Excluded,
    /// Sampling leaves it out.
    SampledOut,
    /// It is made.
    Made(Decided),
}

/// How a record is made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decided {
    /// Its level.
    pub level: Level,
    /// Whether it belongs to the audit trail.
    pub audit: bool,
    /// Whether the exchange was slow.
    pub slow: bool,
    /// How many requests it stands for.
    pub weight: Option<f64>,
}

/// The input of the decision.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The request and its response, as rules see them.
    pub subject: Subject<'a>,
    /// The request's headers as received.
    pub headers: &'a Headers,
    /// How the exchange ended.
    pub outcome: &'a Outcome,
    /// Envoy's response code details.
    pub details: Option<&'a [u8]>,
    /// The correlation id, shared by all hops of the flow.
    pub correlation_id: &'a str,
}

/// Decides. A rule is the operator's decision and comes first at each step; nothing that a client
/// sends takes a record out of the audit trail.
pub fn decide(config: &Config, overrides: &Overrides<'_>, case: &Case<'_>) -> Fate {
    let Case { subject, headers, outcome, details, correlation_id } = *case;
    let slow = subject.duration_ns > config.record.slow_ns;

    if overrides.drop == Some(true) {
        return Fate::Excluded;
    }
    let level = overrides.level.unwrap_or_else(|| raised(outcome.level(), slow, config));
    let audit = overrides
        .audit
        .unwrap_or_else(|| config.audit.covers(subject.method, headers, subject.status));
    let health_check = outcome.level() < Level::Warning
        && overrides.drop.is_none()
        && config.health_checks.covers(subject.path, details);
    if !audit && (health_check || level < config.level) {
        return Fate::Excluded;
    }
    let rate = overrides.sample.unwrap_or(config.sampling.rate);
    let sample = if audit {
        Sample::Kept
    } else {
        config.sampling.decide(rate, correlation_id, level, subject.duration_ns)
    };
    let weight = match sample {
        Sample::Kept => None,
        Sample::Weighted(weight) => Some(weight),
        Sample::Out => return Fate::SampledOut,
    };
    Fate::Made(Decided { level, audit, slow, weight })
}

/// The level of an exchange for which no rule sets one.
fn raised(level: Level, slow: bool, config: &Config) -> Level {
    match config.record.slow_level {
        Some(slow_level) if slow => level.max(slow_level),
        _ => level,
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use serde_json::{Value, json};

    use super::*;
    use crate::decision::rules::overrides;

    /// The fate of a GET of a path, with changes.
    fn fate(config: &Value, method: &str, path: &str, status: u16) -> Fate {
        let config = Config::parse(config.to_string().as_bytes(), &|_| None).unwrap();
        let outcome = Outcome { status: Some(status), ..Outcome::default() };
        let subject = Subject { path, method, host: "g", status: Some(status), duration_ns: 5 };
        let headers = Headers::default();
        let case = Case {
            subject,
            headers: &headers,
            outcome: &outcome,
            details: None,
            correlation_id: "flow",
        };
        decide(&config, &overrides(&config.rules, &subject), &case)
    }

    /// Level, and whether it is audited, of a record that is made.
    fn made(fate: Fate) -> Option<(Level, bool)> {
        match fate {
            Fate::Made(decided) => Some((decided.level, decided.audit)),
            Fate::Excluded | Fate::SampledOut => None,
        }
    }

    #[test]
    fn the_order_of_decisions_is_the_documented_one() {
        let rule = |rule: Value| json!({"rules": [rule]});
        let none = json!({"sampling": {"rate": 0.0}, "level": "CRITICAL"});
        let kept = |level, audit| Some((level, audit));
        for (config, method, path, status, expected) in [
            (json!({}), "GET", "/a", 200, kept(Level::Info, false)),
            // A rule's drop comes first, of an error or an audited record too.
            (rule(json!({"drop": true})), "DELETE", "/a", 503, None),
            // A health check that succeeds has no record, unless it is audited or a rule keeps it.
            (json!({}), "GET", "/healthz", 200, None),
            (json!({}), "GET", "/healthz", 503, kept(Level::Error, false)),
            (json!({}), "DELETE", "/healthz", 200, kept(Level::Info, true)),
            (rule(json!({"audit": false})), "DELETE", "/healthz", 200, None),
            (rule(json!({"audit": true})), "GET", "/healthz", 200, kept(Level::Info, true)),
            (rule(json!({"drop": false})), "GET", "/healthz", 200, kept(Level::Info, false)),
            // A rule's level makes no health check of another kind.
            (rule(json!({"level": "ERROR"})), "GET", "/healthz", 200, None),
            // Neither level nor sampling touches the audit trail.
            (none.clone(), "GET", "/a", 200, None),
            (none.clone(), "POST", "/a", 200, kept(Level::Info, true)),
            (none.clone(), "GET", "/a", 401, kept(Level::Warning, true)),
            (none, "PURGE", "/a", 200, kept(Level::Info, true)),
        ] {
            let fate = fate(&config, method, path, status);
            assert_eq!(made(fate), expected, "{config} {method} {path} {status}");
        }
        let fate = fate(&json!({"sampling": {"rate": 0.0}}), "GET", "/a", 200);
        assert_eq!(fate, Fate::SampledOut);
    }
}
