//! `find`: prints the newest records that match.

pub(super) mod print;

use std::io::{self, ErrorKind, Write};
use std::time::Duration;

use clap::Args;
use gatelog_search::{Reach, Scope, Search};

use super::Failure;
use super::query::QueryArgs;
use super::span::SpanArgs;
use crate::config::{Faults, StoreArgs};
use crate::store::{Store, StoreError};

/// The most records that one search prints.
const LIMIT_MAX: u32 = 10_000;

/// The longest time that one search takes. The summary says how far it came.
const SEARCH_TIME: Duration = Duration::from_secs(30);

/// What to search for, and how to print it.
#[derive(Args, Clone, Debug)]
pub struct FindArgs {
    #[command(flatten)]
    query: QueryArgs,
    #[command(flatten)]
    span: SpanArgs,
    /// Maximum records, the newest ones; at most 10000
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "100",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(LIMIT_MAX))
    )]
    limit: u32,
    /// Search records that belong to no flow too, also where an index of `trace_logs` would be
    /// quicker
    #[arg(long)]
    everything: bool,
    /// The full records, one JSON object per line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    store: StoreArgs,
}

impl FindArgs {
    fn search(&self) -> Result<Search, Faults> {
        let mut faults = Faults::default();
        let query = self.query.query(&mut faults);
        let span = self.span.span(&mut faults);
        match (query, span) {
            (Some(query), Some(span)) if faults.is_empty() => Ok(Search {
                selection: Scope::ALL.select(query),
                since: span.since,
                before: span.until,
                reach: if self.everything { Reach::Everything } else { Reach::Flows },
            }),
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
    let page = store.searcher().page(&search, most, SEARCH_TIME).await;
    let page = page.map_err(|error| Failure::failed(StoreError::from(error)))?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let printed = if args.json {
        print::whole(&mut out, &page.records)
    } else {
        print::lines(&mut out, &page.records)
    };
    match printed.and_then(|()| out.flush()) {
        // Whoever read this has enough (`| head`).
        Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
        done => done.map_err(Failure::failed)?,
    }
    eprintln!("{}", print::summary(&search, &page, SEARCH_TIME));
    Ok(())
}
