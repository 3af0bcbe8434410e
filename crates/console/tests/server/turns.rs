//! No viewer takes the turns of all.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use gatelog_testkit::{Database, DatabaseServer};
use serde_json::json;
use tokio::task::JoinSet;

use crate::fixture::{A, B, Console, SPAN, fill, record};

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_who_asks_for_much_at_once_is_refused_and_others_are_answered() {
    let mut server = DatabaseServer::start().await.unwrap();
    let database = Database::on(&server.uri(), "gatelog").await.unwrap();
    fill(&database, &[record("INFO", 1, &json!({}))]).await;
    let settings = [("GATELOG_CONSOLE_VIEWER_QUERIES", "2"), ("GATELOG_CONSOLE_QUERY_TIME", "10s")];
    let console = Arc::new(Console::with(&database, &settings).await);
    // While the database hangs, each query keeps its turn.
    server.freeze().unwrap();
    let mut asked = JoinSet::new();
    for _ in 0..8 {
        let console = Arc::clone(&console);
        asked.spawn(async move { console.get(A, &format!("search?{SPAN}")).await });
    }
    for _ in 0..6 {
        let refused = asked.join_next().await.unwrap().unwrap();
        assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, "1"));
        assert!(refused.text().contains("of yours"), "{}", refused.text());
    }
    let metrics = console.send(Method::GET, "/metrics", &[], "").await.text();
    let line = "gatelog_console_refused_total{kind=\"query\",bound=\"viewer\"} 6";
    assert!(metrics.contains(line), "{metrics}");
    let bobs = {
        let console = Arc::clone(&console);
        tokio::spawn(async move { console.get(B, &format!("search?{SPAN}")).await })
    };
    // Longer than bob would wait for a turn.
    let waited = tokio::time::timeout(Duration::from_secs(3), asked.join_next()).await;
    assert!(waited.is_err() && !bobs.is_finished(), "bob has a turn");
    server.thaw().unwrap();
    assert_eq!(bobs.await.unwrap().status, 200);
}
