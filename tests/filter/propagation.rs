//! The gateway's own span on a real Envoy: what services get, with Envoy's own tracer and without.

use std::sync::{Arc, Mutex};

use anyhow::{Result, ensure};
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use gatelog_testkit::{EnvoyOptions, SampleService, eventually};
use serde_json::{Value, json};

use crate::rig::{PATIENCE, Rig};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";
const SENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A service that keeps the headers of every request it gets, and is flaky or redirects where asked to.
struct Service {
    service: SampleService,
    seen: Arc<Mutex<Vec<HeaderMap>>>,
}

impl Service {
    async fn start() -> Result<Self> {
        let seen = Arc::<Mutex<Vec<HeaderMap>>>::default();
        let kept = Arc::clone(&seen);
        let app = Router::new().fallback(any(async move |request: Request| {
            let attempt = request.headers().get("x-envoy-attempt-count").cloned();
            kept.lock().unwrap().push(request.headers().clone());
            let first = attempt.is_some_and(|attempt| attempt == "1");
            answer(request.uri().path(), first)
        }));
        Ok(Self { service: SampleService::serve(app).await?, seen })
    }

    /// The value of a header in each request so far; absent ones are empty.
    fn got(&self, name: &str) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        let value = |headers: &HeaderMap| {
            let values: Vec<_> = headers.get_all(name).into_iter().collect();
            assert!(values.len() < 2, "{name}: {values:?}");
            values.first().map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
        };
        seen.iter().map(value).collect()
    }
}

fn answer(path: &str, first: bool) -> Response {
    match path {
        "/traced/flaky" if first => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        "/traced/redirect" => {
            (StatusCode::FOUND, [("location", "http://gateway/traced/ok")]).into_response()
        }
        _ => "ok".into_response(),
    }
}

/// A rig with a route to the service; `tracer` turns Envoy's own OpenTelemetry tracer on.
async fn rig(options: &[(&str, Value)], tracer: bool) -> (Rig, Service, Service) {
    let (service, backend) = (Service::start().await.unwrap(), Service::start().await.unwrap());
    let rig = Rig::start_with(options, |envoy| {
        install(envoy, &service, &backend)?;
        if tracer {
            trace_with_opentelemetry(envoy)?;
        }
        Ok(())
    })
    .await
    .unwrap();
    (rig, service, backend)
}

fn install(envoy: &mut EnvoyOptions, service: &Service, backend: &Service) -> Result<()> {
    let config = &mut envoy.config;
    config.add_cluster("traced", service.service.address())?;
    config.add_cluster("tracer", backend.service.address())?;
    let route = json!({"name": "traced", "match": {"prefix": "/traced"}, "route": {
        "cluster": "traced", "timeout": "5s",
        "retry_policy": {"retry_on": "5xx", "num_retries": 1},
        "internal_redirect_policy": {"max_internal_redirects": 1, "allow_cross_scheme_redirect": true},
    }});
    config.routes()?.insert(0, route);
    Ok(())
}

fn trace_with_opentelemetry(envoy: &mut EnvoyOptions) -> Result<()> {
    envoy.config.connection_manager()?["tracing"] = json!({
        "random_sampling": {"value": 100.0},
        "provider": {"name": "envoy.tracers.opentelemetry", "typed_config": {
            "@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
            "service_name": "gateway",
            "http_service": {"http_uri": {
                "uri": "http://tracer/v1/traces", "cluster": "tracer", "timeout": "1s",
            }},
        }},
    });
    Ok(())
}

fn on() -> Vec<(&'static str, Value)> {
    vec![("/trace", json!({"propagate": true}))]
}

/// Trace id, span id and flags of a `traceparent`.
fn parts(traceparent: &str) -> [&str; 3] {
    let parts: Vec<_> = traceparent.split('-').collect();
    let ["00", trace, span, flags] = parts.as_slice() else { panic!("{traceparent:?}") };
    [trace, span, flags]
}

#[tokio::test]
async fn a_service_is_a_child_of_the_record() {
    let (rig, service, _) = rig(&on(), false).await;
    let sent = [("traceparent", SENT), ("tracestate", "a=1"), ("x-correlation-id", "continued")];
    rig.get("/traced/ok", &sent).await;
    let record = rig.record("continued").await;
    let got = service.got("traceparent").remove(0);
    let [trace, span, flags] = parts(&got);
    assert_eq!((trace, flags), (TRACE, "01"));
    assert_eq!(service.got("tracestate"), ["a=1"]);
    assert_eq!(record["trace"]["trace_id"], TRACE);
    assert_eq!(record["trace"]["span_id"], span);
    assert_eq!(record["trace"]["parent_span_id"], CALLER);

    let reply = rig.get("/traced/ok", &[("traceparent", "00-bad"), ("tracestate", "a=1")]).await;
    let got = service.got("traceparent").remove(1);
    let [trace, span, flags] = parts(&got);
    assert_eq!(reply.header("x-correlation-id"), trace);
    assert_eq!((flags, service.got("tracestate").remove(1).as_str()), ("01", ""));
    assert_eq!(service.got("x-correlation-id").remove(1), trace);
    let record = rig.record(trace).await;
    assert_eq!(record["trace"]["trace_id"], trace);
    assert_eq!(record["trace"]["span_id"], span);
    assert_eq!(record["trace"].get("parent_span_id"), None);
}

#[tokio::test]
async fn a_trace_of_a_client_that_is_not_trusted_ends_at_the_gateway() {
    let trust = json!({"propagate": true, "trust": ["192.0.2.0/24"], "sampled": false});
    let (rig, service, _) = rig(&[("/trace", trust)], false).await;
    // Twice, which Envoy would leave partly in place.
    let sent = [("traceparent", SENT), ("traceparent", SENT), ("tracestate", "a=1")];
    for headers in [&sent[1..], &sent] {
        let reply = rig.get("/traced/ok", headers).await;
        let got = service.got("traceparent").pop().unwrap();
        let [trace, _, flags] = parts(&got);
        assert_ne!(trace, TRACE);
        assert_eq!((flags, reply.header("x-correlation-id")), ("00", trace));
    }
    assert_eq!(service.got("tracestate"), ["", ""]);
}

#[tokio::test]
async fn a_retry_has_the_same_span_and_a_redirect_one_below_it() {
    let (rig, service, _) = rig(&on(), false).await;
    rig.get("/traced/flaky", &[("x-correlation-id", "retried")]).await;
    let record = rig.record("retried").await;
    assert_eq!(record["http"]["attempts"], 2);
    let got = service.got("traceparent");
    assert_eq!((got.len(), &got[0]), (2, &got[1]));
    assert_eq!(record["trace"]["span_id"], parts(&got[0])[1]);

    rig.get("/traced/redirect", &[("x-correlation-id", "redirected")]).await;
    let of = async |path: &str| {
        let wanted = |record: &Value| {
            record["context"]["correlation_id"] == "redirected" && record["http"]["path"] == path
        };
        rig.record_where(path, wanted).await["trace"].take()
    };
    let (first, second) = (of("/traced/redirect").await, of("/traced/ok").await);
    let got = service.got("traceparent");
    let ([trace, span, _], [again, below, _]) = (parts(&got[2]), parts(&got[3]));
    assert_eq!(
        (trace, &first["trace_id"], &second["trace_id"]),
        (again, &json!(trace), &json!(trace))
    );
    assert_eq!((&first["span_id"], first.get("parent_span_id")), (&json!(span), None));
    assert_eq!((&second["span_id"], &second["parent_span_id"]), (&json!(below), &json!(span)));
    assert_ne!(span, below);
}

/// What docs/configuration.md says about Envoy's own tracer, which writes the header after the filter.
#[tokio::test]
async fn with_envoys_own_tracer_a_service_is_a_child_of_its_span_which_is_the_records() {
    let (rig, service, backend) = rig(&on(), true).await;
    let sent = [("traceparent", SENT), ("tracestate", "a=1"), ("x-correlation-id", "continued")];
    rig.get("/traced/ok", &sent).await;
    let trace = rig.record("continued").await["trace"].take();
    let got = service.got("traceparent").remove(0);
    assert_eq!((&trace["trace_id"], parts(&got)[0]), (&json!(TRACE), TRACE));
    assert_eq!(trace["span_id"], parts(&got)[1]);
    assert_eq!(trace["parent_span_id"], CALLER);
    assert_eq!(service.got("tracestate"), ["a=1"]);

    // A trace that begins here is the tracer's: the filter's own id names only the flow.
    let reply = rig.get("/traced/ok", &[]).await;
    let flow = reply.header("x-correlation-id").to_owned();
    let trace = rig.record(&flow).await["trace"].take();
    let got = service.got("traceparent").remove(1);
    assert_eq!(
        (&trace["trace_id"], &trace["span_id"]),
        (&json!(parts(&got)[0]), &json!(parts(&got)[1]))
    );
    assert_ne!(flow, parts(&got)[0]);
    assert_eq!(service.got("x-correlation-id"), ["continued", &flow]);

    rig.get("/traced/redirect", &[("x-correlation-id", "redirected")]).await;
    let of = async |path: &str| {
        let wanted = |record: &Value| {
            record["context"]["correlation_id"] == "redirected" && record["http"]["path"] == path
        };
        rig.record_where(path, wanted).await["trace"].take()
    };
    let (first, second) = (of("/traced/redirect").await, of("/traced/ok").await);
    let got = service.got("traceparent");
    assert_eq!(first["span_id"], parts(&got[2])[1]);
    assert_eq!(
        (&second["span_id"], &second["parent_span_id"]),
        (&json!(parts(&got[3])[1]), &first["span_id"])
    );

    eventually("spans of the tracer", PATIENCE, async || {
        ensure!(!backend.seen.lock().unwrap().is_empty(), "none yet");
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn without_propagation_envoys_tracer_and_the_record_share_the_clients_trace_only() {
    for tracer in [false, true] {
        let (rig, service, _) = rig(&[], tracer).await;
        let sent = [("traceparent", SENT), ("tracestate", "a=1"), ("x-correlation-id", "sent")];
        rig.get("/traced/ok", &sent).await;
        let trace = rig.record("sent").await["trace"].take();
        assert_eq!((&trace["trace_id"], &trace["parent_span_id"]), (&json!(TRACE), &json!(CALLER)));
        assert_eq!(trace.get("span_id"), None);
        let got = service.got("traceparent").remove(0);
        assert_eq!(got == SENT, !tracer, "{got}");
        assert_eq!(parts(&got)[0], TRACE);

        rig.get("/traced/ok", &[("x-correlation-id", "none")]).await;
        let trace = rig.record("none").await["trace"].take();
        assert_eq!(trace.get("trace_id"), None);
        assert_eq!(service.got("traceparent").remove(1).is_empty(), !tracer);
    }
}
