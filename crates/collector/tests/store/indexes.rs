//! Indexes and retention, on new and on existing collections.

use gatelog_collector::store::{
    Action, Change, LogCollection, Retention, Store, StoreError, StoreOptions,
};
use gatelog_testkit::DatabaseServer;
use mongodb::bson::{Bson, Document, doc};
use serde_json::json;

use crate::fixture::{Fixture, all_stored, record};

const TTL_DAYS: [(&str, i64); 7] = [
    ("debug_logs", 7),
    ("info_logs", 30),
    ("warning_logs", 60),
    ("error_logs", 90),
    ("critical_logs", 120),
    ("audit_logs", 365),
    ("trace_logs", 30),
];

impl Fixture {
    /// The index with this name, as the server lists it.
    async fn index(&self, collection: &str, name: &str) -> Option<Document> {
        let listed = self.database.command(doc! { "listIndexes": collection }).await.ok()?;
        let batch = listed.get_document("cursor").unwrap().get_array("firstBatch").unwrap().clone();
        let mut found = batch.into_iter().filter_map(|index| match index {
            Bson::Document(index) => Some(index),
            _ => None,
        });
        found.find(|index| index.get_str("name").is_ok_and(|found| found == name))
    }

    async fn expiry_seconds(&self, collection: &str) -> Option<i64> {
        let index = self.index(collection, "created_at_1").await?;
        let seconds = index.get("expireAfterSeconds")?;
        seconds.as_i64().or(seconds.as_i32().map(i64::from))
    }
}

fn only(changes: &[Change]) -> (&'static str, &Action, String) {
    let [change] = changes else { panic!("{changes:?}") };
    (change.collection.as_str(), &change.action, change.to_string())
}

#[tokio::test]
async fn a_new_database_gets_every_index_and_a_second_look_changes_nothing() {
    let fixture = Fixture::new().await;
    let changes = fixture.store.reconcile().await.unwrap();
    assert!(changes.iter().all(|change| change.action == Action::Created), "{changes:?}");
    assert_eq!(changes.len(), 7 + 2 + 1 + 2 + 2 + 1 + 1);
    assert_eq!(changes[0].to_string(), "debug_logs: index created_at_1 created");
    for (collection, days) in TTL_DAYS {
        assert_eq!(fixture.expiry_seconds(collection).await, Some(days * 86_400), "{collection}");
    }
    assert_eq!(fixture.store.reconcile().await.unwrap(), []);
}

#[tokio::test]
async fn a_changed_retention_takes_hold_of_what_is_there_and_is_told() {
    let fixture = Fixture::new().await;
    fixture.store.reconcile().await.unwrap();
    let shorter = fixture.again(|options| options.retention = "info=36h".parse().unwrap()).await;
    let changes = shorter.reconcile().await.unwrap();
    assert_eq!(only(&changes).2, "info_logs: records are kept for 36h, until now 30d");
    assert_eq!(fixture.expiry_seconds("info_logs").await, Some(36 * 3_600));
    assert_eq!(shorter.reconcile().await.unwrap(), []);
}

#[tokio::test]
async fn a_plain_index_on_the_date_becomes_the_one_for_expiry() {
    let fixture = Fixture::new().await;
    let plain = doc! { "createIndexes": "debug_logs",
    "indexes": [{ "key": { "created_at": 1.0 }, "name": "mine" }] };
    fixture.database.command(plain).await.unwrap();
    let changes = fixture.store.reconcile().await.unwrap();
    assert_eq!(
        changes[0].to_string(),
        "debug_logs: records are kept for 7d, until now without end"
    );
    let seconds = fixture.index("debug_logs", "mine").await.unwrap();
    assert_eq!(seconds.get("expireAfterSeconds"), Some(&Bson::Int32(7 * 86_400)));
    assert_eq!(fixture.store.reconcile().await.unwrap(), []);
}

#[tokio::test]
async fn a_longer_retention_of_one_organization_spares_its_records() {
    let fixture = Fixture::new().await;
    fixture.store.reconcile().await.unwrap();
    let own: Retention = "acme/info=400d,acme/error=1d".parse().unwrap();
    let store = fixture.again(|options| options.retention = own).await;
    let changes = store.reconcile().await.unwrap();
    let told: Vec<_> = changes.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "info_logs: index created_at_1 made anew, records are kept for 30d, those with a date \
             of their own until then",
            "info_logs: index expires_at_1 created",
            "error_logs: index expires_at_1 created",
        ]
    );
    let expiry = fixture.index("info_logs", "created_at_1").await.unwrap();
    let filter = expiry.get_document("partialFilterExpression").unwrap();
    assert_eq!(filter, &doc! { "expires_at": Bson::Null });
    assert_eq!(store.reconcile().await.unwrap(), []);
    // Without the organization's entry, what carries a date of its own is still spared.
    assert_eq!(fixture.store.reconcile().await.unwrap(), []);
}

#[tokio::test]
async fn an_index_that_serves_as_well_is_left_alone_and_one_in_the_way_is_told() {
    let fixture = Fixture::new().await;
    let indexes = doc! { "createIndexes": "info_logs", "indexes": [
        { "key": { "trace.execution_time_ms": 1 }, "name": "every_one" },
        { "key": { "context.conversation_id": 1, "timestamp": 1 }, "name": "hid", "hidden": true },
        { "key": { "message": 1 }, "name": "created_at_1" },
    ] };
    fixture.database.command(indexes).await.unwrap();
    let changes = fixture.store.reconcile().await.unwrap();
    let info: Vec<_> =
        changes.iter().filter(|change| change.collection == LogCollection::Info).collect();
    assert!(info.iter().all(|change| change.needs_action()), "{info:?}");
    assert!(
        info[0].to_string().contains(
            r#"to make room run db.runCommand({ "dropIndexes": "info_logs", "index": "created_at_1" })"#
        ),
        "{}",
        info[0]
    );
    assert_eq!(
        info[1].to_string(),
        "info_logs: index context.conversation_id_1_timestamp_1 cannot be made, \"hid\" has the \
         same keys and other options; to make room run \
         db.runCommand({ \"dropIndexes\": \"info_logs\", \"index\": \"hid\" })"
    );
    assert_eq!(info.len(), 2);
}

#[tokio::test]
async fn a_user_without_the_right_is_told_what_an_administrator_can_run() {
    let [directory, logs, more_logs] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let storage = directory.path().join("data");
    let open = DatabaseServer::start_in(logs.path(), &storage).await.unwrap();
    let client = mongodb::Client::with_uri_str(open.uri()).await.unwrap();
    let database = client.database("logs");
    database.run_command(doc! { "create": "info_logs" }).await.unwrap();
    // The second is the one of docs/mongodb.md.
    for (role, actions) in [
        ("insert_only", vec!["insert", "find", "listIndexes"]),
        (
            "gatelog",
            vec![
                "insert",
                "update",
                "remove",
                "find",
                "createCollection",
                "listIndexes",
                "createIndex",
                "dropIndex",
                "collMod",
            ],
        ),
    ] {
        let resource = doc! { "db": "logs", "collection": "" };
        let privileges = [doc! { "resource": resource, "actions": actions }];
        let role = doc! { "createRole": role, "roles": [], "privileges": &privileges[..] };
        database.run_command(role).await.unwrap();
    }
    for (user, role) in [("writer", "insert_only"), ("owner", "gatelog")] {
        let user = doc! { "createUser": user, "pwd": "s3cret", "roles": [role] };
        database.run_command(user).await.unwrap();
    }
    drop((client, open));
    let closed = DatabaseServer::start_with(more_logs.path(), &storage, &["--auth"]).await.unwrap();
    let uri = |user: &str| {
        closed.uri().replace("://", &format!("://{user}:s3cret@")) + "?authSource=logs"
    };
    let store = |uri: String, retention: &str| {
        let retention = retention.parse().unwrap();
        let options = StoreOptions { retention, ..StoreOptions::new(uri, "logs") };
        async move { Store::connect(&options).await.unwrap() }
    };
    for (retention, changes) in [("", 16), ("info=2d,acme/info=9d", 2), ("info=30d", 1)] {
        let changed = store(uri("owner"), retention).await.reconcile().await.unwrap();
        assert!(!changed.iter().any(Change::needs_action), "{changed:?}");
        assert_eq!(changed.len(), changes, "{changed:?}");
    }

    let writer = store(uri("writer"), "info=1d").await;
    assert_eq!(writer.insert(&[record("INFO", &json!({}))]).await, all_stored(1));
    let changes = writer.reconcile().await.unwrap();
    let (collection, action, told) = only(&changes);
    assert_eq!(collection, "info_logs");
    let command = r#"db.runCommand({ "collMod": "info_logs", "index": { "name": "created_at_1", "expireAfterSeconds": 86400 } })"#;
    assert_eq!(action, &Action::Denied { command: command.into() });
    assert!(told.ends_with(command), "{told}");

    let changes = store(uri("writer"), "acme/error=9d").await.reconcile().await.unwrap();
    let (_, action, _) = only(&changes);
    let command = r#"db.runCommand({ "createIndexes": "error_logs", "indexes": [{ "key": { "expires_at": 1 }, "name": "expires_at_1", "expireAfterSeconds": 0, "sparse": true }] })"#;
    assert_eq!(action, &Action::Denied { command: command.into() });

    let stranger =
        store(closed.uri().replace("://", "://writer:wrong@") + "?authSource=logs", "").await;
    let report = stranger.insert(&[record("INFO", &json!({}))]).await;
    assert_eq!(report.retry, [0]);
    let failure = report.failure.unwrap();
    assert!(matches!(failure, StoreError::Denied(_)), "{failure:?}");
    assert!(failure.transient() && !failure.to_string().contains("wrong"), "{failure}");
}
