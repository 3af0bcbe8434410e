//! The journal, written by the module itself: lines wait in memory until a thread of its own writes them.
//!
//! A worker only copies its lines under a lock; it never waits for a reader of standard output. The
//! thread writes [`FLUSH_BYTES`] at a time, or what there is [`FLUSH_INTERVAL`] after the first line.

mod output;

use std::io;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use gatelog::host::Severity;

use self::output::Output;
use crate::abi::callbacks::log;
use crate::guard::guarded;
use crate::stats::{Own, STATS};

/// Bytes that wait or are being written at most. At the bound new lines are dropped, and counted.
pub(crate) const WAITING_MAX: usize = 4 << 20;

/// Bytes at which they are written at once. Envoy's own access log has the same bound.
const FLUSH_BYTES: usize = 64 << 10;

/// How long a line waits for others.
const FLUSH_INTERVAL: Duration = Duration::from_millis(200);

static JOURNAL: OnceLock<Arc<Journal>> = OnceLock::new();

/// Writes the journal of this process to standard output from now on.
///
/// # Errors
/// Standard output cannot be opened, or no thread can be started.
pub(crate) fn open() -> io::Result<()> {
    if JOURNAL.get().is_none() {
        let journal = Journal::to(Output::stdout()?)?;
        // Extensions are installed on one thread, the main one.
        let _ = JOURNAL.set(journal);
    }
    Ok(())
}

/// The journal, if this process writes it.
pub(crate) fn journal() -> Option<&'static Journal> {
    JOURNAL.get().map(|journal| &**journal)
}

/// The journal of a process.
#[derive(Debug)]
pub(crate) struct Journal {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Whole lines.
    lines: Vec<u8>,
    /// Bytes that are being written.
    writing: usize,
    /// Lines that were dropped since [`Journal::dropped`] was asked.
    dropped: u64,
    /// Whether the thread sleeps until there is a line.
    idle: bool,
    /// Whether lines need not wait for others.
    hurry: bool,
}

impl Waiting {
    fn bytes(&self) -> usize {
        self.lines.len().saturating_add(self.writing)
    }
}

impl Journal {
    /// One that writes here, by a thread that ends with the process.
    fn to(output: Output) -> io::Result<Arc<Self>> {
        let journal = Arc::new(Self { waiting: Mutex::default(), changed: Condvar::new() });
        let of_thread = Arc::clone(&journal);
        let run = move || guarded("journal", (), || (), || of_thread.run(output));
        thread::Builder::new().name("gatelog-journal".to_owned()).spawn(run)?;
        Ok(journal)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds one or more lines, without their last line feed.
    pub(crate) fn add(&self, lines: &[u8]) {
        let mut waiting = self.lock();
        let before = waiting.lines.len();
        if waiting.bytes().saturating_add(lines.len()) >= WAITING_MAX {
            let dropped = output::lines(lines);
            waiting.dropped = waiting.dropped.saturating_add(dropped);
            STATS.count(Own::JournalDropped, dropped);
        } else {
            waiting.lines.extend_from_slice(lines);
            waiting.lines.push(b'\n');
        }
        let full = before < FLUSH_BYTES && waiting.lines.len() >= FLUSH_BYTES;
        let wake = full || mem::take(&mut waiting.idle);
        drop(waiting);
        if wake {
            self.changed.notify_all();
        }
    }

    /// From now on lines are written without waiting for others: Envoy ends.
    pub(crate) fn hurry(&self) {
        self.lock().hurry = true;
        self.changed.notify_all();
    }

    /// How many lines were dropped at the bound since the last call.
    pub(crate) fn dropped(&self) -> u64 {
        mem::take(&mut self.lock().dropped)
    }

    /// Whether every line has been written.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().bytes() == 0
    }

    /// Waits until every line has been written, `limit` at most.
    pub(crate) fn finish(&self, limit: Duration) {
        self.hurry();
        let busy = |waiting: &mut Waiting| waiting.bytes() > 0;
        drop(self.changed.wait_timeout_while(self.lock(), limit, busy));
    }

    fn run(&self, mut output: Output) {
        let mut lines = Vec::new();
        loop {
            self.take(&mut lines);
            let outcome = output.write(&lines);
            STATS.count(Own::JournalWritten, outcome.written);
            if let Some(error) = outcome.error {
                STATS.count(Own::JournalFailed, outcome.failed);
                let failed = outcome.failed;
                let says = format!("gatelog: {failed} lines of the journal are lost: {error}");
                log(Severity::Error, &says);
            }
            lines.clear();
            lines.shrink_to(FLUSH_BYTES.saturating_mul(2));
            self.lock().writing = 0;
            self.changed.notify_all();
        }
    }

    /// Waits for lines and takes them in exchange for an empty buffer.
    fn take(&self, lines: &mut Vec<u8>) {
        let mut waiting = self.lock();
        while waiting.lines.is_empty() {
            waiting.idle = true;
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        waiting.idle = false;
        let gathers = |waiting: &mut Waiting| !waiting.hurry && waiting.lines.len() < FLUSH_BYTES;
        let (mut waiting, _) = self
            .changed
            .wait_timeout_while(waiting, FLUSH_INTERVAL, gathers)
            .unwrap_or_else(PoisonError::into_inner);
        mem::swap(&mut waiting.lines, lines);
        waiting.writing = lines.len();
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{BufRead, BufReader, PipeReader, Read, pipe};
    use std::os::fd::OwnedFd;
    use std::time::Instant;

    use super::*;

    /// Long enough for any machine.
    const PATIENCE: Duration = Duration::from_secs(30);

    fn journal() -> (Arc<Journal>, PipeReader) {
        let (reader, writer) = pipe().unwrap();
        let output = Output::to(File::from(OwnedFd::from(writer))).unwrap();
        (Journal::to(output).unwrap(), reader)
    }

    #[test]
    fn what_was_added_has_been_written_when_it_is_finished_in_order_and_as_lines() {
        let (journal, mut reader) = journal();
        for number in 0..100 {
            journal.add(format!("{{\"number\":{number}}}").as_bytes());
        }
        journal.add(b"two\nlines");
        journal.finish(PATIENCE);
        assert!(journal.is_empty());
        let mut read = vec![0; 64 << 10];
        let length = reader.read(&mut read).unwrap();
        let text = String::from_utf8(read[..length].to_vec()).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 102);
        assert_eq!((lines[0], lines[99]), ("{\"number\":0}", "{\"number\":99}"));
        assert_eq!((lines[100], lines[101]), ("two", "lines"));
    }

    #[test]
    fn a_reader_that_stands_still_blocks_nobody_and_costs_memory_up_to_the_bound() {
        let (journal, reader) = journal();
        let line = [b'x'; 1_000];
        let start = Instant::now();
        for _ in 0..10_000 {
            journal.add(&line);
        }
        assert!(start.elapsed() < PATIENCE);
        assert!(journal.lock().bytes() <= WAITING_MAX);
        let dropped = journal.dropped();
        // The pipe took some, and the first bytes may have been written before.
        assert!((5_000..10_000).contains(&dropped), "{dropped}");
        // It reads on: the rest arrives in whole lines, and there is room again.
        let reading = thread::spawn(move || {
            let mut lines = BufReader::new(reader).lines().map(Result::unwrap);
            lines.by_ref().take_while(|line| line != "last").for_each(|line| {
                assert_eq!(line.len(), 1_000);
            });
        });
        journal.finish(PATIENCE);
        assert!(journal.is_empty());
        journal.add(b"last");
        reading.join().unwrap();
    }

    #[test]
    fn a_line_waits_for_others_until_the_interval_is_over() {
        let (journal, mut reader) = journal();
        let start = Instant::now();
        journal.add(b"alone");
        let mut read = [0; 6];
        reader.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"alone\n");
        assert!(start.elapsed() >= FLUSH_INTERVAL);
    }
}
