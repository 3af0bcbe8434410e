//! A store on the test's own database, and records to insert into it.

use std::time::Duration;

use gatelog_collector::store::{InsertReport, Store, StoreOptions};
use gatelog_record::{DecodeLimits, Decoded, Uuid, decode_record};
use gatelog_testkit::Database;
use mongodb::bson::{Bson, Document, RawDocumentBuf, doc};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

/// A store, and its database accessed through a separate client.
pub(crate) struct Fixture {
    pub(crate) database: Database,
    pub(crate) store: Store,
    /// The name of the store's connections, so that fail points do not affect other tests.
    app_name: String,
    /// A server has only one command fail point at a time, so one test holds it.
    fail_point: Option<MutexGuard<'static, ()>>,
}

static FAIL_POINT: Mutex<()> = Mutex::const_new(());

impl Fixture {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With other options.
    pub(crate) async fn with(change: impl FnOnce(&mut StoreOptions)) -> Self {
        let database = Database::fresh().await.unwrap();
        let app_name = Uuid::now_v7().to_string();
        let mut options = options(&with_app_name(database.uri(), &app_name), database.name());
        change(&mut options);
        Self {
            store: Store::connect(&options).await.unwrap(),
            database,
            app_name,
            fail_point: None,
        }
    }

    /// Holds the server's fail point for this test.
    pub(crate) async fn failing() -> Self {
        Self::failing_with(|_| {}).await
    }

    pub(crate) async fn failing_with(change: impl FnOnce(&mut StoreOptions)) -> Self {
        let fail_point = Some(FAIL_POINT.lock().await);
        Self { fail_point, ..Self::with(change).await }
    }

    /// Another store on the same database.
    pub(crate) async fn again(&self, change: impl FnOnce(&mut StoreOptions)) -> Store {
        let mut options = options(self.database.uri(), self.database.name());
        change(&mut options);
        Store::connect(&options).await.unwrap()
    }

    /// Another store on the same database, also affected by the fail point.
    pub(crate) async fn failing_store(&self, change: impl FnOnce(&mut StoreOptions)) -> Store {
        self.again(|options| {
            options.uri = with_app_name(self.database.uri(), &self.app_name);
            change(options);
        })
        .await
    }

    /// Makes the server fail some of this store's commands.
    pub(crate) async fn fail(&self, mode: impl Into<Bson>, mut how: Document) {
        assert!(self.fail_point.is_some(), "another test may have the fail point");
        how.insert("appName", &self.app_name);
        let command =
            doc! { "configureFailPoint": "failCommand", "mode": mode.into(), "data": how };
        let client = mongodb::Client::with_uri_str(self.database.uri()).await.unwrap();
        client.database("admin").run_command(command).await.unwrap();
    }

    /// All documents, read without serde, which would interpret plain values as extended JSON.
    pub(crate) async fn all(&self, collection: &str) -> Vec<Document> {
        let target = self.database.collection(collection).clone_with_type::<RawDocumentBuf>();
        let mut cursor = target.find(doc! {}).await.unwrap();
        let mut found = Vec::new();
        while cursor.advance().await.unwrap() {
            found.push(Document::try_from(cursor.current()).unwrap());
        }
        found
    }
}

fn options(uri: &str, database: &str) -> StoreOptions {
    StoreOptions {
        server_selection_timeout: Duration::from_secs(2),
        operation_timeout: Duration::from_secs(10),
        ..StoreOptions::new(uri, database)
    }
}

fn with_app_name(uri: &str, app_name: &str) -> String {
    let separator = if uri.contains('?') { "&" } else { "?" };
    // A fail point makes the driver wait for its next heartbeat, every 10 s by default.
    format!("{uri}{separator}appName={app_name}&heartbeatFrequencyMS=500")
}

/// A record of this level, with these top-level keys set.
pub(crate) fn record(level: &str, change: &Value) -> Decoded {
    let mut record = json!({
        // Far in the future: the server would remove anything older than its retention, once a
        // minute.
        "timestamp": "2096-01-26T02:11:57.469652+00:00", "level": level, "message": "m",
        "logger_name": "gateway.edge",
    });
    record.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    decode_record(record.to_string().as_bytes(), &DecodeLimits::default(), Uuid::now_v7()).unwrap()
}

/// The report of an insert in which everything succeeded.
pub(crate) fn all_stored(records: usize) -> InsertReport {
    InsertReport { stored: (0..records).collect(), ..InsertReport::default() }
}
