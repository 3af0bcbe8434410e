//! The levels of `docs/record.md` against the code that decides them.

use super::page::rows;
use crate::decision::outcome::Outcome;
use crate::envoy::response_flags::ResponseFlags;

const PAGE: &str = include_str!("../../docs/record.md");

/// All texts between backticks; one empty alternative if there are none.
fn codes(cell: &str) -> Vec<Option<&str>> {
    let codes: Vec<_> = cell.split('`').skip(1).step_by(2).map(Some).collect();
    if codes.is_empty() { vec![None] } else { codes }
}

fn flag(name: &str) -> ResponseFlags {
    (0..64)
        .map(|bit| ResponseFlags(1 << bit))
        .find(|flag| flag.names().eq([name]))
        .unwrap_or_else(|| panic!("no flag {name}"))
}

#[test]
fn every_row_has_the_level_that_the_code_gives() {
    let rows = rows(PAGE, &["level", "when", "status", "flags", "gRPC status"]);
    assert_eq!(rows.len(), 15);
    for row in rows {
        for status in codes(&row[2]) {
            for flags in codes(&row[3]) {
                for grpc in codes(&row[4]) {
                    let outcome = Outcome {
                        status: status.and_then(|status| status.parse().ok()),
                        flags: flags.map(flag).unwrap_or_default(),
                        grpc_status: grpc.map(|code| code.parse().unwrap()),
                        ..Outcome::default()
                    };
                    assert_eq!(outcome.level().as_str(), row[0], "{outcome:?}");
                }
            }
        }
    }
}

#[test]
fn every_flag_is_on_the_page() {
    let rows = rows(PAGE, &["flag", "meaning"]);
    let documented: Vec<&str> = rows.iter().filter_map(|row| codes(&row[0])[0]).collect();
    assert_eq!(documented, ResponseFlags(u64::MAX).names().collect::<Vec<_>>());
}
