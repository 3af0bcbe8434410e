//! The indexes of look-ups: created, used, and switched off.

use gatelog_collector::store::{Action, Change, LogCollection, Lookup, Store};
use mongodb::bson::doc;

use crate::fixture::Fixture;
use crate::queries::filled;

const OTHERS: [&str; 3] = [
    "context.user_id_1_timestamp_1",
    "context.organization_id_1_timestamp_1",
    "context.conversation_id_1_timestamp_1",
];

impl Fixture {
    async fn with_lookups(&self, lookups: &str) -> Store {
        self.again(|options| options.lookups = lookups.parse().unwrap()).await
    }

    async fn trace_indexes(&self) -> Vec<String> {
        let names = self.database.collection("trace_logs").list_index_names().await.unwrap();
        let own = names.into_iter().filter(|name| name.starts_with("context."));
        own.filter(|name| !name.contains("correlation_id")).collect()
    }
}

fn lines(changes: &[Change]) -> Vec<String> {
    changes.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn every_look_up_is_served_by_its_index_newest_first() {
    let fixture = filled().await;
    for (lookup, id) in [
        (Lookup::Request, "req_17"),
        (Lookup::User, "user_3"),
        (Lookup::Organization, "org_3"),
        (Lookup::Conversation, "conv_1"),
    ] {
        let filter = doc! { lookup.key(): id,
        "timestamp": { "$gte": "2096-01-01", "$lt": "2096-02-01" } };
        let found = fixture.database.count("trace_logs", filter.clone()).await.unwrap();
        assert!(found > 0, "{id}");
        let query = doc! {
            "find": "trace_logs", "filter": filter, "sort": { "timestamp": -1 }, "limit": 100,
        };
        fixture.assert_served_by(&format!("{}_1_timestamp_1", lookup.key()), query).await;
    }
}

#[tokio::test]
async fn only_look_ups_that_are_switched_on_get_an_index() {
    let fixture = Fixture::new().await;
    let store = fixture.with_lookups("none").await;
    assert_eq!(store.reconcile().await.len(), 20 - 4);
    assert_eq!(fixture.trace_indexes().await, [""; 0]);
    let store = fixture.with_lookups("request,user").await;
    assert_eq!(
        lines(&store.reconcile().await),
        [
            "trace_logs: index context.request_id_1_timestamp_1 created",
            "trace_logs: index context.user_id_1_timestamp_1 created",
        ]
    );
    assert_eq!(store.reconcile().await, []);
    assert_eq!(fixture.store.reconcile().await.len(), 2, "the default is all of them");
}

#[tokio::test]
async fn an_own_index_is_dropped_once_its_look_up_is_switched_off_and_no_other() {
    let fixture = Fixture::new().await;
    // An administrator's: it has our name and keys, but not our filter.
    let theirs = doc! { "key": { "context.user_id": 1, "timestamp": 1 }, "name": OTHERS[0] };
    let make = doc! { "createIndexes": "trace_logs", "indexes": [theirs] };
    fixture.database.command(make).await.unwrap();
    assert_eq!(fixture.store.reconcile().await.len(), 20 - 1, "theirs serves the users");
    let store = fixture.with_lookups("request").await;
    assert_eq!(
        lines(&store.reconcile().await),
        OTHERS[1..]
            .iter()
            .map(|name| format!("trace_logs: index {name} dropped: its look-up is switched off"))
            .collect::<Vec<_>>()
    );
    let mut left = fixture.trace_indexes().await;
    left.sort();
    assert_eq!(left, ["context.request_id_1_timestamp_1", OTHERS[0]]);
    assert_eq!(store.reconcile().await, []);
    // Other collections keep the index of the same name.
    let names = fixture.database.collection("error_logs").list_index_names().await.unwrap();
    assert!(names.iter().any(|name| name == OTHERS[1]), "{names:?}");
}

#[tokio::test]
async fn a_refused_drop_is_told_with_the_command_and_tried_again() {
    let fixture = Fixture::failing().await;
    fixture.store.reconcile().await;
    let off = |options: &mut gatelog_collector::store::StoreOptions| {
        options.lookups = "request,user,organization".parse().unwrap();
    };
    let store = fixture.failing_store(off).await;
    let fail = doc! { "failCommands": ["dropIndexes"], "errorCode": 13 };
    fixture.fail(doc! { "times": 1 }, fail).await;
    let command =
        format!(r#"db.runCommand({{ "dropIndexes": "trace_logs", "index": "{}" }})"#, OTHERS[2]);
    let changes = store.reconcile().await;
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!(changes[0].action, Action::Denied { right: "dropIndex", command });
    let changes = store.reconcile_collection(LogCollection::Trace).await;
    assert_eq!(changes.first().map(|change| &change.action), Some(&Action::SwitchedOff));
}
