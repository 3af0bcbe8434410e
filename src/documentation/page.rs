//! A page's tables, as rows of cells.

/// The rows of every table whose header has exactly these cells.
pub(super) fn rows(page: &str, header: &[&str]) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut within = false;
    for line in page.lines() {
        let Some(line) = line.trim().strip_prefix('|').and_then(|line| line.strip_suffix('|'))
        else {
            within = false;
            continue;
        };
        let cells: Vec<String> = line.split('|').map(|cell| cell.trim().to_owned()).collect();
        if cells == header {
            within = true;
        } else if within && !cells.iter().all(|cell| cell.starts_with("--")) {
            assert_eq!(cells.len(), header.len(), "cells in {line}");
            rows.push(cells);
        }
    }
    rows
}

/// The text between the first pair of backticks.
pub(super) fn code(cell: &str) -> Option<&str> {
    cell.split('`').nth(1)
}

/// The bodies of the page's fenced blocks of one language.
pub(super) fn blocks<'p>(page: &'p str, language: &str) -> Vec<&'p str> {
    let fence = format!("```{language}\n");
    page.split(fence.as_str()).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}
