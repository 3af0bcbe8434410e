//! The console stays small, however much is read at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gatelog_testkit::Database;
use serde_json::json;
use tokio::task::JoinSet;

use crate::fixture::{A, ALL, Console, fill, record};

/// The bound of issue 16.
const MAX_BYTES: u64 = 100 << 20;
/// The time that has all records.
const SPAN: &str = "since=2096-01-26T02:00:00Z&until=2096-01-26T03:00:00Z";
/// For all of a viewer's answers, on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

#[tokio::test(flavor = "multi_thread")]
async fn resident_memory_stays_below_100_mib_with_ten_viewers() {
    let database = Database::fresh().await.unwrap();
    let text = "x".repeat(6_000);
    for part in 0..2 {
        let records: Vec<_> = (0..1_000)
            .map(|number| {
                let context = json!({"correlation_id": "flow", "organization_id": "a"});
                let change = json!({"context": context, "extra": {"text": text}});
                record("INFO", (part * 1_000 + number) % 3_600, &change)
            })
            .collect();
        fill(&database, &records).await;
    }
    let console = Arc::new(Console::start(&database).await);
    let idle = console.process.resident_bytes().unwrap();
    let mut viewers = JoinSet::new();
    for viewer in 0..10 {
        let console = Arc::clone(&console);
        viewers.spawn(async move {
            for endpoint in
                ["search?limit=1000&", "histogram?", "flows/flow?", "export?limit=1000&"]
            {
                let span = if endpoint.starts_with("flows") { "" } else { SPAN };
                let path = format!("{endpoint}{span}");
                // Each of them gets its turn, sooner or later: a refusal comes after a while.
                let begun = Instant::now();
                // As two viewers, who together may have all turns.
                let token = if viewer % 2 == 0 { ALL } else { A };
                while console.get(token, path.trim_end_matches('?')).await.status != 200 {
                    assert!(begun.elapsed() < PATIENCE, "{viewer}: {path}");
                }
            }
        });
    }
    let mut most = idle;
    loop {
        most = most.max(console.process.resident_bytes().unwrap());
        match tokio::time::timeout(Duration::from_millis(20), viewers.join_next()).await {
            Ok(None) => break,
            Ok(Some(done)) => done.unwrap(),
            Err(_) => {}
        }
    }
    println!("resident: {} KiB idle, {} KiB at most", idle >> 10, most >> 10);
    assert!(most < MAX_BYTES, "{most} bytes");
}
