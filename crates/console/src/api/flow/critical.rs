//! The critical path of a flow: what it waited for, from its end back to its beginning.

use gatelog_collector::flow::{Entry, Tree};

/// Whether each entry is on the critical path.
///
/// Going back from the end of a flow, the part that ended last is on it; then the one that ended last
/// before that one began, and so on; and the same within each of these. Only what has a duration counts.
pub(super) fn path(tree: &Tree) -> Vec<bool> {
    let mut critical = vec![false; tree.entries.len()];
    let mut work = vec![(tree.roots.as_slice(), i64::MAX)];
    while let Some((parts, until)) = work.pop() {
        let mut timed: Vec<_> = parts
            .iter()
            .filter_map(|position| Some((*position, tree.entries.get(*position)?)))
            .filter(|(_, entry)| entry.took.is_some())
            .collect();
        timed.sort_by_key(|(_, entry)| end(entry));
        let mut until = until;
        for (position, entry) in timed.into_iter().rev() {
            // What began later than this was waited for can only have run beside it.
            if entry.at >= until || end(entry) > until.saturating_add(SLACK) {
                continue;
            }
            if let Some(mark) = critical.get_mut(position) {
                *mark = true;
            }
            if let Some(parts) = tree.parts.get(position) {
                work.push((parts.as_slice(), end(entry).min(until)));
            }
            until = entry.at;
        }
    }
    critical
}

/// How much later than what follows a part may appear to end, in microseconds: start and duration come
/// from two clocks.
const SLACK: i64 = 1_000;

/// When it ended, in microseconds since 1970.
pub(super) fn end(entry: &Entry) -> i64 {
    entry.at.saturating_add(micros(entry).unwrap_or(0))
}

/// How long it took, in microseconds.
pub(super) fn micros(entry: &Entry) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "saturates")]
    let micros = |millis: f64| (millis.max(0.0) * 1_000.0).round() as i64;
    entry.took.map(micros)
}

#[cfg(test)]
mod tests {
    use gatelog_collector::flow::arrange;

    use super::*;

    fn exchange(name: &str, at_ms: i64, took: f64) -> Entry {
        Entry {
            at: at_ms * 1_000,
            took: Some(took),
            level: Some(gatelog_record::Level::Info),
            method: Some("GET".into()),
            path: Some(name.into()),
            ..Entry::default()
        }
    }

    fn names(entries: Vec<Entry>) -> String {
        let tree = arrange(entries);
        let critical = path(&tree);
        let marked = tree.entries.iter().zip(critical).filter(|(_, critical)| *critical);
        marked.map(|(entry, _)| entry.path.clone().unwrap()).collect()
    }

    #[test]
    fn the_parts_that_the_end_waited_for_are_critical() {
        // a contains b, then c and d side by side; d ends last, and had begun before c ended.
        let flow = vec![
            exchange("a", 0, 100.0),
            exchange("b", 5, 20.0),
            exchange("c", 28, 20.0),
            exchange("d", 30, 60.0),
        ];
        assert_eq!(names(flow), "abd");
    }

    #[test]
    fn exchanges_one_after_another_are_all_critical_and_logs_are_not() {
        let log = Entry { took: None, ..exchange("x", 7, 0.0) };
        let flow = vec![exchange("a", 0, 10.0), exchange("b", 10, 10.0), log];
        assert_eq!(names(flow), "ab");
        assert_eq!(names(Vec::new()), "");
    }
}
