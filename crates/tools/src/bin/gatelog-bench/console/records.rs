//! Fills a database with records of a day, through a collector: documents and indexes are its own.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use gatelog_record::Timestamp;
use gatelog_testkit::{Collector, CollectorOptions, Database, SampleRecords, eventually};
use mongodb::bson::doc;
use serde_json::{Value, json};

use crate::post::post;
use crate::stored::stored_by;

/// Over which time the records are spread, before now.
const SPAN: Duration = Duration::from_hours(24);
/// Records per batch.
const BATCH: usize = 250;
/// Batches that are posted before it is waited until they are stored.
const PART: usize = 40;
const CONNECTIONS: usize = 4;
/// A flow with so many records, and its id.
const FLOW_RECORDS: usize = 200;
/// The collection that says when it was filled.
const MARK: &str = "bench_filled";
const FLOW: &str = "a-flow-of-200-records";

/// What a database has.
pub(super) struct Filled {
    /// Whether this run filled it, and not one before.
    pub(super) anew: bool,
    /// When its day ended.
    pub(super) at: Timestamp,
}

/// Stores this many records, and one flow, unless a run before did.
pub(super) async fn fill(database: &Database, records: u32) -> Result<Filled> {
    let marks = database.collection(MARK);
    let there = database.count("trace_logs", doc! {}).await?;
    let wanted = u64::from(records) + u64::try_from(FLOW_RECORDS)?;
    if there == wanted {
        let mark = marks.find_one(doc! {}).await?.context("it is not said when it was filled")?;
        let at = Timestamp::from_unix_micros(mark.get_i64("at")?);
        return Ok(Filled { anew: false, at });
    }
    ensure!(there == 0, "the database has {there} records, not {wanted}: drop it");
    let rollups = vec![("GATELOG_ROLLUPS".to_owned(), "on".to_owned())];
    let options = CollectorOptions { environment: rollups };
    let mut collector = Collector::start(database, options).await?;
    // The newest record of the day: filling takes minutes, in which there are none.
    let at = now()?;
    let mut made = SampleRecords::spread(records, SPAN);
    let (mut posted, all) = (0, usize::try_from(records)?);
    while posted < all {
        let mut bodies = Vec::new();
        while bodies.len() < PART && posted < all {
            let batch = BATCH.min(all - posted);
            bodies.push(made.body(batch)?);
            posted += batch;
        }
        post(collector.address(), CONNECTIONS, bodies, None).await?;
        stored_by(&collector, made.boot(), posted).await?;
        if posted % 50_000 == 0 {
            println!("    {posted} records");
        }
    }
    post(collector.address(), 1, vec![flow()?], None).await?;
    eventually("the flow is stored", Duration::from_mins(1), async || {
        let flow = doc! { "context.correlation_id": FLOW };
        let there = database.count("trace_logs", flow).await?;
        ensure!(there == u64::try_from(FLOW_RECORDS)?, "{there} of {FLOW_RECORDS}");
        Ok(())
    })
    .await?;
    collector.stop()?;
    marks.insert_one(doc! { "at": at.unix_micros() }).await?;
    Ok(Filled { anew: true, at })
}

fn now() -> Result<Timestamp> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(Timestamp::from_unix_micros(i64::try_from(since.as_micros())?))
}

/// Records of one flow, a minute ago: a batch of another gateway.
fn flow() -> Result<Vec<u8>> {
    let mut body = Vec::new();
    for line in SampleRecords::spread(u32::try_from(FLOW_RECORDS)?, Duration::from_mins(1))
        .lines(FLOW_RECORDS)?
    {
        let mut record: Value = serde_json::from_slice(&line)?;
        *record.pointer_mut("/context/correlation_id").context("no correlation id")? = json!(FLOW);
        serde_json::to_writer(&mut body, &record)?;
        body.push(b'\n');
    }
    Ok(body)
}
