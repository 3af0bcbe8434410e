//! `LOG_LEVEL`, from the environment of Envoy.

use gatelog_testkit::{Gateway, GatewayOptions};

use crate::SHELL;
use crate::stored::{at, exactly};

async fn at_level(level: &str) -> Gateway {
    let mut options = GatewayOptions::of(SHELL).unwrap();
    options.envoy.environment.push(("LOG_LEVEL".to_owned(), level.to_owned()));
    let gateway = Gateway::start_with(options).await.unwrap();
    let secret = [("authorization", "Bearer s3cret"), ("accept", "text/plain")];
    gateway.get("/api/v1/messages", &secret).await.unwrap();
    gateway.get("/api/v1/conversations/c/summary", &[]).await.unwrap();
    gateway
}

#[tokio::test]
async fn at_error_only_errors_are_recorded() {
    let gateway = at_level("ERROR").await;
    exactly(&gateway.database, "error_logs", 1).await.unwrap();
    exactly(&gateway.database, "trace_logs", 1).await.unwrap();
    exactly(&gateway.database, "info_logs", 0).await.unwrap();
}

#[tokio::test]
async fn at_debug_a_second_record_holds_the_redacted_headers() {
    let gateway = at_level("DEBUG").await;
    exactly(&gateway.database, "info_logs", 1).await.unwrap();
    let debug = exactly(&gateway.database, "debug_logs", 2).await.unwrap();
    let headers = at(&debug[0], "/http/request_headers");
    assert_eq!(headers["accept"], "text/plain", "{debug:#?}");
    assert!(!debug[0].to_string().contains("s3cret"), "{debug:#?}");
}
