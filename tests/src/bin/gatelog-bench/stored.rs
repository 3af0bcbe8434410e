//! What the collector stored, and the same again by nothing but the driver.

use std::time::Duration;

use anyhow::{Result, ensure};
use gatelog_tests::{Collector, CollectorOptions, Database, eventually};
use mongodb::bson::{Document, doc};
use mongodb::options::{Acknowledgment, CollectionOptions, WriteConcern};

/// The collections that the sample records go to.
const COLLECTIONS: [&str; 5] =
    ["info_logs", "warning_logs", "error_logs", "audit_logs", "trace_logs"];

/// Documents of one insert.
const INSERT: usize = 1_000;

/// How long storing may take.
const PATIENCE: Duration = Duration::from_mins(5);

/// Documents by collection, and a database with the same indexes and nothing in them.
pub(crate) struct Corpus {
    pub(crate) documents: Vec<(&'static str, Vec<Document>)>,
    pub(crate) indexed: Database,
}

/// Waits until all records are stored, each with its document for its flow.
pub(crate) async fn stored_in(database: &Database, records: usize) -> Result<()> {
    let records = u64::try_from(records)?;
    eventually("all records are stored", PATIENCE, async || {
        let flows = database.collection("trace_logs").estimated_document_count().await?;
        ensure!(flows >= records, "{flows} of {records}");
        let mut stored = 0;
        for level in ["info_logs", "warning_logs", "error_logs"] {
            stored += database.collection(level).estimated_document_count().await?;
        }
        ensure!(stored >= records, "{stored} of {records}");
        Ok(())
    })
    .await
}

/// Reads what a collector stored, and has it make the indexes of another database.
pub(crate) async fn corpus(database: &Database, mut collector: Collector) -> Result<Corpus> {
    collector.stop()?;
    let mut documents = Vec::new();
    for collection in COLLECTIONS {
        documents.push((collection, database.find(collection, doc! {}).await?));
    }
    let indexed = Database::fresh().await?;
    let mut other = Collector::start(&indexed, CollectorOptions::default()).await?;
    eventually("the indexes are there", PATIENCE, async || {
        let names = indexed.collection("trace_logs").list_index_names().await?;
        ensure!(names.len() > 1, "{names:?}");
        let ready: serde_json::Value = other.get("/readyz").await?.json()?;
        ensure!(ready["mongodb"] == "up", "{ready}");
        Ok(())
    })
    .await?;
    other.stop()?;
    Ok(Corpus { documents, indexed })
}

/// Inserts the documents, a thousand at a time, all collections at once: what a program without
/// spool, retries and accounts would do.
pub(crate) async fn fill(
    database: &Database,
    documents: &[(&'static str, Vec<Document>)],
) -> Result<()> {
    let durable = WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build();
    let options = CollectionOptions::builder().write_concern(durable).build();
    let mut running = tokio::task::JoinSet::new();
    for (name, documents) in documents {
        let collection = database.collection(name).clone_with_type::<Document>();
        let collection = collection
            .client()
            .database(database.name())
            .collection_with_options::<Document>(name, options.clone());
        let documents = documents.clone();
        running.spawn(async move {
            for part in documents.chunks(INSERT) {
                collection.insert_many(part).ordered(false).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = running.join_next().await {
        done??;
    }
    Ok(())
}
