//! Reads what the collector stored, and stores it again with only the driver.

use std::time::Duration;

use anyhow::{Result, ensure};
use gatelog_record::Uuid;
use gatelog_testkit::{Collector, CollectorOptions, Database, DatabaseServer, eventually};
use mongodb::Collection;
use mongodb::bson::{Document, doc};
use mongodb::options::{Acknowledgment, CollectionOptions, WriteConcern};

use crate::cpu;

/// The collections that receive the sample records.
const COLLECTIONS: [&str; 5] =
    ["info_logs", "warning_logs", "error_logs", "audit_logs", "trace_logs"];

/// Documents per insert.
const INSERT: usize = 1_000;

/// Timeout for storing.
const PATIENCE: Duration = Duration::from_mins(5);

/// Cache size of a database server: large enough for everything that is stored, so that the
/// measurement does not depend on its disk.
const CACHE: &str = "4G";

/// An empty database, on a separate server with room and on a core that neither collector nor load
/// uses; on the `MONGODB_URI` server if that is set.
pub(crate) async fn server() -> Result<(Option<DatabaseServer>, Database)> {
    if std::env::var_os("MONGODB_URI").is_some() {
        return Ok((None, Database::fresh().await?));
    }
    let mut server = DatabaseServer::start_for_benchmark(CACHE).await?;
    cpu::pin(server.process().id(), cpu::ENVOY_CORE)?;
    let database = Database::on(&server.uri(), "bench").await?;
    Ok((Some(server), database))
}

/// Documents by collection.
pub(crate) type Documents = Vec<(&'static str, Vec<Document>)>;

/// Waits until this many records of a boot are stored according to the collector: querying the
/// database would slow it down.
pub(crate) async fn stored_by(collector: &Collector, boot: Uuid, records: usize) -> Result<()> {
    let (boot, records) = (boot.to_string(), u64::try_from(records)?);
    eventually("all records are stored", PATIENCE, async || {
        let accounting = collector.accounting().await?;
        let boots = accounting["boots"].as_array().into_iter().flatten();
        let own = boots.filter(|account| account["boot"] == boot.as_str());
        let stored: u64 = own.filter_map(|account| account["stored"].as_u64()).sum();
        ensure!(stored >= records, "{stored} of {records}");
        Ok(())
    })
    .await
}

/// Stops a collector, and reads what it stored.
pub(crate) async fn documents(database: &Database, mut collector: Collector) -> Result<Documents> {
    collector.stop()?;
    let mut documents = Vec::new();
    for collection in COLLECTIONS {
        documents.push((collection, database.find(collection, doc! {}).await?));
    }
    Ok(documents)
}

/// The first `part` of every `whole` documents in each collection, and the rest.
pub(crate) fn split(mut documents: Documents, part: usize, whole: usize) -> (Documents, Documents) {
    let rest = documents
        .iter_mut()
        .map(|(name, documents)| (*name, documents.split_off(documents.len() * part / whole)))
        .collect();
    (documents, rest)
}

/// Runs a collector just to create its indexes.
pub(crate) async fn make_indexes(database: &Database) -> Result<()> {
    let mut collector = Collector::start(database, CollectorOptions::default()).await?;
    eventually("the indexes are there", PATIENCE, async || {
        let names = database.collection("trace_logs").list_index_names().await?;
        ensure!(names.len() > 1, "{names:?}");
        let ready: serde_json::Value = collector.get("/readyz").await?.json()?;
        ensure!(ready["mongodb"] == "up", "{ready}");
        Ok(())
    })
    .await?;
    collector.stop()
}

/// Inserts the documents one by one.
pub(crate) async fn fill_singly(database: &Database, documents: &Documents) -> Result<()> {
    for (name, documents) in documents {
        let collection = durable(database, name);
        for document in documents {
            collection.insert_one(document).await?;
        }
    }
    Ok(())
}

/// Inserts the documents, a thousand at a time: what a program without spool, retries and
/// accounting would do.
pub(crate) async fn fill(database: &Database, documents: &Documents) -> Result<()> {
    for (name, documents) in documents {
        let collection = durable(database, name);
        for part in documents.chunks(INSERT) {
            collection.insert_many(part).ordered(false).await?;
        }
    }
    Ok(())
}

/// A collection that acknowledges what is durable.
fn durable(database: &Database, name: &str) -> Collection<Document> {
    let concern = WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build();
    let options = CollectionOptions::builder().write_concern(concern).build();
    let database = database.collection(name).client().database(database.name());
    database.collection_with_options(name, options)
}
