//! The documented queries: their results, and that an index serves each.

use mongodb::bson::{Document, doc};
use serde_json::json;

use crate::fixture::{Fixture, all_stored, record};

/// Creates the indexes and a few hundred records, so that a full scan would show up as one.
pub(crate) async fn filled() -> Fixture {
    let fixture = Fixture::new().await;
    fixture.store.reconcile().await;
    let mut records = Vec::new();
    for (number, level) in ["INFO", "ERROR"].into_iter().cycle().take(400).enumerate() {
        let change = json!({
            "timestamp": format!("2096-01-{:02}T02:11:57Z", 1 + number % 28),
            "context": {
                "organization_id": format!("org_{}", number % 7),
                "user_id": format!("user_{}", number % 9),
                "conversation_id": if number % 3 == 0 { json!(null) } else { json!(format!("conv_{}", number % 5)) },
                "correlation_id": format!("corr_{}", number / 4),
                "request_id": format!("req_{number}"),
            },
            "trace": {"execution_time_ms": number * 5, "status": "success"},
        });
        records.push(record(level, &change));
    }
    assert_eq!(fixture.store.insert(&records).await, all_stored(400));
    fixture
}

impl Fixture {
    /// The stages of the plan, innermost last.
    async fn stages(&self, query: Document) -> Vec<String> {
        let explain = doc! { "explain": query, "verbosity": "queryPlanner" };
        let explained = self.database.command(explain).await.unwrap();
        let planner = match explained.get_array("stages") {
            Ok(stages) => stages[0].as_document().unwrap().get_document("$cursor").unwrap(),
            Err(_) => &explained,
        };
        let planner = planner.get_document("queryPlanner").unwrap();
        let mut stage = planner.get_document("winningPlan").ok();
        let mut stages = Vec::new();
        while let Some(found) = stage {
            let index = found.get_str("indexName").unwrap_or_default();
            stages.push(format!("{} {index}", found.get_str("stage").unwrap()).trim().to_owned());
            stage = found.get_document("inputStage").ok();
        }
        stages
    }

    pub(crate) async fn assert_served_by(&self, index: &str, query: Document) {
        let stages = self.stages(query.clone()).await;
        assert_eq!(stages.last(), Some(&format!("IXSCAN {index}")), "{query}: {stages:?}");
    }
}

#[tokio::test]
async fn errors_of_an_organization_come_newest_first_by_their_index() {
    let fixture = filled().await;
    let filter = doc! { "context.organization_id": "org_3" };
    let target = fixture.database.collection("error_logs");
    let mut cursor =
        target.find(filter.clone()).sort(doc! { "timestamp": -1 }).limit(100).await.unwrap();
    let mut times = Vec::new();
    while cursor.advance().await.unwrap() {
        times.push(cursor.current().get_str("timestamp").unwrap().to_owned());
    }
    assert!(times.len() > 20 && times.is_sorted_by(|one, next| one >= next), "{times:?}");
    fixture
        .assert_served_by(
            "context.organization_id_1_timestamp_1",
            doc! { "find": "error_logs", "filter": filter, "sort": { "timestamp": -1 }, "limit": 100 },
        )
        .await;
}

#[tokio::test]
async fn a_flow_comes_in_order_by_its_index() {
    let fixture = filled().await;
    let filter = doc! { "context.correlation_id": "corr_45" };
    assert_eq!(fixture.database.count("trace_logs", filter.clone()).await.unwrap(), 4);
    fixture
        .assert_served_by(
            "context.correlation_id_1_timestamp_1",
            doc! { "find": "trace_logs", "filter": filter, "sort": { "timestamp": 1 } },
        )
        .await;
}

#[tokio::test]
async fn a_request_is_found_by_its_index() {
    let fixture = filled().await;
    let all = fixture.all("trace_logs").await;
    let id = all[0].get_document("context").unwrap().get_str("request_id").unwrap();
    let ids = doc! { "$in": [id, "another"] };
    for filter in [doc! { "context.request_id": id }, doc! { "context.request_id": ids }] {
        assert_eq!(fixture.database.count("trace_logs", filter.clone()).await.unwrap(), 1);
        fixture
            .assert_served_by(
                "context.request_id_1_timestamp_1",
                doc! { "find": "trace_logs", "filter": filter, "sort": { "timestamp": 1 } },
            )
            .await;
    }
}

#[tokio::test]
async fn a_conversation_is_counted_by_its_index() {
    let fixture = filled().await;
    let pipeline = vec![
        doc! { "$match": { "context.conversation_id": "conv_1", "timestamp": { "$gte": "2096-01-25" } } },
        doc! { "$group": { "_id": "$level", "count": { "$sum": 1 } } },
    ];
    let expected = fixture
        .all("info_logs")
        .await
        .iter()
        .filter(|document| {
            let context = document.get_document("context").unwrap();
            context.get_str("conversation_id").is_ok_and(|id| id == "conv_1")
                && document.get_str("timestamp").unwrap() >= "2096-01-25"
        })
        .count();
    let mut cursor =
        fixture.database.collection("info_logs").aggregate(pipeline.clone()).await.unwrap();
    assert!(cursor.advance().await.unwrap());
    let group = cursor.deserialize_current().unwrap();
    assert_eq!(group, doc! { "_id": "INFO", "count": i32::try_from(expected).unwrap() });
    assert!(expected > 0);
    fixture
        .assert_served_by(
            "context.conversation_id_1_timestamp_1",
            doc! { "aggregate": "info_logs", "pipeline": pipeline, "cursor": {} },
        )
        .await;
}

#[tokio::test]
async fn slow_operations_are_found_by_the_index_that_holds_only_them() {
    let fixture = filled().await;
    for (bound, served) in [(1_000, true), (100, true), (50, false)] {
        let filter = doc! { "trace.execution_time_ms": { "$gt": bound } };
        let found = fixture.database.count("info_logs", filter.clone()).await.unwrap();
        assert_eq!(found, 199 - u64::try_from(bound).unwrap() / 10, "over {bound}");
        let query = doc! {
            "find": "info_logs", "filter": filter, "sort": { "trace.execution_time_ms": -1 },
        };
        let stages = fixture.stages(query).await;
        let by_index = stages.last().unwrap() == "IXSCAN trace.execution_time_ms_1";
        assert_eq!(by_index, served, "over {bound}: {stages:?}");
    }
}

#[tokio::test]
async fn the_latest_errors_and_the_latest_of_any_collection_need_no_scan() {
    let fixture = filled().await;
    fixture
        .assert_served_by(
            "timestamp_1",
            doc! { "find": "error_logs", "sort": { "timestamp": -1 }, "limit": 10 },
        )
        .await;
    fixture
        .assert_served_by(
            "created_at_1",
            doc! { "find": "info_logs", "sort": { "created_at": -1 }, "limit": 10 },
        )
        .await;
}

/// Regression: a time range on a descending index returned nothing on the test server.
#[tokio::test]
async fn a_span_of_time_is_found_whole_by_an_ascending_index() {
    let fixture = filled().await;
    let span = doc! { "$gte": "2096-01-08", "$lt": "2096-01-15" };
    let latest = doc! { "timestamp": span.clone() };
    let organization = doc! { "context.organization_id": "org_4", "timestamp": span };
    for (index, filter) in
        [("timestamp_1", latest), ("context.organization_id_1_timestamp_1", organization)]
    {
        let all = fixture.all("error_logs").await;
        let within = |document: &&Document| {
            let organization = document.get_document("context").unwrap();
            let organization = organization.get_str("organization_id").unwrap();
            let timestamp = document.get_str("timestamp").unwrap();
            ("2096-01-08".."2096-01-15").contains(&timestamp)
                && (index == "timestamp_1" || organization == "org_4")
        };
        let expected = all.iter().filter(within).count();
        assert!(expected > 5, "{expected}");
        let query = doc! { "find": "error_logs", "filter": filter.clone() };
        fixture.assert_served_by(index, query).await;
        let found = fixture.database.count("error_logs", filter).await.unwrap();
        assert_eq!(found, expected as u64, "{index}");
    }
}

#[tokio::test]
async fn all_records_of_a_level_are_counted() {
    let fixture = filled().await;
    assert_eq!(fixture.database.count("info_logs", doc! {}).await.unwrap(), 200);
}
