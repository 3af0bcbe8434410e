//! The journal that the module writes itself, and the one that Envoy's access log writes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::ensure;
use gatelog_testkit::{JournalWriter, eventually};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::load::Load;
use crate::rig::{PATIENCE, Rig};

/// Records by their ids.
fn by_id(records: Vec<Value>) -> BTreeMap<String, Value> {
    records.into_iter().map(|record| (record["id"].to_string(), record)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_writes_the_journal_its_lines_are_the_records_that_are_delivered() {
    for writer in [JournalWriter::Module, JournalWriter::AccessLog] {
        let rig = Rig::start_with(&[("/level", json!("DEBUG"))], |options| {
            options.concurrency = 2;
            options.config.journal_by(writer)
        })
        .await
        .unwrap();
        let load = Load::start(rig.address(), 4);
        eventually("some thousand lines are written", PATIENCE, async || {
            ensure!(rig.envoy.journal().lines()?.len() > 2_000);
            anyhow::Ok(())
        })
        .await
        .unwrap();
        let sent = load.stop().await;
        assert_eq!(sent.harmed, [""; 0]);
        // Two records a request: the level is DEBUG.
        let expected = 2 * sent.requests;
        let (lines, delivered) = eventually("both are complete", PATIENCE, async || {
            let (lines, delivered) = (rig.envoy.journal().records()?, rig.sink.records());
            let counts = (lines.len() as u64, delivered.len() as u64);
            ensure!(counts == (expected, expected), "{counts:?} of {expected}");
            anyhow::Ok((lines, delivered))
        })
        .await
        .unwrap();
        assert!(by_id(lines) == by_id(delivered), "{writer:?}: lines and records differ");
        let written = rig.envoy.stats("gatelog.module.journal").await.unwrap();
        let own = if writer == JournalWriter::Module { expected } else { 0 };
        assert_eq!(written.values().sum::<u64>(), own, "{written:?}");
    }
}

/// A named pipe as Envoy's standard output, with a reader.
fn piped(directory: &TempDir) -> (PathBuf, File) {
    let path = directory.path().join("stdout");
    let made = Command::new("mkfifo").arg(&path).status().expect("coreutils have mkfifo");
    assert!(made.success());
    // Opened for both, so that opening waits for nobody.
    let reader = File::options().read(true).write(true).open(&path).unwrap();
    (path, reader)
}

async fn rig_to(stdout: &Path) -> Rig {
    // Long lines: the bound is met soon.
    let options = [
        ("/record/value_max_bytes", json!("16 KiB")),
        ("/record/request_headers", json!(["x-long"])),
    ];
    Rig::start_with(&options, |options| {
        options.stdout = Some(stdout.to_owned());
        Ok(())
    })
    .await
    .unwrap()
}

/// How many lines had this fate.
async fn fate(rig: &Rig, fate: &str) -> u64 {
    let stats = rig.envoy.stats(&format!("gatelog.module.journal_{fate}")).await.unwrap();
    stats.values().sum()
}

/// The same, once it is above zero.
async fn counted(rig: &Rig, what: &str) -> u64 {
    eventually(what, PATIENCE, async || {
        let count = fate(rig, what).await;
        ensure!(count > 0, "none");
        anyhow::Ok(count)
    })
    .await
    .unwrap_or_else(|error| panic!("{error:#}\n{}", rig.envoy.log()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_stands_still_delays_no_request_and_what_is_dropped_is_counted_and_named() {
    let directory = tempfile::tempdir().unwrap();
    let (path, mut reader) = piped(&directory);
    let rig = rig_to(&path).await;
    let long = "x".repeat(12_000);
    let mut sent = 0;
    while fate(&rig, "dropped").await == 0 {
        assert!(sent < 2_000, "{}", rig.envoy.log());
        for _ in 0..40 {
            assert_eq!(rig.get("/raw/ok", &[("x-long", &long)]).await.status, 200);
            sent += 1;
        }
    }
    assert!(sent > 200, "{sent}");
    let says = rig.envoy.log();
    assert!(says.contains("lines of the journal were dropped"), "{says}");
    // Everything is delivered all the same.
    eventually("all are delivered", PATIENCE, async || {
        let delivered = rig.sink.records().len();
        ensure!(delivered == sent, "{delivered} of {sent}");
        anyhow::Ok(())
    })
    .await
    .unwrap();

    // The reader goes on: what waited comes in whole lines, and all lines are accounted for.
    let reading = std::thread::spawn(move || {
        let (mut text, mut piece) = (Vec::new(), vec![0; 64 << 10]);
        while !text.ends_with(b"the end\n") {
            let length = reader.read(&mut piece).unwrap();
            text.extend_from_slice(&piece[..length]);
        }
        String::from_utf8(text).unwrap()
    });
    let written = eventually("the rest is written", PATIENCE, async || {
        let (written, dropped) = (fate(&rig, "written").await, fate(&rig, "dropped").await);
        ensure!(written + dropped == sent as u64, "{written} and {dropped} of {sent}");
        anyhow::Ok(written)
    })
    .await;
    let mut end = File::options().append(true).open(&path).unwrap();
    std::io::Write::write_all(&mut end, b"the end\n").unwrap();
    let text = reading.join().unwrap();
    let lines: Vec<_> = text.lines().filter(|line| *line != "the end").collect();
    assert!(lines.iter().all(|line| serde_json::from_str::<Value>(line).is_ok()));
    assert_eq!(lines.len() as u64, written.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_is_gone_ends_nothing_and_its_lines_are_counted_as_failed() {
    let directory = tempfile::tempdir().unwrap();
    let (path, reader) = piped(&directory);
    let rig = rig_to(&path).await;
    drop(reader);
    assert_eq!(rig.get("/raw/ok", &[]).await.status, 200);
    assert_eq!(counted(&rig, "failed").await, 1);
    assert!(rig.envoy.log().contains("1 lines of the journal are lost"), "{}", rig.envoy.log());
    assert_eq!(rig.get("/raw/ok", &[]).await.status, 200);
    // A new reader gets what comes after.
    let mut reader = File::options().read(true).write(true).open(&path).unwrap();
    rig.get("/raw/ok", &[("x-correlation-id", "after")]).await;
    assert!(counted(&rig, "written").await > 0);
    let mut text = vec![0; 64 << 10];
    let length = reader.read(&mut text).unwrap();
    assert!(String::from_utf8_lossy(&text[..length]).contains("after"));
}
