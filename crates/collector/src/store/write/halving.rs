//! Chooses which documents to send to the server next after a call was refused for what may be the
//! fault of one of them: halves, until the refused document is alone.

use std::ops::Range;

/// How many documents may be refused individually, before any is accepted, until the fault is
/// attributed to the collection. They are picked from all over, so that a few bad ones in a row do
/// not shut it.
const LONE_REFUSALS_MAX: usize = 5;

/// The parts still to be sent.
#[derive(Debug)]
pub(super) struct Halving {
    parts: Vec<Range<usize>>,
    lone_refusals: usize,
    taken: bool,
    /// Whether the next part should be taken from elsewhere.
    leap: bool,
}

impl Halving {
    /// This many documents, all at once at first.
    pub(super) fn new(documents: usize) -> Self {
        let mut parts = Vec::new();
        if documents > 0 {
            parts.push(0..documents);
        }
        Self { parts, lone_refusals: 0, taken: false, leap: false }
    }

    /// The next part to send; `None` when every document has its result.
    pub(super) fn next(&mut self) -> Option<Range<usize>> {
        if std::mem::take(&mut self.leap) && !self.taken {
            let (at, _) = self.parts.iter().enumerate().max_by_key(|(_, part)| part.len())?;
            return Some(self.parts.swap_remove(at));
        }
        self.parts.pop()
    }

    /// A part was refused as a whole. Returns whether it is a single document: then its result is
    /// known.
    pub(super) fn refused(&mut self, part: Range<usize>) -> bool {
        if part.len() <= 1 {
            self.lone_refusals += 1;
            self.leap = true;
            return true;
        }
        let middle = part.start.midpoint(part.end);
        self.parts.extend([middle..part.end, part.start..middle]);
        false
    }

    /// A call completed: `suspected` of its documents were refused individually for what may or may
    /// not be their own fault, and `taken` tells whether any was accepted.
    pub(super) fn answered(&mut self, suspected: usize, taken: bool) {
        self.lone_refusals = self.lone_refusals.saturating_add(suspected);
        self.taken |= taken;
    }

    /// Whether so many documents were refused individually, and none accepted, that the collection
    /// itself must be the cause: then the rest is not sent.
    pub(super) fn hopeless(&self) -> bool {
        !self.taken && self.lone_refusals >= LONE_REFUSALS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs against a server that refuses any call that contains one of `bad`. Returns the
    /// documents that were accepted, those refused individually, and the number of calls.
    fn run(documents: usize, bad: impl Fn(usize) -> bool) -> (Vec<usize>, Vec<usize>, usize) {
        let (mut taken, mut alone, mut calls) = (Vec::new(), Vec::new(), 0);
        let mut halving = Halving::new(documents);
        while let Some(part) = halving.next() {
            calls += 1;
            if part.clone().any(&bad) {
                if halving.refused(part.clone()) {
                    alone.push(part.start);
                }
            } else {
                halving.answered(0, true);
                taken.extend(part);
            }
            if halving.hopeless() {
                break;
            }
        }
        taken.sort_unstable();
        alone.sort_unstable();
        (taken, alone, calls)
    }

    #[test]
    fn without_a_refusal_one_call_is_enough() {
        assert_eq!(run(1_000, |_| false), ((0..1_000).collect(), vec![], 1));
        assert_eq!(run(0, |_| true), (vec![], vec![], 0));
    }

    #[test]
    fn one_bad_document_is_found_wherever_it_stands_and_the_others_are_taken() {
        for at in [0, 1, 499, 500, 998, 999] {
            let (taken, alone, calls) = run(1_000, |document| document == at);
            assert_eq!((taken.len(), alone), (999, vec![at]), "{at}");
            assert!(calls <= 21, "{calls}");
        }
    }

    #[test]
    fn a_collection_that_takes_nothing_is_found_out_by_few_calls() {
        let (taken, alone, calls) = run(1_000, |_| true);
        assert_eq!((taken.len(), alone.len()), (0, LONE_REFUSALS_MAX));
        assert!(calls < 60, "{calls}");
        // They are far apart.
        assert!(alone.windows(2).all(|pair| pair[1] - pair[0] > 50), "{alone:?}");
    }

    #[test]
    fn many_bad_ones_in_a_row_do_not_hide_the_good_ones() {
        let (taken, alone, _) = run(1_000, |document| document < 400);
        assert_eq!((taken.len(), alone.len()), (600, 400));
    }

    /// Whatever the server's rules: every document gets exactly one result, and the process
    /// terminates.
    #[test]
    fn every_document_is_taken_or_refused_alone_or_the_whole_is_hopeless() {
        let mut seed = 1_u64;
        for documents in 0..200 {
            // A linear congruential generator is random enough here.
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let bits = seed;
            let bad = |document: usize| (bits >> (document % 61)) & 3 == 3;
            let (taken, alone, calls) = run(documents, bad);
            assert!(alone.iter().all(|document| bad(*document)));
            assert!(taken.iter().all(|document| !bad(*document)));
            if taken.is_empty() && alone.len() == LONE_REFUSALS_MAX {
                continue;
            }
            assert_eq!(taken.len() + alone.len(), documents);
            assert!(calls <= 2 * documents.max(1));
        }
    }
}
