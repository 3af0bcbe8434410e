//! Which attributes are secrets: by the same names as in a gateway's record.

use std::borrow::Cow;

use gatelog_record::sensitive::{self, json, names};

use super::model::{AnyValue, KeyValue, VALUES};
use super::wire::Message;

/// Attributes of OpenTelemetry's semantic conventions that only look like credentials. One that ends
/// with a dot stands for all names that begin with it, and go on with a harmless name or a count of
/// tokens.
pub const PLAIN_ATTRIBUTES: [&str; 7] = [
    "code.",
    "error.code",
    "exception.code",
    "gen_ai.request.max_tokens",
    "gen_ai.token.",
    "gen_ai.usage.",
    "process.exit.code",
];

/// What is masked.
#[derive(Clone, Debug)]
pub struct Secrets {
    /// Whether anything is.
    pub mask: bool,
    /// Names that are kept, in lower case.
    pub plain: Vec<String>,
    /// More names that are masked, in lower case.
    pub more: Vec<String>,
}

impl Default for Secrets {
    fn default() -> Self {
        Self { mask: true, plain: Vec::new(), more: Vec::new() }
    }
}

impl Secrets {
    /// Whether the value of an attribute is a secret.
    pub(super) fn is_secret(&self, name: &str) -> bool {
        self.mask && names::is_sensitive(name, &self.more) && !self.is_plain(name)
    }

    fn is_plain(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let harmless =
            |rest: &str| !names::is_sensitive(rest, &self.more) || rest.ends_with("_tokens");
        let conventional = |plain: &str| {
            name == plain
                || (plain.ends_with('.') && name.strip_prefix(plain).is_some_and(harmless))
        };
        PLAIN_ATTRIBUTES.into_iter().any(conventional) || self.plain.contains(&name)
    }

    /// Whether an object names a secret that is its value: `{"name": "password", "value": "…"}`.
    pub(super) fn are_members(&self, map: Message<'_>) -> bool {
        self.mask && KeyValue::all(map, VALUES).any(|pair| self.is_naming(&pair))
    }

    /// Whether the value of this member is the name of a secret.
    pub(super) fn is_naming(&self, pair: &KeyValue<'_>) -> bool {
        json::is_naming(&pair.key)
            && matches!(&pair.value, AnyValue::Text(name) if self.is_secret(name))
    }

    /// Whether an array is the name of a secret and its value: `["authorization", "…"]`.
    pub(super) fn is_pair(&self, array: Message<'_>) -> bool {
        let mut elements = AnyValue::elements(array);
        let first = elements.next();
        matches!(first, Some(AnyValue::Text(name)) if self.is_secret(&name))
            && elements.next().is_some()
            && elements.next().is_none()
    }

    /// Whether it is an option of a command whose value is the next element: `--password`.
    pub(super) fn is_flag(&self, element: &AnyValue<'_>) -> bool {
        matches!(element, AnyValue::Text(text)
            if text.starts_with('-') && self.is_secret(text.trim_start_matches('-')))
    }

    /// A text with the secrets in it masked.
    pub(super) fn masked<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.mask { sensitive::masked(text, &self.more) } else { Cow::Borrowed(text) }
    }
}

#[cfg(test)]
mod tests {
    use rustix::time::{ClockId, clock_gettime};

    use super::*;

    #[test]
    fn the_filters_names_and_the_configured_ones_are_secret_and_conventions_are_not() {
        let secrets =
            Secrets { more: vec!["iban".into()], plain: vec!["session.id".into()], mask: true };
        for name in [
            "password",
            "db.password",
            "http.request.header.authorization",
            "http.request.header.x-api-key",
            "user[token]",
            "customer.iban",
            "code",
            "code.password",
            "gen_ai.usage.secret",
        ] {
            assert!(secrets.is_secret(name), "{name}");
        }
        for name in [
            "code.file.path",
            "gen_ai.token.type",
            "gen_ai.usage.input_tokens",
            "Session.Id",
            "service.name",
        ] {
            assert!(!secrets.is_secret(name), "{name}");
        }
        assert!(Secrets::default().is_secret("session.id"));
        for name in PLAIN_ATTRIBUTES {
            let name =
                if name.ends_with('.') { format!("{name}x_tokens") } else { name.to_owned() };
            assert!(names::is_sensitive(&name, &[]), "{name} need not be listed");
        }
        assert!(!Secrets { mask: false, ..Secrets::default() }.is_secret("password"));
    }

    #[test]
    fn a_secret_in_a_text_is_masked_up_to_the_end_of_its_line() {
        let secrets = Secrets::default();
        let trace = "File \"app.py\"\n  connect(password=hunter2)\nValueError: no";
        assert_eq!(
            secrets.masked(trace),
            "File \"app.py\"\n  connect(password=[redacted]\nValueError: no"
        );
        assert!(matches!(secrets.masked("a\nb"), Cow::Borrowed(_)));
        assert_eq!(Secrets { mask: false, ..secrets }.masked("token=a"), "token=a");
    }

    /// Regression: where a quote never ended, each assignment was read to the end of the text.
    #[test]
    fn a_text_made_to_be_read_again_and_again_costs_little_processor_time() {
        let secrets = Secrets::default();
        let processor_time = || clock_gettime(ClockId::ThreadCPUTime).tv_sec;
        for unit in [
            "password=\\\"\n",
            "code=\\\"-\n",
            "password: \"a\n",
            "password=\"a\" ",
            "password=[",
            "\"password\": [",
            "token=(\n",
            "token: a +\n",
            "token:\n ",
            "('token', ",
            "('token', 'a) ",
            "--token ",
            "{\"name\": \"token\" ",
            "{ name: 'token', ",
            "Bearer \"",
            "Bearer ",
            "Basic ('",
            "<(Bearer\n|",
            "password=[\n  at f (a.js:1:2)\n",
            "(\"token\", [",
            "[\"token\", x, ",
            "\x1b[1",
            "API key: ",
            "-----BEGIN PRIVATE KEY",
            "//a:b ",
        ] {
            let text = unit.repeat((64 << 10) / unit.len());
            let started = processor_time();
            let _ = secrets.masked(&text);
            let seconds = processor_time() - started;
            assert!(seconds < 5, "{unit:?}: {seconds} s");
        }
    }
}
