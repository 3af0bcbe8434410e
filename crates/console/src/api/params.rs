//! The parameters of a request.

use percent_encoding::percent_decode_str;

use super::answer::Refusal;

/// The parameters of a request, each given at most once.
#[derive(Debug, Default)]
pub(crate) struct Params {
    given: Vec<(&'static str, String)>,
}

impl Params {
    /// Reads those with these names.
    ///
    /// # Errors
    ///
    /// There is another one, or one twice.
    pub(crate) fn parse(query: Option<&str>, known: &[&'static str]) -> Result<Self, Refusal> {
        let mut given: Vec<(&'static str, String)> = Vec::new();
        let query = query.unwrap_or_default();
        if percent_decode_str(query).decode_utf8().is_err() {
            return Err(Refusal::invalid("the parameters must be UTF-8, percent-encoded"));
        }
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if known.is_empty() {
                return Err(Refusal::invalid("there are no parameters here"));
            }
            let Some(known) = known.iter().find(|known| **known == name) else {
                return Err(Refusal::invalid(format!(
                    "no parameter is named \"{}\": it must be {}",
                    name.escape_debug(),
                    known.join(", ")
                )));
            };
            if given.iter().any(|(name, _)| name == known) {
                return Err(Refusal::invalid(format!("{known} is given twice")));
            }
            given.push((known, value.into_owned()));
        }
        Ok(Self { given })
    }

    /// A parameter that is given, and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.given.iter().find(|(given, _)| *given == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// A whole number from 1 to a maximum.
    pub(crate) fn count(&self, name: &str, default: usize, most: usize) -> Result<usize, Refusal> {
        let Some(text) = self.get(name) else { return Ok(default.min(most)) };
        let count = text.parse().ok().filter(|count| (1..=most).contains(count));
        count.ok_or_else(|| {
            let text = text.escape_debug();
            Refusal::invalid(format!("{name} = \"{text}\": must be from 1 to {most}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_parameter_is_decoded_known_and_given_once() {
        let known = ["query", "limit"];
        let params = Params::parse(Some("query=a+b%3A%22c&limit=7"), &known).unwrap();
        assert_eq!(params.get("query"), Some("a b:\"c"));
        assert_eq!(params.count("limit", 50, 100), Ok(7));
        assert!(Params::parse(Some("limit=1&limit=2"), &known).is_err());
        assert!(Params::parse(Some("organization=x"), &known).is_err());
        assert!(Params::parse(Some("query=%ff"), &known).is_err(), "not UTF-8");
        let empty = Params::parse(Some("query=&limit=0"), &known).unwrap();
        assert_eq!(empty.get("query"), None);
        assert!(empty.count("limit", 50, 100).is_err());
        assert_eq!(Params::default().count("limit", 50, 100), Ok(50));
    }
}
