//! The commands that run next to a serving collector.

use std::fs;
use std::io::Write;
use std::process::{Command, Output};

use flate2::Compression;
use flate2::write::GzEncoder;
use gatelog_record::Uuid;
use gatelog_testkit::{Client, Collector, CollectorOptions, Database};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::load::{audit, batch, post, record};

fn run(mut command: Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

fn replayed(collector: &Collector, file: &std::path::Path) -> (i32, Value, String) {
    let url = format!("http://{}", collector.address());
    let command = collector.command(&["replay", "--url", &url, file.to_str().unwrap()]).unwrap();
    let (status, out, error) = run(command);
    (status, serde_json::from_str(&out).unwrap_or_default(), error)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_brings_exactly_what_is_missing() {
    let database = Database::fresh().await.unwrap();
    let collector = Collector::start(&database, CollectorOptions::default()).await.unwrap();
    let (boot, directory) = (Uuid::new_v4(), TempDir::new().unwrap());
    let journal = directory.path().join("envoy.log");
    let mut records: Vec<_> = (1..=2_500).map(|seq| record(boot, seq)).collect();
    let cut: String = record(boot, 2_501).chars().take(80).collect();
    // A partial line from a killed Envoy, followed by the first line of the next one.
    records[1_499].insert_str(0, &cut);
    let text = format!(
        "[info] starting\n{}\n{{\"an\":\"access log of another kind\"}}\n\u{0}\n{cut}",
        records.join("\n"),
    );
    fs::write(&journal, text).unwrap();
    post(&Client::default(), collector.address(), batch(boot, 1..=700, 2_500)).await.unwrap();

    let (status, tally, error) = replayed(&collector, &journal);
    assert_eq!(status, 0, "{error}");
    let expected = json!({
        "lines": 2_504, "records": 2_500, "other": 3, "damaged": 2, "salvaged": 1,
        "without_id": 0, "known": 700, "sent": 1_800, "quarantined": 0, "refused": 0,
    });
    assert_eq!(tally, expected);
    for says in ["envoy.log:1501: not JSON: ", "; whole records in it: 1", "envoy.log:2504: "] {
        assert!(error.contains(says), "{error}");
    }
    audit(&database, &[&collector], boot, 2_500).await;
    let (_, tally, _) = replayed(&collector, &journal);
    assert_eq!((&tally["known"], &tally["sent"]), (&json!(2_500), &json!(0)), "again");
    audit(&database, &[&collector], boot, 2_500).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_says_why_it_ended() {
    let database = Database::fresh().await.unwrap();
    let directory = TempDir::new().unwrap();
    let tokens = directory.path().join("tokens");
    fs::write(&tokens, "0123456789abcdef").unwrap();
    let tokens = tokens.to_str().unwrap().to_owned();
    let options = CollectorOptions { environment: vec![("GATELOG_TOKENS_FILE".into(), tokens)] };
    let mut collector = Collector::start(&database, options).await.unwrap();
    let journal = directory.path().join("journal");
    fs::write(&journal, record(Uuid::new_v4(), 1)).unwrap();
    let journal = journal.to_str().unwrap();
    let url = format!("http://{}", collector.address());
    let mut replay = collector.command(&["replay", "--url", &url, journal]).unwrap();
    replay.env_remove("GATELOG_TOKENS_FILE");
    let (status, _, error) = run(replay);
    assert!(status == 1 && error.contains("401"), "{status} {error}");
    assert_eq!(run(collector.command(&["replay", "--url", &url, journal]).unwrap()).0, 0);
    let missing = collector.command(&["replay", "--url", &url, "/does/not/exist"]).unwrap();
    assert_eq!(run(missing).0, 1);
    let (status, _, error) =
        run(collector.command(&["replay", "--url", "ftp://x", "--patience=1", journal]).unwrap());
    assert!(status == 2 && error.contains("--patience") && error.contains("ftp://x"), "{error}");
    collector.stop().unwrap();
    // By default it gives up soon if the server never responded; the error always names the
    // address.
    for patience in [&["--patience=1s"][..], &[]] {
        let arguments = [&["replay", "--url", &url][..], patience, &[journal]].concat();
        let (status, _, error) = run(collector.command(&arguments).unwrap());
        assert!(status == 1 && error.contains("run it again"), "{status} {error}");
        assert!(error.contains(&url) && error.contains("is --url (GATELOG_URL) right?"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gzipped_journal_is_replayed_as_it_is() {
    let database = Database::fresh().await.unwrap();
    let collector = Collector::start(&database, CollectorOptions::default()).await.unwrap();
    let (boot, directory) = (Uuid::new_v4(), TempDir::new().unwrap());
    let journal = directory.path().join("envoy.log.1.gz");
    // Two members, as in a file compressed piece by piece.
    let mut packed = Vec::new();
    for seqs in [1..=20, 21..=30] {
        let lines: String = seqs.map(|seq| record(boot, seq) + "\n").collect();
        let mut encoder = GzEncoder::new(&mut packed, Compression::default());
        encoder.write_all(lines.as_bytes()).unwrap();
        encoder.finish().unwrap();
    }
    fs::write(&journal, &packed).unwrap();
    let (status, tally, error) = replayed(&collector, &journal);
    assert_eq!((status, &tally["sent"]), (0, &json!(30)), "{error}");
    audit(&database, &[&collector], boot, 30).await;
}

/// Regression: it read them, and never sent them.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_broken_gzip_journal_still_holds_is_replayed() {
    let database = Database::fresh().await.unwrap();
    let collector = Collector::start(&database, CollectorOptions::default()).await.unwrap();
    let (boot, directory) = (Uuid::new_v4(), TempDir::new().unwrap());
    let journal = directory.path().join("envoy.log.1.gz");
    let lines: String = (1..=30).map(|seq| record(boot, seq) + "\n").collect();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(lines.as_bytes()).unwrap();
    let mut packed = encoder.finish().unwrap();
    packed.truncate(packed.len() - 8);
    fs::write(&journal, &packed).unwrap();
    let (status, tally, error) = replayed(&collector, &journal);
    assert!(status == 1 && error.contains("envoy.log.1.gz\": cannot be read"), "{error}");
    assert_eq!(tally["sent"], json!(30), "{tally}");
    audit(&database, &[&collector], boot, 30).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistyped_variable_is_told_in_the_log_and_by_every_command() {
    let database = Database::fresh().await.unwrap();
    let options =
        CollectorOptions { environment: vec![("GATELOG_SPOOL_MAXBYTES".into(), "2GiB".into())] };
    let mut collector = Collector::start(&database, options).await.unwrap();
    let (_, _, error) = run(collector.command(&["dead-letters", "list"]).unwrap());
    for told in [collector.process().stderr(), error] {
        assert!(told.contains("GATELOG_SPOOL_MAXBYTES is not a setting"), "{told}");
        assert!(told.contains("did you mean GATELOG_SPOOL_MAX_BYTES?"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_listed_and_removed_while_the_collector_serves() {
    let database = Database::fresh().await.unwrap();
    let collector = Collector::start(&database, CollectorOptions::default()).await.unwrap();
    post(&Client::default(), collector.address(), "nonsense\n{}\n").await.unwrap();
    let command = |arguments: &[&str]| run(collector.command(arguments).unwrap());
    let (_, list, _) = command(&["dead-letters", "list"]);
    assert!(list.contains("not_json") && list.contains("wrong_shape"), "{list}");
    let (_, one, _) = command(&["dead-letters", "list", "--json", "--kind", "not_json"]);
    assert_eq!(serde_json::from_str::<Value>(&one).unwrap()["line"], "nonsense");
    assert_eq!(command(&["dead-letters", "retry"]).0, 1, "they are still no records");
    let (status, _, error) = command(&["dead-letters", "purge"]);
    assert_eq!(status, 2, "which ones must be said");
    for flag in ["--kind", "--id", "--older-than", "--all"] {
        assert!(error.contains(flag), "{error}");
    }
    assert_eq!(command(&["dead-letters", "purge", "--older-than=1h"]).1, "0 removed\n");
    assert_eq!(command(&["dead-letters", "purge", "--older-than=0s", "--id=1"]).1, "1 removed\n");
    assert_eq!(command(&["dead-letters", "purge", "--all"]).1, "1 removed\n");
    assert_eq!(command(&["dead-letters", "list"]).1, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_configuration_ends_with_2_and_every_fault() {
    let database = Database::fresh().await.unwrap();
    let directory = TempDir::new().unwrap();
    let collector = Collector::start(&database, CollectorOptions::default()).await.unwrap();
    let spool = directory.path().join("spool");
    let mut command = collector.command(&["--listen=x", "--tls-cert=/none"]).unwrap();
    command.env("GATELOG_SPOOL_DIR", &spool).env("GATELOG_MAX_RECORDS", "none");
    let (status, _, error) = run(command);
    assert_eq!(status, 2, "{error}");
    for name in ["GATELOG_LISTEN", "GATELOG_TLS_CERT", "GATELOG_MAX_RECORDS"] {
        assert!(error.contains(name), "{error}");
    }
    let mut command = collector.command(&["--tokens-file=/none"]).unwrap();
    command.env("GATELOG_SPOOL_DIR", &spool).env("MONGODB_URI", "mongodb://u:secret@");
    let (status, _, error) = run(command);
    assert!(status == 2 && error.contains("MONGODB_URI") && error.contains("TOKENS"), "{error}");
    assert!(!error.contains("secret"), "{error}");
    assert!(!spool.exists(), "nothing was started");
}
