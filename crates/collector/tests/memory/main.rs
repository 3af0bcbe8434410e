//! Resident memory and the spool's directory stay within their documented bounds, whatever is sent,
//! and by however many clients.
//!
//! Every entry point is exercised concurrently, on a collector process with a real database. The
//! number of rounds per sender is fixed; `GATELOG_MEMORY_ROUNDS=100` makes the test longer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod senders;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use gatelog_testkit::{Collector, CollectorOptions, Database, DatabaseServer, eventually};
use tokio::task::JoinSet;

/// docs/collector.md: resident memory under all senders at once.
const RESIDENT_BYTES: u64 = 128 << 20;
const SPOOL_BYTES: u64 = 32 << 20;
const LETTER_BYTES: u64 = 8 << 20;
/// docs/operations.md: the disk that a spool needs.
const DIRECTORY_BYTES: u64 = 2 * SPOOL_BYTES + 2 * LETTER_BYTES + (128 << 20);

/// Rounds per sender, unless `GATELOG_MEMORY_ROUNDS` is set.
const ROUNDS: usize = 1;
/// Interval between two samples of the process.
const LOOK: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_mins(1);

/// The maximum values seen.
#[derive(Clone, Copy, Debug, Default)]
struct Most {
    resident: u64,
    /// What of it was the program's file, mapped: in a debug build most of it is code.
    mapped: u64,
    directory: u64,
}

fn directory_bytes(directory: &Path) -> u64 {
    // A file may disappear between the two calls.
    let files = fs::read_dir(directory).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum()
}

/// Samples until told to stop.
async fn watch(process: u32, directory: std::path::PathBuf, stop: Arc<AtomicBool>) -> Most {
    let mut most = Most::default();
    while !stop.load(Ordering::SeqCst) {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().unwrap_or_default();
            kib << 10
        };
        let resident = bytes("VmRSS:");
        if resident > most.resident {
            (most.resident, most.mapped) = (resident, bytes("RssFile:"));
        }
        most.directory = most.directory.max(directory_bytes(&directory));
        tokio::time::sleep(LOOK).await;
    }
    most
}

async fn start(server: &DatabaseServer) -> Collector {
    let database = Database::on(&server.uri(), "memory").await.unwrap();
    let size = |bytes: u64| format!("{}MiB", bytes >> 20);
    let environment = vec![
        ("GATELOG_SPOOL_MAX_BYTES".to_owned(), size(SPOOL_BYTES)),
        ("GATELOG_DEAD_LETTERS_MAX_BYTES".to_owned(), size(LETTER_BYTES)),
        ("GATELOG_ROLLUPS".to_owned(), "on".to_owned()),
        ("GATELOG_HEADER_TIMEOUT".to_owned(), "3s".to_owned()),
        ("GATELOG_BODY_TIMEOUT".to_owned(), "2s".to_owned()),
        // A dropped HTTP/2 stream can fail an assertion that h2 has in debug builds only. A
        // backtrace of it would load 25 MiB of debug information into the process.
        ("RUST_BACKTRACE".to_owned(), "0".to_owned()),
    ];
    Collector::start(&database, CollectorOptions { environment }).await.unwrap()
}

async fn answers(collector: &Collector) -> Result<()> {
    let reply = collector.get("/healthz").await?;
    ensure!(reply.status == 200, "{}", reply.text());
    Ok(())
}

/// Runs every sender to its end.
async fn send_everything(collector: &mut Collector, rounds: usize) {
    let mut tasks = JoinSet::new();
    for sender in senders::all(collector.address(), rounds) {
        tasks.spawn(sender);
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    collector.process().ensure_running().unwrap();
    eventually("the collector answers", PATIENCE, async || answers(collector).await).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn resident_memory_and_the_spools_directory_stay_within_their_bounds_whatever_is_sent() {
    let rounds = std::env::var("GATELOG_MEMORY_ROUNDS");
    let rounds = rounds.map_or(ROUNDS, |rounds| rounds.parse().expect("a number of rounds"));
    let mut server = DatabaseServer::start().await.unwrap();
    let mut collector = start(&server).await;
    let address = collector.address();
    let stop = Arc::new(AtomicBool::new(false));
    let process = collector.process().id();
    let watcher = tokio::spawn(watch(process, collector.spool(), Arc::clone(&stop)));

    // Known before anything else arrives, so that clients that read the accounts read all of them.
    eventually("ten thousand boots are known", PATIENCE, async || {
        let reply = senders::post(address, senders::boots()).await?;
        ensure!(reply.status == 202, "{}", reply.text());
        Ok(())
    })
    .await
    .unwrap();
    send_everything(&mut collector, rounds).await;

    // The same while the database does not answer.
    server.freeze().unwrap();
    send_everything(&mut collector, rounds).await;
    server.thaw().unwrap();
    // All of the senders are gone: the spool drains, and the next client is served.
    eventually("posts are taken", PATIENCE, async || {
        let reply = senders::post(address, Vec::new()).await?;
        ensure!(reply.status == 202, "{}", reply.text());
        Ok(())
    })
    .await
    .unwrap();
    stop.store(true, Ordering::SeqCst);
    let most = watcher.await.unwrap();
    println!(
        "at most {} KiB resident, {} KiB of it mapped files, {} KiB on disk",
        most.resident >> 10,
        most.mapped >> 10,
        most.directory >> 10
    );
    assert!(most.resident <= RESIDENT_BYTES, "{} KiB resident", most.resident >> 10);
    assert!(most.directory <= DIRECTORY_BYTES, "{} KiB on disk", most.directory >> 10);
}
