//! The bootstrap extension: sends for access loggers where there is no HTTP filter, and makes Envoy wait
//! for what is queued when it ends.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::time::Duration;

use gatelog::envoy::headers::Headers;
use gatelog::host::Severity;
use serde_json::{Map, Value};

use crate::abi::callbacks::log;
use crate::abi::configuration::Configuration;
use crate::host::main_thread::MainThread;
use crate::host::monotonic_nanos;
use crate::installed::next_id;
use crate::stats::Ids;
use crate::{clock, deliveries, journal};

/// How often it sends, and looks whether all has been sent.
const PERIOD: Duration = Duration::from_millis(200);

/// How long Envoy waits at its end for records to be sent: well within the 30 s that Kubernetes gives.
const LEAVE_NS: u64 = 5_000_000_000;

/// How often it says that lines of the journal were dropped, at most.
const TELL_NS: u64 = 1_000_000_000;

/// How long Envoy's end then waits for the journal's last lines.
const FINISH: Duration = Duration::from_secs(1);

/// Who writes the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum JournalWriter {
    /// Envoy's access log, by filter state.
    AccessLog,
    /// The module, to standard output.
    Stdout,
}

impl JournalWriter {
    /// From the extension's configuration.
    fn read(json: &[u8]) -> Result<Self, String> {
        if json.trim_ascii().is_empty() {
            return Ok(Self::AccessLog);
        }
        let fault = |error: serde_json::Error| format!("configuration: is not JSON: {error}");
        let object: Map<String, Value> = serde_json::from_slice(json).map_err(fault)?;
        if let Some(key) = object.keys().find(|key| *key != "journal") {
            let key = key.escape_debug();
            return Err(format!("{key}: unknown key: must be journal"));
        }
        match object.get("journal").map_or(Some("access_log"), Value::as_str) {
            Some("access_log") => Ok(Self::AccessLog),
            Some("stdout") => Ok(Self::Stdout),
            _ => Err("journal: must be \"access_log\" or \"stdout\"".to_owned()),
        }
    }
}

/// The extension.
pub(crate) struct Extension {
    id: u64,
    stats: Ids,
    leaving: RefCell<Option<Leave>>,
    until_ns: Cell<u64>,
    /// When lines that the journal dropped are told next.
    tell_ns: Cell<u64>,
}

/// What Envoy waits for; done when it is dropped, so that nothing can make Envoy wait for ever.
pub(crate) struct Leave(Option<Box<dyn FnOnce()>>);

impl Leave {
    /// Done by `completion`.
    pub(crate) fn new(completion: impl FnOnce() + 'static) -> Self {
        Self(Some(Box::new(completion)))
    }
}

impl fmt::Debug for Leave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Leave")
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        if let Some(completion) = self.0.take() {
            completion();
        }
    }
}

impl Extension {
    /// Installs it; a fault goes to Envoy's log.
    pub(crate) fn install(json: &[u8], envoy: Configuration) -> Option<Self> {
        let opened = match JournalWriter::read(json) {
            Ok(JournalWriter::AccessLog) => Ok(()),
            Ok(JournalWriter::Stdout) => {
                journal::open().map_err(|error| format!("opening standard output: {error}"))
            }
            Err(fault) => Err(fault),
        };
        if let Err(fault) = opened {
            log(Severity::Error, &format!("gatelog: the bootstrap extension: {fault}"));
            return None;
        }
        let id = next_id();
        let stats = Ids::define(envoy);
        clock::start(id, envoy.scheduler(), PERIOD);
        envoy.ready();
        Some(Self {
            id,
            stats,
            leaving: RefCell::new(None),
            until_ns: Cell::new(0),
            tell_ns: Cell::new(0),
        })
    }

    /// Envoy has destroyed it: it ends, and the workers have ended.
    pub(crate) fn destroyed(self) {
        clock::stop(self.id);
        deliveries::destroyed(self.id);
        if let Some(journal) = journal::journal() {
            journal.finish(FINISH);
        }
    }

    /// A tick.
    pub(crate) fn tick(&self, envoy: Configuration) {
        clock::ran(self.id);
        deliveries::tick(self.id, &MainThread::of(envoy, &self.stats, Headers::default()));
        self.tell_dropped();
        self.look();
    }

    /// Says how many lines the journal has dropped, from time to time.
    fn tell_dropped(&self) {
        let now = monotonic_nanos();
        let Some(journal) = journal::journal().filter(|_| now >= self.tell_ns.get()) else {
            return;
        };
        let dropped = journal.dropped();
        if dropped > 0 {
            self.tell_ns.set(now.saturating_add(TELL_NS));
            let line = format!(
                "gatelog: {dropped} lines of the journal were dropped: standard output is read too \
                 slowly, and {} bytes wait",
                journal::WAITING_MAX
            );
            log(Severity::Warn, &line);
        }
    }

    /// The answer to a callout.
    pub(crate) fn answered(&self, envoy: Configuration, id: u64, answer: Headers) {
        deliveries::answered(self.id, id, &MainThread::of(envoy, &self.stats, answer));
        self.look();
    }

    /// Envoy ends: sends all there is, for a while.
    pub(crate) fn leave(&self, leave: Leave) {
        self.until_ns.set(monotonic_nanos().saturating_add(LEAVE_NS));
        deliveries::leave();
        if let Some(journal) = journal::journal() {
            journal.hurry();
        }
        self.leaving.replace(Some(leave));
        clock::wake(self.id);
        clock::wake_others(self.id);
    }

    /// Lets Envoy end if nothing waits any more, or it has waited long enough.
    fn look(&self) {
        if self.leaving.borrow().is_none() {
            return;
        }
        let left = deliveries::left();
        let written = journal::journal().is_none_or(journal::Journal::is_empty);
        let late = monotonic_nanos() >= self.until_ns.get();
        if (left == 0 && written) || late {
            if left > 0 {
                let line = format!(
                    "gatelog: {left} records could not be sent before Envoy ended; replay them from \
                     the journal"
                );
                log(Severity::Warn, &line);
            }
            drop(self.leaving.take());
        } else {
            // Whatever their flush intervals are.
            clock::wake_others(self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_says_who_writes_the_journal_and_a_fault_is_named() {
        for (json, journal) in [
            (&b""[..], JournalWriter::AccessLog),
            (b"{}", JournalWriter::AccessLog),
            (br#"{"journal": "access_log"}"#, JournalWriter::AccessLog),
            (br#"{"journal": "stdout"}"#, JournalWriter::Stdout),
        ] {
            assert_eq!(JournalWriter::read(json), Ok(journal));
        }
        for (json, says) in [
            (&b"{"[..], "is not JSON"),
            (b"[]", "is not JSON"),
            (br#"{"jornal": "stdout"}"#, "jornal: unknown key"),
            (br#"{"journal": "file"}"#, "must be \"access_log\" or \"stdout\""),
            (br#"{"journal": true}"#, "must be \"access_log\" or \"stdout\""),
        ] {
            let fault = JournalWriter::read(json).unwrap_err();
            assert!(fault.contains(says), "{fault}");
        }
    }
}
