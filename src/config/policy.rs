//! Reads the configuration of ids, tenants, redaction and rules.

use gatelog_record::limits::PAIRS;
use serde_json::Value;

use super::fault::quoted;
use super::headers::is_meaningful;
use super::section::Section;
use crate::compose::redaction::names::SENSITIVE_HEADERS;
use crate::compose::redaction::{Redaction, Treatment};
use crate::compose::tenancy::{Field, Source, Tenancy, VALUE_BYTES_MAX};
use crate::decision::audit::AuditPolicy;
use crate::decision::health_checks::HealthChecks;
use crate::decision::path_template::PathTemplate;
use crate::envoy::claims::Claim;
use crate::identity::ids::{IdPolicy, Identity};
use crate::identity::trace::TracePolicy;
use crate::identity::trust::Trust;

/// Maximum elements of a list in the configuration.
pub(super) const LIST_MAX: usize = 256;

/// Maximum steps from a payload to a claim.
const CLAIM_STEPS_MAX: usize = 16;

pub(super) fn identity(root: &Section<'_>) -> Identity {
    let request = root.section("request_id");
    let correlation = root.section("correlation_id");
    let identity = Identity {
        request: id_policy(&request, "x-request-id"),
        correlation: id_policy(&correlation, "x-correlation-id"),
        from_traceparent: correlation.bool("from_traceparent", true),
        trace: trace(&root.section("trace")),
    };
    if identity.request.header == identity.correlation.header {
        let remedy = "must differ from request_id.header";
        correlation.fault_or_default("header", "x-correlation-id", remedy);
    }
    request.refuse_unknown();
    correlation.refuse_unknown();
    identity
}

fn trace(section: &Section<'_>) -> TracePolicy {
    let policy = TracePolicy {
        propagate: section.bool("propagate", false),
        trust: trust(section),
        sampled: section.bool("sampled", true),
    };
    section.refuse_unknown();
    policy
}

fn id_policy(section: &Section<'_>, header: &str) -> IdPolicy {
    let own = header_name(section, "header");
    if own.as_deref().is_some_and(is_meaningful) {
        section.fault(
            "header",
            "serves another purpose: must be a header used only for an id, for example \"x-request-id\"",
        );
    }
    let policy = IdPolicy {
        header: own.unwrap_or_else(|| header.to_owned()),
        trust: trust(section),
        echo: section.bool("echo", true),
        expose: section.bool("expose", false),
    };
    if policy.expose && !policy.echo {
        let remedy = "must be used with \"echo\": true, because otherwise no response has the id";
        section.fault("expose", remedy);
    }
    policy
}

fn trust(section: &Section<'_>) -> Trust {
    const REMEDY: &str =
        "must be \"always\", \"never\" or a list of networks, for example [\"10.0.0.0/8\"]";
    match section.get("trust") {
        None => Trust::Always,
        Some(Value::String(_)) => match section.string("trust").as_deref() {
            Some("always") => Trust::Always,
            Some("never") => Trust::Never,
            _ => {
                section.fault("trust", REMEDY);
                Trust::Never
            }
        },
        Some(Value::Array(_)) => {
            let texts = section.strings("trust", LIST_MAX);
            let networks = texts.iter().filter_map(|text| match text.parse() {
                Ok(network) => Some(network),
                Err(_) => {
                    let text = section.quoted("trust", text);
                    section.fault("trust", format!("{text} is not a network: {REMEDY}"));
                    None
                }
            });
            Trust::within(networks)
        }
        Some(_) => {
            section.fault("trust", REMEDY);
            Trust::Never
        }
    }
}

pub(super) fn tenancy(section: &Section<'_>, ids: &Identity) -> Tenancy {
    let tenancy = Tenancy {
        sources: Field::ALL.map(|field| sources(section, field)),
        strip_untrusted: section.bool("strip_untrusted", false),
    };
    let stripped = || tenancy.headers().filter(|_| tenancy.strip_untrusted);
    if let Some(name) = stripped().find(|name| is_meaningful(name)) {
        let remedy = format!("must not remove {}: it serves another purpose", quoted(name));
        section.fault("strip_untrusted", remedy);
    }
    if let Some(name) = stripped().find(|name| ids.is_id(name)) {
        let remedy = format!("must not remove {}: it carries an id", quoted(name));
        section.fault("strip_untrusted", remedy);
    }
    section.refuse_unknown();
    tenancy
}

fn sources(section: &Section<'_>, field: Field) -> Vec<Source> {
    let key = field.as_str();
    if !section.has(key) {
        return vec![Source::Header(format!("x-{}", key.replace('_', "-")))];
    }
    let sources = section.sections(key, LIST_MAX);
    sources.iter().filter_map(|source| self::source(source, field)).collect()
}

fn source(section: &Section<'_>, field: Field) -> Option<Source> {
    let header = header_name(section, "header").map(Source::Header);
    let claim = jwt_claim(section).map(Source::JwtClaim);
    let path = template(section, "path", Some(field.as_str())).map(Source::Path);
    let fixed = section.bounded("value", VALUE_BYTES_MAX).map(Source::Fixed);
    let given =
        ["header", "jwt_claim", "path", "value"].into_iter().filter(|key| section.has(key)).count();
    if given != 1 {
        section.fault_here("must have exactly one of header, jwt_claim, path, value");
    }
    if section.has("payload") && !section.has("jwt_claim") {
        section.fault("payload", "must be used with jwt_claim: remove it, or name a claim");
    }
    section.refuse_unknown();
    header.or(claim).or(path).or(fixed)
}

/// A claim. A text is split at its dots; the elements of a list are used unchanged.
fn jwt_claim(section: &Section<'_>) -> Option<Claim> {
    let payload = section.string_or("payload", "jwt_payload", 128);
    let steps = match section.get("jwt_claim")? {
        Value::Array(_) => section.strings("jwt_claim", CLAIM_STEPS_MAX),
        _ => section.string("jwt_claim")?.split('.').map(str::to_owned).collect(),
    };
    let named = |step: &String| !step.is_empty() && !step.contains('\0');
    if !((1..=CLAIM_STEPS_MAX).contains(&steps.len()) && steps.iter().all(named)) {
        section.fault(
            "jwt_claim",
            "must be the name of a claim, for example \"sub\" or \"realm.org_id\"",
        );
        return None;
    }
    Some(Claim::new(&payload, &steps))
}

/// A path template, with a segment of this name if one is given.
pub(super) fn template(
    section: &Section<'_>,
    key: &'static str,
    name: Option<&str>,
) -> Option<PathTemplate> {
    let text = section.string(key)?;
    match (PathTemplate::parse(&text), name) {
        (Ok(template), Some(name)) if !template.names(name) => {
            section.fault(key, format!("must have a segment \"{{{name}}}\""));
            None
        }
        (Ok(template), _) => Some(template),
        (Err(error), _) => {
            section.fault(key, error.to_string());
            None
        }
    }
}

pub(super) fn redaction(section: &Section<'_>) -> Redaction {
    let treatments = section.pairs("headers", LIST_MAX);
    let headers = treatments.into_iter().filter_map(|(name, treatment)| {
        if !is_header_name(&name) {
            // Ignoring it would leave in plain text what it was meant to hide.
            section.fault("headers", format!("{} is not a valid header name", quoted(&name)));
            return None;
        }
        let treatment = match treatment.as_str() {
            "remove" => Treatment::Remove,
            "mask" => Treatment::Mask,
            "hash" => Treatment::Hash,
            "keep" => Treatment::Keep,
            _ => {
                section.fault(
                    "headers",
                    format!("\"{name}\" must be \"remove\", \"mask\", \"hash\" or \"keep\""),
                );
                return None;
            }
        };
        Some((name.to_ascii_lowercase(), treatment))
    });
    let paths = section.list("path", LIST_MAX).filter_map(|(name, value)| {
        let text = section.text(&name, value)?;
        match PathTemplate::parse(&text) {
            Ok(template) if template.has_names() => Some(template),
            Ok(_) => {
                section.fault(
                    "path",
                    format!(
                        "{} must have a secret segment, for example \"/reset/{{secret}}\"",
                        section.quoted("path", &text)
                    ),
                );
                None
            }
            Err(error) => {
                section.fault("path", format!("{} {error}", section.quoted("path", &text)));
                None
            }
        }
    });
    let parameters = section.strings("query", LIST_MAX);
    // Names are compared without hyphens and underscores.
    section.refuse_elements("query", &parameters, "is not the name of a parameter", |name| {
        name.chars().any(|char| !matches!(char, '-' | '_'))
    });
    let redaction = Redaction {
        headers: headers.collect(),
        parameters: parameters.iter().map(|name| name.to_lowercase()).collect(),
        paths: paths.collect(),
        salt: section.secret("salt").unwrap_or_default().into_bytes(),
    };
    section.refuse_unknown();
    redaction
}

pub(super) fn audit(section: &Section<'_>) -> AuditPolicy {
    let methods = if section.has("methods") {
        methods(section, "methods", LIST_MAX)
    } else {
        ["POST", "PUT", "PATCH", "DELETE"].map(str::to_owned).to_vec()
    };
    let statuses = if section.has("statuses") {
        let read = section.list("statuses", LIST_MAX).filter_map(|(name, value)| {
            let status = value.as_u64().and_then(status);
            if status.is_none() {
                section.fault("statuses", format!("{name} must be a status, for example 401"));
            }
            status
        });
        read.collect()
    } else {
        vec![401, 403]
    };
    section.refuse_unknown();
    AuditPolicy { methods, statuses }
}

pub(super) fn health_checks(section: &Section<'_>) -> HealthChecks {
    let checks = if section.has("paths") {
        let paths = section.strings("paths", LIST_MAX);
        section.refuse_elements("paths", &paths, PATH_REMEDY, is_path);
        HealthChecks { paths }
    } else {
        HealthChecks::customary()
    };
    section.refuse_unknown();
    checks
}

/// A status as HTTP writes it: three digits.
pub(super) fn status(number: u64) -> Option<u16> {
    u16::try_from(number).ok().filter(|status| (100..=999).contains(status))
}

/// Names of headers, lower case.
pub(super) fn header_names(section: &Section<'_>, key: &'static str) -> Vec<String> {
    let names = section.strings(key, PAIRS);
    section.refuse_elements(key, &names, "is not a valid header name", is_header_name);
    names.iter().map(|name| name.to_ascii_lowercase()).collect()
}

/// The name of a header whose value is recorded in plain text, lower case.
fn header_name(section: &Section<'_>, key: &'static str) -> Option<String> {
    let name = section.string(key)?.to_ascii_lowercase();
    if !is_header_name(&name) {
        section.fault(key, "must be a valid header name, for example \"x-request-id\"");
        return None;
    }
    if SENSITIVE_HEADERS.contains(&name.as_str()) {
        // Ids and tenants are in every record in plain text.
        section.fault(key, "holds a credential: must be another header");
        return None;
    }
    Some(name)
}

/// Fixed fields of the record, with names that need no quoting in any query language.
pub(super) fn fields(section: &Section<'_>) -> Vec<(String, String)> {
    let fields = section.pairs("fields", PAIRS);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    for (name, _) in &fields {
        if !((1..=64).contains(&name.len()) && name.bytes().all(plain)) {
            let name = quoted(name);
            let remedy = format!("{name} must have 1 to 64 letters, digits, \"_\" or \"-\"");
            section.fault("fields", remedy);
        }
    }
    fields
}

/// Methods, in any case.
pub(super) fn methods(section: &Section<'_>, key: &'static str, max: usize) -> Vec<String> {
    let methods = section.strings(key, max);
    let remedy = "is not a method: must be for example \"DELETE\"";
    section.refuse_elements(key, &methods, remedy, is_token);
    methods
}

/// What [`is_path`] asks of a text.
pub(super) const PATH_REMEDY: &str = "must begin with \"/\" and have no query";

/// Whether a request's path, without its query, can begin with the text.
pub(super) fn is_path(text: &str) -> bool {
    text.starts_with('/') && !text.contains('?')
}

/// The name of a header (RFC 9110 §5.1), of at most 128 bytes.
fn is_header_name(name: &str) -> bool {
    name.len() <= 128 && is_token(name)
}

/// A token of RFC 9110 §5.6.2.
fn is_token(text: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(token)
}
