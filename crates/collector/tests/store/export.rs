//! The command `export`, on what was stored.

use std::process::Output;

use serde_json::{Value, json};

use crate::fixture::{Fixture, all_stored, record};

const SPAN: [&str; 4] = ["--since", "2096-01-26T02:00:00Z", "--until", "2096-01-26T03:00:00Z"];

async fn export(fixture: &Fixture, arguments: &[&str]) -> (i32, String, String) {
    let command = tokio::process::Command::new(env!("CARGO_BIN_EXE_gatelog-collector"))
        .arg("export")
        .args(SPAN)
        .args(arguments)
        .env_clear()
        .env("MONGODB_URI", fixture.database.uri())
        .env("GATELOG_DATABASE", fixture.database.name())
        .output();
    let Output { status, stdout, stderr } = command.await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// A record a second.
async fn filled(count: usize) -> Fixture {
    let fixture = Fixture::new().await;
    fixture.store.reconcile().await;
    let records: Vec<_> = (0..count)
        .map(|number| {
            let time = format!("2096-01-26T02:{:02}:{:02}Z", number / 60, number % 60);
            let user = format!("u{}", number % 2);
            record(
                "INFO",
                &json!({"timestamp": time, "context": {"user_id": user},
                "extra": {"number": number}}),
            )
        })
        .collect();
    // Small inserts: one has ten seconds, also while the machine is busy.
    for part in records.chunks(100) {
        assert_eq!(fixture.store.insert(part).await, all_stored(part.len()));
    }
    fixture
}

#[tokio::test]
async fn everything_that_matches_is_written_over_several_pages() {
    let fixture = filled(1_100).await;
    let (status, out, told) = export(&fixture, &[]).await;
    assert_eq!(status, 0, "{told}");
    let numbers: Vec<_> = out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["extra"]["number"].as_i64())
        .collect();
    assert_eq!(numbers, (0..1_100).rev().map(Some).collect::<Vec<_>>());
    assert!(told.contains("1100 records, all there are from 2096-01-26T03"), "{told}");
    let (_, out, _) = export(&fixture, &["user:u1"]).await;
    assert_eq!(out.lines().count(), 550, "records of no flow too");
}

#[tokio::test]
async fn a_limit_is_told_with_where_to_continue() {
    let fixture = filled(20).await;
    let (status, out, told) = export(&fixture, &["--limit", "7", "--format", "csv"]).await;
    assert_eq!((status, out.lines().count()), (0, 8), "{told}");
    let (_, key) = told.trim().split_once("7 records written: continue with --until ").unwrap();
    let rest = ["export", "--since", SPAN[1], "--until", key];
    let command = tokio::process::Command::new(env!("CARGO_BIN_EXE_gatelog-collector"))
        .args(rest)
        .env("MONGODB_URI", fixture.database.uri())
        .env("GATELOG_DATABASE", fixture.database.name())
        .output();
    let rest = String::from_utf8(command.await.unwrap().stdout).unwrap();
    assert_eq!(rest.lines().count(), 13);
}

#[tokio::test]
async fn a_file_has_the_records_as_they_are_and_a_spreadsheet_runs_none() {
    let fixture = Fixture::new().await;
    let message = "=cmd|' /C calc'!A0\u{1b}[2J \u{202e}\"x\",\r\n1";
    let change = json!({"message": message, "timestamp": "2096-01-26T02:00:00Z",
        "extra": {"$date": "x", "n": 9_007_199_254_740_993_i64, "f": 1000.0}});
    assert_eq!(fixture.store.insert(&[record("ERROR", &change)]).await, all_stored(1));
    let (_, out, _) = export(&fixture, &[]).await;
    let back: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&back["message"], &back["extra"]), (&change["message"], &change["extra"]));
    assert!(out.contains('\u{202e}'), "a file is not a terminal");
    let (_, out, _) = export(&fixture, &["--format", "csv"]).await;
    let (head, row) = out.split_once("\r\n").unwrap();
    assert!(head.starts_with("timestamp,level,logger_name,function_name,message,method,path,"));
    assert!(row.contains(",\"'=cmd|' /C calc'!A0\u{1b}[2J \u{202e}\"\"x\"\",\r\n1\","), "{row}");
}

#[tokio::test]
async fn invalid_arguments_write_nothing() {
    let fixture = Fixture::new().await;
    for arguments in [&["user:>5"][..], &["--limit", "0"], &["--format", "xml"]] {
        let (status, out, told) = export(&fixture, arguments).await;
        assert_eq!((status, out.as_str()), (2, ""), "{told}");
    }
}
