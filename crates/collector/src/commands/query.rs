//! What to search for, as `find`, `export` and `tail` take it.

use clap::Args;
use gatelog_record::Level;
use gatelog_search::Query;

use crate::config::Faults;

/// A query, and shorthands for its most common terms.
#[derive(Args, Clone, Debug)]
pub(super) struct QueryArgs {
    /// What to search for, for example 'level:>=ERROR user:17 "no healthy"'; everything without it.
    /// Put -- in front of one that begins with -
    #[arg(value_name = "QUERY")]
    words: Vec<String>,
    /// Only records of this request: request:ID
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
    /// Only records of this user: user:ID
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// Only records of this organization: org:ID
    #[arg(long, value_name = "ID")]
    organization: Option<String>,
    /// Only records of this conversation: conversation:ID
    #[arg(long, value_name = "ID")]
    conversation: Option<String>,
    /// Only this level and more severe ones: DEBUG, INFO, WARNING, ERROR or CRITICAL
    #[arg(long, value_name = "LEVEL", default_value = "DEBUG")]
    level: String,
}

impl QueryArgs {
    /// The query with all shorthands. `None` if there are faults.
    pub(super) fn query(&self, faults: &mut Faults) -> Option<Query> {
        let text = self.words.join(" ");
        let mut query = faults.take("QUERY", &text, text.parse::<Query>())?;
        let name = self.level.trim().to_ascii_uppercase();
        let level = faults.take("--level", &self.level, name.parse::<Level>());
        for (flag, field, id) in [
            ("--request-id", "request", &self.request_id),
            ("--user", "user", &self.user),
            ("--organization", "org", &self.organization),
            ("--conversation", "conversation", &self.conversation),
        ] {
            let Some(id) = id else { continue };
            match Query::exactly(field, id) {
                Some(term) => query = query.and(term),
                None => faults.add(flag, id, "no record has an empty id"),
            }
        }
        level.map(|level| query.and(Query::from_level(level)))
    }
}
