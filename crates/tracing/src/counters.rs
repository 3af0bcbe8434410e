//! What became of the records.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gatelog_record::{DropReason, Dropped};

/// The counters of one layer; cheap to clone, for example for a metrics endpoint.
///
/// ```
/// let (_layer, guard) = gatelog_tracing::builder("orders").writer(std::io::sink()).layer()?;
/// let counters = guard.counters();
/// assert_eq!(counters.read().records, 0);
/// # Ok::<(), gatelog_tracing::BuildError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Counters(pub(crate) Arc<Cells>);

/// A reading of [`Counters`]: totals since the layer was made.
///
/// ```
/// # let (_layer, guard) = gatelog_tracing::builder("orders").writer(std::io::sink()).layer()?;
/// let counts = guard.counters().read();
/// assert_eq!(counts.dropped_queue_full + counts.lines_dropped, 0);
/// # Ok::<(), gatelog_tracing::BuildError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Records made, which is the last one's `source.seq`.
    pub records: u64,
    /// Records that the collector has acknowledged.
    pub delivered: u64,
    /// Records dropped at the bound of the collector's queue.
    pub dropped_queue_full: u64,
    /// Records that the collector has refused for good.
    pub dropped_rejected: u64,
    /// Records larger than a record, or a batch, may be.
    pub dropped_too_large: u64,
    /// Records that were not acknowledged when the guard's time was over, or were made after that.
    pub abandoned: u64,
    /// Lines written.
    pub lines_written: u64,
    /// Lines dropped at the bound of the writer's buffer, or made after the guard was dropped.
    pub lines_dropped: u64,
    /// Lines that could not be written, or were being written when the guard's time was over.
    pub lines_failed: u64,
    /// Texts cut and fields left out to keep the bounds of a record.
    pub values_cut: u64,
    /// Records encoded again, without `extra` and metrics.
    pub records_shortened: u64,
    /// Batches that had to be sent again.
    pub batches_retried: u64,
    /// Requests whose span was filtered out: their records have no ids.
    pub contexts_lost: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Cells {
    pub(crate) records: AtomicU64,
    pub(crate) delivered: AtomicU64,
    pub(crate) queue_full: AtomicU64,
    pub(crate) rejected: AtomicU64,
    pub(crate) too_large: AtomicU64,
    pub(crate) abandoned: AtomicU64,
    pub(crate) lines_written: AtomicU64,
    pub(crate) lines_dropped: AtomicU64,
    pub(crate) lines_failed: AtomicU64,
    pub(crate) values_cut: AtomicU64,
    pub(crate) shortened: AtomicU64,
    pub(crate) retried: AtomicU64,
}

/// Requests whose span was filtered out; counted for the process, as no layer saw them.
pub(crate) static CONTEXTS_LOST: AtomicU64 = AtomicU64::new(0);

/// Adds to a counter.
pub(crate) fn count(cell: &AtomicU64, more: u64) {
    if more > 0 {
        cell.fetch_add(more, Ordering::Relaxed);
    }
}

impl Counters {
    /// Reads them. Each is exact; together they are a moment's picture only while nothing is logged.
    ///
    /// ```
    /// # let (_layer, guard) = gatelog_tracing::builder("orders").writer(std::io::sink()).layer()?;
    /// println!("{:?}", guard.counters().read());
    /// # Ok::<(), gatelog_tracing::BuildError>(())
    /// ```
    pub fn read(&self) -> Counts {
        let cells = &*self.0;
        let read = |cell: &AtomicU64| cell.load(Ordering::Relaxed);
        Counts {
            records: read(&cells.records),
            delivered: read(&cells.delivered),
            dropped_queue_full: read(&cells.queue_full),
            dropped_rejected: read(&cells.rejected),
            dropped_too_large: read(&cells.too_large),
            abandoned: read(&cells.abandoned),
            lines_written: read(&cells.lines_written),
            lines_dropped: read(&cells.lines_dropped),
            lines_failed: read(&cells.lines_failed),
            values_cut: read(&cells.values_cut),
            records_shortened: read(&cells.shortened),
            batches_retried: read(&cells.retried),
            contexts_lost: read(&CONTEXTS_LOST),
        }
    }
}

impl Cells {
    /// The drops as a batch's header reports them.
    pub(crate) fn dropped(&self) -> Dropped {
        let mut dropped = Dropped::default();
        for (reason, cell) in [
            (DropReason::QueueFull, &self.queue_full),
            (DropReason::Rejected, &self.rejected),
            (DropReason::TooLarge, &self.too_large),
        ] {
            dropped.add(reason, cell.load(Ordering::Acquire));
        }
        dropped
    }
}
