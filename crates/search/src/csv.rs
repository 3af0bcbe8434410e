//! Records as CSV (RFC 4180). A cell that a spreadsheet would run as a formula begins with `'`.

use serde_json::Value;

/// The columns: names, and where their values are in a record.
const COLUMNS: [(&str, &str); 17] = [
    ("timestamp", "/timestamp"),
    ("level", "/level"),
    ("logger_name", "/logger_name"),
    ("function_name", "/function_name"),
    ("message", "/message"),
    ("method", "/http/method"),
    ("path", "/http/path"),
    ("status", "/http/status"),
    ("execution_time_ms", "/trace/execution_time_ms"),
    ("organization_id", "/context/organization_id"),
    ("user_id", "/context/user_id"),
    ("conversation_id", "/context/conversation_id"),
    ("request_id", "/context/request_id"),
    ("correlation_id", "/context/correlation_id"),
    ("trace_id", "/trace/trace_id"),
    ("error", "/error"),
    ("id", "/id"),
];

/// What a cell may begin with that spreadsheets take for a formula. Source: OWASP, "CSV Injection".
const FORMULA: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'];

/// The first line: the names of the columns.
pub fn head() -> String {
    line(COLUMNS.into_iter().map(|(name, _)| name.to_owned()))
}

/// A record's line, each cell as `shown` has it: in a file as it is, at a terminal without what acts
/// on it.
pub fn row(record: &Value, shown: impl Fn(String) -> String) -> String {
    line(COLUMNS.into_iter().map(|(_, place)| shown(cell(record.pointer(place)))))
}

/// A line whose first cell is a note, and whose others are empty.
pub fn note(text: &str) -> String {
    let cells = COLUMNS.iter().enumerate();
    line(cells.map(|(at, _)| if at == 0 { defused(text) } else { String::new() }))
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => defused(text),
        // Numbers stay numbers, and the JSON of objects is no formula.
        Some(value) => value.to_string(),
    }
}

fn defused(text: &str) -> String {
    if text.starts_with(FORMULA) { format!("'{text}") } else { text.to_owned() }
}

fn line(cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<_> = cells.map(|cell| quoted(&cell)).collect();
    format!("{}\r\n", cells.join(","))
}

fn quoted(cell: &str) -> String {
    if cell.contains(['"', ',', '\r', '\n']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_cell_of_a_record_runs_in_a_spreadsheet() {
        for text in ["=1+1", "+1", "-1", "@a", "\t=1", "\r=1", "＝1"] {
            assert_eq!(cell(Some(&json!(text))), format!("'{text}"));
        }
        assert_eq!(cell(Some(&json!("a=1"))), "a=1");
        assert_eq!(cell(Some(&json!(-1))), "-1");
        assert_eq!(cell(Some(&json!({"type": "=1"}))), r#"{"type":"=1"}"#);
    }

    #[test]
    fn a_row_has_a_cell_for_every_column_whatever_the_record_lacks() {
        let record = json!({"level": "INFO", "message": "a \"b\",\nc", "http": {"status": 200}});
        assert_eq!(row(&record, |cell| cell), ",INFO,,,\"a \"\"b\"\",\nc\",,,200,,,,,,,,,\r\n");
        for line in [head(), note("x")] {
            assert_eq!(line.matches(',').count(), 16);
        }
    }

    #[test]
    fn cells_are_shown_as_asked_and_quoted_after_it() {
        let record = json!({"level": "a", "message": "b\n\"c"});
        let row = row(&record, |cell| cell.replace('\n', "?"));
        assert!(row.starts_with(",a,,,\"b?\"\"c\","), "{row}");
    }
}
