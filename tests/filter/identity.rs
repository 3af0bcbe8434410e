//! Ids and tenants on a real Envoy.

use axum::http::Method;
use serde_json::json;

use crate::rig::{Rig, contains};

#[tokio::test]
async fn a_clients_request_id_is_kept_beside_the_one_that_counts() {
    let rig = Rig::start(&[]).await;
    let reply = rig.get("/raw/ok", &[("x-request-id", "theirs"), ("x-correlation-id", "c")]).await;
    let record = rig.record("c").await;
    assert_eq!(record["context"]["client_request_id"], "theirs");
    assert_eq!(record["context"]["request_id"], reply.header("x-request-id"));
    assert_ne!(reply.header("x-request-id"), "theirs");
}

/// Shows what docs/configuration.md says about `trust`.
#[tokio::test]
async fn only_with_the_early_mutation_is_a_clients_id_told_from_one_that_envoy_generated() {
    let rig = Rig::start(&[]).await;
    rig.get("/raw/ok", &[("x-correlation-id", "moved")]).await;
    let context = rig.record("moved").await["context"].take();
    assert!(context.get("client_request_id").is_none(), "{context:#}");

    let never = [("/request_id/trust", json!("never"))];
    let rig = Rig::start_with(&never, |options| {
        let manager = options.config.connection_manager()?;
        manager["early_header_mutation_extensions"] = json!([]);
        Ok(())
    })
    .await
    .unwrap();
    rig.get("/raw/ok", &[("x-correlation-id", "in-place")]).await;
    let context = rig.record("in-place").await["context"].take();
    let generated = context["client_request_id"].as_str().unwrap();
    assert_eq!(generated.len(), "01a20c73-7db5-7d3f-a203-60fc1aff1b8d".len(), "{context:#}");
    assert_ne!(context["request_id"], generated);
}

#[tokio::test]
async fn without_the_early_mutation_trust_decides() {
    let without = |options: &mut gatelog_testkit::EnvoyOptions| {
        let manager = options.config.connection_manager()?;
        manager["early_header_mutation_extensions"] = json!([]);
        manager["preserve_external_request_id"] = json!(true);
        Ok(())
    };
    for (trust, adopted) in [
        (json!("always"), true),
        (json!("never"), false),
        (json!(["127.0.0.0/8"]), true),
        (json!(["10.0.0.0/8"]), false),
    ] {
        let options = [
            ("/request_id", json!({"trust": trust})),
            ("/correlation_id", json!({"trust": trust})),
        ];
        let rig = Rig::start_with(&options, without).await.unwrap();
        let sent = [("x-request-id", "mine-1"), ("x-correlation-id", "flow-1")];
        let reply = rig.get("/raw/ok", &sent).await;
        assert_eq!(reply.header("x-request-id") == "mine-1", adopted, "{trust}");
        assert_eq!(reply.header("x-correlation-id") == "flow-1", adopted, "{trust}");
        let id = reply.header("x-correlation-id").to_owned();
        let record = rig.record(&id).await;
        if !adopted {
            let kept = json!({"context": {"client_request_id": "mine-1", "client_correlation_id": "flow-1"}});
            assert!(contains(&record, &kept), "{record:#}");
            assert_eq!(id, reply.header("x-request-id"));
        }
    }
}

#[tokio::test]
async fn a_trace_id_gives_the_correlation_id_and_is_forwarded_untouched() {
    let rig = Rig::start(&[]).await;
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let reply = rig.get("/raw/ok", &[("traceparent", traceparent)]).await;
    assert_eq!(reply.header("x-correlation-id"), "0af7651916cd43dd8448eb211c80319c");
    let record = rig.record("0af7651916cd43dd8448eb211c80319c").await;
    let trace = json!({"trace": {"trace_id": "0af7651916cd43dd8448eb211c80319c", "parent_span_id": "b7ad6b7169203331"}});
    assert!(contains(&record, &trace), "{record:#}");
}

#[tokio::test]
async fn the_tenant_comes_from_headers_paths_and_rules() {
    let rig = Rig::start(&[
        ("/tenant/conversation_id", json!([{"path": "/raw/{conversation_id}"}])),
        (
            "/rules",
            json!([{"match": {"method": ["PUT"]}, "tenant": {"organization_id": "operators"}}]),
        ),
    ])
    .await;
    let headers = [("x-correlation-id", "t"), ("x-organization-id", "org_1"), ("x-user-id", "u_1")];
    rig.get("/raw/conv_7/more", &headers).await;
    let record = rig.record("t").await;
    let tenant = json!({"context": {"organization_id": "org_1", "user_id": "u_1", "conversation_id": "conv_7"}});
    assert!(contains(&record, &tenant), "{record:#}");
    rig.send(Method::PUT, "/raw/x", &[("x-correlation-id", "p"), ("x-organization-id", "org_1")])
        .await;
    assert_eq!(rig.record("p").await["context"]["organization_id"], "operators");
}

#[tokio::test]
async fn secrets_in_query_path_and_headers_reach_no_output() {
    let rig = Rig::start(&[
        ("/level", json!("DEBUG")),
        ("/redact/path", json!(["/raw/reset/{secret}"])),
        ("/record/request_headers", json!(["authorization", "referer"])),
    ])
    .await;
    let headers = [
        ("authorization", "Bearer S3CRET"),
        ("cookie", "sid=S3CRET"),
        ("x-api-key", "S3CRET"),
        ("referer", "https://h/?token=S3CRET"),
        ("x-request-id", "plain"),
    ];
    rig.get("/raw/reset/S3CRET?token=S3CRET&a=%53&user[password]=S3CRET", &headers).await;
    let seen = gatelog_testkit::eventually(
        "both records in journal and sink",
        crate::rig::PATIENCE,
        async || {
            let (journal, sink) = (rig.envoy.journal().lines()?, rig.sink.records());
            anyhow::ensure!(
                journal.len() == 2 && sink.len() == 2,
                "{} and {}",
                journal.len(),
                sink.len()
            );
            anyhow::Ok(format!("{journal:?}{sink:?}{}", rig.envoy.log()))
        },
    )
    .await
    .unwrap();
    assert!(!seen.contains("S3CRET"), "{seen}");
    assert!(seen.contains("[redacted]"));
}
