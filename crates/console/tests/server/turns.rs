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
    let settings = [("GATELOG_CONSOLE_VIEWER_QUERIES", "2"), ("GATELOG_CONSOLE_QUERY_TIME", "20s")];
    let console = Arc::new(Console::with(&database, &settings).await);
    for (endpoint, kind, turns) in [("search", "query", 2), ("export", "export", 1)] {
        let path = format!("{endpoint}?{SPAN}");
        let ask = |token| {
            let (console, path) = (Arc::clone(&console), path.clone());
            tokio::spawn(async move { console.get(token, &path).await })
        };
        // While the database hangs, each request keeps its turn.
        server.freeze().unwrap();
        let mut asked = JoinSet::new();
        for _ in 0..8 {
            let asks = ask(A);
            asked.spawn(async move { asks.await.unwrap() });
        }
        for _ in turns..8 {
            let refused = asked.join_next().await.unwrap().unwrap();
            assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, "1"));
            assert!(refused.text().contains("of yours"), "{}", refused.text());
        }
        let metrics = console.send(Method::GET, "/metrics", &[], "").await.text();
        let refused = 8 - turns;
        let line = format!("refused_total{{kind=\"{kind}\",bound=\"viewer\"}} {refused}");
        assert!(metrics.contains(&line), "{metrics}");
        // Longer than bob would wait for a turn, if there were none for him.
        let mut bobs = ask(B);
        let early = tokio::time::timeout(Duration::from_secs(7), &mut bobs).await;
        server.thaw().unwrap();
        let bobs = match early {
            Ok(reply) => reply.unwrap(),
            Err(_) => bobs.await.unwrap(),
        };
        // On a busy machine his time may be over, but never for want of a turn.
        let late = bobs.status == 503 && bobs.text().contains("the database cannot be searched");
        assert!(bobs.status == 200 || late, "{}", bobs.text());
        asked.join_all().await;
    }
}
