//! The records that wait in one worker, bounded in bytes.
//!
//! Records leave in the order they were made. At the bound the lowest level goes first, and of a
//! level the oldest; a record that is lower than all that waits goes itself.

use std::collections::VecDeque;

use gatelog_record::Level;

/// What one waiting record costs next to its line, in bytes: its place in the queue and the
/// allocator's own.
pub const ENTRY_OVERHEAD: usize = 64;

/// One encoded record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The how-many-th record of this boot.
    pub seq: u64,
    /// Its level: low ones are shed first.
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
    /// One lane a level, each in order of `seq`.
    lanes: [VecDeque<Entry>; 5],
    max_bytes: usize,
    waiting_bytes: usize,
    in_flight_bytes: usize,
    in_flight_records: usize,
}

impl Queue {
    /// An empty queue that holds at most so many bytes, those in flight included.
    pub fn new(max_bytes: usize) -> Self {
        Self {
            lanes: Default::default(),
            max_bytes,
            waiting_bytes: 0,
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
        self.waiting_bytes.saturating_add(self.in_flight_bytes)
    }

    /// Records that wait to be sent.
    pub fn waiting(&self) -> usize {
        self.lanes.iter().map(VecDeque::len).fold(0, usize::saturating_add)
    }

    /// Bytes of the records that wait to be sent.
    pub fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// Adds a record; gives how many had to go, itself perhaps.
    pub fn push(&mut self, entry: Entry) -> u64 {
        let cost = entry.cost();
        if cost > self.max_bytes {
            // No room would be enough: nothing else goes for its sake.
            return 1;
        }
        let mut shed = 0_u64;
        while self.bytes().saturating_add(cost) > self.max_bytes {
            shed = shed.saturating_add(1);
            if self.shed_up_to(entry.level).is_none() {
                return shed;
            }
        }
        self.waiting_bytes = self.waiting_bytes.saturating_add(cost);
        if let Some(lane) = self.lanes.get_mut(entry.level.index()) {
            lane.push_back(entry);
        }
        shed
    }

    /// Takes the oldest records, in order, up to both bounds; one at least where one waits. They
    /// count as in flight until they are settled or given back.
    pub fn take(&mut self, max_bytes: usize, max_records: usize) -> Vec<Entry> {
        let mut taken = Vec::new();
        let mut bytes = 0_usize;
        while taken.len() < max_records.max(1) {
            let Some(lane) = self.oldest_lane() else { break };
            let Some(next) = lane.front() else { break };
            let grown = bytes.saturating_add(next.line.len()).saturating_add(1);
            if grown > max_bytes && !taken.is_empty() {
                break;
            }
            bytes = grown;
            taken.extend(lane.pop_front());
        }
        let cost = cost_of(&taken);
        self.waiting_bytes = self.waiting_bytes.saturating_sub(cost);
        self.in_flight_bytes = self.in_flight_bytes.saturating_add(cost);
        self.in_flight_records = self.in_flight_records.saturating_add(taken.len());
        taken
    }

    /// Lets taken records go for good: they were delivered, or dropped.
    pub fn settle(&mut self, entries: &[Entry]) {
        self.in_flight_bytes = self.in_flight_bytes.saturating_sub(cost_of(entries));
        self.in_flight_records = self.in_flight_records.saturating_sub(entries.len());
    }

    /// Puts taken records back where they were.
    pub fn give_back(&mut self, entries: Vec<Entry>) {
        self.settle(&entries);
        self.waiting_bytes = self.waiting_bytes.saturating_add(cost_of(&entries));
        for entry in entries.into_iter().rev() {
            let Some(lane) = self.lanes.get_mut(entry.level.index()) else { continue };
            // Batches fail in any order: find the place that keeps the lane sorted.
            let place = lane.partition_point(|other| other.seq < entry.seq);
            lane.insert(place, entry);
        }
    }

    /// Sheds the oldest record of the lowest level that is not above `level`.
    fn shed_up_to(&mut self, level: Level) -> Option<Entry> {
        let lanes = self.lanes.iter_mut().take(level.index().saturating_add(1));
        let shed = lanes.into_iter().find_map(VecDeque::pop_front)?;
        self.waiting_bytes = self.waiting_bytes.saturating_sub(shed.cost());
        Some(shed)
    }

    fn oldest_lane(&mut self) -> Option<&mut VecDeque<Entry>> {
        let lanes = self.lanes.iter_mut().filter(|lane| !lane.is_empty());
        lanes.min_by_key(|lane| lane.front().map(|entry| entry.seq))
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

    /// Room for so many of the entries above.
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
    fn at_the_bound_the_lowest_level_goes_first_and_the_oldest_of_it() {
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
    fn a_record_lower_than_all_that_waits_goes_itself() {
        let mut queue = queue(2);
        queue.push(entry(1, Level::Error));
        queue.push(entry(2, Level::Critical));
        assert_eq!(queue.push(entry(3, Level::Info)), 1);
        assert_eq!(queue.push(entry(4, Level::Error)), 1);
        assert_eq!(seqs(&queue.take(usize::MAX, 9)), [2, 4]);
    }

    #[test]
    fn a_record_larger_than_the_whole_queue_pushes_nothing_out() {
        let mut queue = queue(2);
        queue.push(entry(1, Level::Info));
        let line = vec![b'x'; 500].into_boxed_slice();
        assert_eq!(queue.push(Entry { seq: 2, level: Level::Critical, line }), 1);
        assert_eq!(seqs(&queue.take(usize::MAX, 9)), [1]);
    }

    #[test]
    fn what_is_in_flight_counts_and_is_never_shed() {
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
    fn batches_given_back_in_any_order_are_in_order_again() {
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
    fn a_batch_keeps_its_bounds_but_has_one_record_at_least() {
        let mut queue = queue(6);
        for seq in 1..=6 {
            queue.push(entry(seq, Level::Info));
        }
        assert_eq!(queue.take(2 * 37, 9).len(), 2);
        assert_eq!(queue.take(2 * 37 - 1, 9).len(), 1);
        assert_eq!(queue.take(1, 0).len(), 1);
    }

    #[test]
    fn no_course_of_events_passes_the_bound_or_loses_count() {
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
