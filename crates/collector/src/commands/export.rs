//! `export`: writes all records that match, page by page, so that memory does not grow with them.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::time::Duration;

use clap::{Args, ValueEnum};
use gatelog_search::{End, Found, Key, Reach, Scope, Search, csv};
use tokio::time::Instant;

use super::Failure;
use super::printable::Printable;
use super::query::QueryArgs;
use super::span::SpanArgs;
use crate::config::{Faults, StoreArgs};
use crate::flow::safe;
use crate::store::{Store, StoreError};

/// Records of one page. With their bytes it bounds the memory: see
/// [`SLICE_BYTES`](gatelog_search::limits::SLICE_BYTES).
const PAGE: usize = 1_000;
/// The longest time that one page takes. One that ends empty after it ends the export.
const PAGE_TIME: Duration = Duration::from_mins(1);
/// How often progress is told.
const PROGRESS: Duration = Duration::from_secs(5);

/// What to export, and how.
#[derive(Args, Clone, Debug)]
pub struct ExportArgs {
    #[command(flatten)]
    query: QueryArgs,
    #[command(flatten)]
    span: SpanArgs,
    /// How the records are written
    #[arg(long, value_name = "FORMAT", default_value = "ndjson")]
    format: Format,
    /// Maximum records, the newest ones
    #[arg(long, value_name = "COUNT", default_value = "1000000",
        value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
    /// Use an index of `trace_logs` where one is quicker, and so leave out records that belong to no
    /// flow
    #[arg(long)]
    only_flows: bool,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The full records, one JSON object per line
    Ndjson,
    /// A row for each record, with its most important fields
    Csv,
}

impl ExportArgs {
    fn search(&self) -> Result<Search, Faults> {
        let mut faults = Faults::default();
        let query = self.query.query(&mut faults);
        let span = self.span.span(&mut faults);
        match (query, span) {
            (Some(query), Some(span)) if faults.is_empty() => Ok(Search {
                selection: Scope::ALL.select(query),
                since: span.since,
                before: span.until,
                reach: if self.only_flows { Reach::Flows } else { Reach::Everything },
            }),
            _ => Err(faults),
        }
    }
}

/// Writes the records.
///
/// # Errors
///
/// An argument is invalid, the database cannot be asked or is too slow, or the records cannot be
/// written. The message says where to continue.
pub async fn run(args: &ExportArgs) -> Result<(), Failure> {
    let search = args.search()?;
    let options = args.store.options()?;
    let store = Store::connect(&options).await.map_err(Failure::failed)?;
    let searcher = store.searcher();
    let mut out = Out::new(args.format);
    let mut next = Search { ..search.clone() };
    let mut written = 0_u64;
    let mut told = Instant::now();
    if let Err(error) = out.begin() {
        return stopped(&error);
    }
    let mut end = None;
    while end.is_none() {
        let left = usize::try_from(args.limit.saturating_sub(written)).unwrap_or(usize::MAX);
        let page = searcher.page(&next, PAGE.min(left), PAGE_TIME).await.map_err(|error| {
            Failure::failed(format!(
                "{}; {}",
                StoreError::from(error),
                so_far(written, next.before)
            ))
        })?;
        let progress = page.reached < next.before;
        next.before = page.reached;
        for found in &page.records {
            if let Err(error) = out.record(found) {
                return stopped(&error);
            }
        }
        written = written.saturating_add(u64::try_from(page.records.len()).unwrap_or(u64::MAX));
        end = match page.end {
            End::Complete => Some(Ended::All),
            End::Full if written >= args.limit => Some(Ended::Limit),
            End::OutOfTime if !progress => Some(Ended::TooSlow),
            End::Full | End::OutOfTime => None,
        };
        if told.elapsed() >= PROGRESS {
            told = Instant::now();
            eprintln!("{written} records, back to {}", next.before.at);
        }
    }
    if let Err(error) = out.flush() {
        return stopped(&error);
    }
    match end {
        Some(Ended::TooSlow) => Err(Failure::failed(format!(
            "the database searched {} s without getting further; {}",
            PAGE_TIME.as_secs(),
            so_far(written, next.before)
        ))),
        Some(Ended::Limit) => {
            eprintln!("the limit: {}", so_far(written, next.before));
            Ok(())
        }
        Some(Ended::All) | None => {
            let (from, to) = (search.before.at, search.since);
            eprintln!("{written} records, all there are from {from} back to {to}");
            Ok(())
        }
    }
}

/// Why an export ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    All,
    Limit,
    TooSlow,
}

fn so_far(written: u64, at: Key) -> String {
    format!("{written} records written: continue with --until {at}")
}

fn stopped(error: &io::Error) -> Result<(), Failure> {
    if error.kind() == ErrorKind::BrokenPipe {
        // Whoever reads the output has enough.
        Ok(())
    } else {
        Err(Failure::failed(error))
    }
}

/// Standard output. A terminal gets nothing that steers it; a file gets the records as they are.
struct Out {
    to: io::BufWriter<io::Stdout>,
    format: Format,
    terminal: bool,
}

impl Out {
    fn new(format: Format) -> Self {
        let out = io::stdout();
        Self { terminal: out.is_terminal(), to: io::BufWriter::new(out), format }
    }

    fn begin(&mut self) -> io::Result<()> {
        match self.format {
            Format::Ndjson => Ok(()),
            Format::Csv => self.to.write_all(csv::head().as_bytes()),
        }
    }

    fn record(&mut self, found: &Found) -> io::Result<()> {
        let record = found.record();
        match self.format {
            Format::Ndjson if self.terminal => {
                writeln!(self.to, "{}", Printable(&record.to_string()))
            }
            Format::Ndjson => writeln!(self.to, "{record}"),
            Format::Csv => {
                let shown = |cell: String| if self.terminal { safe(&cell) } else { cell };
                self.to.write_all(csv::row(&record, shown).as_bytes())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
