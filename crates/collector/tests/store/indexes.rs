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
    let changes = fixture.store.reconcile().await;
    assert!(changes.iter().all(|change| change.action == Action::Created), "{changes:?}");
    assert_eq!(changes.len(), 7 + 2 + 1 + 2 + 2 + 1 + 5);
    assert_eq!(changes[0].to_string(), "debug_logs: index created_at_1 created");
    for (collection, days) in TTL_DAYS {
        assert_eq!(fixture.expiry_seconds(collection).await, Some(days * 86_400), "{collection}");
    }
    assert_eq!(fixture.store.reconcile().await, []);
}

#[tokio::test]
async fn a_changed_retention_takes_hold_of_what_is_there_and_is_told() {
    let fixture = Fixture::new().await;
    fixture.store.reconcile().await;
    let shorter = fixture.again(|options| options.retention = "info=36h".parse().unwrap()).await;
    let changes = shorter.reconcile().await;
    assert_eq!(only(&changes).2, "info_logs: records are kept for 36h, until now 30d");
    assert_eq!(fixture.expiry_seconds("info_logs").await, Some(36 * 3_600));
    assert_eq!(shorter.reconcile().await, []);
}

/// Regression: a plain index on the date was converted into the expiry index, or, where the server
/// refused that, ended the pass; and an administrator's index was dropped to make room.
#[tokio::test]
async fn an_administrators_index_on_the_date_is_left_alone_and_told_with_the_command() {
    let fixture = Fixture::new().await;
    for (collection, options) in [
        ("debug_logs", doc! {}),
        ("info_logs", doc! { "unique": true }),
        ("warning_logs", doc! { "partialFilterExpression": { "level": "WARNING" } }),
        ("error_logs", doc! { "unique": true, "expireAfterSeconds": 9_000_000 }),
        ("critical_logs", doc! { "expireAfterSeconds": 9_000_000, "hidden": true }),
    ] {
        let mut theirs = doc! { "key": { "created_at": 1 }, "name": "created_at_1" };
        theirs.extend(options);
        let make = doc! { "createIndexes": collection, "indexes": [theirs] };
        fixture.database.command(make).await.unwrap();
    }
    let all = async || {
        let mut found = Vec::new();
        for (collection, _) in TTL_DAYS {
            found.push(fixture.index(collection, "created_at_1").await);
        }
        found
    };
    let before = all().await;
    let changes = fixture.store.reconcile().await;
    assert_eq!(all().await[..5], before[..5], "nothing of theirs was touched");
    let told: Vec<_> = changes.iter().filter(|change| change.needs_action()).collect();
    let lines: Vec<_> = told.iter().map(ToString::to_string).collect();
    assert_eq!(lines.len(), 5, "{lines:#?}");
    assert_eq!(
        lines[0],
        "debug_logs: index created_at_1 cannot be created: \"created_at_1\" exists with other keys \
         or options; to resolve this run \
         db.runCommand({ \"dropIndexes\": \"debug_logs\", \"index\": \"created_at_1\" })"
    );
    // The other collections have theirs, and the same collections have their other indexes.
    assert_eq!(fixture.expiry_seconds("trace_logs").await, Some(30 * 86_400));
    assert!(fixture.index("error_logs", "timestamp_1").await.is_some());
    // Once there is room, the next pass creates it.
    for change in &told {
        let remove = doc! { "dropIndexes": change.collection.as_str(), "index": "created_at_1" };
        fixture.database.command(remove).await.unwrap();
    }
    assert_eq!(fixture.store.reconcile().await.len(), 5);
    for (collection, days) in TTL_DAYS {
        assert_eq!(fixture.expiry_seconds(collection).await, Some(days * 86_400), "{collection}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_one_collection_keeps_no_other_from_its_indexes() {
    // CommandNotSupportedOnView, Unauthorized, and an error without a special meaning.
    for (code, says) in [
        (
            166,
            "debug_logs: indexes cannot be created: a view with the collection's name exists, \
             and accepts no records; to resolve this run db.runCommand({ \"drop\": \"debug_logs\" })",
        ),
        (13, "debug_logs: indexes cannot be set: the user lacks the right listIndexes; grant it"),
        (96, "debug_logs: indexes not checked: the database refused the call: "),
    ] {
        let fixture = Fixture::failing().await;
        let list = doc! { "failCommands": ["listIndexes"], "errorCode": code };
        fixture.fail(doc! { "times": 1 }, list).await;
        let changes = fixture.store.reconcile().await;
        let (open, done): (Vec<_>, Vec<_>) = changes.iter().partition(|change| change.is_open());
        assert_eq!((open.len(), done.len()), (1, 19), "{code}: {changes:?}");
        assert!(open[0].to_string().starts_with(says), "{}", open[0]);
        assert_eq!(fixture.expiry_seconds("trace_logs").await, Some(30 * 86_400));
        let left = fixture.store.reconcile_collection(LogCollection::Debug).await;
        assert_eq!(only(&left).1, &Action::Created);
    }
}

#[tokio::test]
async fn an_index_that_the_server_refuses_keeps_no_other_from_being_made() {
    // InvalidOptions as another implementation's collMod returns it; an index build that failed.
    for (command, code, open) in
        [("collMod", 72, "conflicts with it"), ("createIndexes", 276, "not checked")]
    {
        let fixture = Fixture::failing().await;
        fixture.store.reconcile().await;
        let store = fixture.failing_store(|options| {
            options.retention = "*=1d,acme/info=9h,acme/error=9h".parse().unwrap();
        });
        let store = store.await;
        let fail = doc! { "failCommands": [command], "errorCode": code };
        fixture.fail(doc! { "times": 1 }, fail).await;
        let changes = store.reconcile().await;
        let told: Vec<_> = changes.iter().filter(|change| change.is_open()).collect();
        assert!(told.len() == 1 && told[0].to_string().contains(open), "{changes:?}");
        assert_eq!(changes.len(), 7 + 2, "{changes:?}");
    }
}

/// Regression: the driver's own index type cannot hold such a period, which hid every index.
#[tokio::test]
async fn an_option_that_cannot_be_read_hides_no_index() {
    let fixture = Fixture::new().await;
    let strange = doc! { "createIndexes": "info_logs", "indexes": [
        { "key": { "elsewhere": 1 }, "name": "strange", "expireAfterSeconds": f64::NAN },
        { "key": { "context.conversation_id": 1, "timestamp": 1 }, "name": "theirs" },
    ] };
    fixture.database.command(strange).await.unwrap();
    let changes = fixture.store.reconcile().await;
    assert!(changes.iter().all(|change| change.action == Action::Created), "{changes:?}");
    assert_eq!(changes.len(), 20 - 1, "theirs serves the conversations");
    assert!(fixture.index("info_logs", "strange").await.is_some());
}

#[tokio::test]
async fn a_default_collation_rebuilds_nothing_at_the_next_start() {
    let fixture = Fixture::new().await;
    for (collection, _) in TTL_DAYS {
        let german = doc! { "create": collection, "collation": { "locale": "de" } };
        fixture.database.command(german).await.unwrap();
    }
    assert_eq!(fixture.store.reconcile().await.len(), 20);
    assert_eq!(fixture.store.reconcile().await, []);
}

#[tokio::test]
async fn descending_indexes_of_earlier_versions_are_replaced_and_nobody_elses() {
    let fixture = Fixture::new().await;
    let known = doc! { "context.organization_id": { "$gt": "" } };
    let earlier = doc! { "key": { "context.organization_id": 1, "timestamp": -1 },
    "name": "context.organization_id_1_timestamp_-1", "partialFilterExpression": known };
    for collection in ["warning_logs", "error_logs", "critical_logs", "audit_logs"] {
        let make = doc! { "createIndexes": collection, "indexes": [&earlier] };
        fixture.database.command(make).await.unwrap();
    }
    let make = doc! { "createIndexes": "error_logs",
    "indexes": [{ "key": { "timestamp": -1 }, "name": "timestamp_-1" }] };
    fixture.database.command(make).await.unwrap();
    let make = doc! { "createIndexes": "critical_logs", "indexes": [
        { "key": { "timestamp": -1 }, "name": "timestamp_-1", "unique": true },
        { "key": { "timestamp": -1, "level": 1 }, "name": "theirs" },
    ] };
    fixture.database.command(make).await.unwrap();
    let changes = fixture.store.reconcile().await;
    let removed: Vec<_> = changes
        .iter()
        .filter(|change| matches!(change.action, Action::Removed { .. }))
        .map(ToString::to_string)
        .collect();
    assert_eq!(removed.len(), 5, "{changes:?}");
    assert!(
        removed.contains(
            &"error_logs: index timestamp_-1 removed: timestamp_1 takes its place".to_owned()
        ),
        "{removed:?}"
    );
    assert!(changes.iter().all(|change| !change.is_open()), "{changes:?}");
    for (name, index) in [
        ("timestamp_-1", "critical_logs"),
        ("theirs", "critical_logs"),
        ("timestamp_1", "error_logs"),
    ] {
        assert!(fixture.index(index, name).await.is_some(), "{index} {name}");
    }
    assert_eq!(fixture.store.reconcile().await, []);
}

#[tokio::test]
async fn a_longer_retention_of_one_organization_spares_its_records() {
    let fixture = Fixture::new().await;
    fixture.store.reconcile().await;
    let own: Retention = "acme/info=400d,acme/error=1d".parse().unwrap();
    let store = fixture.again(|options| options.retention = own).await;
    let changes = store.reconcile().await;
    let told: Vec<_> = changes.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "info_logs: index created_at_1 rebuilt, records are kept for 30d, those with a date \
             of their own until then",
            "info_logs: index expires_at_1 created",
            "error_logs: index expires_at_1 created",
        ]
    );
    let expiry = fixture.index("info_logs", "created_at_1").await.unwrap();
    let filter = expiry.get_document("partialFilterExpression").unwrap();
    assert_eq!(filter, &doc! { "expires_at": Bson::Null });
    assert_eq!(store.reconcile().await, []);
    // Without the organization's entry, records that carry their own date are still excluded.
    assert_eq!(fixture.store.reconcile().await, []);
}

#[tokio::test]
async fn an_index_that_serves_as_well_is_left_alone_and_one_in_the_way_is_told() {
    let fixture = Fixture::new().await;
    let hidden = "context.conversation_id_1_timestamp_1";
    let indexes = doc! { "createIndexes": "info_logs", "indexes": [
        { "key": { "trace.execution_time_ms": 1 }, "name": "every_one" },
        { "key": { "context.conversation_id": 1, "timestamp": 1 }, "name": hidden, "hidden": true },
        { "key": { "message": 1 }, "name": "created_at_1" },
    ] };
    fixture.database.command(indexes).await.unwrap();
    let changes = fixture.store.reconcile().await;
    let info: Vec<_> =
        changes.iter().filter(|change| change.collection == LogCollection::Info).collect();
    assert_eq!(info.len(), 2, "{info:?}");
    for (change, name) in info.iter().zip(["created_at_1", hidden]) {
        assert_eq!(
            change.to_string(),
            format!(
                "info_logs: index {name} cannot be created: \"{name}\" exists with other keys \
                 or options; to resolve this run \
                 db.runCommand({{ \"dropIndexes\": \"info_logs\", \"index\": \"{name}\" }})"
            )
        );
    }
    let obstacles = fixture.store.obstacles(LogCollection::Info).await.unwrap();
    assert_eq!(obstacles.iter().collect::<Vec<_>>(), info, "told beforehand as well");
}

#[tokio::test]
async fn a_user_without_the_right_is_told_what_an_administrator_can_run() {
    let [directory, logs, more_logs] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let storage = directory.path().join("data");
    let open = DatabaseServer::start_in(logs.path(), &storage).await.unwrap();
    let client = mongodb::Client::with_uri_str(open.uri()).await.unwrap();
    let database = client.database("logs");
    database.run_command(doc! { "create": "info_logs" }).await.unwrap();
    // The second is the one from docs/mongodb.md.
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
    for (retention, changes) in [("", 20), ("info=2d,acme/info=9d", 2), ("info=30d", 1)] {
        let changed = store(uri("owner"), retention).await.reconcile().await;
        assert!(!changed.iter().any(Change::needs_action), "{changed:?}");
        assert_eq!(changed.len(), changes, "{changed:?}");
    }

    let writer = store(uri("writer"), "info=1d").await;
    assert_eq!(writer.insert(&[record("INFO", &json!({}))]).await, all_stored(1));
    let changes = writer.reconcile().await;
    let (collection, action, told) = only(&changes);
    assert_eq!(collection, "info_logs");
    let command = r#"db.runCommand({ "collMod": "info_logs", "index": { "name": "created_at_1", "expireAfterSeconds": 86400 } })"#;
    assert_eq!(action, &Action::Denied { right: "collMod", command: command.into() });
    assert!(told.ends_with(command), "{told}");

    let changes = store(uri("writer"), "acme/error=9d").await.reconcile().await;
    let (_, action, _) = only(&changes);
    let command = r#"db.runCommand({ "createIndexes": "error_logs", "indexes": [{ "key": { "expires_at": 1 }, "name": "expires_at_1", "expireAfterSeconds": 0, "sparse": true }] })"#;
    assert_eq!(action, &Action::Denied { right: "createIndex", command: command.into() });

    let stranger =
        store(closed.uri().replace("://", "://writer:wrong@") + "?authSource=logs", "").await;
    let report = stranger.insert(&[record("INFO", &json!({}))]).await;
    assert_eq!(report.retry, [0]);
    let failure = report.failure.unwrap();
    assert!(matches!(failure, StoreError::Denied(_)), "{failure:?}");
    assert!(failure.transient() && !failure.to_string().contains("wrong"), "{failure}");
}
