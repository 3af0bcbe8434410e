//! The role of docs/erase.md, beside a collector with the rights of its own.

use gatelog_record::Uuid;
use gatelog_testkit::{Client, Collector, CollectorOptions, Database, DatabaseServer};
use mongodb::bson::{Document, doc};
use serde_json::Value;
use tempfile::TempDir;

use crate::erase::{nothing_waits, run};
use crate::load::{post, record};

const PAGE: &str = include_str!("../../../../docs/erase.md");

/// The list behind the first occurrence of this on the page's role.
fn list(role: &str, behind: &str) -> Vec<String> {
    let rest = role.split_once(behind).unwrap_or_else(|| panic!("{behind} in {role}")).1;
    let (items, _) = rest.split_once(']').unwrap();
    serde_json::from_str(&format!("{items}]")).unwrap()
}

/// The privileges of the role on the page, in a database of this name.
fn documented(database: &str) -> Vec<Document> {
    let role = PAGE.split_once("db.createRole(").unwrap().1.split_once("```").unwrap().0;
    let [levels, own, accounting]: [&str; 3] =
        role.split("resource: {").skip(1).collect::<Vec<_>>().try_into().unwrap();
    let logs = list(role, "...").into_iter().map(|level| format!("{level}_logs"));
    let erased = list(levels, "...");
    let parts = [
        (logs.collect(), list(levels, "actions: ")),
        (erased, list(own, "actions: ")),
        (vec!["gatelog_accounting".to_owned()], list(accounting, "actions: ")),
    ];
    let privilege = |collection: &String, actions: &Vec<String>| {
        doc! { "resource": { "db": database, "collection": collection }, "actions": actions }
    };
    let all = parts.iter().flat_map(|(names, actions): &(Vec<String>, Vec<String>)| {
        names.iter().map(move |name| privilege(name, actions))
    });
    all.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_role_erases_and_without_its_right_to_update_nothing_is_changed() {
    let [directory, logs, more_logs] = [(); 3].map(|()| TempDir::new().unwrap());
    let storage = directory.path().join("data");
    let open = DatabaseServer::start_in(logs.path(), &storage).await.unwrap();
    let database = Database::on(&open.uri(), "logs").await.unwrap();
    let privileges = documented("logs");
    assert_eq!(privileges.len(), 10, "{privileges:?}");
    // This server heeds actions, but not the collection that they are for.
    let short: Vec<_> = privileges
        .iter()
        .map(|privilege| {
            let actions = privilege.get_array("actions").unwrap().iter();
            let kept: Vec<_> =
                actions.filter(|action| action.as_str() != Some("update")).cloned().collect();
            doc! { "resource": privilege.get_document("resource").unwrap(), "actions": kept }
        })
        .collect();
    for (role, privileges) in [("eraser", privileges), ("short", short)] {
        let role = doc! { "createRole": role, "roles": [], "privileges": privileges };
        database.command(role).await.unwrap();
    }
    for (user, role) in [("collector", "readWrite"), ("eraser", "eraser"), ("short", "short")] {
        let user = doc! { "createUser": user, "pwd": "s3cret", "roles": [role] };
        database.command(user).await.unwrap();
    }
    drop((database, open));
    let closed = DatabaseServer::start_with(more_logs.path(), &storage, &["--auth"]).await.unwrap();
    let of = |user: &str| {
        closed.uri().replace("://", &format!("://{user}:s3cret@")) + "?authSource=logs"
    };
    let database = Database::on(&of("collector"), "logs").await.unwrap();
    let collector = Collector::start(&database, CollectorOptions::default()).await.unwrap();
    let boot = Uuid::now_v7();
    let body: String = (1..=20).map(|seq| record(boot, seq) + "\n").collect();
    let value: Value = serde_json::from_str(body.lines().next().unwrap()).unwrap();
    let organization = value["context"]["organization_id"].as_str().unwrap();
    assert_eq!(post(&Client::default(), collector.address(), body).await.unwrap().status, 202);
    nothing_waits(&collector).await;
    let theirs = doc! { "context.organization_id": organization };
    let before = database.count("trace_logs", theirs.clone()).await.unwrap();
    assert!(before > 0);

    let arguments = ["erase", "--organization", organization, "--yes", "--mongodb-uri"];
    let uri = of("short");
    let (status, _, error) = run(&collector, &[&arguments[..], &[&uri]].concat(), "").await;
    assert_eq!(status, 1, "{error}");
    assert!(error.contains("missing in database \"logs\": update"), "{error}");
    assert_eq!(database.count("trace_logs", theirs.clone()).await.unwrap(), before);

    let uri = of("eraser");
    let (status, out, error) = run(&collector, &[&arguments[..], &[&uri]].concat(), "").await;
    assert_eq!(status, 0, "{out} {error}");
    assert_eq!(database.count("trace_logs", theirs).await.unwrap(), 0);
}
