//! How many views are kept, and what they may be.

use std::sync::Arc;

use axum::http::Method;
use gatelog_testkit::Database;
use mongodb::bson::{DateTime, Document, doc};
use serde_json::json;
use tokio::task::JoinSet;

use super::{delete, metrics, names, save};
use crate::fixture::{A, ALL, B, Console, VIEWS};

/// Views put into the database by hand, with these ids and numbers.
async fn insert(views: &Database, id: &str, count: usize) {
    let one = |number: usize| -> Document {
        let at = DateTime::from_millis(0);
        doc! { "_id": format!("{id}:{number}"), "name": format!("{number}"), "address": "/",
        "by": "somebody", "at": at }
    };
    let all: Vec<_> = (0..count).map(one).collect();
    views.collection("views").insert_many(all).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bound_is_kept_told_and_counted() {
    let database = Database::fresh().await.unwrap();
    let views = database.beside(VIEWS);
    let console = Arc::new(Console::start(&database).await);
    for number in 0..97 {
        assert_eq!(save(&console, A, &number.to_string(), "x", false).await, 200);
    }
    // At once: not one more than there is room for, also for those that were refused a turn.
    let mut saving = JoinSet::new();
    for number in 97..117 {
        let console = Arc::clone(&console);
        saving.spawn(async move { save(&console, A, &number.to_string(), "x", false).await });
    }
    let told = saving.join_all().await;
    assert!(told.iter().all(|status| [200, 409, 429].contains(status)), "{told:?}");
    for number in 97..103 {
        save(&console, A, &format!("more {number}"), "x", false).await;
    }
    assert_eq!(names(&console, A).await.len(), 100);
    let view = json!({"name": "further", "address": "/"});
    let full = console.change(A, Method::PUT, "views", &view).await;
    assert_eq!(full.status, 409);
    assert!(
        full.text().contains("you have 100 saved views, which is the maximum"),
        "{}",
        full.text()
    );
    assert_eq!(save(&console, A, "0", "y", false).await, 200, "replacing needs no room");
    assert_eq!(delete(&console, A, "0").await, 204);
    assert_eq!(save(&console, A, "further", "x", false).await, 200);
    assert_eq!(save(&console, B, "x", "x", false).await, 200, "others have room");

    insert(&views, "shared:somebody", 199).await;
    assert_eq!(save(&console, ALL, "last", "x", true).await, 200);
    let view = json!({"name": "more", "address": "/", "shared": true});
    let full = console.change(ALL, Method::PUT, "views", &view).await;
    assert_eq!(full.status, 409);
    assert!(full.text().contains("200 views are shared, which is the maximum"), "{}", full.text());
    assert_eq!(save(&console, ALL, "last", "y", true).await, 200);
    assert_eq!(save(&console, ALL, "more", "x", false).await, 200);
    assert_eq!(save(&console, ALL, "more", "x", true).await, 409, "nor by sharing one");
    assert_eq!(names(&console, ALL).await.len(), 201);

    let there = views.count("views", doc! {}).await.unwrap();
    insert(&views, "own:former", 10_000 - usize::try_from(there).unwrap()).await;
    let view = json!({"name": "y", "address": "/"});
    let full = console.change(B, Method::PUT, "views", &view).await;
    assert_eq!(full.status, 409);
    assert!(full.text().contains("10000 views of all viewers are kept"), "{}", full.text());
    assert_eq!(save(&console, B, "x", "y", false).await, 200);

    let body = json!({"name": "n", "address": format!("/search?query={}", "x".repeat(40 << 10))});
    for (view, status, told) in [
        (body, 413, "the body has more than 32768 bytes"),
        (json!({"name": "x".repeat(101), "address": "/"}), 400, "name has 101 characters"),
        (json!({"name": "n", "address": "x".repeat(4_097)}), 400, "address has 4097 bytes"),
        (json!({"name": "n\u{1b}", "address": "/"}), 400, "name = \\\"n\\\\u{1b}\\\""),
        (json!({"name": "n", "address": "//evil.example/"}), 400, "address = \\\"//evil"),
        (json!({"name": ["n"], "address": "/"}), 400, "must be {"),
        (json!([]), 400, "must be {"),
    ] {
        let reply = console.change(B, Method::PUT, "views", &view).await;
        assert_eq!(reply.status, status, "{told}");
        assert!(reply.text().contains(told), "{told}: {}", reply.text());
    }
    let metrics = metrics(&console).await;
    for line in ["outcome=\"full_shared\"} 2", "outcome=\"full_all\"} 1", "outcome=\"invalid\"} 7"]
    {
        assert!(metrics.contains(&format!("view_changes_total{{{line}")), "{line}: {metrics}");
    }
    assert!(metrics.contains("view_changes_total{outcome=\"full_viewer\"}"), "{metrics}");
}
