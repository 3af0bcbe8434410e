//! Determines which record of a flow is part of which.
//!
//! The first of these rules that finds a parent decides:
//! 1. spans: the record of the span that this one was made in, or else of the span that caused it;
//! 2. the request: the gateway's record of the exchange with the same request id, for what an
//!    application (or the gateway itself, at level DEBUG) logs about it;
//! 3. time: the shortest exchange that began before this record and ended after it.
//!
//! The third is a guess if a client sends several requests of one flow concurrently.

use std::cmp::Reverse;

use super::Entry;
use super::links::{Requests, Spans};

/// How much later than its parent a part may appear to end, in microseconds: start and duration
/// come from two clocks.
const SLACK: i64 = 1_000;

/// A flow's records ordered by time, and their hierarchy.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tree {
    /// Ordered by time; among those that began at the same time, the longest first.
    pub entries: Vec<Entry>,
    /// For each entry, the positions of its parts, in order.
    pub parts: Vec<Vec<usize>>,
    /// The positions of the entries that have no parent, in order.
    pub roots: Vec<usize>,
}

/// Sorts a flow's records and finds each one's parent.
pub fn arrange(mut entries: Vec<Entry>) -> Tree {
    entries.sort_by_key(|entry| (entry.at, Reverse(entry.end()), entry.level));
    let parents = acyclic(find_parents(&entries));
    let mut parts = vec![Vec::new(); entries.len()];
    let mut roots = Vec::new();
    for (position, parent) in parents.into_iter().enumerate() {
        match parent.and_then(|parent| parts.get_mut(parent)) {
            Some(siblings) => siblings.push(position),
            None => roots.push(position),
        }
    }
    Tree { entries, parts, roots }
}

fn find_parents(entries: &[Entry]) -> Vec<Option<usize>> {
    let (spans, requests) = (Spans::of(entries), Requests::of(entries));
    let parent_of = |(position, entry): (usize, &Entry)| {
        let other = |parent: &usize| *parent != position;
        // What was logged about a request may carry the span of the request's client.
        let causes = |cause: usize, entry: &Entry| {
            let request = entries.get(cause).and_then(|cause| cause.request_id.as_deref());
            !entry.is_exchange() || request.is_none() || request != entry.request_id.as_deref()
        };
        spans
            .around(position, entry)
            .or_else(|| spans.cause(entry).filter(other).filter(|cause| causes(*cause, entry)))
            .or_else(|| requests.parent_of(entry).filter(other))
            .or_else(|| by_time(entries, position, entry))
    };
    entries.iter().enumerate().map(parent_of).collect()
}

/// The shortest exchange that encloses this entry; searches only earlier ones, because a parent
/// comes first.
fn by_time(entries: &[Entry], position: usize, entry: &Entry) -> Option<usize> {
    // The latest first: of two with the same duration, it is the closer one.
    let earlier = entries.iter().enumerate().take(position).rev();
    let around = earlier.filter(|(_, other)| {
        other.is_exchange() && entry.end() <= other.end().saturating_add(SLACK)
    });
    around.min_by_key(|(_, other)| other.end().saturating_sub(other.at)).map(|(found, _)| found)
}

/// Breaks every cycle; only records with false span ids can form one.
fn acyclic(mut parents: Vec<Option<usize>>) -> Vec<Option<usize>> {
    // The walk in which each entry was first visited; 0 for never.
    let mut met = vec![0_usize; parents.len()];
    for start in 0..parents.len() {
        let walk = start.saturating_add(1);
        let mut at = start;
        while let Some(seen) = met.get_mut(at).filter(|seen| **seen == 0) {
            *seen = walk;
            let Some(Some(parent)) = parents.get(at).copied() else { break };
            if met.get(parent) == Some(&walk) {
                if let Some(link) = parents.get_mut(at) {
                    *link = None;
                }
                break;
            }
            at = parent;
        }
    }
    parents
}

#[cfg(test)]
mod tests {
    use gatelog_record::Level;

    use super::*;

    fn exchange(name: &str, at: i64, took_ms: f64) -> Entry {
        Entry {
            at,
            took: Some(took_ms),
            level: Some(Level::Info),
            method: Some("GET".into()),
            path: Some(name.into()),
            request_id: Some(name.into()),
            ..Entry::default()
        }
    }

    fn said(name: &str, at: i64, request: &str) -> Entry {
        let request_id = (!request.is_empty()).then(|| request.to_owned());
        Entry { at, request_id, path: Some(name.into()), ..Entry::default() }
    }

    fn spans(own: &str, parent: &str, entry: Entry) -> Entry {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Entry { span_id: some(own), parent_span_id: some(parent), ..entry }
    }

    /// `a(b(c)d)e`: names with their parts in parentheses.
    fn shape(entries: Vec<Entry>) -> String {
        fn write(tree: &Tree, position: usize, out: &mut String) {
            out.push_str(tree.entries[position].path.as_deref().unwrap());
            if !tree.parts[position].is_empty() {
                out.push('(');
                tree.parts[position].iter().for_each(|part| write(tree, *part, out));
                out.push(')');
            }
        }
        let tree = arrange(entries);
        let mut out = String::new();
        tree.roots.iter().for_each(|root| write(&tree, *root, &mut out));
        out
    }

    #[test]
    fn exchanges_nest_by_time_and_follow_one_another_otherwise() {
        assert_eq!(
            shape(vec![
                exchange("e", 200_000, 5.0),
                exchange("c", 30_000, 10.0),
                exchange("d", 60_000, 40.5),
                exchange("b", 20_000, 30.0),
                exchange("a", 10_000, 90.0),
            ]),
            "a(b(c)d)e"
        );
    }

    #[test]
    fn exchanges_that_overlap_are_siblings() {
        assert_eq!(shape(vec![exchange("a", 0, 50.0), exchange("b", 20_000, 60.0)]), "ab");
    }

    #[test]
    fn what_an_application_says_belongs_to_its_request_even_with_a_wrong_clock() {
        assert_eq!(
            shape(vec![
                exchange("a", 10_000, 90.0),
                exchange("b", 20_000, 10.0),
                said("x", 25_000, "a"),
                said("y", 5_000, "b"),
                said("z", 26_000, ""),
                said("w", 900_000, ""),
            ]),
            "a(b(yz)x)w"
        );
    }

    #[test]
    fn the_gateway_s_own_debug_record_is_part_of_its_exchange() {
        let debug = Entry { level: Some(Level::Debug), ..exchange("d", 10_000, 90.0) };
        let debug = Entry { request_id: Some("a".into()), ..debug };
        assert_eq!(shape(vec![debug, exchange("a", 10_000, 90.0)]), "a(d)");
    }

    #[test]
    fn a_span_goes_before_request_and_time() {
        assert_eq!(
            shape(vec![
                exchange("a", 10_000, 90.0),
                spans("s1", "", said("x", 20_000, "a")),
                spans("", "s1", exchange("b", 30_000, 5.0)),
                spans("", "unknown", exchange("c", 40_000, 5.0)),
            ]),
            "a(x(b)c)"
        );
    }

    /// Regression: an application that logs within the span of the caller of its gateway stood above
    /// the gateway's record.
    #[test]
    fn what_is_logged_about_a_request_in_its_clients_span_is_a_part_of_it() {
        assert_eq!(
            shape(vec![
                spans("g", "client", exchange("a", 10_000, 90.0)),
                spans("client", "", said("x", 15_000, "a")),
                spans("client", "", said("y", 20_000, "a")),
            ]),
            "a(xy)"
        );
    }

    #[test]
    fn what_a_service_logs_in_its_span_is_below_the_request_that_caused_it() {
        // Only one of the service's records knows the span that caused its own.
        assert_eq!(
            shape(vec![
                spans("g1", "", exchange("a", 10_000, 90.0)),
                spans("g2", "s1", exchange("b", 30_000, 40.0)),
                spans("s1", "g1", said("x", 20_000, "")),
                spans("s1", "", said("y", 80_000, "")),
                spans("s2", "", said("z", 50_000, "b")),
                spans("s2", "g2", said("w", 60_000, "")),
            ]),
            "a(x(b(zw))y)"
        );
    }

    #[test]
    fn a_span_with_a_duration_holds_what_was_logged_within_it() {
        let timed = |name: &str, at, took| Entry { took: Some(took), ..said(name, at, "") };
        assert_eq!(
            shape(vec![
                spans("g", "", exchange("a", 10_000, 90.0)),
                spans("s", "", said("x", 30_000, "")),
                spans("s", "g", timed("t", 20_000, 50.0)),
                spans("s", "", timed("u", 40_000, 5.0)),
                spans("s2", "s", said("y", 50_000, "")),
            ]),
            "a(t(xuy))"
        );
    }

    #[test]
    fn the_debug_record_of_an_exchange_is_below_it_though_both_have_its_span() {
        let own = spans("g", "caller", exchange("a", 10_000, 90.0));
        let debug = Entry {
            level: Some(Level::Debug),
            ..spans("g", "caller", exchange("d", 10_000, 90.0))
        };
        let child = spans("", "g", said("x", 20_000, ""));
        assert_eq!(shape(vec![debug, child, own]), "a(dx)");
    }

    #[test]
    fn spans_of_other_traces_are_others_though_they_have_the_same_id() {
        let traced = |trace: &str, entry| Entry { trace_id: Some(trace.into()), ..entry };
        assert_eq!(
            shape(vec![
                traced("t1", spans("g", "", exchange("a", 0, 10.0))),
                traced("t2", spans("g", "", exchange("b", 20_000, 10.0))),
                traced("t2", spans("", "g", said("x", 5_000, ""))),
            ]),
            "ab(x)"
        );
    }

    #[test]
    fn of_several_exchanges_of_a_request_the_last_that_had_begun_is_meant() {
        let of = |name: &str, at, took| Entry {
            request_id: Some("r".into()),
            ..exchange(name, at, took)
        };
        assert_eq!(
            shape(vec![
                of("a", 10_000, 10.0),
                of("b", 20_001, 50.0),
                said("x", 15_000, "r"),
                said("y", 900_000, "r"),
                said("z", 5, "r"),
            ]),
            "a(zx)b(y)"
        );
    }

    #[test]
    fn thousands_of_records_that_all_claim_one_another_are_arranged_in_time() {
        let hostile = (0..5_000).map(|at: usize| {
            let (own, parent) = (format!("{}", at % 70), format!("{}", (at * 31 + 7) % 70));
            let entry =
                if at.is_multiple_of(3) { exchange("e", 0, 1.0) } else { said("s", 0, "e") };
            Entry { at: i64::try_from(at % 11).unwrap(), ..spans(&own, &parent, entry) }
        });
        let tree = arrange(hostile.collect());
        let mut seen = vec![0; tree.entries.len()];
        let mut work = tree.roots.clone();
        while let Some(position) = work.pop() {
            seen[position] += 1;
            work.extend(&tree.parts[position]);
        }
        assert!(seen.iter().all(|seen| *seen == 1), "each record is drawn once");
    }

    #[test]
    fn spans_that_form_a_circle_are_cut_and_nothing_is_lost() {
        let circle = vec![
            spans("1", "3", said("a", 1, "")),
            spans("2", "1", said("b", 2, "")),
            spans("3", "2", said("c", 3, "")),
            spans("4", "4", said("d", 4, "")),
            spans("", "1", said("e", 5, "")),
        ];
        let found = shape(circle);
        let mut names: Vec<_> = found.chars().filter(char::is_ascii_lowercase).collect();
        names.sort_unstable();
        assert_eq!(names, ['a', 'b', 'c', 'd', 'e'], "{found}");
    }
}
