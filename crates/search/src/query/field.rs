//! The fields that a query can name.

/// What a field's values are, and so how a term compares them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One of the five levels, also by comparison.
    Level,
    /// A text, as it is or with `*` for the rest.
    Text,
    /// An upper-case text, for example a method.
    Upper,
    /// A number, also by comparison.
    Number,
    /// A status: a number, or a class, for example `5xx`.
    Status,
    /// A number of milliseconds, given with a unit, only by comparison.
    Duration,
    /// `true` or `false`; absent is `false`.
    Flag,
    /// A UUID.
    Uuid,
    /// A part of any of several texts, whatever the case of ASCII letters.
    Part,
}

/// A field of the language.
#[derive(Debug)]
pub(crate) struct Named {
    /// Its name in canonical queries.
    pub(crate) name: &'static str,
    /// Other names.
    pub(crate) aliases: &'static [&'static str],
    /// Where its values are in a record.
    pub(crate) keys: &'static [&'static str],
    pub(crate) kind: Kind,
}

const fn named(
    name: &'static str,
    aliases: &'static [&'static str],
    keys: &'static [&'static str],
    kind: Kind,
) -> Named {
    Named { name, aliases, keys, kind }
}

pub(crate) const ORGANIZATION: &str = "context.organization_id";

/// Where the words without a field are looked for.
pub(crate) const FREE_TEXT: [&str; 5] =
    ["message", "error.type", "error.message", "error.details", "error.transport_failure"];

const ERROR: &[&str] =
    &["error.type", "error.message", "error.details", "error.transport_failure", "error.flags"];

/// All fields but those under `extra`.
pub(crate) const FIELDS: [Named; 24] = [
    named("level", &[], &["level"], Kind::Level),
    named("org", &["organization"], &[ORGANIZATION], Kind::Text),
    named("user", &[], &["context.user_id"], Kind::Text),
    named("conversation", &[], &["context.conversation_id"], Kind::Text),
    named("request", &[], &["context.request_id"], Kind::Text),
    named("correlation", &[], &["context.correlation_id"], Kind::Text),
    named("trace", &[], &["trace.trace_id"], Kind::Text),
    named("span", &[], &["trace.span_id"], Kind::Text),
    named("id", &[], &["_id"], Kind::Uuid),
    named("service", &["logger"], &["logger_name"], Kind::Text),
    named("function", &[], &["function_name"], Kind::Text),
    named("message", &[], &["message"], Kind::Part),
    named("method", &[], &["http.method"], Kind::Upper),
    named("host", &[], &["http.host"], Kind::Text),
    named("path", &[], &["http.path"], Kind::Text),
    named("route", &[], &["http.route"], Kind::Text),
    named("cluster", &[], &["http.cluster"], Kind::Text),
    named("status", &[], &["http.status"], Kind::Status),
    named("attempts", &[], &["http.attempts"], Kind::Number),
    named("ip", &[], &["http.client_ip"], Kind::Text),
    named("duration", &[], &["trace.execution_time_ms"], Kind::Duration),
    named("error", &[], ERROR, Kind::Part),
    named("audit", &[], &["audit"], Kind::Flag),
    named("gateway", &[], &["source.gateway"], Kind::Text),
];

/// A field that a term names.
#[derive(Clone, Debug)]
pub(crate) enum Field {
    /// One of [`FIELDS`].
    Named(&'static Named),
    /// A key under `extra`, without that prefix.
    Extra(String),
    /// None: free text.
    Anywhere,
}

impl Field {
    /// The field of this name, whatever its case, except for what is under `extra`.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        if let Some(key) = name.strip_prefix("extra.") {
            return is_extra_key(key).then(|| Field::Extra(key.to_owned()));
        }
        let is = |own: &str| own.eq_ignore_ascii_case(name);
        let known = FIELDS.iter().find(|it| is(it.name) || it.aliases.iter().any(|own| is(own)));
        known.map(Field::Named)
    }

    /// Where its values are in a record.
    pub(crate) fn keys(&self) -> Vec<String> {
        let all = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
        match self {
            Field::Named(named) => all(named.keys),
            Field::Extra(key) => vec![format!("extra.{key}")],
            Field::Anywhere => all(&FREE_TEXT),
        }
    }
}

impl PartialEq for Field {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Field::Named(one), Field::Named(other)) => one.name == other.name,
            (Field::Extra(one), Field::Extra(other)) => one == other,
            (Field::Anywhere, Field::Anywhere) => true,
            _ => false,
        }
    }
}

/// A path that MongoDB reads as names only: no operator, no position in a list.
fn is_extra_key(key: &str) -> bool {
    let is_name = |part: &str| {
        let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        !part.is_empty() && part.chars().all(is_letter) && !part.chars().all(|c| c.is_ascii_digit())
    };
    key.split('.').count() <= crate::limits::EXTRA_PARTS && key.split('.').all(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_fields_share_a_name() {
        let names = FIELDS.iter().flat_map(|it| it.aliases.iter().chain([&it.name]));
        let mut names: Vec<_> = names.collect();
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn a_key_under_extra_never_becomes_an_operator_or_a_position() {
        for key in ["sku", "a.b-c.d_e", "x1", "1x"] {
            assert!(matches!(Field::of_name(&format!("extra.{key}")), Some(Field::Extra(_))));
        }
        for key in ["", "$where", "a.$b", "a..b", ".a", "a.", "1", "a.0", "é", "a b"] {
            assert_eq!(Field::of_name(&format!("extra.{key}")), None, "{key}");
        }
        assert_eq!(Field::of_name(&format!("extra{}", ".a".repeat(9))), None);
    }
}
