//! Server faults, caused by fail points and by stopping the server: transient ones are retried and
//! succeed, permanent ones are distinguished from them.

use std::time::{Duration, Instant};

use gatelog_collector::store::{InsertReport, LogCollection, Store, StoreError, StoreOptions};
use gatelog_record::Decoded;
use gatelog_testkit::DatabaseServer;
use mongodb::bson::{Document, doc};
use serde_json::json;

use crate::fixture::{Fixture, all_stored, record};

fn plain(count: usize) -> Vec<Decoded> {
    (0..count).map(|_| record("INFO", &json!({}))).collect()
}

fn on_insert(how: Document) -> Document {
    let mut data = doc! { "failCommands": ["insert"] };
    data.extend(how);
    data
}

/// Inserts until nothing is left to retry.
async fn insist(store: &Store, records: &[Decoded]) -> InsertReport {
    let give_up = Instant::now() + Duration::from_secs(30);
    loop {
        let report = store.insert(records).await;
        if report.retry.is_empty() {
            return report;
        }
        assert!(Instant::now() < give_up, "{report:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Codes of transient faults, and the kind of failure they are reported as.
const PASSING: [(i32, &str); 19] = [
    (6, "server"),      // HostUnreachable
    (7, "server"),      // HostNotFound
    (24, "server"),     // LockTimeout
    (50, "server"),     // MaxTimeMSExpired
    (89, "server"),     // NetworkTimeout
    (91, "server"),     // ShutdownInProgress
    (112, "server"),    // WriteConflict
    (133, "server"),    // FailedToSatisfyReadPreference
    (189, "server"),    // PrimarySteppedDown
    (262, "server"),    // ExceededTimeLimit
    (371, "server"),    // UserWritesBlocked
    (8_000, "server"),  // Atlas: over its quota
    (9_001, "server"),  // SocketException
    (10_107, "server"), // NotWritablePrimary
    (11_600, "server"), // InterruptedAtShutdown
    (11_602, "server"), // InterruptedDueToReplStateChange
    (13_435, "server"), // NotPrimaryNoSecondaryOk
    (13_436, "server"), // NotPrimaryOrSecondary
    (14_031, "server"), // OutOfDiskSpace
];

#[tokio::test]
async fn whatever_can_pass_is_to_be_tried_again_and_comes_through() {
    let fixture = Fixture::failing().await;
    for (code, kind) in PASSING {
        let records = plain(3);
        fixture.fail("alwaysOn", on_insert(doc! { "errorCode": code })).await;
        let report = fixture.store.insert(&records).await;
        assert_eq!(
            (&report.retry[..], report.stored.len()),
            (&[0, 1, 2][..], 0),
            "{code}: {report:?}"
        );
        let failure = report.failure.unwrap();
        assert_eq!((failure.kind(), failure.transient()), (kind, true), "{code}: {failure}");
        fixture.fail("off", doc! {}).await;
        let report = insist(&fixture.store, &records).await;
        assert_eq!(report, all_stored(3), "{code}");
    }
}

#[tokio::test]
async fn a_condition_of_the_collection_is_told_apart_from_one_of_the_server() {
    let fixture = Fixture::failing().await;
    // Unauthorized, NamespaceNotFound, InvalidNamespace, CommandNotSupportedOnView.
    for code in [13, 26, 73, 166] {
        let records = plain(3);
        fixture.fail("alwaysOn", on_insert(doc! { "errorCode": code })).await;
        let report = fixture.store.insert(&records).await;
        let blocked: Vec<_> = (0..3).map(|position| (position, LogCollection::Info)).collect();
        assert_eq!((&report.blocked, report.stored.len()), (&blocked, 0), "{code}");
        assert!(report.failure.is_some_and(|failure| failure.transient()), "{code}");
        fixture.fail("off", doc! {}).await;
        assert_eq!(insist(&fixture.store, &records).await, all_stored(3), "{code}");
    }
}

/// Bisecting to the end would cost two thousand calls for a thousand records, again and again.
#[tokio::test]
async fn a_collection_that_refuses_everything_with_an_unknown_error_is_blocked_after_few_calls() {
    let fixture = Fixture::failing().await;
    let records = plain(300);
    fixture.fail("alwaysOn", on_insert(doc! { "errorCode": 5_999_999 })).await;
    let report = fixture.store.insert(&records).await;
    assert_eq!((report.suspected.len(), report.blocked.len()), (5, 295));
    assert!((report.refused.is_empty(), report.stored.is_empty()) == (true, true), "{report:?}");
    fixture.fail("off", doc! {}).await;
    assert_eq!(insist(&fixture.store, &records).await, all_stored(300));
}

#[tokio::test]
async fn an_empty_insert_asks_the_server_nothing() {
    let fixture = Fixture::failing().await;
    fixture.fail("alwaysOn", on_insert(doc! { "errorCode": 1 })).await;
    assert_eq!(fixture.store.insert(&[]).await, InsertReport::default());
}

#[tokio::test]
async fn a_lost_connection_is_to_be_tried_again() {
    let fixture = Fixture::failing().await;
    let records = plain(3);
    fixture.fail("alwaysOn", on_insert(doc! { "closeConnection": true })).await;
    let report = fixture.store.insert(&records).await;
    assert_eq!(report.retry, [0, 1, 2]);
    assert!(matches!(report.failure, Some(StoreError::Away(_))), "{:?}", report.failure);
    fixture.fail("off", doc! {}).await;
    assert_eq!(insist(&fixture.store, &records).await, all_stored(3));
}

#[tokio::test]
async fn what_a_majority_has_not_confirmed_is_not_called_stored() {
    let fixture = Fixture::failing().await;
    let records = plain(2);
    for (code, name) in [(64, "WriteConcernFailed"), (100, "UnsatisfiableWriteConcern")] {
        let error = doc! { "code": code, "codeName": name, "errmsg": "waiting for replication" };
        fixture.fail("alwaysOn", on_insert(doc! { "writeConcernError": error })).await;
        let report = fixture.store.insert(&records).await;
        assert_eq!((report.retry, report.stored), (vec![0, 1], vec![]), "{code}");
        assert!(matches!(report.failure, Some(StoreError::NotDurable(_))));
        // A duplicate is no better while the write concern is in doubt.
        assert_eq!(fixture.store.insert(&records).await.retry, [0, 1], "{code}");
    }
    fixture.fail("off", doc! {}).await;
    let report = insist(&fixture.store, &records).await;
    assert_eq!(report, InsertReport { duplicate: vec![0, 1], ..InsertReport::default() });
}

#[tokio::test]
async fn a_slow_server_is_given_up_and_the_calls_to_it_do_not_pile_up() {
    let fixture = Fixture::failing_with(|options| {
        options.pool_size = 1;
        options.operation_timeout = Duration::from_millis(400);
    })
    .await;
    fixture.store.ping().await.unwrap();
    let records = plain(2);
    let slow = on_insert(doc! { "blockConnection": true, "blockTimeMS": 4_000 });
    fixture.fail(doc! { "times": 1 }, slow).await;
    for _ in 0..3 {
        let report = fixture.store.insert(&records).await;
        assert_eq!(report.retry, [0, 1]);
        // One call is in progress. The other two waited for a permit and were never sent: only the
        // first call is slow, so they would have been answered.
        let after = Duration::from_millis(400);
        assert_eq!(report.failure, Some(StoreError::Timeout { after }));
    }
    let report = insist(&fixture.store, &records).await;
    assert_eq!(report.stored.len() + report.duplicate.len(), 2, "{report:?}");
    assert_eq!(fixture.all("info_logs").await.len(), 2);
}

#[tokio::test]
async fn one_document_that_spoils_the_whole_call_is_found_by_halving_and_suspected() {
    let fixture = Fixture::failing().await;
    // InvalidBSON: once for all five, once for the first two, once for the first alone.
    fixture.fail(doc! { "times": 3 }, on_insert(doc! { "errorCode": 22 })).await;
    let report = fixture.store.insert(&plain(5)).await;
    let InsertReport { stored, retry, suspected, failure, .. } = report;
    assert_eq!((stored, retry, failure), (vec![1, 2, 3, 4], vec![], None));
    let [(0, LogCollection::Info, refusal)] = &suspected[..] else { panic!("{suspected:?}") };
    assert_eq!(refusal.kind, "bad_document");
}

#[tokio::test]
async fn a_primary_that_steps_down_loses_nothing() {
    let server = DatabaseServer::start().await.unwrap();
    let options = StoreOptions {
        server_selection_timeout: Duration::from_millis(500),
        operation_timeout: Duration::from_secs(5),
        ..StoreOptions::new(server.uri(), "logs")
    };
    let store = Store::connect(&options).await.unwrap();
    let (first, second) = (plain(3), plain(3));
    assert_eq!(store.insert(&first).await, all_stored(3));
    let admin = mongodb::Client::with_uri_str(server.uri()).await.unwrap().database("admin");
    let _ = admin.run_command(doc! { "replSetStepDown": 2, "force": true }).await;
    let report = store.insert(&second).await;
    assert_eq!(report.retry, [0, 1, 2], "{report:?}");
    assert!(report.failure.is_some_and(|failure| failure.transient()));
    let report = insist(&store, &second).await;
    assert_eq!(report.stored.len() + report.duplicate.len(), 3, "{report:?}");
    let stored = store.database().collection::<Document>("info_logs");
    assert_eq!(stored.count_documents(doc! {}).await.unwrap(), 6);
}

#[tokio::test]
async fn a_server_that_is_away_or_frozen_is_found_out_in_time() {
    let mut server = DatabaseServer::start().await.unwrap();
    let options = StoreOptions {
        server_selection_timeout: Duration::from_millis(300),
        operation_timeout: Duration::from_secs(1),
        ..StoreOptions::new(server.uri(), "logs")
    };
    let store = Store::connect(&options).await.unwrap();
    store.ping().await.unwrap();
    server.freeze().unwrap();
    let report = store.insert(&plain(1)).await;
    assert_eq!(report.retry, [0]);
    // Waits no longer than the timeout, unless the driver detects the failure first.
    let limit = options.operation_timeout;
    let in_time = |failure: &StoreError| match failure {
        StoreError::Timeout { after } => *after == limit,
        failure => failure.is_away(),
    };
    assert!(report.failure.as_ref().is_some_and(in_time), "{report:?}");
    server.thaw().unwrap();
    insist(&store, &plain(1)).await;
    drop(server);
    let report = store.insert(&plain(1)).await;
    assert_eq!(report.retry, [0]);
    assert!(report.failure.is_some_and(|failure| failure.transient()));
    let never_there = Store::connect(&options).await.unwrap();
    assert!(matches!(never_there.ping().await, Err(StoreError::Away(_))));
}

#[tokio::test]
async fn a_wrong_connection_string_is_told_without_its_password() {
    for uri in [
        "",
        "http://user:s3cret@host/",
        "mongodb://user:s3cret@",
        "mongodb://user:s3cret/word@host/",
        "mongodb://us er:s3cret@host:port/",
        "mongodb://user:s3cret@host/?w=many&authMechanism=NONE",
        "mongodb://user:s3cret@host/?tls=perhaps",
        "mongodb://user:s3%zzcret@host/",
        "mongodb+srv://user:s3cret@host:27017/",
    ] {
        let error = Store::connect(&StoreOptions::new(uri, "logs")).await.err();
        let Some(error) = error else { panic!("\"{uri}\" was taken") };
        assert!(!error.to_string().contains("s3"), "{error}");
        assert!(!error.transient(), "{error}");
    }
    let debug = format!("{:?}", StoreOptions::new("mongodb://user:s3cret@host/", "logs"));
    assert!(!debug.contains("s3cret"), "{debug}");
}
