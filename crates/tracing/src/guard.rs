//! The clean end: what waits is written and sent before the process ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::counters::Counters;
use crate::shared::Shared;

/// Keeps the outputs running; when it is dropped, they write and send what waits, for the builder's
/// [`drain_timeout`](crate::Builder::drain_timeout) at most. Bind it to a name in `main`: `let _ =` would drop
/// it at once, and all later records with it.
///
/// ```
/// let (layer, guard) = gatelog_tracing::builder("orders").writer(std::io::sink()).layer()?;
/// // … the service runs …
/// drop(guard);
/// # drop(layer);
/// # Ok::<(), gatelog_tracing::BuildError>(())
/// ```
#[derive(Debug)]
#[must_use = "records are written and sent only while the guard lives"]
pub struct Guard {
    pub(crate) shared: Arc<Shared>,
    pub(crate) drain_timeout: Duration,
}

impl Guard {
    /// Waits until every record so far is written and acknowledged; returns whether that was within
    /// the time. It blocks the calling thread: inside of a runtime, use its `spawn_blocking`.
    ///
    /// ```
    /// # let (_layer, guard) = gatelog_tracing::builder("orders").writer(std::io::sink()).layer()?;
    /// assert!(guard.flush(std::time::Duration::from_secs(1)));
    /// # Ok::<(), gatelog_tracing::BuildError>(())
    /// ```
    pub fn flush(&self, within: Duration) -> bool {
        let deadline = deadline(within);
        let written = self.shared.journal.as_ref().is_none_or(|journal| journal.flush(deadline));
        written && self.shared.outbox.as_ref().is_none_or(|outbox| outbox.flush(deadline))
    }

    /// The counters of what became of the records.
    ///
    /// ```
    /// # let (_layer, guard) = gatelog_tracing::builder("orders").writer(std::io::sink()).layer()?;
    /// assert_eq!(guard.counters().read().dropped_queue_full, 0);
    /// # Ok::<(), gatelog_tracing::BuildError>(())
    /// ```
    pub fn counters(&self) -> Counters {
        self.shared.counters.clone()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let deadline = deadline(self.drain_timeout);
        // A stalled reader of standard output must not use up the collector's time.
        if let Some(outbox) = &self.shared.outbox {
            outbox.hasten(deadline);
        }
        if let Some(journal) = &self.shared.journal {
            journal.close(deadline);
        }
        if let Some(outbox) = &self.shared.outbox {
            outbox.close(deadline);
        }
    }
}

/// The longest wait that an instant can be moved by on every platform.
const LONGEST: Duration = Duration::from_hours(24);

fn deadline(within: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(within.min(LONGEST)).unwrap_or(now)
}
