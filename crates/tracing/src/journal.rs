//! Lines for standard output, written by a thread of their own: a reader that stalls stalls no request.

use std::io::Write;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::counters::{Counters, count};

/// Bytes of lines that may wait; one that finds no room is dropped and counted.
pub(crate) const BUFFER_BYTES: usize = 1024 * 1024;

/// How long lines are collected before they are written: what a killed process loses at most.
const LINGER: Duration = Duration::from_millis(10);

/// The lines that wait to be written.
#[derive(Debug)]
pub(crate) struct Journal {
    state: Mutex<State>,
    /// Something waits, or no more will come.
    wake: Condvar,
    /// Nothing waits any more.
    idle: Condvar,
    counters: Counters,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<u8>,
    count: u64,
    /// The lines that are being written.
    in_hand: u64,
    writing: bool,
    /// Somebody waits for everything to be written.
    hurry: bool,
    closed: bool,
}

impl Journal {
    /// Starts the thread that writes to `out`.
    pub(crate) fn start(
        out: Box<dyn Write + Send>,
        counters: Counters,
    ) -> std::io::Result<Arc<Self>> {
        let journal = Arc::new(Self {
            state: Mutex::default(),
            wake: Condvar::new(),
            idle: Condvar::new(),
            counters,
        });
        let own = Arc::clone(&journal);
        thread::Builder::new().name("gatelog-writer".into()).spawn(move || own.run(out))?;
        Ok(journal)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line; drops it if there is no room.
    pub(crate) fn push(&self, line: &[u8]) {
        let mut state = self.state();
        let bytes = state.lines.len().saturating_add(line.len()).saturating_add(1);
        if state.closed || bytes > BUFFER_BYTES {
            drop(state);
            return count(&self.counters.0.lines_dropped, 1);
        }
        let first = state.lines.is_empty();
        let half = BUFFER_BYTES / 2;
        let filled = bytes > half && state.lines.len() <= half;
        state.lines.extend_from_slice(line);
        state.lines.push(b'\n');
        state.count = state.count.saturating_add(1);
        drop(state);
        if first || filled {
            self.wake.notify_one();
        }
    }

    fn run(&self, mut out: Box<dyn Write + Send>) {
        let mut taken = Vec::new();
        loop {
            let mut state = self.state();
            while state.lines.is_empty() && !state.closed {
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if !(state.closed || state.hurry || state.lines.len() > BUFFER_BYTES / 2) {
                let waited = self.wake.wait_timeout(state, LINGER);
                (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
            }
            if state.lines.is_empty() && state.closed {
                break;
            }
            mem::swap(&mut state.lines, &mut taken);
            state.in_hand = mem::take(&mut state.count);
            state.writing = true;
            drop(state);
            let cell = match out.write_all(&taken).and_then(|()| out.flush()) {
                Ok(()) => &self.counters.0.lines_written,
                Err(_) => &self.counters.0.lines_failed,
            };
            taken.clear();
            let mut state = self.state();
            // None if they were given up in the meantime.
            count(cell, mem::take(&mut state.in_hand));
            state.writing = false;
            if state.lines.is_empty() {
                state.hurry = false;
                self.idle.notify_all();
            }
        }
    }

    /// Waits until every line so far is written; returns whether that was before the deadline.
    pub(crate) fn flush(&self, deadline: Instant) -> bool {
        let mut state = self.state();
        loop {
            if state.lines.is_empty() && !state.writing {
                return true;
            }
            state.hurry = true;
            self.wake.notify_one();
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.idle.wait_timeout(state, left);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Writes what waits, until the deadline; takes no more.
    pub(crate) fn close(&self, deadline: Instant) {
        self.state().closed = true;
        self.wake.notify_one();
        if !self.flush(deadline) {
            let mut state = self.state();
            count(&self.counters.0.lines_dropped, mem::take(&mut state.count));
            // Some of them may have been written: the writer has not returned.
            count(&self.counters.0.lines_failed, mem::take(&mut state.in_hand));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    /// Writes nothing until it is told to.
    struct Stalled(Receiver<()>);

    impl Write for Stalled {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// Regression: lines that were being written when the guard's time was over were in no counter.
    #[test]
    fn every_line_is_in_one_counter_when_the_writer_never_returns() {
        let counters = Counters::default();
        let (go_on, wait) = channel();
        let journal = Journal::start(Box::new(Stalled(wait)), counters.clone()).unwrap();
        journal.push(b"first");
        while !journal.state().writing {
            thread::yield_now();
        }
        journal.push(b"second");
        journal.push(b"third");
        journal.close(Instant::now());
        let read = || {
            let counts = counters.read();
            (counts.lines_written, counts.lines_failed, counts.lines_dropped)
        };
        assert_eq!(read(), (0, 1, 2));
        drop(go_on);
        assert!(journal.flush(Instant::now() + Duration::from_mins(1)));
        assert_eq!(read(), (0, 1, 2));
    }
}
