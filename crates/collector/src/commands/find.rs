//! `find`: prints the newest records that match.

mod print;
mod span;

use std::io::{self, ErrorKind, Write};
use std::time::Duration;

use clap::Args;
use gatelog_record::Level;

use super::Failure;
use crate::config::{Faults, StoreArgs};
use crate::flow::gave_up;
use crate::store::{Lookup, Search, Store, StoreError};
use span::Span;

/// The most records that one search prints.
const LIMIT_MAX: u32 = 10_000;

/// The longest time that the server searches: a search without an index reads the whole collection.
const SEARCH_TIME: Duration = Duration::from_secs(10);

/// What to search for, and how to print it.
#[derive(Args, Clone, Debug)]
pub struct FindArgs {
    /// Only records of this request
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
    /// Only records of this user
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// Only records of this organization
    #[arg(long, value_name = "ID")]
    organization: Option<String>,
    /// Only records of this conversation
    #[arg(long, value_name = "ID")]
    conversation: Option<String>,
    /// Only this level and more severe ones: DEBUG, INFO, WARNING, ERROR or CRITICAL
    #[arg(long, value_name = "LEVEL", default_value = "DEBUG")]
    level: String,
    /// From when on: how long ago, for example 1h, or a time, for example 2026-01-26T02:00:00Z; at
    /// most 400 days before the end
    #[arg(long, value_name = "TIME", default_value = "1h")]
    since: String,
    /// Until when, in the same forms [default: now]
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Maximum records, the newest ones; at most 10000
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "100",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(LIMIT_MAX))
    )]
    limit: u32,
    /// The full records, one JSON object per line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    store: StoreArgs,
}

impl FindArgs {
    fn search(&self) -> Result<Search, Faults> {
        let mut faults = Faults::default();
        let level = self.level.trim().to_ascii_uppercase();
        let level = faults.take("--level", &self.level, level.parse::<Level>());
        let span = Span::parse(&self.since, self.until.as_deref(), &mut faults);
        let ids = [
            (Lookup::Request, "--request-id", &self.request_id),
            (Lookup::User, "--user", &self.user),
            (Lookup::Organization, "--organization", &self.organization),
            (Lookup::Conversation, "--conversation", &self.conversation),
        ];
        let mut given = Vec::new();
        for (lookup, name, id) in ids {
            match id {
                Some(id) if id.is_empty() => faults.add(name, id, "no record has an empty id"),
                Some(id) => given.push((lookup, id.clone())),
                None => {}
            }
        }
        match (level, span) {
            (Some(from_level), Some(Span { since, until })) if faults.is_empty() => {
                Ok(Search { ids: given, from_level, since, until })
            }
            _ => Err(faults),
        }
    }
}

/// Prints the records.
///
/// # Errors
///
/// An argument is invalid, or the database cannot be asked.
pub async fn run(args: &FindArgs) -> Result<(), Failure> {
    let search = args.search()?;
    let options = args.store.options()?;
    let store = Store::connect(&options).await.map_err(Failure::failed)?;
    let most = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let found = store.newest(&search, most, SEARCH_TIME).await;
    let found = found.map_err(|error| failure(&error, &search))?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let printed = if args.json {
        print::whole(&mut out, &store, &found.documents, SEARCH_TIME).await?
    } else {
        print::lines(&mut out, &found.documents).map(|()| 0)
    };
    let lost = match printed.and_then(|lost| out.flush().map(|()| lost)) {
        Ok(lost) => lost,
        // Whoever read this has enough (`| head`).
        Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
        Err(error) => return Err(Failure::failed(error)),
    };
    eprintln!("{}", print::summary(&search, &found, lost));
    Ok(())
}

fn failure(error: &StoreError, search: &Search) -> Failure {
    if !gave_up(error) {
        return Failure::failed(error);
    }
    let remedy = match search.ids.first() {
        Some((lookup, _)) => format!("is \"{}\" in GATELOG_LOOKUPS?", lookup.as_str()),
        None => "search a shorter time, or by an id".to_owned(),
    };
    let seconds = SEARCH_TIME.as_secs();
    Failure::failed(format!("the search took more than {seconds} s and was given up; {remedy}"))
}

#[cfg(test)]
mod tests {
    use gatelog_record::Timestamp;

    use super::*;

    #[test]
    fn a_search_that_takes_too_long_says_what_helps() {
        let time = Timestamp::from_unix_micros(0);
        let ids = vec![(Lookup::User, "17".to_owned())];
        let mut search = Search { ids, from_level: Level::Info, since: time, until: time };
        let late = StoreError::Timeout { after: SEARCH_TIME };
        let told = failure(&late, &search).text;
        assert!(told.ends_with("given up; is \"user\" in GATELOG_LOOKUPS?"), "{told}");
        search.ids.clear();
        let told = failure(&late, &search).text;
        assert!(told.ends_with("given up; search a shorter time, or by an id"), "{told}");
        let away = failure(&StoreError::Stopped, &search).text;
        assert_eq!(away, StoreError::Stopped.to_string());
    }
}
