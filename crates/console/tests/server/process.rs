//! The program: its configuration, its start and its end.

use std::time::Duration;

use axum::http::Method;
use gatelog_testkit::Database;

use crate::fixture::{ALL, Console, command};

#[tokio::test]
async fn a_wrong_configuration_is_told_as_a_whole_and_nothing_starts() {
    let database = Database::fresh().await.unwrap();
    let mut command = command(&database);
    command.env("GATELOG_CONSOLE_LISTEN", "here").env("GATELOG_CONSOLE_MAX_QUERIES", "none");
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    for line in [
        "GATELOG_CONSOLE_LISTEN = \"here\"",
        "GATELOG_CONSOLE_MAX_QUERIES = \"none\"",
        "GATELOG_CONSOLE_TOKENS_FILE: nobody could sign in",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
}

#[tokio::test]
async fn it_ends_in_order_and_names_what_is_no_setting() {
    let database = Database::fresh().await.unwrap();
    let mut console = Console::with(&database, &[("GATELOG_CONSOLE_LISTN", "x")]).await;
    let page = console.send(Method::GET, "/search?query=x", &[], "").await;
    assert_eq!(
        (page.status.as_u16(), page.header("content-type")),
        (200, "text/html; charset=utf-8")
    );
    assert_eq!(console.send(Method::GET, "/healthz", &[], "").await.status, 200);
    console.get(ALL, "session").await;
    let metrics = console.send(Method::GET, "/metrics", &[], "").await.text();
    let line = "gatelog_console_requests_total{endpoint=\"session\",code=\"200\"} 1";
    assert!(metrics.contains(line), "{metrics}");
    let ended = console.process.terminate(Duration::from_secs(30)).unwrap();
    assert!(ended.success(), "{ended}");
    let log = console.process.stderr();
    assert!(log.contains("GATELOG_CONSOLE_LISTN is not a setting of the console"), "{log}");
    assert!(log.contains("\"logger_name\":\"gatelog_console.serve\""), "{log}");
}
