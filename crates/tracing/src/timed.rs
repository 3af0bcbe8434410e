//! Operations whose time and metrics are logged when they end.

use std::cell::RefCell;
use std::panic::Location;
use std::time::{Duration, Instant};

use gatelog_record::limits::PAIRS;

/// Begins an operation: when the value is dropped or [ends](Timed::end), one record tells how long it took
/// (`trace.execution_time_ms`), how it ended (`trace.status`) and what it measured (`trace.metrics`).
///
/// ```
/// use gatelog_tracing::timed;
///
/// fn execute(nodes: &[&str]) {
///     let mut flow = timed("flow_execution");
///     for _node in nodes { /* … */ }
///     flow.metric("nodes_executed", nodes.len());
/// } // INFO: "flow_execution finished"
/// execute(&["a", "b"]);
/// ```
#[track_caller]
pub fn timed(operation: &'static str) -> Timed {
    Timed {
        operation,
        began: Instant::now(),
        metrics: Vec::new(),
        failed: false,
        place: Location::caller(),
    }
}

/// A running operation: see [`timed`].
#[derive(Debug)]
#[must_use = "it is logged when it is dropped"]
pub struct Timed {
    operation: &'static str,
    began: Instant,
    metrics: Vec<(&'static str, f64)>,
    failed: bool,
    place: &'static Location<'static>,
}

impl Timed {
    /// Sets a metric; the last value of a name counts. The record has the first 64 names; a metric that is
    /// not a number is left out, and a [`Duration`] counts in milliseconds.
    ///
    /// ```
    /// let mut flow = gatelog_tracing::timed("flow_execution");
    /// flow.metric("nodes_executed", 5).metric("cost", 0.25);
    /// ```
    pub fn metric(&mut self, name: &'static str, value: impl Measure) -> &mut Self {
        add(&mut self.metrics, name, value.measure());
        self
    }

    /// The operation has failed: its record is an ERROR of status `error`. One that is dropped by a
    /// panic has failed as well.
    ///
    /// ```
    /// let mut flow = gatelog_tracing::timed("flow_execution");
    /// if let Err(error) = "x".parse::<u8>() {
    ///     tracing::error!(error = &error as &dyn std::error::Error, "no such node");
    ///     flow.fail();
    /// }
    /// ```
    pub fn fail(&mut self) -> &mut Self {
        self.failed = true;
        self
    }

    /// Ends the operation now.
    ///
    /// ```
    /// let flow = gatelog_tracing::timed("flow_execution");
    /// flow.end();
    /// ```
    pub fn end(self) {}
}

impl Drop for Timed {
    fn drop(&mut self) {
        let took = self.began.elapsed().as_secs_f64() * 1_000.0;
        let failed = self.failed || std::thread::panicking();
        let (operation, line) = (self.operation, self.place.line());
        let metrics = std::mem::take(&mut self.metrics);
        // The names of metrics are not known when the code is compiled, so no field can have them:
        // the layer picks them up from here.
        let _ = ENDED.try_with(|ended| {
            if let Ok(mut ended) = ended.try_borrow_mut() {
                *ended = metrics;
            }
        });
        if failed {
            tracing::error!(
                target: crate::TARGET, timed = true, trace.execution_time_ms = took,
                trace.status = "error", operation, log.line = line, "{operation} failed"
            );
        } else {
            tracing::info!(
                target: crate::TARGET, timed = true, trace.execution_time_ms = took,
                trace.status = "success", operation, log.line = line, "{operation} finished"
            );
        }
        let _ = ENDED.try_with(|ended| {
            if let Ok(mut ended) = ended.try_borrow_mut() {
                ended.clear();
            }
        });
    }
}

thread_local! {
    /// The metrics of the operation that is being logged.
    static ENDED: RefCell<Vec<(&'static str, f64)>> = const { RefCell::new(Vec::new()) };
}

/// Adds the metrics of the operation that is being logged.
pub(crate) fn pick_up(metrics: &mut Vec<(&'static str, f64)>) {
    let _ = ENDED.try_with(|ended| {
        if let Ok(ended) = ended.try_borrow() {
            metrics.extend(ended.iter().copied());
        }
    });
}

/// Sets a metric, within the bound of a record.
pub(crate) fn add(metrics: &mut Vec<(&'static str, f64)>, name: &'static str, value: f64) {
    if !value.is_finite() {
        return;
    }
    if let Some((_, place)) = metrics.iter_mut().find(|(own, _)| *own == name) {
        *place = value;
    } else if metrics.len() < PAIRS {
        metrics.push((name, value));
    }
}

/// A value of a [metric](Timed::metric).
///
/// ```
/// use gatelog_tracing::Measure;
///
/// assert_eq!(5_usize.measure(), 5.0);
/// assert_eq!(std::time::Duration::from_secs(2).measure(), 2_000.0);
/// ```
pub trait Measure {
    /// The value as a double, as records have it.
    fn measure(self) -> f64;
}

macro_rules! measure {
    ($($number:ty),*) => {$(
        impl Measure for $number {
            #[expect(clippy::allow_attributes, reason = "not every type needs all of them")]
            #[allow(clippy::cast_precision_loss, clippy::cast_lossless, reason = "a metric is a double")]
            fn measure(self) -> f64 {
                self as f64
            }
        }
    )*};
}

measure!(i8, i16, i32, i64, isize, u8, u16, u32, u64, usize, f32, f64);

impl Measure for Duration {
    fn measure(self) -> f64 {
        self.as_secs_f64() * 1_000.0
    }
}
