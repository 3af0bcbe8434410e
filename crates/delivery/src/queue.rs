//! The records that wait in one worker, bounded in bytes.
//!
//! Records leave in the order they were made. At the bound, records of the lowest level are dropped
//! first, the oldest of them first. A new record is dropped alone if dropping everything that waits
//! at or below its level would not make enough room: records above it, or in flight, stay.

use std::collections::VecDeque;

use gatelog_record::Level;

/// What one record costs in the queue in addition to its line, in bytes: its place and the
/// allocator's overhead.
pub const ENTRY_OVERHEAD: usize = 64;

/// One encoded record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Sequence number within the boot, from 1.
    pub seq: u64,
    /// Its level: the lowest is dropped first.
    pub level: Level,
    /// Its line, without a line feed.
    pub line: Box<[u8]>,
}

impl Entry {
    fn cost(&self) -> usize {
        self.line.len().saturating_add(ENTRY_OVERHEAD)
    }
}

/// The waiting records of one worker.
#[derive(Debug)]
pub struct Queue {
    /// One lane per level, each in order of `seq`.
    lanes: [VecDeque<Entry>; 5],
    /// What each lane's records cost.
    lane_bytes: [usize; 5],
    max_bytes: usize,
    in_flight_bytes: usize,
    in_flight_records: usize,
}

impl Queue {
    /// An empty queue that holds at most `max_bytes`, records in flight included.
    pub fn new(max_bytes: usize) -> Self {
        Self {
            lanes: Default::default(),
            lane_bytes: [0; 5],
            max_bytes,
            in_flight_bytes: 0,
            in_flight_records: 0,
        }
    }

    /// Records that wait or are in flight.
    pub fn records(&self) -> usize {
        self.waiting().saturating_add(self.in_flight_records)
    }

    /// Bytes of the records that wait or are in flight.
    pub fn bytes(&self) -> usize {
        self.waiting_bytes().saturating_add(self.in_flight_bytes)
    }

    /// Records that wait to be sent.
    pub fn waiting(&self) -> usize {
        self.lanes.iter().map(VecDeque::len).fold(0, usize::saturating_add)
    }

    /// Bytes of the records that wait to be sent.
    pub fn waiting_bytes(&self) -> usize {
        self.lane_bytes.iter().copied().fold(0, usize::saturating_add)
    }

    /// Adds a record; returns how many were dropped, possibly itself.
    pub fn push(&mut self, entry: Entry) -> u64 {
        let cost = entry.cost();
        let missing = self.bytes().saturating_add(cost).saturating_sub(self.max_bytes);
        let below = self.lane_bytes.iter().take(entry.level.index().saturating_add(1));
        if missing > below.copied().fold(0, usize::saturating_add) {
            return 1;
        }
        let mut shed = 0_u64;
        while self.bytes().saturating_add(cost) > self.max_bytes {
            shed = shed.saturating_add(1);
            if self.shed_lowest().is_none() {
                return shed;
            }
        }
        self.put(entry, VecDeque::push_back);
        shed
    }

    /// Takes the oldest records, in order, up to both bounds, but at least one if any waits. They
    /// count as in flight until they are settled or requeued.
    pub fn take(&mut self, max_bytes: usize, max_records: usize) -> Vec<Entry> {
        let mut taken = Vec::new();
        let mut bytes = 0_usize;
        while taken.len() < max_records.max(1) {
            let Some(lane) = self.oldest_lane() else { break };
            let Some(next) = self.lanes.get(lane).and_then(VecDeque::front) else { break };
            let grown = bytes.saturating_add(next.line.len()).saturating_add(1);
            if grown > max_bytes && !taken.is_empty() {
                break;
            }
            bytes = grown;
            taken.extend(self.pop(lane));
        }
        let cost = cost_of(&taken);
        self.in_flight_bytes = self.in_flight_bytes.saturating_add(cost);
        self.in_flight_records = self.in_flight_records.saturating_add(taken.len());
        taken
    }

    /// Releases taken records: they were delivered or dropped.
    pub fn settle(&mut self, entries: &[Entry]) {
        self.in_flight_bytes = self.in_flight_bytes.saturating_sub(cost_of(entries));
        self.in_flight_records = self.in_flight_records.saturating_sub(entries.len());
    }

    /// Puts taken records back where they were.
    pub fn give_back(&mut self, entries: Vec<Entry>) {
        self.settle(&entries);
        for entry in entries.into_iter().rev() {
            // Batches fail in any order: find the place that keeps the lane sorted.
            self.put(entry, |lane, entry| {
                let place = lane.partition_point(|other| other.seq < entry.seq);
                lane.insert(place, entry);
            });
        }
    }

    /// Drops the oldest record of the lowest level.
    fn shed_lowest(&mut self) -> Option<Entry> {
        let lowest = self.lanes.iter().position(|lane| !lane.is_empty())?;
        self.pop(lowest)
    }

    /// Puts a record into the lane of its level.
    fn put(&mut self, entry: Entry, place: impl FnOnce(&mut VecDeque<Entry>, Entry)) {
        let level = entry.level.index();
        if let (Some(lane), Some(bytes)) =
            (self.lanes.get_mut(level), self.lane_bytes.get_mut(level))
        {
            *bytes = bytes.saturating_add(entry.cost());
            place(lane, entry);
        }
    }

    fn pop(&mut self, lane: usize) -> Option<Entry> {
        let entry = self.lanes.get_mut(lane)?.pop_front()?;
        if let Some(bytes) = self.lane_bytes.get_mut(lane) {
            *bytes = bytes.saturating_sub(entry.cost());
        }
        Some(entry)
    }

    /// The lane whose front is the oldest record.
    fn oldest_lane(&self) -> Option<usize> {
        let fronts = self.lanes.iter().map(VecDeque::front).enumerate();
        let seqs = fronts.filter_map(|(lane, front)| Some((front?.seq, lane)));
        seqs.min().map(|(_, lane)| lane)
    }
}

fn cost_of(entries: &[Entry]) -> usize {
    entries.iter().map(Entry::cost).fold(0, usize::saturating_add)
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn entry(seq: u64, level: Level) -> Entry {
        Entry { seq, level, line: vec![b'x'; 36].into_boxed_slice() }
    }

    /// The bytes that this many of the entries above take.
    fn queue(records: usize) -> Queue {
        Queue::new(records * (36 + ENTRY_OVERHEAD))
    }

    fn seqs(entries: &[Entry]) -> Vec<u64> {
        entries.iter().map(|entry| entry.seq).collect()
    }

    #[test]
    fn records_leave_in_the_order_they_were_made() {
        let mut queue = queue(10);
        for (seq, level) in
            [(1, Level::Error), (2, Level::Info), (3, Level::Critical), (4, Level::Debug)]
        {
            assert_eq!(queue.push(entry(seq, level)), 0);
        }
        assert_eq!(seqs(&queue.take(usize::MAX, 3)), [1, 2, 3]);
        assert_eq!(seqs(&queue.take(usize::MAX, 3)), [4]);
        assert_eq!(queue.waiting(), 0);
        assert_eq!(queue.records(), 4);
    }

    #[test]
    fn at_the_bound_the_oldest_record_of_the_lowest_level_is_dropped_first() {
        let mut queue = queue(4);
        for (seq, level) in
            [(1, Level::Info), (2, Level::Debug), (3, Level::Info), (4, Level::Error)]
        {
            queue.push(entry(seq, level));
        }
        assert_eq!(queue.push(entry(5, Level::Error)), 1);
        assert_eq!(queue.push(entry(6, Level::Info)), 1);
        assert_eq!(seqs(&queue.take(usize::MAX, 9)), [3, 4, 5, 6]);
    }

    #[test]
    fn a_record_below_every_queued_level_is_dropped_when_full() {
        let mut queue = queue(2);
        queue.push(entry(1, Level::Error));
        queue.push(entry(2, Level::Critical));
        assert_eq!(queue.push(entry(3, Level::Info)), 1);
        assert_eq!(queue.push(entry(4, Level::Error)), 1);
        assert_eq!(seqs(&queue.take(usize::MAX, 9)), [2, 4]);
    }

    #[test]
    fn a_record_larger_than_the_whole_queue_displaces_nothing() {
        let mut queue = queue(2);
        queue.push(entry(1, Level::Info));
        let line = vec![b'x'; 500].into_boxed_slice();
        assert_eq!(queue.push(Entry { seq: 2, level: Level::Critical, line }), 1);
        assert_eq!(seqs(&queue.take(usize::MAX, 9)), [1]);
    }

    #[test]
    fn nothing_is_dropped_if_that_would_not_make_enough_room() {
        let mut queue = queue(4);
        for seq in 1..=3 {
            queue.push(entry(seq, Level::Error));
        }
        queue.push(entry(4, Level::Debug));
        let line = vec![b'x'; 136].into_boxed_slice();
        assert_eq!(queue.push(Entry { seq: 5, level: Level::Info, line }), 1, "itself alone");
        assert_eq!(seqs(&queue.take(usize::MAX, 9)), [1, 2, 3, 4]);
        let mut queue = self::queue(4);
        for seq in 1..=4 {
            queue.push(entry(seq, Level::Info));
        }
        let in_flight = queue.take(usize::MAX, 3);
        let line = vec![b'x'; 136].into_boxed_slice();
        assert_eq!(queue.push(Entry { seq: 5, level: Level::Critical, line }), 1, "itself alone");
        assert_eq!(seqs(&queue.take(usize::MAX, 9)), [4]);
        queue.settle(&in_flight);
    }

    #[test]
    fn records_in_flight_count_and_are_never_dropped() {
        let mut queue = queue(2);
        queue.push(entry(1, Level::Info));
        queue.push(entry(2, Level::Info));
        let batch = queue.take(usize::MAX, 9);
        assert_eq!(queue.push(entry(3, Level::Critical)), 1);
        assert_eq!(queue.records(), 2);
        queue.settle(&batch);
        assert_eq!(queue.bytes(), 0);
        assert_eq!(queue.push(entry(4, Level::Info)), 0);
    }

    #[test]
    fn batches_requeued_in_any_order_are_sorted_again() {
        let mut queue = queue(6);
        for seq in 1..=6 {
            queue.push(entry(seq, if seq % 2 == 0 { Level::Info } else { Level::Error }));
        }
        let (first, second) = (queue.take(usize::MAX, 2), queue.take(usize::MAX, 2));
        queue.give_back(first);
        queue.give_back(second);
        assert_eq!(seqs(&queue.take(usize::MAX, 9)), [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn a_batch_keeps_its_bounds_but_has_at_least_one_record() {
        let mut queue = queue(6);
        for seq in 1..=6 {
            queue.push(entry(seq, Level::Info));
        }
        assert_eq!(queue.take(2 * 37, 9).len(), 2);
        assert_eq!(queue.take(2 * 37 - 1, 9).len(), 1);
        assert_eq!(queue.take(1, 0).len(), 1);
    }

    #[test]
    fn no_sequence_of_events_exceeds_the_bound_or_miscounts() {
        let mut queue = queue(20);
        let mut in_flight: Vec<Vec<Entry>> = Vec::new();
        let (mut made, mut shed, mut delivered) = (0, 0, 0);
        let mut state = 7_u64;
        for _ in 0..20_000 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            match state >> 61 {
                0..=3 => {
                    made += 1;
                    shed += queue.push(entry(made, Level::ALL[(state >> 33) as usize % 5]));
                }
                4 | 5 => in_flight.push(queue.take(500, 5)),
                6 => {
                    if let Some(batch) = in_flight.pop() {
                        queue.settle(&batch);
                        delivered += batch.len() as u64;
                    }
                }
                _ => {
                    if !in_flight.is_empty() {
                        queue.give_back(in_flight.remove(0));
                    }
                }
            }
            assert!(queue.bytes() <= 20 * 100);
            assert_eq!(made, shed + delivered + queue.records() as u64);
        }
    }
}
