//! Which look-ups in `trace_logs` have an index.

use std::fmt;
use std::str::FromStr;

/// A key of `context` that records can be looked up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// `request_id`
    Request,
    /// `user_id`
    User,
    /// `organization_id`
    Organization,
    /// `conversation_id`
    Conversation,
}

impl Lookup {
    /// All of them.
    pub const ALL: [Lookup; 4] =
        [Lookup::Request, Lookup::User, Lookup::Organization, Lookup::Conversation];

    /// Its name in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Lookup::Request => "request",
            Lookup::User => "user",
            Lookup::Organization => "organization",
            Lookup::Conversation => "conversation",
        }
    }

    /// The key that it searches.
    pub const fn key(self) -> &'static str {
        match self {
            Lookup::Request => "context.request_id",
            Lookup::User => "context.user_id",
            Lookup::Organization => "context.organization_id",
            Lookup::Conversation => "context.conversation_id",
        }
    }
}

/// The look-ups that have an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookups(Vec<Lookup>);

impl Lookups {
    /// No name in a list: it stands for itself.
    const NONE: &str = "none";

    /// Whether this look-up has an index.
    pub fn has(&self, lookup: Lookup) -> bool {
        self.0.contains(&lookup)
    }
}

impl Default for Lookups {
    /// All of them.
    fn default() -> Self {
        Self(Lookup::ALL.into())
    }
}

/// A text that is not a list of look-ups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseLookupsError {
    unknown: String,
}

impl fmt::Display for ParseLookupsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Lookup::ALL.map(Lookup::as_str).join(", ");
        let (unknown, none) = (self.unknown.escape_debug(), Lookups::NONE);
        write!(f, "\"{unknown}\" is not a look-up: must be a list of {names}, or \"{none}\" alone")
    }
}

impl std::error::Error for ParseLookupsError {}

impl FromStr for Lookups {
    type Err = ParseLookupsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.trim() == Self::NONE {
            return Ok(Self(Vec::new()));
        }
        let lookup = |name: &str| {
            let known = Lookup::ALL.into_iter().find(|lookup| lookup.as_str() == name);
            known.ok_or_else(|| ParseLookupsError { unknown: name.to_owned() })
        };
        text.split(',').map(str::trim).map(lookup).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(text: &str) -> Vec<&'static str> {
        let lookups: Lookups = text.parse().unwrap();
        let on = Lookup::ALL.into_iter().filter(|lookup| lookups.has(*lookup));
        on.map(Lookup::as_str).collect()
    }

    #[test]
    fn a_list_switches_on_what_it_names() {
        assert_eq!(on("user"), ["user"]);
        assert_eq!(on(" conversation, request,request "), ["request", "conversation"]);
        assert_eq!(on(" none "), [""; 0]);
        let all = "request,user,organization,conversation".parse::<Lookups>().unwrap();
        assert_eq!(all, Lookups::default());
    }

    #[test]
    fn another_name_is_refused_with_the_names_that_exist() {
        for (text, unknown) in
            [("user,session", "session"), ("none,user", "none"), ("user,", ""), ("User", "User")]
        {
            let error = text.parse::<Lookups>().unwrap_err().to_string();
            assert_eq!(
                error,
                format!(
                    "\"{unknown}\" is not a look-up: must be a list of request, user, \
                     organization, conversation, or \"none\" alone"
                )
            );
        }
    }
}
