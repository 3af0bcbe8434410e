//! The documents that a record becomes.

use gatelog_collector::store::InsertReport;
use mongodb::bson::{Bson, Document, doc};
use serde_json::json;

use crate::fixture::{Fixture, all_stored, record};

#[tokio::test]
async fn a_record_goes_to_its_level_s_collection_the_audit_trail_and_its_flow() {
    let fixture = Fixture::new().await;
    let levels = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];
    let mut records: Vec<_> = levels.iter().map(|level| record(level, &json!({}))).collect();
    records.push(record("ERROR", &json!({"audit": true, "context": {"correlation_id": "c"}})));
    assert_eq!(fixture.store.insert(&records).await, all_stored(6));
    for (collection, expected) in [
        ("debug_logs", 1),
        ("info_logs", 1),
        ("warning_logs", 1),
        ("error_logs", 2),
        ("critical_logs", 1),
        ("audit_logs", 1),
        ("trace_logs", 1),
    ] {
        assert_eq!(fixture.all(collection).await.len(), expected, "{collection}");
    }
}

#[tokio::test]
async fn a_document_holds_the_record_as_plain_values() {
    let fixture = Fixture::new().await;
    let given = record(
        "INFO",
        &json!({
            "trace": {"execution_time_ms": 45},
            "extra": {"when": {"$date": "2096-01-26"}, "id": {"$oid": "x"}, "$where": "1", "a.b": 1,
                      "": 2, "small": 7, "large": 5_000_000_000_i64, "nul": "a\u{0}b",
                      "list": [1, null]},
        }),
    );
    assert_eq!(fixture.store.insert(std::slice::from_ref(&given)).await, all_stored(1));
    let found = fixture.all("info_logs").await.remove(0);
    let id = found.get("_id").and_then(|id| match id {
        Bson::Binary(binary) => binary.to_uuid().ok(),
        _ => None,
    });
    assert_eq!(id.map(mongodb::bson::Uuid::bytes), Some(given.id.into_bytes()));
    assert_eq!(found.get_str("timestamp").unwrap(), "2096-01-26T02:11:57.469652+00:00");
    assert_eq!(found.get_datetime("created_at").unwrap().timestamp_millis(), 3_978_382_317_469);
    assert_eq!(found.get_document("trace").unwrap(), &doc! { "execution_time_ms": 45.0 });
    assert_eq!(
        found.get_document("extra").unwrap(),
        &doc! {
            "when": { "$date": "2096-01-26" }, "id": { "$oid": "x" }, "$where": "1", "a.b": 1,
            "": 2, "small": 7_i32, "large": 5_000_000_000_i64, "nul": "a\0b",
            "list": [1, Bson::Null],
        }
    );
    assert!(!found.contains_key("id") && !found.contains_key("expires_at"));
}

#[tokio::test]
async fn a_flow_s_document_holds_what_a_tree_is_drawn_from_and_no_more() {
    let fixture = Fixture::new().await;
    let long = "é".repeat(1_000);
    let context = json!({"correlation_id": long, "request_id": "r", "user_id": "u", "other": 1});
    let records = [
        record(
            "ERROR",
            &json!({
                "function_name": "orders", "message": "GET /a -> 500 in 1.00 ms", "context": context,
                "trace": {"execution_time_ms": 1.0, "status": "error", "span_id": "s", "metrics": {}},
                "http": {"method": "GET", "path": long, "status": 500, "user_agent": "x"},
                "error": {"flags": ["UF"], "details": "d", "stack_trace": "long"},
            }),
        ),
        record(
            "INFO",
            &json!({
                "message": long, "logger_name": long, "function_name": long,
                "context": {"correlation_id": "c"}, "error": {"flags": [long, "UF"]},
            }),
        ),
    ];
    assert_eq!(fixture.store.insert(&records).await, all_stored(2));
    let mut found = fixture.all("trace_logs").await;
    found.sort_by_key(|document| document.get_str("level").unwrap().to_owned());
    for (document, record) in found.iter_mut().zip(&records) {
        let id = document.remove("_id").unwrap();
        assert_eq!(id, mongodb::bson::Uuid::from_bytes(record.id.into_bytes()).into());
        assert!(document.remove("created_at").is_some());
    }
    let cut = "é".repeat(128);
    assert_eq!(
        found,
        [
            doc! {
                "timestamp": "2096-01-26T02:11:57.469652+00:00", "level": "ERROR",
                "logger_name": "gateway.edge", "function_name": "orders",
                "context": { "request_id": "r", "correlation_id": &long, "user_id": "u" },
                "trace": { "execution_time_ms": 1.0, "status": "error", "span_id": "s" },
                "http": { "method": "GET", "path": &cut, "status": 500 },
                "error": { "details": "d", "flags": ["UF"] },
            },
            doc! {
                "timestamp": "2096-01-26T02:11:57.469652+00:00", "level": "INFO",
                "logger_name": &cut, "function_name": &cut, "message": &cut,
                "context": { "correlation_id": "c" }, "error": { "flags": [&cut, "UF"] },
            },
        ]
    );
}

#[tokio::test]
async fn writing_again_stores_nothing_twice_and_completes_what_was_half_done() {
    let fixture = Fixture::new().await;
    let correlated = json!({"context": {"correlation_id": "c"}});
    let records = [record("INFO", &correlated), record("INFO", &correlated)];
    assert_eq!(fixture.store.insert(&records).await, all_stored(2));
    let again = fixture.store.insert(&records).await;
    assert_eq!(again, InsertReport { duplicate: vec![0, 1], ..InsertReport::default() });
    assert_eq!(fixture.all("info_logs").await.len(), 2);
    assert_eq!(fixture.all("trace_logs").await.len(), 2);

    fixture.database.collection("trace_logs").delete_one(doc! {}).await.unwrap();
    let mended = fixture.store.insert(&records).await;
    assert_eq!((mended.stored.len(), mended.duplicate.len()), (1, 1), "{mended:?}");
    assert_eq!(fixture.all("trace_logs").await.len(), 2);
}

#[tokio::test]
async fn the_connection_string_s_preferences_do_not_make_a_redelivery_unsure() {
    // No member is a secondary: any read sent to one would go unanswered.
    let unsafe_choice = "&readPreference=secondary&readConcernLevel=majority&w=0";
    let fixture = Fixture::with(|options| options.uri.push_str(unsafe_choice)).await;
    let records = [record("INFO", &json!({"context": {"correlation_id": "c"}}))];
    assert_eq!(fixture.store.insert(&records).await, all_stored(1));
    let again = fixture.store.insert(&records).await;
    assert_eq!(again, InsertReport { duplicate: vec![0], ..InsertReport::default() });
    assert_eq!(fixture.store.flow(&["c"], &doc! {}, 9).await.unwrap().documents.len(), 1);
}

#[tokio::test]
async fn the_same_record_twice_in_one_insert_is_stored_once() {
    let fixture = Fixture::new().await;
    let one = record("INFO", &json!({"context": {"correlation_id": "c"}}));
    let report = fixture.store.insert(&[one.clone(), one]).await;
    assert_eq!((report.stored.len(), report.duplicate.len()), (1, 1), "{report:?}");
}

#[tokio::test]
async fn a_document_that_a_validator_refuses_does_not_hold_up_its_neighbours() {
    let fixture = Fixture::new().await;
    let rule = doc! { "create": "info_logs", "validator": { "message": { "$ne": "poison" } } };
    fixture.database.command(rule).await.unwrap();
    let records = ["a", "poison", "b"].map(|text| record("INFO", &json!({"message": text})));
    let report = fixture.store.insert(&records).await;
    assert_eq!((report.stored, report.retry, report.failure), (vec![0, 2], vec![], None));
    let [(1, refusal)] = &report.refused[..] else { panic!("{:?}", report.refused) };
    assert_eq!(refusal.kind, "validator");
    assert!(refusal.reason.contains("code 121"), "{}", refusal.reason);
}

#[tokio::test]
async fn a_record_whose_second_document_is_refused_is_refused() {
    let fixture = Fixture::new().await;
    let rule = doc! { "create": "audit_logs", "validator": { "message": { "$ne": "m" } } };
    fixture.database.command(rule).await.unwrap();
    let report = fixture.store.insert(&[record("INFO", &json!({"audit": true}))]).await;
    assert_eq!(report.refused[0].1.kind, "validator");
    assert_eq!(fixture.all("info_logs").await.len(), 1);
}

#[tokio::test]
async fn another_unique_index_is_not_mistaken_for_a_redelivery() {
    let fixture = Fixture::new().await;
    let unique = doc! { "createIndexes": "info_logs", "indexes": [
        { "key": { "context.request_id": 1 }, "name": "once", "unique": true },
    ] };
    fixture.database.command(unique).await.unwrap();
    let same = json!({"context": {"request_id": "r"}});
    let first = record("INFO", &same);
    assert_eq!(fixture.store.insert(std::slice::from_ref(&first)).await, all_stored(1));
    let report = fixture.store.insert(&[first, record("INFO", &same)]).await;
    assert_eq!(report.duplicate, [0]);
    assert_eq!(report.refused[0].1.kind, "unique_index");
}

#[tokio::test]
async fn an_organization_s_own_retention_stands_in_its_documents() {
    let fixture = Fixture::with(|options| {
        options.retention = "acme/info=1d,acme/trace=2d".parse().unwrap();
    })
    .await;
    let of = |organization: &str| {
        let context = json!({"organization_id": organization, "correlation_id": organization});
        record("INFO", &json!({"context": context}))
    };
    assert_eq!(fixture.store.insert(&[of("acme"), of("other")]).await, all_stored(2));
    let lifetimes = |documents: Vec<Document>| {
        let mut lifetimes: Vec<_> = documents
            .iter()
            .map(|document| {
                let millis = |key| Some(document.get_datetime(key).ok()?.timestamp_millis());
                Some((millis("expires_at")? - millis("created_at")?) / 86_400_000)
            })
            .collect();
        lifetimes.sort_unstable();
        lifetimes
    };
    assert_eq!(lifetimes(fixture.all("info_logs").await), [None, Some(1)]);
    assert_eq!(lifetimes(fixture.all("trace_logs").await), [None, Some(2)]);
}

/// Regression: the test server cannot read a date outside the years 1 to 9999, nor can several
/// drivers. It refused the whole call, and with it the record's neighbours.
#[tokio::test]
async fn records_of_the_first_and_of_the_last_instant_are_stored() {
    let fixture = Fixture::with(|options| {
        options.retention = "acme/*=24855d".parse().unwrap();
    })
    .await;
    let of = |timestamp: &str| {
        let context = json!({"organization_id": "acme", "correlation_id": "c"});
        record("INFO", &json!({"timestamp": timestamp, "context": context, "audit": true}))
    };
    let records = ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"].map(of);
    assert_eq!(fixture.store.insert(&records).await, all_stored(2));
}
