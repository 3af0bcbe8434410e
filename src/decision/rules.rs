//! Rules: exceptions for the records of matching requests.
//!
//! All rules that match apply; if two set the same thing, the earlier one wins.

use gatelog_record::Level;

use crate::compose::tenancy::Field;
use crate::decision::path_template::PathTemplate;

/// The conditions of a rule. All given conditions must match; an empty match covers every request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Match {
    /// The path begins with this.
    pub path_prefix: Option<String>,
    /// A template covers the path.
    pub path: Option<PathTemplate>,
    /// The method is one of these.
    pub methods: Vec<String>,
    /// The host, without its port, is one of these; `*.example.org` matches its subdomains.
    pub hosts: Vec<String>,
    /// The status lies in one of these ranges, both ends included.
    pub statuses: Vec<(u16, u16)>,
    /// The exchange took longer, in nanoseconds.
    pub slower_than_ns: Option<u64>,
}

/// One rule.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rule {
    /// Which requests it applies to.
    pub matches: Match,
    /// Whether no record is made.
    pub drop: Option<bool>,
    /// The record's level.
    pub level: Option<Level>,
    /// Whether it belongs to the audit trail.
    pub audit: Option<bool>,
    /// The share of flows kept, 0 to 1.
    pub sample: Option<f64>,
    /// Fixed tenant values, in the order of [`Field::ALL`].
    pub tenant: [Option<String>; 3],
}

/// The parts of an exchange that rules match on.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The path, without its query.
    pub path: &'a str,
    /// The method.
    pub method: &'a str,
    /// The authority.
    pub host: &'a str,
    /// The status.
    pub status: Option<u16>,
    /// How long it took, in nanoseconds.
    pub duration_ns: u64,
}

/// The combined effect of the rules on one request.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Overrides<'r> {
    /// Whether no record is made; `false` keeps even a health check's.
    pub drop: Option<bool>,
    /// The record's level.
    pub level: Option<Level>,
    /// Whether it belongs to the audit trail.
    pub audit: Option<bool>,
    /// The share of flows kept.
    pub sample: Option<f64>,
    tenant: [Option<&'r str>; 3],
}

impl<'r> Overrides<'r> {
    /// The fixed value of a tenant field.
    pub fn tenant(&self, field: Field) -> Option<&'r str> {
        self.tenant.get(field as usize).copied().flatten()
    }
}

/// Applies the rules to a request.
pub fn overrides<'r>(rules: &'r [Rule], subject: &Subject<'_>) -> Overrides<'r> {
    let mut overrides = Overrides::default();
    for rule in rules.iter().filter(|rule| rule.matches.covers(subject)) {
        overrides.drop = overrides.drop.or(rule.drop);
        overrides.level = overrides.level.or(rule.level);
        overrides.audit = overrides.audit.or(rule.audit);
        overrides.sample = overrides.sample.or(rule.sample);
        for (own, value) in overrides.tenant.iter_mut().zip(&rule.tenant) {
            *own = own.or(value.as_deref());
        }
    }
    overrides
}

impl Match {
    /// Whether all given conditions match.
    pub fn covers(&self, subject: &Subject<'_>) -> bool {
        let path = self.path.as_ref().is_none_or(|template| template.covers(subject.path));
        let prefix =
            self.path_prefix.as_ref().is_none_or(|prefix| subject.path.starts_with(prefix));
        let method = self.methods.is_empty()
            || self.methods.iter().any(|method| method.eq_ignore_ascii_case(subject.method));
        let host =
            self.hosts.is_empty() || self.hosts.iter().any(|host| host_matches(host, subject.host));
        let status = self.statuses.is_empty()
            || subject.status.is_some_and(|status| {
                self.statuses.iter().any(|(from, to)| (*from..=*to).contains(&status))
            });
        let slow = self.slower_than_ns.is_none_or(|bound| subject.duration_ns > bound);
        path && prefix && method && host && status && slow
    }
}

fn host_matches(pattern: &str, authority: &str) -> bool {
    let host = without_port(authority).to_ascii_lowercase();
    match pattern.strip_prefix('*') {
        Some(below) => host.len() > below.len() && host.ends_with(below),
        None => host == pattern,
    }
}

fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn subject<'a>() -> Subject<'a> {
        Subject {
            path: "/admin/users",
            method: "POST",
            host: "api.example.org:8080",
            status: Some(204),
            duration_ns: 5,
        }
    }

    #[test]
    fn every_given_condition_must_match() {
        let prefix = |text: &str| Match { path_prefix: Some(text.into()), ..Match::default() };
        let host = |text: &str| Match { hosts: vec![text.into()], ..Match::default() };
        let statuses =
            |ranges: &[(u16, u16)]| Match { statuses: ranges.to_vec(), ..Match::default() };
        for (matches, covers) in [
            (Match::default(), true),
            (prefix("/admin"), true),
            (prefix("/api"), false),
            (Match { path: PathTemplate::parse("/admin/{x}").ok(), ..Match::default() }, true),
            (Match { path: PathTemplate::parse("/admin/{x}/y").ok(), ..Match::default() }, false),
            (Match { methods: vec!["post".into()], ..Match::default() }, true),
            (Match { methods: vec!["GET".into()], ..Match::default() }, false),
            (host("api.example.org"), true),
            (host("*.example.org"), true),
            (host("*.api.example.org"), false),
            (host("example.org"), false),
            (statuses(&[(200, 299)]), true),
            (statuses(&[(404, 404), (500, 599)]), false),
            (Match { slower_than_ns: Some(4), ..Match::default() }, true),
            (Match { slower_than_ns: Some(5), ..Match::default() }, false),
            (Match { methods: vec!["GET".into()], ..prefix("/admin") }, false),
        ] {
            assert_eq!(matches.covers(&subject()), covers, "{matches:?}");
        }
        let unanswered = Subject { status: None, ..subject() };
        assert!(!statuses(&[(0, 999)]).covers(&unanswered));
    }

    #[test]
    fn the_earlier_of_two_matching_rules_counts() {
        let rules = [
            Rule {
                matches: Match { methods: vec!["GET".into()], ..Match::default() },
                drop: Some(true),
                ..Rule::default()
            },
            Rule { audit: Some(false), tenant: [Some("a".into()), None, None], ..Rule::default() },
            Rule {
                audit: Some(true),
                level: Some(Level::Debug),
                sample: Some(0.5),
                tenant: [Some("b".into()), Some("u".into()), None],
                ..Rule::default()
            },
        ];
        let overrides = overrides(&rules, &subject());
        assert_eq!(overrides.drop, None);
        assert_eq!(overrides.audit, Some(false));
        assert_eq!(overrides.level, Some(Level::Debug));
        assert_eq!(overrides.sample, Some(0.5));
        assert_eq!(overrides.tenant(Field::Organization), Some("a"));
        assert_eq!(overrides.tenant(Field::User), Some("u"));
        assert_eq!(overrides.tenant(Field::Conversation), None);
    }
}
