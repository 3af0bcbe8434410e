//! `check`: reports whether serving could start, what is missing, and how to grant it.

use std::process::{Command, Output};

use gatelog_testkit::{Collector, CollectorOptions, Database, DatabaseServer};
use mongodb::bson::doc;
use tempfile::TempDir;

fn run(mut command: Command) -> (i32, String) {
    let Output { status, stdout, .. } = command.output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap())
}

/// A `check` command with its own spool directory.
fn check(directory: &TempDir, uri: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatelog-collector"));
    command.arg("check").env("MONGODB_URI", uri).env("GATELOG_DATABASE", "logs");
    command.env("GATELOG_SPOOL_DIR", directory.path().join("spool"));
    command.env("GATELOG_LISTEN", "127.0.0.1:0");
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_set_up_is_all_ok_and_nothing_of_the_check_stays() {
    let database = Database::fresh().await.unwrap();
    let mut collector = Collector::start(&database, CollectorOptions::default()).await.unwrap();
    collector.stop().unwrap();
    let (status, out) = run(collector.command(&["check"]).unwrap());
    assert!(status == 0 && !out.contains("FAIL"), "{out}");
    for name in ["configuration", "address", "spool", "MongoDB", "login", "rights", "indexes"] {
        assert!(out.contains(&format!("ok    {name}: ")), "{name} not in\n{out}");
    }
    for collection in ["info_logs", "audit_logs", "gatelog_accounting"] {
        let left = database.count(collection, doc! { "_id": "gatelog-check" }).await.unwrap();
        assert_eq!(left, 0, "{collection}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spool_and_an_address_in_use_are_said_to_be() {
    let database = Database::fresh().await.unwrap();
    let collector = Collector::start(&database, CollectorOptions::default()).await.unwrap();
    let (status, out) = run(collector.command(&["check"]).unwrap());
    assert_eq!(status, 1, "{out}");
    assert!(
        out.contains("FAIL  spool: ") && out.contains("is in use by a running collector"),
        "{out}"
    );
    assert!(out.contains("FAIL  address: ") && out.contains("ok    rights: "), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_there_is_named_with_the_reason_in_one_line() {
    let directory = TempDir::new().unwrap();
    let uri = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=300";
    let (status, out) = run(check(&directory, uri));
    assert_eq!(status, 1, "{out}");
    let line = out.lines().find(|line| line.contains("MongoDB")).unwrap();
    assert!(line.starts_with("FAIL  MongoDB: ") && line.contains("127.0.0.1:1: Connection ref"));
    assert!(line.contains("is MONGODB_URI right?") && !out.contains("Topology"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_missing_right_is_named_with_the_command_that_grants_it() {
    let [directory, logs, more_logs] = [(); 3].map(|()| TempDir::new().unwrap());
    let storage = directory.path().join("data");
    let open = DatabaseServer::start_in(logs.path(), &storage).await.unwrap();
    let client = mongodb::Client::with_uri_str(open.uri()).await.unwrap();
    let database = client.database("logs");
    let all = ["insert", "update", "find", "listIndexes", "createIndex", "dropIndex", "collMod"];
    for (user, lacks) in
        [("reader", &["insert", "update"][..]), ("writer", &["collMod"]), ("owner", &[])]
    {
        let actions: Vec<_> = all.into_iter().filter(|right| !lacks.contains(right)).collect();
        let resource = doc! { "db": "logs", "collection": "" };
        let privileges = [doc! { "resource": resource, "actions": actions }];
        let role = doc! { "createRole": user, "roles": [], "privileges": &privileges[..] };
        database.run_command(role).await.unwrap();
        let user = doc! { "createUser": user, "pwd": "s3cret", "roles": [user] };
        database.run_command(user).await.unwrap();
    }
    drop((client, open));
    let closed = DatabaseServer::start_with(more_logs.path(), &storage, &["--auth"]).await.unwrap();
    let of = |login: &str| {
        let uri = closed.uri().replace("://", &format!("://{login}@")) + "?authSource=logs";
        run(check(&directory, &uri))
    };
    let (status, out) = of("owner:s3cret");
    assert!(
        status == 0 && out.contains(r#"ok    login: user "owner" of database "logs""#),
        "{out}"
    );

    let (status, out) = of("writer:s3cret");
    assert_eq!(status, 1, "{out}");
    assert!(out.contains(r#"FAIL  rights: missing in database "logs": collMod (on "#), "{out}");
    let grant =
        r#"db.getSiblingDB("logs").grantRolesToUser("writer", [{role: "dbAdmin", db: "logs"}])"#;
    assert!(out.contains(grant), "{out}");

    let (status, out) = of("reader:s3cret");
    assert_eq!(status, 1, "{out}");
    assert!(out.contains(r#"missing in database "logs": insert, update (on "#), "{out}");
    let grant = r#"grantRolesToUser("reader", [{role: "readWrite", db: "logs"}])"#;
    assert!(out.contains(grant), "{out}");

    let (status, out) = of("owner:wrong-s3cret");
    assert!(status == 1 && out.contains("FAIL  login: ") && !out.contains("s3cret"), "{out}");

    let (status, out) = run(check(&directory, &closed.uri()));
    assert_eq!(status, 1, "{out}");
    assert!(
        out.contains("FAIL  login: the server requires a login, and MONGODB_URI has none"),
        "{out}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_in_the_way_is_told_with_the_command_that_makes_room() {
    let database = Database::fresh().await.unwrap();
    let theirs = doc! { "createIndexes": "info_logs",
    "indexes": [{ "key": { "created_at": 1 }, "name": "created_at_1", "unique": true }] };
    database.command(theirs).await.unwrap();
    let mut collector = Collector::start(&database, CollectorOptions::default()).await.unwrap();
    collector.stop().unwrap();
    let (status, out) = run(collector.command(&["check"]).unwrap());
    assert_eq!(status, 1, "{out}");
    assert!(out.contains("FAIL  indexes: info_logs: index created_at_1"), "{out}");
    assert!(out.contains("db.runCommand({ \"dropIndexes\": \"info_logs\""), "{out}");
}
