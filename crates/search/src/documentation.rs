//! docs/search.md against the code.

use crate::limits::{
    CALLS, DEPTH, EXTRA_PARTS, NUMBER, PAGE_BYTES, PAGE_RECORDS, QUERY_BYTES, SLICE_BYTES, TERMS,
    WINDOW_TIME,
};
use crate::query::field::{FIELDS, FREE_TEXT, Kind};
use crate::{Problem, Query};

const PAGE: &str = include_str!("../../../docs/search.md");

/// The rows of the table below a heading, each as its cells.
fn rows(heading: &str) -> Vec<Vec<&'static str>> {
    let (_, section) = PAGE.split_once(&format!("{heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let lines = section.lines().skip_while(|line| !line.starts_with('|'));
    let lines = lines.take_while(|line| line.starts_with('|')).skip(2);
    lines.map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

/// What stands in backticks.
fn code(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[test]
fn the_page_has_every_field_with_its_names_and_keys() {
    let told: Vec<_> = rows("## Fields")
        .into_iter()
        .map(|row| (code(row[0]), code(row[1]), row[2].starts_with("text")))
        .collect();
    let known: Vec<_> = FIELDS
        .iter()
        .map(|field| {
            let names = [&field.name].into_iter().chain(field.aliases).copied().collect();
            (names, field.keys.to_vec(), matches!(field.kind, Kind::Text | Kind::Upper))
        })
        .collect();
    assert_eq!(told, known);
    let (_, section) = PAGE.split_once("### Text\n").unwrap();
    assert!(code(section).starts_with(&FREE_TEXT), "the fields of free text");
}

#[test]
fn every_query_on_the_page_parses() {
    let queries: Vec<_> = rows("## Terms").iter().flat_map(|row| code(row[0])).collect();
    assert!(queries.len() > 10);
    let first = PAGE.split("```\n").nth(1).unwrap();
    for query in queries.into_iter().chain([first.trim()]) {
        assert!(query.parse::<Query>().is_ok(), "{query}");
    }
}

#[test]
fn the_page_has_every_bound_and_the_error_as_it_is() {
    let bounds: Vec<_> = rows("## Grammar").iter().map(|row| row[1]).collect();
    let numbers = [QUERY_BYTES, TERMS, DEPTH, EXTRA_PARTS].map(|bound| bound.to_string());
    assert_eq!(bounds[..4], numbers);
    assert_eq!((bounds[4], NUMBER), ("−2⁵³ to 2⁵³", 1 << 53));
    let told = PAGE.split("```\n").find(|block| block.starts_with("at character")).unwrap();
    let error = "level:ERROR stauts:503".parse::<Query>().unwrap_err();
    assert_eq!(error.problem(), Problem::NoSuchField);
    let (before, after) = told.trim().split_once("…").unwrap();
    let error = error.to_string();
    assert!(error.starts_with(before), "{error}");
    assert!(error.ends_with(after.trim_start_matches(", ")), "{error}");
}

#[test]
fn the_page_has_every_bound_of_a_search() {
    let rows = rows("## How a search proceeds");
    let bounds: Vec<_> = rows.iter().map(|row| row[1]).collect();
    let mib = |bytes: usize| format!("{} MiB", bytes >> 20);
    assert_eq!(bounds[0], format!("{} s", WINDOW_TIME.as_secs()));
    assert!(bounds[2].ends_with(" 10,000") && PAGE_RECORDS == 10_000);
    assert!(bounds[3].starts_with(&mib(PAGE_BYTES)) && bounds[3].contains(&mib(SLICE_BYTES)));
    assert_eq!(bounds[4], CALLS.to_string());
}
