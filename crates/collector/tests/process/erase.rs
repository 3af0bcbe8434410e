//! Records of a person are erased, and no collector brings them back.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::process::{Output, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::ensure;
use gatelog_record::{Timestamp, Uuid};
use gatelog_testkit::{
    Client, Collector, CollectorOptions, Database, DatabaseServer, InsertRefusals, Refusal,
    eventually,
};
use mongodb::bson::{Document, doc};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::load::{PATIENCE, post, record};

const COLLECTIONS: [&str; 7] = [
    "debug_logs",
    "info_logs",
    "warning_logs",
    "error_logs",
    "critical_logs",
    "audit_logs",
    "trace_logs",
];

/// Odd on purpose: matched byte for byte.
const PERSON: &str = "Zoë 🎉\u{202e}$gt";
const OTHERS: [&str; 3] = ["zoë 🎉\u{202e}$gt", "Zoë 🎉\u{202e}$gt ", "user_8"];

fn time(ago: Duration) -> String {
    let since = (SystemTime::now() - ago).duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_unix_nanos(u64::try_from(since.as_nanos()).unwrap()).to_string()
}

/// A record of somebody, an hour old.
fn of(user: &str, boot: Uuid, seq: u64) -> Value {
    let mut record: Value = serde_json::from_str(&record(boot, seq)).unwrap();
    record["context"]["user_id"] = user.into();
    record["timestamp"] = time(Duration::from_hours(1)).into();
    record
}

/// Records of the person, in turn with those of others.
fn batch(boot: Uuid, seqs: std::ops::RangeInclusive<u64>) -> String {
    let other = |seq: u64| OTHERS[usize::try_from(seq).unwrap() / 2 % OTHERS.len()];
    let user = |seq: u64| if seq.is_multiple_of(2) { PERSON } else { other(seq) };
    seqs.map(|seq| of(user(seq), boot, seq).to_string() + "\n").collect()
}

async fn posted(collector: &Collector, body: String) {
    let reply = post(&Client::default(), collector.address(), body).await.unwrap();
    assert_eq!(reply.status, 202, "{}", reply.text());
}

async fn metrics(collector: &Collector) -> String {
    collector.get("/metrics").await.unwrap().text()
}

pub(crate) async fn nothing_waits(collector: &Collector) {
    eventually("nothing waits", PATIENCE, async || {
        let metrics = collector.get("/metrics").await?.text();
        ensure!(metrics.contains("gatelog_collector_spool_records 0\n"), "{metrics}");
        Ok(())
    })
    .await
    .unwrap();
}

/// How many documents each collection has of a user.
async fn stored(database: &Database, user: &str) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    for name in COLLECTIONS {
        counts.insert(name, database.count(name, doc! {"context.user_id": user}).await.unwrap());
    }
    counts
}

pub(crate) async fn run(
    collector: &Collector,
    arguments: &[&str],
    input: &str,
) -> (i32, String, String) {
    let mut command = collector.command(arguments).unwrap();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let input = input.to_owned();
    let Output { status, stdout, stderr } = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    })
    .await
    .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// Erases the person; returns the result.
async fn erase(collector: &Collector) -> Value {
    let arguments = ["erase", "--user", "-", "--yes", "--json", "--by", "the office"];
    let (status, out, error) = run(collector, &arguments, &format!("{PERSON}\n")).await;
    assert_eq!(status, 0, "{out} {error}");
    assert!(!out.contains(PERSON) && !error.contains(PERSON), "{out} {error}");
    serde_json::from_str(&out).unwrap()
}

async fn behind(refusals: &InsertRefusals, database: &Database) -> Collector {
    let uri = format!("mongodb://{}/?directConnection=true", refusals.address());
    let proxied = Database::on(&uri, database.name()).await.unwrap();
    Collector::start(&proxied, CollectorOptions::default()).await.unwrap()
}

fn target(database: &Database) -> std::net::SocketAddr {
    let address = database.uri().trim_start_matches("mongodb://").split(['/', '?']).next();
    address.unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn erased_then_replayed_retried_and_stored_from_a_spool_nothing_of_the_person_is_in_any_collection()
 {
    let database = Database::fresh().await.unwrap();
    let refusals = InsertRefusals::start(target(&database)).await.unwrap();
    let mut one = Collector::start(&database, CollectorOptions::default()).await.unwrap();
    let mut other = behind(&refusals, &database).await;
    let boot = Uuid::new_v4();
    // Stored by one.
    posted(&one, batch(boot, 1..=120)).await;
    nothing_waits(&one).await;
    // A letter that is a valid record, of each of them.
    refusals.refuse(Some(Refusal::EachDocument(121)));
    posted(&other, batch(boot, 121..=122)).await;
    nothing_waits(&other).await;
    assert!(metrics(&other).await.contains("gatelog_collector_dead_letters 2\n"));
    // In the spool of the other one, which is down during the erasure.
    refusals.refuse(Some(Refusal::Whole(11_600)));
    posted(&other, batch(boot, 123..=200)).await;
    other.stop().unwrap();
    // Letters that are not records.
    let mut bad = [of(PERSON, boot, 901), of("user_8", boot, 902)];
    for bad in &mut bad {
        bad["message"] = json!(5);
    }
    posted(&one, format!("{}\n{}\n", bad[0], bad[1])).await;

    let before = stored(&database, PERSON).await;
    assert!(before["info_logs"] > 0 && before["trace_logs"] == 60, "{before:?}");
    let kept: Vec<_> = of_others(&database).await;
    let told = erase(&one).await;
    let documents: BTreeMap<&str, u64> =
        COLLECTIONS.map(|name| (name, told["documents"][name].as_u64().unwrap())).into();
    assert_eq!(documents, before, "{told}");
    assert_eq!(told["total"], before.values().sum::<u64>());
    assert_eq!((&told["collectors"], &told["dead_letters"]), (&json!(1), &json!(1)), "{told}");
    assert_eq!(told["absent"].as_array().unwrap().len(), 1, "{told}");
    assert!(stored(&database, PERSON).await.values().all(|count| *count == 0));
    assert_eq!(of_others(&database).await, kept, "others' records are untouched");
    let (_, letters, _) = run(&one, &["dead-letters", "list", "--json"], "").await;
    assert!(letters.contains("user_8") && !letters.contains("Zoë"), "{letters}");

    // Its letters go back into its spool while it is down.
    let (_, retried, error) = run(&other, &["dead-letters", "retry"], "").await;
    assert_eq!(retried, "2 back in the spool, 0 stayed\n", "{error}");
    refusals.refuse(None);
    other.restart().await.unwrap();
    nothing_waits(&other).await;
    // Everything is posted again, and replayed from the journal.
    for collector in [&one, &other] {
        posted(collector, batch(boot, 1..=200)).await;
    }
    let directory = TempDir::new().unwrap();
    let journal = directory.path().join("journal");
    fs::write(&journal, batch(boot, 1..=210)).unwrap();
    let url = format!("http://{}", one.address());
    let replay = ["replay", "--url", &url, journal.to_str().unwrap()];
    let (status, replayed, error) = run(&one, &replay, "").await;
    assert_eq!(status, 0, "{error}");
    assert!(replayed.contains(r#""sent":10,"#), "{replayed}");
    // A later one is not covered.
    let mut late = of(PERSON, boot, 211);
    late["timestamp"] = time(Duration::ZERO).into();
    posted(&one, format!("{late}\n")).await;
    for collector in [&one, &other] {
        nothing_waits(collector).await;
    }
    let now = stored(&database, PERSON).await;
    assert_eq!((now["trace_logs"], now.values().sum::<u64>()), (1, 2), "{now:?}");
    let others: u64 = {
        let filter = doc! {"context.user_id": {"$in": OTHERS.to_vec()}};
        database.count("trace_logs", filter).await.unwrap()
    };
    assert_eq!(others, 105, "each of the others' records once");

    // None of them is missing.
    eventually("the accounts are shared", PATIENCE, async || {
        let accounts = one.accounting().await?;
        let boot = &accounts["boots"][0];
        ensure!(boot["missing"] == 0 && boot["stored"] == 211, "{accounts}");
        Ok(())
    })
    .await
    .unwrap();
    let erased = |text: &str| {
        let line = text.lines().find(|line| line.contains("records_erased_total{from=\"spool\"}"));
        line.unwrap().rsplit(' ').next().unwrap().parse::<u64>().unwrap()
    };
    let all = erased(&metrics(&one).await) + erased(&metrics(&other).await);
    // 40 that waited, the letter among them; twice 100 posted again; 5 replayed.
    assert_eq!(all, 40 + 200 + 5);

    // Neither the log nor the audit trail has the value.
    let entries = database.find("audit_logs", doc! {"extra.by": "the office"}).await.unwrap();
    let events: Vec<_> = entries.iter().map(|it| it.get_document("extra").unwrap()).collect();
    assert_eq!(
        events.iter().map(|it| it.get_str("event").unwrap()).collect::<Vec<_>>(),
        ["erase_began", "erased"]
    );
    let hash = told["hash"].as_str().unwrap();
    assert!(events.iter().all(|it| it.get_str("hash").unwrap() == hash));
    let tombstones = database.find("gatelog_erased", doc! {}).await.unwrap();
    let texts =
        [format!("{entries:?}{tombstones:?}"), one.process().stderr(), other.process().stderr()];
    assert!(texts.iter().all(|text| !text.contains("Zoë")), "{texts:?}");
    assert!(texts[0].contains(hash));
}

/// What is there of others.
async fn of_others(database: &Database) -> Vec<Document> {
    let mut found = Vec::new();
    for name in COLLECTIONS {
        let others = doc! {"context.user_id": {"$in": OTHERS.to_vec()}};
        found.extend(database.find(name, others).await.unwrap());
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_killed_after_it_learned_of_it_stores_nothing_of_the_person() {
    let database = Database::fresh().await.unwrap();
    let refusals = InsertRefusals::start(target(&database)).await.unwrap();
    let mut collector = behind(&refusals, &database).await;
    let boot = Uuid::new_v4();
    refusals.refuse(Some(Refusal::Into("info_logs".into(), 13)));
    posted(&collector, batch(boot, 1..=80)).await;
    eventually("some is parked, and stored in part", PATIENCE, async || {
        ensure!(metrics(&collector).await.contains("parked_records{collection=\"info_logs\"} 20"));
        ensure!(database.count("trace_logs", doc! {}).await? == 80);
        Ok(())
    })
    .await
    .unwrap();
    // Another program's inserts pass: the command connects past the proxy.
    let free = Collector::start(&database, CollectorOptions::default()).await.unwrap();
    let told = erase(&free).await;
    assert_eq!(told["collectors"], 2);
    // The collector itself deletes what it sent of records that it drops now.
    let deleted = told["documents"]["trace_logs"].as_u64().unwrap();
    assert!((1..=40).contains(&deleted), "{told}");
    collector.kill().unwrap();
    refusals.refuse(None);
    collector.restart().await.unwrap();
    nothing_waits(&collector).await;
    assert!(stored(&database, PERSON).await.values().all(|count| *count == 0));
    assert_eq!(of_others(&database).await.len(), 40 + 40, "levels and flows");
}

/// What a collector drops it also deletes, as it may have been inserted: by the record, not its id alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_record_takes_no_other_with_it_that_has_its_id() {
    let database = Database::fresh().await.unwrap();
    let collector = Collector::start(&database, CollectorOptions::default()).await.unwrap();
    let boot = Uuid::new_v4();
    let mut other = of("user_8", boot, 1);
    other["id"] = Uuid::new_v4().hyphenated().to_string().into();
    posted(&collector, format!("{other}\n")).await;
    nothing_waits(&collector).await;
    let before = of_others(&database).await;
    erase(&collector).await;
    let mut same = of(PERSON, boot, 2);
    same["id"] = other["id"].clone();
    same["timestamp"] = other["timestamp"].clone();
    posted(&collector, format!("{same}\n")).await;
    nothing_waits(&collector).await;
    let told = metrics(&collector).await;
    assert!(told.contains("records_erased_total{from=\"spool\"} 1"), "{told}");
    assert_eq!(before.len(), 2);
    assert_eq!(before, of_others(&database).await);
}

/// Found by an attack: it wrote a new key beside it, after which nothing was stored any more.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_key_of_its_tombstones_nothing_is_erased() {
    let database = Database::fresh().await.unwrap();
    let collector = Collector::start(&database, CollectorOptions::default()).await.unwrap();
    erase(&collector).await;
    let lost = doc! {"delete": "gatelog_erase_key", "deletes": [{"q": {}, "limit": 0}]};
    database.command(lost).await.unwrap();
    let (status, _, error) = run(&collector, &["erase", "--user", "b", "--yes"], "").await;
    assert!(status == 1 && error.contains("restore it"), "{error}");
    assert_eq!(database.count("gatelog_erase_key", doc! {}).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_counts_what_an_erasure_deletes_and_changes_nothing() {
    let database = Database::fresh().await.unwrap();
    let collector = Collector::start(&database, CollectorOptions::default()).await.unwrap();
    let boot = Uuid::new_v4();
    posted(&collector, batch(boot, 1..=2_400)).await;
    nothing_waits(&collector).await;
    let early = stored(&database, PERSON).await;
    let cut = time(Duration::from_mins(30));
    let mut late = of(PERSON, boot, 2_401);
    late["timestamp"] = cut.clone().into();
    let mut later = of(PERSON, boot, 2_402);
    later["timestamp"] = time(Duration::from_mins(29)).into();
    posted(&collector, format!("{late}\n{later}\n")).await;
    nothing_waits(&collector).await;
    let before = stored(&database, PERSON).await;
    let dry = ["erase", "--user", PERSON, "--dry-run", "--json"];
    // With an index on flows, and without.
    for _ in 0..2 {
        for (until, expected) in [("31m", &early), ("0s", &before)] {
            let (status, out, error) =
                run(&collector, &[&dry[..], &["--until", until]].concat(), "").await;
            assert_eq!(status, 0, "{error}");
            let told: Value = serde_json::from_str(&out).unwrap();
            let told: BTreeMap<_, _> =
                COLLECTIONS.map(|name| (name, told["documents"][name].as_u64().unwrap())).into();
            assert_eq!(&told, expected);
        }
        assert_eq!(stored(&database, PERSON).await, before);
        assert_eq!(
            database.count("audit_logs", doc! {"extra.event": {"$exists": true}}).await.unwrap(),
            0
        );
        assert_eq!(database.count("gatelog_erase_key", doc! {}).await.unwrap(), 0);
        let index = "context.user_id_1_timestamp_1";
        let _ = database.command(doc! {"dropIndexes": "trace_logs", "index": index}).await;
    }
    // Without a yes nothing happens either.
    let (status, _, error) = run(&collector, &["erase", "--user", PERSON], "").await;
    assert!(status == 2 && error.contains("--yes"), "{error}");
    let two = run(&collector, &["erase", "--user", "-", "--yes"], "a\nb\n").await;
    assert!(two.0 == 2 && two.2.contains("one line"), "{}", two.2);
    assert_eq!(stored(&database, PERSON).await, before);
    // Up to a time, inclusive.
    let until = ["erase", "--user", PERSON, "--yes", "--until", &cut];
    let (status, out, error) = run(&collector, &until, "").await;
    assert!(
        status == 0 && out.contains("not erased:") && out.contains("journals"),
        "{out} {error}"
    );
    let left = stored(&database, PERSON).await;
    assert_eq!((left["trace_logs"], left.values().sum::<u64>()), (1, 2), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_names_the_collectors_that_do_not_confirm_and_deletes_nothing() {
    let database = Database::fresh().await.unwrap();
    let collector = Collector::start(&database, CollectorOptions::default()).await.unwrap();
    let boot = Uuid::new_v4();
    posted(&collector, batch(boot, 1..=20)).await;
    nothing_waits(&collector).await;
    let before = stored(&database, PERSON).await;
    // One of an earlier version shares its accounts, and knows no tombstones.
    let old = Uuid::new_v4().hyphenated().to_string();
    let alive = doc! {"$currentDate": {"pushed": true}};
    let sign = doc! {"_id": format!("alive:{old}")};
    let accounting = database.collection("gatelog_accounting");
    accounting.update_one(sign.clone(), alive).upsert(true).await.unwrap();
    let arguments = ["erase", "--user", PERSON, "--yes", "--wait", "8s"];
    let (status, _, error) = run(&collector, &arguments, "").await;
    assert_eq!(status, 1, "{error}");
    for says in [old.as_str(), "earlier version", "nothing was deleted", "run it again"] {
        assert!(error.contains(says), "{says}: {error}");
    }
    assert_eq!(stored(&database, PERSON).await, before);
    // The tombstone is in force already.
    posted(&collector, batch(boot, 21..=30)).await;
    nothing_waits(&collector).await;
    assert_eq!(stored(&database, PERSON).await, before);
    accounting.delete_one(sign).await.unwrap();
    assert_eq!(erase(&collector).await["documents"]["trace_logs"], 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_inserted_while_the_tombstones_cannot_be_read() {
    let database = Database::fresh().await.unwrap();
    let tombstones = database.collection("gatelog_erased");
    let strange = doc! {"_id": "tombstone:user:00", "key": "of another database"};
    tombstones.insert_one(strange.clone()).await.unwrap();
    let mut collector = Collector::start(&database, CollectorOptions::default()).await.unwrap();
    posted(&collector, batch(Uuid::new_v4(), 1..=10)).await;
    eventually("it is told", PATIENCE, async || {
        let log = collector.process().stderr();
        ensure!(log.contains("nothing is inserted until they can"), "{log}");
        Ok(())
    })
    .await
    .unwrap();
    assert!(metrics(&collector).await.contains("gatelog_collector_spool_records 10\n"));
    assert_eq!(database.count("trace_logs", doc! {}).await.unwrap(), 0);
    tombstones.delete_one(strange).await.unwrap();
    nothing_waits(&collector).await;
    assert_eq!(database.count("trace_logs", doc! {}).await.unwrap(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_right_is_named_and_nothing_is_changed() {
    let [directory, logs, more_logs] = [(); 3].map(|()| TempDir::new().unwrap());
    let storage = directory.path().join("data");
    let open = DatabaseServer::start_in(logs.path(), &storage).await.unwrap();
    let database = Database::on(&open.uri(), "logs").await.unwrap();
    let all =
        ["find", "insert", "update", "remove", "createIndex", "createCollection", "listIndexes"];
    for (user, lacks) in [("writer", "remove"), ("eraser", "")] {
        let actions: Vec<_> = all.into_iter().filter(|right| *right != lacks).collect();
        let resource = doc! { "db": "logs", "collection": "" };
        let privileges = [doc! { "resource": resource, "actions": actions }];
        database
            .command(doc! { "createRole": user, "roles": [], "privileges": &privileges[..] })
            .await
            .unwrap();
        database
            .command(doc! { "createUser": user, "pwd": "s3cret", "roles": [user] })
            .await
            .unwrap();
    }
    drop((database, open));
    let closed = DatabaseServer::start_with(more_logs.path(), &storage, &["--auth"]).await.unwrap();
    let of =
        |login: &str| closed.uri().replace("://", &format!("://{login}@")) + "?authSource=logs";
    let name = "logs";
    let of_eraser = Database::on(&of("eraser:s3cret"), name).await.unwrap();
    let collector = Collector::start(&of_eraser, CollectorOptions::default()).await.unwrap();
    let arguments = |uri: String| {
        ["erase", "--user", "7", "--yes", "--mongodb-uri"]
            .map(str::to_owned)
            .into_iter()
            .chain([uri])
    };
    let lacking: Vec<_> = arguments(of("writer:s3cret")).collect();
    let lacking: Vec<_> = lacking.iter().map(String::as_str).collect();
    let (status, _, error) = run(&collector, &lacking, "").await;
    assert_eq!(status, 1, "{error}");
    let grant = r#"grantRolesToUser("writer", [{role: "readWrite", db: "logs"}])"#;
    for says in ["missing in database \"logs\": remove (on ", grant, "nothing was changed"] {
        assert!(error.contains(says), "{says}: {error}");
    }
    assert!(!error.contains("s3cret"), "{error}");
    assert_eq!(of_eraser.count("gatelog_erase_key", doc! {}).await.unwrap(), 0);
    let (status, _, error) = run(&collector, &["erase", "--user", "7", "--yes"], "").await;
    assert_eq!(status, 0, "{error}");
}
