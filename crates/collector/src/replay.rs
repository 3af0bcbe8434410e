//! Replaying journals: a gateway's standard output, line by line, to a running collector.
//!
//! What the collector knows already is not sent: it is asked once for each boot that a journal
//! names. What is sent again all the same changes nothing, since every record carries its id. So
//! a replay that was broken off is resumed by running it again.
//!
//! It goes through a collector, not to its spool or to MongoDB: so it needs no access to either,
//! works while the collector serves, and takes the same way, with the same checks, as every
//! other record.

mod journal;
mod lines;

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::io::BufRead;
use std::time::{Duration, Instant};

use gatelog_record::{DecodeLimits, Decoded};
use hyper::body::Bytes;
use hyper::{Method, StatusCode};
use serde::Deserialize;

use crate::accounting::{BootKey, Intervals};
use crate::backoff::Backoff;
use gatelog_delivery::client::{Answer, Client};

pub use journal::{Found, Journal, Kind, Line};

/// A batch is sent when it has so many records.
const BATCH_RECORDS: usize = 1_000;
/// Or so many bytes.
const BATCH_BYTES: usize = 512 << 10;
/// How long is tried by default once the collector has answered.
const PATIENCE: Duration = Duration::from_mins(5);
/// How long is tried by default where it never answered: the address may be wrong.
const FIRST_PATIENCE: Duration = Duration::from_secs(10);
/// Most boots whose known records are remembered; past it they are asked for again.
const BOOTS: usize = 1_000;

/// What was found and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Bytes read.
    pub bytes: u64,
    /// Lines read.
    pub lines: u64,
    /// Records found.
    pub records: u64,
    /// Lines that are something else.
    pub other: u64,
    /// Lines that begin as a record does and are not one whole record: cut off, run together.
    pub damaged: u64,
    /// Whole records in damaged lines, counted in `records` too.
    pub salvaged: u64,
    /// Records without an id, which a replay would store twice: an application's own.
    pub without_id: u64,
    /// Records that the collector already has.
    pub known: u64,
    /// Records that it accepted now.
    pub sent: u64,
    /// Records that became dead letters.
    pub quarantined: u64,
    /// Records too large for it.
    pub refused: u64,
}

impl Tally {
    /// Counts a line and its records: `lines` is `records` without `salvaged`, and `other` and
    /// `damaged`.
    pub fn count(&mut self, line: &Line<'_>) {
        let records = u64::try_from(line.records.len()).unwrap_or(u64::MAX);
        self.lines = self.lines.saturating_add(1);
        self.records = self.records.saturating_add(records);
        match &line.kind {
            Kind::Record => {}
            Kind::Other => self.other = self.other.saturating_add(1),
            Kind::Damaged(_) => {
                self.damaged = self.damaged.saturating_add(1);
                self.salvaged = self.salvaged.saturating_add(records);
            }
        }
    }
}

/// What is reported during a replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice<'a> {
    /// A batch's worth of lines is done.
    Progress(&'a Tally),
    /// A line is damaged.
    Damaged {
        /// Its number in its journal, from 1.
        line: u64,
        /// How many whole records were found in it.
        records: usize,
        /// What is wrong with it, without a value of it.
        reason: &'a str,
    },
}

/// Why a replay was aborted. What it has sent is safe; running it again continues.
#[derive(Debug)]
pub enum ReplayError {
    /// The journal cannot be read.
    Read(std::io::Error),
    /// The collector did not answer successfully for too long.
    Away {
        /// Its address.
        url: String,
        /// Whether it has answered before.
        reached: bool,
        /// How long it was retried.
        patience: Duration,
        /// The last failure.
        last: String,
    },
    /// The collector refuses permanently.
    Refused {
        /// Its address.
        url: String,
        /// Its status.
        status: u16,
        /// Its reason.
        text: String,
    },
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReplayError::Read(error) => write!(f, "cannot be read: {error}"),
            ReplayError::Away { url, reached: true, patience, last } => write!(
                f,
                "the collector at {url} did not accept for {} s: {last}; run it again to go on",
                patience.as_secs()
            ),
            ReplayError::Away { url, patience, last, .. } => write!(
                f,
                "no collector answered at {url} within {} s: {last}; is --url (GATELOG_URL) \
                 right? run it again to go on",
                patience.as_secs()
            ),
            ReplayError::Refused { url, status: 401, text } => {
                write!(f, "the collector at {url} refuses with 401: {text}; is --token-file right?")
            }
            ReplayError::Refused { url, status: 403, text } => write!(
                f,
                "the collector at {url} refuses with 403: {text}; a replay needs a token that may \
                 send these records and read"
            ),
            ReplayError::Refused { url, status: status @ (404 | 405), .. } => write!(
                f,
                "{url} answers {status}: is --url (GATELOG_URL) the address of a collector?"
            ),
            ReplayError::Refused { url, status, text } => {
                write!(f, "the collector at {url} refuses with {status}: {text}")
            }
        }
    }
}

impl std::error::Error for ReplayError {}

/// A replay in progress.
pub struct Replay {
    client: Client,
    /// As asked for.
    patience: Option<Duration>,
    /// Whether the collector has answered anything.
    reached: bool,
    known: HashMap<BootKey, Intervals>,
    batch: Vec<u8>,
    records: usize,
    tally: Tally,
}

impl Replay {
    /// Sends to this collector; gives up once it has accepted nothing for `patience`: by default
    /// five minutes, but ten seconds where it never answered.
    pub fn new(client: Client, patience: Option<Duration>) -> Self {
        Self {
            client,
            patience,
            reached: false,
            known: HashMap::new(),
            batch: Vec::new(),
            records: 0,
            tally: Tally::default(),
        }
    }

    /// What was found and what became of it, until now.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Replays one journal and reports each damaged line and the progress.
    ///
    /// # Errors
    ///
    /// See [`ReplayError`].
    pub async fn journal(
        &mut self,
        from: impl BufRead,
        mut tell: impl FnMut(Notice<'_>),
    ) -> Result<(), ReplayError> {
        let mut journal = Journal::new(from, DecodeLimits::default());
        let before = self.tally.bytes;
        // What was read before a journal breaks off is sent all the same.
        let mut broken_off = Ok(());
        loop {
            let line = match journal.next_line() {
                Ok(Some(line)) => line,
                Ok(None) => break,
                Err(error) => {
                    broken_off = Err(ReplayError::Read(error));
                    break;
                }
            };
            if let Kind::Damaged(reason) = &line.kind {
                let (number, records) = (line.number, line.records.len());
                tell(Notice::Damaged { line: number, records, reason });
            }
            self.tally.count(&line);
            for found in &line.records {
                self.record(found).await?;
            }
            self.tally.bytes = before.saturating_add(journal.bytes());
            if self.tally.lines.is_multiple_of(1_000) {
                tell(Notice::Progress(&self.tally));
            }
        }
        self.flush().await?;
        tell(Notice::Progress(&self.tally));
        broken_off
    }

    async fn record(&mut self, found: &Found<'_>) -> Result<(), ReplayError> {
        if found.record.id.is_nil() {
            self.tally.without_id = self.tally.without_id.saturating_add(1);
        } else if self.is_known(&found.record).await? {
            self.tally.known = self.tally.known.saturating_add(1);
        } else {
            self.batch.extend_from_slice(found.text);
            self.batch.push(b'\n');
            self.records = self.records.saturating_add(1);
        }
        if self.records >= BATCH_RECORDS || self.batch.len() >= BATCH_BYTES {
            self.flush().await?;
        }
        Ok(())
    }

    async fn is_known(&mut self, record: &Decoded) -> Result<bool, ReplayError> {
        let Some(source) = &record.source else { return Ok(false) };
        let key = BootKey { gateway: source.gateway.clone(), boot: source.boot };
        if let Some(known) = self.known.get(&key) {
            return Ok(known.contains(source.seq));
        }
        let known = self.ask_known(&key).await?;
        let contains = known.contains(source.seq);
        if self.known.len() >= BOOTS {
            self.known.clear();
        }
        self.known.insert(key, known);
        Ok(contains)
    }

    async fn ask_known(&mut self, key: &BootKey) -> Result<Intervals, ReplayError> {
        #[derive(Deserialize)]
        struct Report {
            boots: Vec<Boot>,
        }
        #[derive(Deserialize)]
        struct Boot {
            known: Known,
        }
        #[derive(Deserialize)]
        struct Known {
            ranges: Vec<(u64, u64)>,
        }
        let boot = key.boot.hyphenated();
        let path = format!("/v1/accounting?gateway={}&boot={boot}", percent_encode(&key.gateway));
        let answer = self.persist(&Method::GET, &path, None).await?;
        if answer.status != StatusCode::OK {
            return Err(self.refused(&answer));
        }
        // Of numbers that the collector keeps as a count only, none is taken to be known.
        let report: Result<Report, _> = serde_json::from_slice(&answer.body);
        let report = report.map_err(|error| ReplayError::Refused {
            url: self.client.url().to_owned(),
            status: answer.status.as_u16(),
            text: format!("its accounting is not understood: {error}"),
        })?;
        let mut known = Intervals::default();
        for (start, end) in report.boots.into_iter().flat_map(|boot| boot.known.ranges) {
            known.insert(start..=end);
        }
        Ok(known)
    }

    fn refused(&self, answer: &Answer) -> ReplayError {
        let (url, status) = (self.client.url().to_owned(), answer.status.as_u16());
        ReplayError::Refused { url, status, text: error_of(answer) }
    }

    async fn flush(&mut self) -> Result<(), ReplayError> {
        let mut work = vec![Bytes::from(std::mem::take(&mut self.batch))];
        self.records = 0;
        while let Some(batch) = work.pop().filter(|batch| !batch.is_empty()) {
            let answer = self.persist(&Method::POST, "/v1/records", Some(batch.clone())).await?;
            match answer.status {
                StatusCode::ACCEPTED => self.accepted(&answer)?,
                StatusCode::PAYLOAD_TOO_LARGE => match halves(&batch) {
                    Some((first, second)) => work.extend([second, first]),
                    None => self.tally.refused = self.tally.refused.saturating_add(1),
                },
                _ => return Err(self.refused(&answer)),
            }
        }
        Ok(())
    }

    fn accepted(&mut self, answer: &Answer) -> Result<(), ReplayError> {
        #[derive(Deserialize)]
        struct Accepted {
            accepted: u64,
            quarantined: u64,
        }
        let Accepted { accepted, quarantined } =
            serde_json::from_slice(&answer.body).map_err(|_| self.refused(answer))?;
        self.tally.sent = self.tally.sent.saturating_add(accepted);
        self.tally.quarantined = self.tally.quarantined.saturating_add(quarantined);
        Ok(())
    }

    /// Asks until there is an answer that says more than "later".
    async fn persist(
        &mut self,
        method: &Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<Answer, ReplayError> {
        let began = Instant::now();
        let mut backoff = Backoff::default();
        loop {
            let asked = self.client.ask(method.clone(), path, body.clone()).await;
            self.reached |= asked.is_ok();
            let (last, wait) = match asked {
                Ok(answer)
                    if answer.status.is_server_error()
                        || answer.status == StatusCode::TOO_MANY_REQUESTS =>
                {
                    (
                        format!("{}: {}", answer.status.as_u16(), error_of(&answer)),
                        answer.retry_after,
                    )
                }
                Ok(answer) => return Ok(answer),
                Err(error) => (error.to_string(), None),
            };
            let default = if self.reached { PATIENCE } else { FIRST_PATIENCE };
            let patience = self.patience.unwrap_or(default);
            if began.elapsed() >= patience {
                let (url, reached) = (self.client.url().to_owned(), self.reached);
                return Err(ReplayError::Away { url, reached, patience, last });
            }
            let left = patience.saturating_sub(began.elapsed());
            tokio::time::sleep(wait.unwrap_or_else(|| backoff.next()).min(left)).await;
        }
    }
}

fn error_of(answer: &Answer) -> String {
    #[derive(Deserialize)]
    struct Fault {
        error: String,
    }
    serde_json::from_slice::<Fault>(&answer.body).map(|fault| fault.error).unwrap_or_default()
}

/// A batch as two, cut between lines near its middle; nothing when it is one line.
fn halves(batch: &Bytes) -> Option<(Bytes, Bytes)> {
    let (low, high) = batch.split_at_checked(batch.len() / 2)?;
    let feed = |byte: &u8| *byte == b'\n';
    let before = low.iter().rposition(feed);
    let after = high.iter().position(feed).map(|at| at.saturating_add(low.len()));
    let ends = [before, after].into_iter().flatten().map(|at| at.saturating_add(1));
    let at = ends.into_iter().find(|end| *end < batch.len())?;
    Some((batch.slice(..at), batch.slice(at..)))
}

fn percent_encode(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_halved_between_lines() {
        for (batch, parts) in [
            (&b"a\nb\nc\n"[..], (&b"a\n"[..], &b"b\nc\n"[..])),
            (b"a\nlonger\n", (b"a\n", b"longer\n")),
            (b"longer\na\n", (b"longer\n", b"a\n")),
        ] {
            let (first, second) = halves(&Bytes::from_static(batch)).unwrap();
            assert_eq!((&first[..], &second[..]), parts);
        }
        assert_eq!(halves(&Bytes::from_static(b"a\n")), None);
        assert_eq!(halves(&Bytes::new()), None);
    }

    #[test]
    fn a_gateways_name_survives_the_query() {
        assert_eq!(percent_encode("edge-7"), "edge-7");
        assert_eq!(percent_encode("a b&é"), "a%20b%26%C3%A9");
    }
}
