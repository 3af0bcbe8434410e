//! Exports: streamed, bounded, and safe to open.

use serde_json::{Value, json};

use crate::fixture::{A, ALL, Console, SPAN, filled, record};

#[tokio::test]
async fn an_export_has_all_records_and_its_last_line_says_so() {
    let records: Vec<_> = (0..300)
        .map(|number| record("INFO", number, &json!({"message": format!("=cmd{number}")})))
        .collect();
    let database = filled(&records).await;
    let console = Console::with(&database, &[("GATELOG_CONSOLE_EXPORT_RECORDS", "250")]).await;
    let reply = console.get(ALL, &format!("export?{SPAN}&limit=100")).await;
    assert_eq!(reply.header("content-type"), "application/x-ndjson");
    assert_eq!(reply.header("content-disposition"), "attachment; filename=\"gatelog.ndjson\"");
    assert_eq!(reply.header("x-gatelog-export-limit"), "100");
    let text = reply.text();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 101);
    assert_eq!(lines[0]["message"], "=cmd299");
    let last = &lines[100]["export"];
    assert_eq!(
        (&last["records"], &last["complete"], &last["reason"]),
        (&json!(100), &json!(false), &json!("limit"))
    );
    // It goes on where it ended.
    let next = crate::fixture::encoded(last["next"].as_str().unwrap());
    let reply = console.get(ALL, &format!("export?{SPAN}&after={next}&format=csv")).await;
    let text = reply.text();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 202, "a head, 200 records, a note");
    assert!(lines[0].starts_with("timestamp,level,logger_name"));
    assert!(lines[1].contains(",'=cmd199,"), "{}", lines[1]);
    assert!(lines[201].contains("\"\"complete\"\":true"), "{}", lines[201]);
    assert_eq!(console.get(ALL, &format!("export?{SPAN}&limit=251")).await.status, 400);
    let none = console.get(A, &format!("export?{SPAN}")).await.text();
    assert!(none.starts_with("{\"export\":{\"records\":0,\"complete\":true"), "{none}");
}
