//! An Envoy with the shipped filter, a sink, and upstreams that misbehave.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::http::Method;
use gatelog_testkit::{
    Client, Envoy, EnvoyConfig, EnvoyOptions, Reply, SampleService, Sink, eventually,
    unreachable_address,
};
use serde_json::{Value, json};
use tokio::net::TcpSocket;

use crate::shell::SHELL;
use crate::upstream::{self, RawUpstream};

/// Maximum time until a record appears.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Rig {
    pub(crate) envoy: Envoy,
    pub(crate) sink: Sink,
    pub(crate) client: Client,
    pub(crate) config: EnvoyConfig,
    _upstreams: (RawUpstream, SampleService, TcpSocket),
}

impl Rig {
    pub(crate) async fn start(options: &[(&str, Value)]) -> Rig {
        Self::start_with(options, |_| Ok(())).await.unwrap()
    }

    /// With options of the filter and further changes to Envoy's configuration.
    pub(crate) async fn start_with(
        options: &[(&str, Value)],
        change: impl FnOnce(&mut EnvoyOptions) -> Result<()>,
    ) -> Result<Rig> {
        let sink = Sink::start().await?;
        let raw = RawUpstream::start().await?;
        let grpc = upstream::grpc().await?;
        let (dead, dead_socket) = unreachable_address()?;
        let mut config = EnvoyConfig::built(SHELL)?;
        config.cluster_at("gatelog_collector", sink.address())?;
        config.add_cluster("raw", raw.address())?;
        config.add_cluster("grpc", grpc.address())?;
        config.cluster("grpc")?["typed_extension_protocol_options"] = json!({
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        });
        config.add_cluster("dead", dead)?;
        config.add_cluster("empty", dead)?;
        config.cluster("empty")?["load_assignment"]["endpoints"] = json!([]);
        *config.routes()? = routes();
        config.connection_manager()?["route_config"]["virtual_hosts"][0]["include_request_attempt_count"] =
            json!(true);
        config.connection_manager()?["upgrade_configs"] = json!([{"upgrade_type": "websocket"}]);
        config.filter_options(options)?;
        let mut options = EnvoyOptions::new(config);
        change(&mut options)?;
        let mut config = options.config.clone();
        let envoy = Envoy::start(options).await?;
        config.listen_on(envoy.address())?;
        let client = Client::default();
        Ok(Rig { envoy, sink, client, config, _upstreams: (raw, grpc, dead_socket) })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.envoy.address()
    }

    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        self.send(Method::GET, path, headers).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Reply {
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        self.client.send(self.address(), method, path, &headers, "").await.unwrap()
    }

    /// The only record of a flow, from the journal, once it is there.
    pub(crate) async fn record(&self, correlation_id: &str) -> Value {
        self.record_where(correlation_id, |record| {
            record["context"]["correlation_id"] == correlation_id
        })
        .await
    }

    /// The only record that `wanted` matches, from the journal, once it is there.
    pub(crate) async fn record_where(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        eventually(&format!("the record of {what}"), PATIENCE, async || {
            let records = self.envoy.journal().records()?;
            let mut found = records.into_iter().filter(|record| wanted(record));
            let record = found.next().context("not there yet")?;
            assert!(found.next().is_none(), "{what} has two records");
            anyhow::Ok(record)
        })
        .await
        .unwrap_or_else(|error| panic!("{error:#}\n{}", self.envoy.log()))
    }
}

fn routes() -> Vec<Value> {
    let to = |name: &str, extra: Value| {
        let mut action = json!({"cluster": name, "timeout": "5s"});
        if let (Some(action), Some(extra)) = (action.as_object_mut(), extra.as_object()) {
            action.extend(extra.clone());
        }
        action
    };
    vec![
        json!({"name": "direct", "match": {"prefix": "/direct"}, "direct_response": {"status": 200}}),
        json!({"name": "health", "match": {"path": "/healthz"}, "direct_response": {"status": 200}}),
        json!({"name": "dead", "match": {"prefix": "/dead"}, "route": to("dead", json!({}))}),
        json!({"name": "empty", "match": {"prefix": "/empty"}, "route": to("empty", json!({}))}),
        json!({"name": "nowhere", "match": {"prefix": "/nowhere"}, "route": {"cluster_header": "x-cluster"}}),
        json!({"name": "impatient", "match": {"prefix": "/impatient"}, "route": to("raw", json!({"timeout": "0.2s"}))}),
        json!({"name": "idle", "match": {"prefix": "/idle"}, "route": to("raw", json!({"idle_timeout": "0.2s", "timeout": "0s"}))}),
        json!({"name": "retried", "match": {"prefix": "/retried"}, "route": to("raw", json!({
            "retry_policy": {"retry_on": "5xx,reset", "num_retries": 1},
        })), "request_headers_to_add": []}),
        json!({"name": "redirected", "match": {"prefix": "/redirected"}, "route": to("raw", json!({
            "internal_redirect_policy": {"max_internal_redirects": 1, "allow_cross_scheme_redirect": true},
        }))}),
        json!({"name": "grpc", "match": {"prefix": "/grpc.Test"}, "route": to("grpc", json!({}))}),
        json!({"name": "grpc-dead", "match": {"prefix": "/grpc.Dead"}, "route": to("dead", json!({}))}),
        json!({"name": "raw", "match": {"prefix": "/raw"}, "route": to("raw", json!({}))}),
    ]
}

/// Whether `whole` contains everything in `part`.
pub(crate) fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            part.iter().all(|(key, value)| contains(whole.get(key).unwrap_or(&Value::Null), value))
        }
        _ => whole == part,
    }
}
