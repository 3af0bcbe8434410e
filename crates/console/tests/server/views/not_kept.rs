//! What happens where no views can be kept: without the right, switched off, while the database is away.

use std::time::Instant;

use axum::http::Method;
use gatelog_testkit::{Client, Database, DatabaseServer, eventually};
use mongodb::bson::doc;
use serde_json::json;

use super::{PATIENCE, delete, names, save};
use crate::fixture::{A, ALL, B, Console};

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_may_not_write_leaves_views_to_browsers_and_is_logged_once() {
    let [directory, logs, more_logs] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let storage = directory.path().join("data");
    let open = DatabaseServer::start_in(logs.path(), &storage).await.unwrap();
    let client = mongodb::Client::with_uri_str(open.uri()).await.unwrap();
    let admin = client.database("admin");
    let role = |role: &str, db: &str| doc! { "role": role, "db": db };
    for (user, roles) in [
        ("reader", vec![role("read", "logs")]),
        ("reader_of_all", vec![role("read", "logs"), role("read", "logs_views")]),
        ("owner", vec![role("read", "logs"), role("readWrite", "logs_views")]),
    ] {
        let user = doc! { "createUser": user, "pwd": "s3cret", "roles": roles };
        admin.run_command(user).await.unwrap();
    }
    drop((client, open));
    let closed = DatabaseServer::start_with(more_logs.path(), &storage, &["--auth"]).await.unwrap();
    let uri = |user: &str| {
        closed.uri().replace("://", &format!("://{user}:s3cret@")) + "?authSource=admin"
    };
    for user in ["reader", "reader_of_all"] {
        let database = Database::on(&uri(user), "logs").await.unwrap();
        let console = Console::start(&database).await;
        for _ in 0..5 {
            assert_eq!(
                console.json(ALL, "views").await,
                json!({
                    "kept": false, "reason": "denied", "may_share": false, "views": [],
                })
            );
            assert_eq!(save(&console, ALL, "x", "x", false).await, 404, "{user}");
            assert_eq!(delete(&console, ALL, "x").await, 404, "{user}");
        }
        let view = json!({"name": "x", "address": "/"});
        let told = console.change(A, Method::PUT, "views", &view).await.text();
        assert!(told.contains("GATELOG_CONSOLE_DATABASE; the console's log says"), "{told}");
        assert_eq!(console.get(ALL, "search").await.status, 200);
        let log = console.process.stderr();
        assert_eq!(log.matches("saved views are kept in browsers only").count(), 1, "{log}");
        assert!(!log.contains("a query failed") && !log.contains("\"ERROR\""), "{log}");
    }
    let database = Database::on(&uri("owner"), "logs").await.unwrap();
    let console = Console::start(&database).await;
    assert_eq!(save(&console, ALL, "x", "x", true).await, 200, "{}", console.process.stderr());
    assert_eq!(names(&console, ALL).await, ["x*"]);
    assert_eq!(delete(&console, ALL, "x").await, 204);
}

#[tokio::test]
async fn where_it_is_off_no_views_are_kept_and_none_are_asked_for() {
    let database = Database::fresh().await.unwrap();
    let console = Console::with(&database, &[("GATELOG_CONSOLE_DATABASE", "off")]).await;
    let answer = console.json(ALL, "views").await;
    assert_eq!((&answer["kept"], &answer["reason"]), (&json!(false), &json!("off")));
    let view = json!({"name": "x", "address": "/"});
    let told = console.change(ALL, Method::PUT, "views", &view).await;
    assert_eq!(told.status, 404);
    assert!(told.text().contains("GATELOG_CONSOLE_DATABASE is off"), "{}", told.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_hangs_refuses_a_change_in_time_and_keeps_no_other_request_waiting() {
    let mut server = DatabaseServer::start().await.unwrap();
    let database = Database::on(&server.uri(), "gatelog").await.unwrap();
    let console = Console::start(&database).await;
    assert_eq!(save(&console, ALL, "x", "x", false).await, 200);
    server.freeze().unwrap();
    let (begun, client) = (Instant::now(), Client::default());
    let bearer = format!("Bearer {A}");
    let headers: &[(&str, &[u8])] =
        &[("authorization", bearer.as_bytes()), ("content-type", b"application/json")];
    let body = json!({"name": "y", "address": "/"}).to_string();
    let first = client.send(console.address, Method::PUT, "/api/v1/views", headers, body);
    let second = async {
        // It waits for a turn, which the first has or gets.
        let reply = save(&console, B, "y", "x", false).await;
        (reply, begun.elapsed())
    };
    let (first, (second, waited)) = tokio::join!(first, second);
    let first = first.unwrap();
    assert_eq!((first.status.as_u16(), second), (503, 503), "{}", first.text());
    assert!(begun.elapsed().as_secs() < 20, "{:?} {waited:?}", begun.elapsed());
    assert_eq!(console.get(ALL, "session").await.status, 200);
    server.thaw().unwrap();
    eventually("views are kept again", PATIENCE, async || {
        let status = save(&console, ALL, "z", "x", false).await;
        anyhow::ensure!(status == 200, "{status}");
        Ok(())
    })
    .await
    .unwrap();
}
