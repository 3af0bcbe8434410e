//! Rollups on their way from the spool to a real server.

use std::time::{Duration, Instant};

use gatelog_collector::clock::now_millis;
use gatelog_collector::metrics::Metrics;
use gatelog_collector::rollup::push::Pusher;
use gatelog_collector::rollup::{Facts, Observation};
use gatelog_collector::spool::{Append, Settled, SettledRow, Spool, SpoolOptions};
use gatelog_collector::store::{Store, StoreOptions};
use gatelog_record::{Level, Timestamp};
use gatelog_testkit::{Database, Fault, FaultProxy};
use mongodb::bson::doc;

/// A record of its own organization.
fn observed(organization: &str) -> Observation {
    let now = now_millis();
    let facts = Facts {
        timestamp: Timestamp::from_unix_micros(now * 1_000),
        level: Level::Info,
        logger: "gateway.edge",
        function: "orders",
        message: "m",
        method: Some("GET"),
        status: Some(200),
        organization: Some(organization),
        took_ms: Some(1.0),
        weight: None,
        error_type: None,
        error_details: None,
    };
    Observation::of(&facts, now).unwrap()
}

/// Regression: every round sent as many again, and none was ever answered in time.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_too_slow_for_many_rollups_at_once_gets_fewer() {
    let database = Database::fresh().await.unwrap();
    let target = database.uri().replace("mongodb://", "").replace('/', "").parse().unwrap();
    let proxy = FaultProxy::start(target).await.unwrap();
    let uri = format!("mongodb://{}/?directConnection=true", proxy.address());
    let mut options = StoreOptions::new(&uri, database.name());
    options.operation_timeout = Duration::from_secs(1);
    let store = Store::connect(&options).await.unwrap();

    let dir = tempfile::tempdir().unwrap();
    let options = SpoolOptions {
        dir: dir.path().to_owned(),
        max_bytes: 1 << 20,
        dead_letters_max_bytes: 1 << 20,
        keep_free_bytes: 0,
    };
    let metrics = Metrics::new();
    let spool = Spool::open(&options, metrics.clone()).unwrap();
    spool.append(Append { body: b"{}\n".to_vec(), records: 1, ..Append::default() }).await.unwrap();
    let read = spool.read(0, usize::MAX, 1).await.unwrap();
    let mut row = SettledRow::of(&read.rows[0]);
    for number in 0..190 {
        row.tally.add(&observed(&format!("org_{number}")));
    }
    let settled = Settled { generation: read.generation, rows: vec![row], ..Settled::default() };
    spool.settle(settled).await.unwrap();

    // More than a second for 256 of them.
    proxy.fault(Fault::Throttle(60 << 10));
    let mut pusher = Pusher::new(spool.clone(), store, metrics);
    let (began, mut failed) = (Instant::now(), 0);
    while let Err(error) = pusher.round(false).await {
        failed += 1;
        assert!(began.elapsed() < Duration::from_mins(1), "after {failed} rounds: {error}");
    }
    assert!(failed > 0, "it was not too slow");
    let hours = doc! {"_id": {"$gte": "hour:tenant:", "$lt": "hour:tenant;"}};
    assert_eq!(database.count("gatelog_rollups", hours).await.unwrap(), 190);
}
