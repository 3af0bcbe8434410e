//! Sign-ins, exports and changes of saved views leave a record in the audit trail, through a collector.

use axum::http::Method;
use gatelog_testkit::{Collector, CollectorOptions, Database, stored};
use serde_json::json;

use crate::fixture::{A, ALL, Console, SPAN, VIEWS};

#[tokio::test]
async fn sign_ins_and_exports_are_in_the_audit_trail() {
    let database = Database::fresh().await.unwrap();
    let collector = Collector::start(&database, CollectorOptions::default()).await.unwrap();
    let url = format!("http://{}", collector.address());
    let mut console = Console::with(&database, &[("GATELOG_CONSOLE_COLLECTOR", &url)]).await;
    assert_eq!(console.sign_in(&json!({"token": "wrong-0123456789abcdef"})).await.status, 401);
    assert_eq!(console.sign_in(&json!({"token": A})).await.status, 200);
    assert_eq!(console.get(A, &format!("export?{SPAN}&query=user:17")).await.status, 200);
    // What waits is sent before it ends.
    let ended = console.process.terminate(std::time::Duration::from_secs(30)).unwrap();
    assert!(ended.success(), "{ended}");
    let mut trail = stored::exactly(&database, "audit_logs", 3).await.unwrap();
    trail.sort_by_key(|record| record["function_name"].to_string());
    let names: Vec<_> = trail.iter().map(|it| it["function_name"].as_str().unwrap()).collect();
    assert_eq!(names, ["export", "sign_in", "sign_in_refused"]);
    assert_eq!(trail[0]["context"]["user_id"], "ann");
    assert_eq!(trail[0]["extra"]["detail"]["query"], "user:\"17\"");
    assert_eq!(trail[1]["extra"]["peer"], "127.0.0.1");
    let text = json!(trail).to_string() + &console.process.stderr();
    assert!(!text.contains(A) && !text.contains("wrong-0123456789abcdef"), "a token is in it");
}

#[tokio::test]
async fn changes_of_saved_views_are_in_the_audit_trail_and_refused_ones_are_not() {
    let database = Database::fresh().await.unwrap();
    let _views = database.beside(VIEWS);
    let collector = Collector::start(&database, CollectorOptions::default()).await.unwrap();
    let url = format!("http://{}", collector.address());
    let mut console = Console::with(&database, &[("GATELOG_CONSOLE_COLLECTOR", &url)]).await;
    let view = json!({"name": "slow", "address": "/search?query=duration%3A%3E1s", "shared": true});
    assert_eq!(console.change(A, Method::PUT, "views", &view).await.status, 403);
    assert_eq!(console.change(ALL, Method::PUT, "views", &view).await.status, 200);
    let (delete, none) = (Method::DELETE, json!(null));
    assert_eq!(console.change(A, delete.clone(), "views?name=slow", &none).await.status, 404);
    assert_eq!(console.change(ALL, delete, "views?name=slow", &none).await.status, 204);
    let ended = console.process.terminate(std::time::Duration::from_secs(30)).unwrap();
    assert!(ended.success(), "{ended}");
    let mut trail = stored::exactly(&database, "audit_logs", 2).await.unwrap();
    trail.sort_by_key(|record| record["function_name"].to_string());
    let names: Vec<_> = trail.iter().map(|it| it["function_name"].as_str().unwrap()).collect();
    assert_eq!(names, ["delete_view", "save_view"]);
    assert!(trail.iter().all(|record| record["context"]["user_id"] == "on-call"));
    assert_eq!(trail[0]["extra"]["detail"], json!({"name": "slow"}));
    assert_eq!(trail[1]["extra"]["detail"], view);
}
