//! By what records are counted.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

/// Maximum bytes of a logger, a route, a function or a kind; a longer one is cut.
const TEXT_BYTES: usize = 128;

/// A kind of count: which keys its dimensions have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Exchanges: logger, route, method, status class, level.
    Route,
    /// Records with an organization: organization, level, class.
    Tenant,
    /// Errors: fingerprint, logger, function, kind.
    Fingerprint,
    /// Applications' records: logger, level.
    Service,
}

impl Family {
    /// All of them.
    pub const ALL: [Family; 4] =
        [Family::Route, Family::Tenant, Family::Fingerprint, Family::Service];

    /// Its name in ids and in the spool.
    pub const fn as_str(self) -> &'static str {
        match self {
            Family::Route => "route",
            Family::Tenant => "tenant",
            Family::Fingerprint => "fingerprint",
            Family::Service => "service",
        }
    }

    /// The keys of its dimensions, in order. The first ones are its name.
    pub const fn keys(self) -> &'static [&'static str] {
        match self {
            Family::Route => &["logger", "route", "method", "status", "level"],
            Family::Tenant => &["organization", "level", "class"],
            Family::Fingerprint => &["fingerprint", "logger", "function", "kind"],
            Family::Service => &["logger", "level"],
        }
    }

    /// How many of the keys senders choose freely: these are limited, together, by the hour.
    const fn named_by(self) -> usize {
        match self {
            Family::Route => 2,
            Family::Tenant | Family::Service => 1,
            // All but the fingerprint follow from it.
            Family::Fingerprint => 4,
        }
    }

    /// The family of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.as_str() == name)
    }
}

/// The values of a family's keys, as JSON without the brackets of the array. Copies share their texts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dimension {
    /// The family.
    pub family: Family,
    /// What senders choose freely.
    pub name: Arc<str>,
    rest: Arc<str>,
}

impl Dimension {
    /// The values of all keys, in order. Long ones are cut.
    pub(super) fn new(family: Family, values: &[&str]) -> Self {
        let (name, rest) = values.split_at_checked(family.named_by()).unwrap_or((values, &[]));
        Self { family, name: joined(name), rest: joined(rest) }
    }

    /// The same without its name: past the bound on names. No value of a record is null, so this is
    /// nobody's own.
    #[must_use]
    pub fn other(&self) -> Self {
        let nulls = vec!["null"; self.family.named_by()].join(",");
        Self { family: self.family, name: nulls.into(), rest: Arc::clone(&self.rest) }
    }

    /// Whether the name was left out.
    pub fn is_other(&self) -> bool {
        self.name.starts_with("null")
    }

    /// Reads the text of a dimension.
    pub fn parse(family: Family, text: &str) -> Option<Self> {
        let values: Vec<Value> = serde_json::from_str(text).ok()?;
        let (name, rest) = values.split_at_checked(family.named_by())?;
        (values.len() == family.keys().len()).then(|| Self {
            family,
            name: texts(name),
            rest: texts(rest),
        })
    }

    /// Keys and values; a name that was left out is null.
    pub fn pairs(&self) -> Vec<(&'static str, Option<String>)> {
        let values: Vec<Option<String>> =
            serde_json::from_str(&self.to_string()).unwrap_or_default();
        self.family.keys().iter().copied().zip(values).collect()
    }
}

impl fmt::Display for Dimension {
    /// A JSON array: `["gateway.edge","orders","GET","2xx","INFO"]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let comma = if self.rest.is_empty() { "" } else { "," };
        write!(f, "[{}{comma}{}]", self.name, self.rest)
    }
}

/// The beginning of a text that is counted by.
pub(super) fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(TEXT_BYTES)).unwrap_or_default()
}

fn joined(values: &[&str]) -> Arc<str> {
    texts(&values.iter().map(|value| Value::from(cut(value))).collect::<Vec<_>>())
}

fn texts(values: &[Value]) -> Arc<str> {
    values.iter().map(Value::to_string).collect::<Vec<_>>().join(",").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dimension_reads_back_with_its_keys() {
        let values = ["gateway.\"edge\"", "orders", "GET", "2xx", "INFO"];
        let dimension = Dimension::new(Family::Route, &values);
        let text = dimension.to_string();
        assert_eq!(text, r#"["gateway.\"edge\"","orders","GET","2xx","INFO"]"#);
        assert_eq!(Dimension::parse(Family::Route, &text), Some(dimension.clone()));
        assert_eq!(dimension.pairs()[0], ("logger", Some(values[0].to_owned())));
        assert_eq!(Dimension::parse(Family::Tenant, &text), None);
        for family in Family::ALL {
            assert_eq!(Family::parse(family.as_str()), Some(family));
            let values = vec!["x"; family.keys().len()];
            let dimension = Dimension::new(family, &values);
            assert_eq!(Dimension::parse(family, &dimension.to_string()), Some(dimension));
        }
    }

    /// A restricted viewer may see their own organization, and never what others share.
    #[test]
    fn no_organization_s_name_is_that_of_all_others() {
        for name in ["other", "null", "", "\u{0}"] {
            let own = Dimension::new(Family::Tenant, &[name, "INFO", "2xx"]);
            let other = own.other();
            assert!(other.is_other() && !own.is_other(), "{name}");
            assert_ne!(own.to_string(), other.to_string());
            assert_eq!(other.to_string(), r#"[null,"INFO","2xx"]"#);
            assert_eq!(Dimension::parse(Family::Tenant, &other.to_string()), Some(other.clone()));
            assert_eq!(other.pairs()[0], ("organization", None));
        }
    }

    #[test]
    fn a_long_name_is_cut_between_characters() {
        let dimension = Dimension::new(Family::Service, &[&"é".repeat(200), "INFO"]);
        assert_eq!(dimension.pairs()[0].1.as_ref().unwrap().len(), TEXT_BYTES);
    }
}
