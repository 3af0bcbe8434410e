//! Which hostcalls a callback may make, which ones fail, and how a violation is reported.

use std::collections::VecDeque;
use std::fmt;

use super::call::{Call, Expected};
use super::status::Status;
use super::world::LogLine;

/// Hostcalls that return a status instead of doing anything. WASI calls are affected only by name:
/// Envoy answers those itself.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// Every `proxy_…` call.
    All(Status),
    /// Every call with this name; for a WASI call the status is an errno.
    Named(&'static str, Status),
    /// The n-th `proxy_…` call from now on, counted from 0.
    Nth(usize, Status),
}

/// The rule for the hostcalls of the running callback.
#[derive(Debug, Default)]
pub(super) struct Budget {
    pub(super) lenient: bool,
    pub(super) expected: VecDeque<Expected>,
    pub(super) calls: Vec<Call>,
    pub(super) violation: Option<String>,
    fault: Option<Fault>,
    /// `proxy_…` calls since the fault was set.
    since_fault: usize,
}

impl Budget {
    /// Sets or clears the fault.
    pub(super) fn set_fault(&mut self, fault: Option<Fault>) {
        self.fault = fault;
        self.since_fault = 0;
    }

    /// Records a call. `Ok(Some(status))`: it fails with this status; `Err`: it must not be made.
    pub(super) fn admit(&mut self, call: Call) -> Result<Option<Status>, String> {
        let fault = self.fault(call.name);
        let answer = if self.lenient {
            None
        } else {
            match self.expected.front() {
                Some(next) if next.is(&call) => {
                    self.expected.pop_front().and_then(|expected| expected.answer)
                }
                Some(next) => {
                    return Err(format!("unexpected hostcall {call}, expected next: {next}"));
                }
                None => {
                    return Err(format!("unexpected hostcall {call}, no further one is expected"));
                }
            }
        };
        self.calls.push(call);
        Ok(answer.or(fault))
    }

    pub(super) fn fault_reached(&self) -> bool {
        matches!(self.fault, Some(Fault::Nth(nth, _)) if nth < self.since_fault)
    }

    /// The expected calls that were not made.
    pub(super) fn missing(&mut self) -> Option<String> {
        if self.expected.is_empty() {
            return None;
        }
        let missing: Vec<_> = self.expected.drain(..).map(|call| call.to_string()).collect();
        Some(format!("expected hostcalls that did not come: {}", missing.join(", ")))
    }

    fn fault(&mut self, name: &str) -> Option<Status> {
        let of_proxy = name.starts_with("proxy_");
        let at = self.since_fault;
        if of_proxy {
            self.since_fault = at.saturating_add(1);
        }
        match self.fault? {
            Fault::All(status) => of_proxy.then_some(status),
            Fault::Named(named, status) => (named == name).then_some(status),
            Fault::Nth(nth, status) => (of_proxy && nth == at).then_some(status),
        }
    }
}

/// A failed callback: a trap, a violated budget, or a missing export.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The callback and its arguments.
    pub callback: String,
    /// What went wrong.
    pub reason: String,
    /// The hostcalls that it made before the failure.
    pub calls: Vec<Call>,
    /// The lines it logged.
    pub logs: Vec<LogLine>,
}

impl Failure {
    pub(super) fn load(error: &wasmi::Error) -> Self {
        let (callback, reason) = ("load".to_owned(), error.to_string());
        Self { callback, reason, calls: Vec::new(), logs: Vec::new() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.callback, self.reason)?;
        if !self.calls.is_empty() {
            f.write_str("\nhostcalls before:")?;
        }
        for call in &self.calls {
            write!(f, "\n  {call}")?;
        }
        for line in &self.logs {
            write!(f, "\nlogged {}: {}", line.level, line.text)?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}
