//! Every collection has its own retention.

use gatelog_testkit::{Collector, CollectorOptions, Database};
use mongodb::bson::doc;

use crate::stored::json;

const DAY: i64 = 24 * 60 * 60;

async fn expiry(database: &Database, collection: &str) -> i64 {
    let answer = database.command(doc! { "listIndexes": collection }).await.unwrap();
    let answer = json(answer);
    let indexes = answer["cursor"]["firstBatch"].as_array().unwrap();
    let of_date =
        indexes.iter().find(|index| index["key"] == serde_json::json!({ "created_at": 1 }));
    let of_date = of_date.unwrap_or_else(|| panic!("{collection}: {indexes:#?}"));
    of_date["expireAfterSeconds"].as_i64().unwrap()
}

#[tokio::test]
async fn every_collection_has_the_documented_retention() {
    let database = Database::fresh().await.unwrap();
    let _collector = Collector::start(&database, CollectorOptions::default()).await.unwrap();
    for (collection, days) in [
        ("debug_logs", 7),
        ("info_logs", 30),
        ("warning_logs", 60),
        ("error_logs", 90),
        ("critical_logs", 120),
        ("audit_logs", 365),
        ("trace_logs", 30),
    ] {
        let expiry = gatelog_testkit::eventually(
            "its index is there",
            crate::stored::PATIENCE,
            async || {
                let names = database.command(doc! { "listCollections": 1 }).await?;
                anyhow::ensure!(
                    json(names).to_string().contains(collection),
                    "no {collection} yet"
                );
                Ok(expiry(&database, collection).await)
            },
        );
        assert_eq!(expiry.await.unwrap(), days * DAY, "{collection}");
    }
}
