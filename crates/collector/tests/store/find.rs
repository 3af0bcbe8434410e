//! The command `find`, on what was stored.

use std::process::Output;

use gatelog_record::acts_on_display;
use mongodb::bson::{DateTime, doc};
use serde_json::{Value, json};

use crate::fixture::{Fixture, all_stored, record};

const SPAN: [&str; 4] = ["--since", "2096-01-26T02:00:00Z", "--until", "2096-01-26T03:00:00Z"];

async fn find(fixture: &Fixture, arguments: &[&str]) -> (i32, Vec<String>, String) {
    let command = tokio::process::Command::new(env!("CARGO_BIN_EXE_gatelog-collector"))
        .arg("find")
        .args(arguments)
        .env_clear()
        .env("MONGODB_URI", fixture.database.uri())
        .env("GATELOG_DATABASE", fixture.database.name())
        .output();
    let Output { status, stdout, stderr } = command.await.unwrap();
    let lines = String::from_utf8(stdout).unwrap().lines().map(str::to_owned).collect();
    (status.code().unwrap(), lines, String::from_utf8(stderr).unwrap())
}

/// Twenty records, one a minute: of two users in turn, every fifth an error of an application.
async fn filled() -> Fixture {
    let fixture = Fixture::new().await;
    fixture.store.reconcile().await;
    let records: Vec<_> = (0..20)
        .map(|number| {
            let mut change = json!({
                "timestamp": format!("2096-01-26T02:{number:02}:00.5Z"),
                "message": format!("said {number}"),
                "context": {
                    "user_id": format!("user_{}", number % 2), "request_id": format!("r{number}"),
                    "organization_id": "org_1", "conversation_id": "conv_1",
                },
                "extra": {"number": number},
            });
            if number % 5 != 0 {
                change["http"] =
                    json!({"method": "GET", "path": format!("/{number}"), "status": 200});
            }
            record(if number % 5 == 0 { "ERROR" } else { "INFO" }, &change)
        })
        .collect();
    assert_eq!(fixture.store.insert(&records).await, all_stored(20));
    fixture
}

#[tokio::test]
async fn a_users_records_come_newest_first_and_the_span_is_told() {
    let fixture = filled().await;
    let (status, lines, told) = find(&fixture, &[&["--user", "user_1"], &SPAN[..]].concat()).await;
    assert_eq!((status, lines.len()), (0, 10), "{told}");
    assert_eq!(lines[0], "2096-01-26T02:19:00.500000+00:00  GET /19  → 200  [gateway.edge]  r19");
    assert!(lines.is_sorted_by(|one, next| one > next), "{lines:?}");
    assert_eq!(
        told,
        "searched from 2096-01-26T03:00:00.000000+00:00 back to 2096-01-26T02:00:00.000000+00:00: 10 \
         records, all there are; only records that belong to a flow (--everything: all)\n"
    );
    let all = find(&fixture, &[&["user:user_1", "--everything"], &SPAN[..]].concat()).await;
    assert_eq!(all.1, lines);
    assert!(all.2.ends_with("all there are\n"), "{}", all.2);
}

#[tokio::test]
async fn every_id_the_level_and_the_span_narrow_the_search() {
    let fixture = filled().await;
    for (arguments, count) in [
        (&[][..], 20),
        (&["--request-id", "r7"], 1),
        (&["--organization", "org_1"], 20),
        (&["--conversation", "conv_1", "--user", "user_0"], 10),
        (&["--level", "error"], 4),
        (&["--organization", "org_1", "--level", "CRITICAL"], 0),
        (&["--user", "user_1", "--level", "ERROR"], 2),
        (&["--user", "nobody"], 0),
        (&["status:200", "path:/1*"], 9),
        (&["user:user_1 (level:ERROR OR path:/3)"], 3),
        (&["--user", "user_0", "\"SAID 4\""], 1),
        (&["--", "-level:ERROR", "-status:200"], 0),
    ] {
        let (status, lines, told) = find(&fixture, &[&SPAN[..], arguments].concat()).await;
        assert_eq!((status, lines.len()), (0, count), "{arguments:?}: {told}");
    }
    // The end is not part of the span, the beginning is.
    let span = ["--since", "2096-01-26T02:03:00.5Z", "--until", "2096-01-26T02:05:00.5Z"];
    for more in [&[][..], &["--organization", "org_1"]] {
        let (_, lines, told) = find(&fixture, &[more, &span[..]].concat()).await;
        assert_eq!(lines.len(), 2, "{told}");
        assert!(lines[1].starts_with("2096-01-26T02:03:00.5"), "{lines:?}");
    }
}

#[tokio::test]
async fn a_limit_that_leaves_out_records_says_where_to_continue() {
    let fixture = filled().await;
    let limited = [&["--organization", "org_1", "--limit", "12"], &SPAN[..]].concat();
    let (_, lines, told) = find(&fixture, &limited).await;
    assert!(lines.len() == 12 && lines[11].starts_with("2096-01-26T02:08:00.5"), "{lines:?}");
    let (_, key) = told.trim().split_once("12 records, the limit: continue with --until ").unwrap();
    let key = key.split(';').next().unwrap();
    assert!(key.starts_with("2096-01-26T02:08:00.500000+00:00/"), "{told}");
    let next = ["--organization", "org_1", "--since", SPAN[1], "--until", key];
    let (_, lines, told) = find(&fixture, &next).await;
    assert!(lines.len() == 8 && told.contains("all there are"), "{told}");
    assert!(lines[0].starts_with("2096-01-26T02:07:00.5"), "{lines:?}");
}

#[tokio::test]
async fn json_is_the_full_record() {
    let fixture = filled().await;
    let json = [&["--user", "user_0", "--json"], &SPAN[..]].concat();
    let (_, lines, _) = find(&fixture, &json).await;
    let records: Vec<Value> =
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let numbers: Vec<_> =
        records.iter().map(|record| record["extra"]["number"].as_i64().unwrap()).collect();
    assert_eq!(numbers, [18, 16, 14, 12, 10, 8, 6, 4, 2, 0]);
    let first = &records[0];
    assert!(first["id"].is_string() && first["http"]["path"] == "/18", "{first}");
    assert!(first.get("_id").is_none() && first.get("created_at").is_none(), "{first}");
}

/// The first stage of a search; its other conditions are a stage of their own, which MongoDB joins to
/// it.
#[tokio::test]
async fn a_search_uses_the_index_of_its_id_or_of_time() {
    let fixture = filled().await;
    let text = doc! { "$gte": "2096", "$lt": "2097" };
    let date =
        doc! { "$gte": DateTime::from_millis(0), "$lt": DateTime::from_millis(4_000_000_000_000) };
    let id = |id: &str| doc! { id: "org_1", "timestamp": text.clone() };
    let (org, user) = ("context.organization_id", "context.user_id");
    for (collection, filter, sort, index) in [
        ("trace_logs", id(user), "timestamp", "context.user_id_1_timestamp_1"),
        ("error_logs", id(org), "timestamp", "context.organization_id_1_timestamp_1"),
        ("info_logs", doc! { "created_at": date }, "created_at", "created_at_1"),
    ] {
        let order = doc! { sort: -1 };
        let query = doc! { "find": collection, "filter": filter, "sort": order, "limit": 11 };
        fixture.assert_served_by(index, query).await;
    }
}

#[tokio::test]
async fn nothing_in_a_record_acts_on_the_terminal() {
    let fixture = Fixture::new().await;
    let hostile = "\u{1b}[2J\u{202e}gone\r\n\u{9b}é";
    let change = json!({"message": hostile, "logger_name": hostile,
        "context": {"correlation_id": hostile, "user_id": "u"}});
    assert_eq!(fixture.store.insert(&[record("ERROR", &change)]).await, all_stored(1));
    for more in [&[][..], &["--json"]] {
        let (_, lines, told) = find(&fixture, &[&["--user", "u"], more, &SPAN[..]].concat()).await;
        assert_eq!(lines.len(), 1, "{told}");
        assert!(!lines[0].chars().any(acts_on_display), "{lines:?}");
    }
}

#[tokio::test]
async fn invalid_arguments_are_told_together_and_nothing_is_searched() {
    let fixture = Fixture::new().await;
    let wrong = ["--level", "loud", "--since", "soon", "--until", "never", "--user", ""];
    let query = ["stauts:5", "--since", "soon"];
    let (status, _, told) = find(&fixture, &query).await;
    assert_eq!(status, 2);
    assert!(told.contains("QUERY = \"stauts:5\": at character 1: no field is named"), "{told}");
    assert!(told.contains("--since = \"soon\": "), "{told}");
    let (status, lines, told) = find(&fixture, &wrong).await;
    assert_eq!((status, lines.len()), (2, 0));
    for says in
        ["--level = \"loud\": ", "--since = \"soon\": ", "--until = \"never\": ", "--user = \"\": "]
    {
        assert!(told.contains(says), "{told}");
    }
    assert_eq!(find(&fixture, &["--limit", "10001"]).await.0, 2);
}
