//! Reads the configuration of rules.

use gatelog_record::limits::PAIRS;
use serde_json::Value;

use super::policy::{LIST_MAX, PATH_REMEDY, is_path, methods, status, template};
use super::section::Section;
use super::{HOUR, SECOND};
use crate::compose::tenancy::{Field, VALUE_BYTES_MAX};
use crate::decision::rules::{Match, Rule};

pub(super) fn rules(root: &Section<'_>) -> Vec<Rule> {
    root.sections("rules", LIST_MAX).iter().map(rule).collect()
}

fn rule(section: &Section<'_>) -> Rule {
    let tenant = section.section("tenant");
    let optional_bool = |key| section.has(key).then(|| section.bool(key, false));
    let rule = Rule {
        matches: matches(&section.section("match")),
        drop: optional_bool("drop"),
        level: section.level("level"),
        audit: optional_bool("audit"),
        sample: section.has("sample").then(|| section.share("sample", 1.0)),
        tenant: Field::ALL.map(|field| tenant.bounded(field.as_str(), VALUE_BYTES_MAX)),
    };
    let sets = ["drop", "level", "audit", "sample"].into_iter().any(|key| section.has(key));
    if !sets && !Field::ALL.iter().any(|field| tenant.has(field.as_str())) {
        section.fault_here(
            "sets nothing: must have at least one of drop, level, audit, sample, tenant",
        );
    }
    tenant.refuse_unknown();
    section.refuse_unknown();
    rule
}

fn matches(section: &Section<'_>) -> Match {
    let statuses = section.list("status", LIST_MAX).filter_map(|(name, value)| {
        let range = status_range(value);
        if range.is_none() {
            section.fault(
                "status",
                format!("{name} must be a status, for example 404, \"5xx\" or \"500-503\""),
            );
        }
        range
    });
    let hosts = section.strings("host", LIST_MAX);
    section.refuse_elements("host", &hosts, HOST_REMEDY, is_host);
    let path_prefix = section.string("path_prefix");
    if path_prefix.as_deref().is_some_and(|prefix| !is_path(prefix)) {
        section.fault("path_prefix", PATH_REMEDY);
    }
    let matches = Match {
        path_prefix,
        path: template(section, "path", None),
        methods: methods(section, "method", PAIRS),
        hosts: hosts.iter().map(|host| host.to_lowercase()).collect(),
        statuses: statuses.collect(),
        slower_than_ns: section
            .has("slower_than")
            .then(|| section.duration("slower_than", SECOND, 0..=24 * HOUR)),
    };
    section.refuse_unknown();
    matches
}

fn status_range(value: &Value) -> Option<(u16, u16)> {
    if let Some(number) = value.as_u64() {
        return status(number).map(|status| (status, status));
    }
    let text = value.as_str()?;
    if let Some(hundreds) = text.strip_suffix("xx") {
        let from = hundreds
            .parse::<u16>()
            .ok()
            .filter(|class| (1..=5).contains(class))?
            .checked_mul(100)?;
        return Some((from, from.checked_add(99)?));
    }
    let (from, to) = text.split_once('-')?;
    let read = |text: &str| text.trim().parse().ok().and_then(status);
    let (from, to) = (read(from)?, read(to)?);
    (from <= to).then_some((from, to))
}

const HOST_REMEDY: &str =
    "is not a host without a port: must be for example \"api.example.org\" or \"*.example.org\"";

/// Whether the host of a request can match: a name, an IPv4 address, an IPv6 address in brackets,
/// or `*.` and the name whose subdomains match.
fn is_host(pattern: &str) -> bool {
    if let Some(address) = pattern.strip_prefix('[') {
        return address.strip_suffix(']').is_some_and(|address| address.contains(':'));
    }
    let name = pattern.strip_prefix("*.").unwrap_or(pattern);
    let barred = |char: char| char.is_whitespace() || char.is_control() || "*:/?#@".contains(char);
    !name.is_empty() && !name.contains(barred)
}
