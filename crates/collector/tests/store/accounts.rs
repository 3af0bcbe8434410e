//! Accounts shared through a database that administrators have modified.

use gatelog_collector::accounting::sharing::{COLLECTION, Sharing};
use gatelog_collector::accounting::{Account, Peers, Told};
use gatelog_collector::metrics::Metrics;
use gatelog_collector::spool::{Spool, SpoolOptions};
use gatelog_record::Uuid;
use mongodb::bson::{Binary, DateTime, Document, doc, spec::BinarySubtype};
use tempfile::TempDir;

use crate::fixture::Fixture;

fn sharing(fixture: &Fixture, dir: &TempDir) -> (Sharing, Spool, Peers) {
    let options = SpoolOptions {
        dir: dir.path().to_owned(),
        max_bytes: 1 << 20,
        dead_letters_max_bytes: 1 << 20,
        keep_free_bytes: 0,
    };
    let (spool, peers) = (Spool::open(&options, Metrics::new()).unwrap(), Peers::default());
    let sharing = Sharing::new(spool.clone(), fixture.store.clone(), peers.clone(), Metrics::new());
    (sharing, spool, peers)
}

fn of_another(boot: u128) -> Document {
    let mut account = Account::default();
    account.numbers.accept(1..=3);
    account.numbers.settle(1..=3, Told::New);
    let boot = Uuid::from_u128(boot).hyphenated().to_string();
    doc! {
        "_id": format!("other:{boot}:edge"), "collector": "other", "gateway": "edge",
        "boot": boot, "pushed": DateTime::from_millis(1_700_000_000_000),
        "account": Binary { subtype: BinarySubtype::Generic, bytes: account.pack() },
    }
}

#[tokio::test]
async fn accounts_pushed_in_one_millisecond_are_all_read_and_another_lifetime_stops_nothing() {
    let (fixture, dir) = (Fixture::new().await, TempDir::new().unwrap());
    let collection = fixture.store.database().collection::<Document>(COLLECTION);
    // A lifetime chosen by an administrator, which `createIndex` refuses to change.
    let index = doc! {"createIndexes": COLLECTION, "indexes": [
        {"key": {"pushed": 1}, "name": "theirs", "expireAfterSeconds": 2_000_000_000_i64},
    ]};
    fixture.store.database().run_command(index).await.unwrap();
    collection.insert_many((1..=2_500).map(of_another)).await.unwrap();
    let (mut sharing, spool, peers) = sharing(&fixture, &dir);
    sharing.round().await.unwrap();
    let (boots, sum) = peers.sum(|key, count| spool.ledger().after(key, count), 0);
    assert_eq!((boots, sum.stored, sum.missing), (2_500, 7_500, 0));
}
