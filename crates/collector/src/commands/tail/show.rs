//! Prints one record, safe for a terminal.

use std::io::{self, Write};

use gatelog_record::{DecodeLimits, Uuid, decode_record};
use gatelog_search::{Found, Key};

use super::super::find::print;
use super::super::printable::Printable;
use crate::store::{Retention, documents};

/// A record as a collector sent it: as it is, or as a line like those of `find`.
pub(super) fn record(out: &mut impl Write, line: &str, json: bool) -> io::Result<()> {
    if json {
        return writeln!(out, "{}", Printable(line));
    }
    // One that this version does not know is still shown.
    let Some(found) = found(line) else { return writeln!(out, "{}", Printable(line)) };
    print::lines(out, &[found])
}

fn found(line: &str) -> Option<Found> {
    let record = decode_record(line.as_bytes(), &DecodeLimits::default(), Uuid::nil()).ok()?;
    let (_, document) = documents(&record, &Retention::default(), None).ok()?.into_iter().next()?;
    let key = Key { at: record.timestamp, id: record.id };
    Some(Found { key, level: record.level, document })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_of_a_record_steers_the_terminal() {
        let hostile = "\u{1b}[2J\u{202e}x";
        let line = json!({"timestamp": "2026-01-26T02:11:57Z", "level": "ERROR",
            "message": hostile, "logger_name": "app"})
        .to_string();
        for (line, json) in [(line.as_str(), false), (&line, true), (hostile, false)] {
            let mut out = Vec::new();
            record(&mut out, line, json).unwrap();
            let text = String::from_utf8(out).unwrap();
            assert!(!text.trim_end().contains(gatelog_record::acts_on_display), "{text:?}");
            assert!(text.contains('x'), "{text}");
        }
    }
}
