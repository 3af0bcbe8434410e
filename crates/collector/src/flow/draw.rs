//! Renders a tree as text.

use std::fmt::Write;

use gatelog_record::{Level, Timestamp, acts_on_display};

use super::{Entry, Tree};

/// Maximum indented depth; deeper entries are drawn at this level.
const DEEPEST: usize = 24;

/// Whether colours may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Plain text.
    Plain,
    /// With ANSI terminal colours (ECMA-48).
    Coloured,
}

/// A colour, by its ECMA-48 code.
#[derive(Clone, Copy)]
enum Colour {
    Red = 31,
    Green = 32,
    Yellow = 33,
    Dim = 2,
}

impl Style {
    fn paint(self, colour: Colour, text: &str) -> String {
        match self {
            Style::Plain => text.to_owned(),
            Style::Coloured => format!("\x1b[{}m{text}\x1b[0m", colour as u8),
        }
    }
}

/// Draws a flow: a line of totals, then one line per record with the time since the first, what it
/// was, how long it took, and what went wrong. `▸` marks the records of `request`, if one was asked for.
/// No content of a record can control the terminal.
pub fn draw(id: &str, request: Option<&str>, tree: &Tree, style: Style) -> String {
    let mut text = totals(id, request, tree, style);
    let first = tree.entries.first().map_or(0, |entry| entry.at);
    let mut work: Vec<Branch> = branches(&tree.roots, "", 0);
    while let Some(branch) = work.pop() {
        let Some(entry) = tree.entries.get(branch.position) else { continue };
        let offset = millis(entry.at.saturating_sub(first));
        let _ = writeln!(
            text,
            "{}{}{}{} {}",
            style.paint(Colour::Dim, &format!("{:>12}", format!("+{offset}"))),
            if request.is_some() && entry.request_id.as_deref() == request { "▸" } else { " " },
            branch.indent,
            if branch.last { "└─" } else { "├─" },
            line(entry, style),
        );
        let parts = tree.parts.get(branch.position).map(Vec::as_slice).unwrap_or_default();
        let indent = match (branch.depth < DEEPEST, branch.last) {
            (false, _) => branch.indent,
            (true, true) => branch.indent + "   ",
            (true, false) => branch.indent + "│  ",
        };
        work.extend(branches(parts, &indent, branch.depth.saturating_add(1)));
    }
    text
}

/// An entry still to be drawn.
struct Branch {
    position: usize,
    indent: String,
    depth: usize,
    last: bool,
}

/// Siblings in reverse order, to be popped from the end.
fn branches(positions: &[usize], indent: &str, depth: usize) -> Vec<Branch> {
    let branch = |(back, position): (usize, &usize)| Branch {
        position: *position,
        indent: indent.to_owned(),
        depth,
        last: back == 0,
    };
    positions.iter().rev().enumerate().map(branch).collect()
}

fn totals(id: &str, request: Option<&str>, tree: &Tree, style: Style) -> String {
    let failed = tree.entries.iter().filter(|entry| entry.failed).count();
    let first = tree.entries.first().map_or(0, |entry| entry.at);
    let end = tree.entries.iter().map(Entry::end).max().unwrap_or(first);
    let mut text = safe(id);
    if let Some(request) = request.filter(|request| *request != id) {
        let _ = write!(text, " with request {}", safe(request));
    }
    text.push_str(": ");
    text.push_str(&count(tree.entries.len(), "record"));
    if failed > 0 {
        text.push_str(", ");
        text.push_str(&style.paint(Colour::Red, &count(failed, "error")));
    }
    let _ = writeln!(
        text,
        ", {} from {}",
        millis(end.saturating_sub(first)),
        Timestamp::from_unix_micros(first)
    );
    text
}

fn count(number: usize, name: &str) -> String {
    format!("{number} {name}{}", if number == 1 { "" } else { "s" })
}

/// One record, without its place in the tree.
pub(crate) fn line(entry: &Entry, style: Style) -> String {
    let mut words = Vec::new();
    if let Some(method) = &entry.method {
        words.push(format!("{} {}", safe(method), safe(entry.path.as_deref().unwrap_or("?"))));
        let status = entry.status.map_or("no response".to_owned(), |status| status.to_string());
        words.push(format!("→ {}", style.paint(colour(entry), &status)));
    } else {
        let level = entry.level.map_or("?", Level::as_str);
        words.push(style.paint(colour(entry), level));
        words.extend(entry.message.as_deref().map(safe));
    }
    if entry.method.is_some() && entry.level == Some(Level::Debug) {
        words.push(style.paint(Colour::Dim, "DEBUG"));
    }
    words.extend(entry.took.map(|_| {
        let took = millis(entry.end().saturating_sub(entry.at));
        if entry.slow { style.paint(Colour::Yellow, &format!("{took} slow")) } else { took }
    }));
    let origin: Vec<_> = [&entry.logger, &entry.function].into_iter().flatten().collect();
    if !origin.is_empty() {
        let origin: Vec<_> = origin.into_iter().map(|name| safe(name)).collect();
        words.push(style.paint(Colour::Dim, &format!("[{}]", origin.join(" "))));
    }
    if entry.failed {
        let error = entry.error.as_deref().map(safe).unwrap_or_default();
        words.push(style.paint(Colour::Red, format!("✗ {error}").trim_end()));
    }
    words.join("  ")
}

fn colour(entry: &Entry) -> Colour {
    match entry.level {
        _ if entry.failed => Colour::Red,
        Some(Level::Warning) => Colour::Yellow,
        Some(Level::Debug) => Colour::Dim,
        _ => Colour::Green,
    }
}

/// Microseconds as `45.2 ms`.
fn millis(micros: i64) -> String {
    let tenths = micros.saturating_add(50) / 100;
    format!("{}.{} ms", tenths / 10, tenths % 10)
}

/// Escapes everything in the text that could control a terminal.
pub(crate) fn safe(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if acts_on_display(character) {
            safe.extend(character.escape_unicode());
        } else {
            safe.push(character);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::super::arrange;
    use super::*;

    fn exchange(path: &str, at: i64, took: f64, status: i64) -> Entry {
        Entry {
            at: 1_769_393_517_469_652 + at,
            took: Some(took),
            level: Some(if status < 500 { Level::Info } else { Level::Error }),
            failed: status >= 500,
            method: Some("GET".into()),
            path: Some(path.into()),
            status: Some(status),
            logger: Some("gateway.edge".into()),
            function: Some(path.trim_start_matches('/').into()),
            ..Entry::default()
        }
    }

    fn flow() -> Vec<Entry> {
        let mut failed = exchange("/stock", 12_300, 45.04, 503);
        failed.error = Some("UF no_healthy_upstream".into());
        let mut slow = exchange("/orders", 0, 1_230.4, 200);
        slow.slow = true;
        let said = Entry {
            at: slow.at + 60_000,
            level: Some(Level::Warning),
            message: Some("retrying".into()),
            logger: Some("app.orders".into()),
            ..Entry::default()
        };
        vec![slow, failed, said, exchange("/last", 2_000_000, 1.0, 200)]
    }

    #[test]
    fn a_flow_is_drawn_with_durations_and_errors_marked() {
        assert_eq!(
            draw("corr_456", None, &arrange(flow()), Style::Plain),
            "\
corr_456: 4 records, 1 error, 2001.0 ms from 2026-01-26T02:11:57.469652+00:00
     +0.0 ms ├─ GET /orders  → 200  1230.4 ms slow  [gateway.edge orders]
    +12.3 ms │  ├─ GET /stock  → 503  45.0 ms  [gateway.edge stock]  ✗ UF no_healthy_upstream
    +60.0 ms │  └─ WARNING  retrying  [app.orders]
  +2000.0 ms └─ GET /last  → 200  1.0 ms  [gateway.edge last]
"
        );
    }

    #[test]
    fn colours_are_for_terminals_and_change_nothing_else() {
        let tree = arrange(flow());
        let coloured = draw("c", None, &tree, Style::Coloured);
        assert!(coloured.contains("\x1b[31m503\x1b[0m") && coloured.contains("\x1b[33mWARNING"));
        let mut plain = coloured;
        for code in ["31", "32", "33", "2", "0"] {
            plain = plain.replace(&format!("\x1b[{code}m"), "");
        }
        assert_eq!(plain, draw("c", None, &tree, Style::Plain));
    }

    #[test]
    fn nothing_in_a_record_acts_on_the_terminal() {
        let mut hostile = exchange("/\x1b[2J\u{202e}é", 0, 1.0, 500);
        hostile.error = Some("a\nb".into());
        hostile.function = Some("\x07".into());
        let text = draw("\x1b]0;x", None, &arrange(vec![hostile]), Style::Plain);
        assert_eq!(text.lines().count(), 2);
        assert!(text.contains(r"/\u{1b}[2J\u{202e}é") && text.contains(r"a\u{a}b"), "{text}");
        assert!(text.chars().all(|character| character == '\n' || !acts_on_display(character)));
    }

    #[test]
    fn a_flow_of_unknown_things_and_of_great_depth_is_drawn() {
        let text = draw("c", None, &arrange(vec![Entry::default()]), Style::Plain);
        assert!(text.ends_with("└─ ?\n"), "{text}");
        let took = |at: i64| 4_000.0 - f64::from(i32::try_from(at).unwrap()) / 500.0;
        let deep: Vec<_> = (0..2_000_i64).map(|at| exchange("/", at, took(at), 200)).collect();
        let text = draw("c", None, &arrange(deep), Style::Plain);
        assert_eq!(text.lines().count(), 2_001);
        assert!(text.lines().all(|line| line.chars().count() < 200));
    }
}
