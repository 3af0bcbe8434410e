//! The Envoy configuration that Istio and Envoy Gateway generate from the files for them, on a real
//! Envoy: the filter and its environment as those control planes build them (docs/support.md), in
//! front of a collector that requires a token.

use std::process::Command;

use axum::Router;
use gatelog_testkit::{
    Client, Collector, CollectorOptions, Database, Envoy, EnvoyConfig, EnvoyOptions, Reply,
    SampleService, eventually, filter_path, unreachable_address, yaml_documents,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::stored::{PATIENCE, at, exactly};

const TOKEN: &str = "a-token-of-more-than-16";
const STRING: &str = "type.googleapis.com/google.protobuf.StringValue";
const WASM: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
const PATH: &str = "/api/v1/conversations/conv_1";

/// A gateway whose filter comes from a control plane, and what it logs to.
struct System {
    envoy: Envoy,
    database: Database,
    _collector: Collector,
    _services: Vec<SampleService>,
    _directory: TempDir,
}

impl System {
    async fn get(&self, path: &str) -> Reply {
        Client::default().get(self.envoy.address(), path).await.unwrap()
    }
}

/// The parts that a test chooses.
struct Choice {
    /// Whether the pods carry `GATELOG_TOKEN`.
    token: bool,
    /// Whether the module can be fetched.
    module: bool,
    failure_policy: &'static str,
}

const SHIPPED: Choice = Choice { token: true, module: true, failure_policy: "FAIL_OPEN" };

/// Starts a gateway; `install` puts the filter in.
async fn start(
    choice: &Choice,
    cluster: &str,
    expression: &Value,
    install: impl FnOnce(&mut EnvoyConfig, &TempDir),
    mut services: Vec<SampleService>,
) -> System {
    let directory = tempfile::tempdir().unwrap();
    let tokens = directory.path().join("tokens");
    std::fs::write(&tokens, TOKEN).unwrap();
    let tokens = tokens.to_str().unwrap().to_owned();
    let environment = vec![("GATELOG_TOKENS_FILE".to_owned(), tokens)];
    let database = Database::fresh().await.unwrap();
    let collector = Collector::start(&database, CollectorOptions { environment }).await.unwrap();
    let service = SampleService::echo().await.unwrap();

    let mut config = EnvoyConfig::shipped().unwrap();
    config.cluster_at("conversations", service.address()).unwrap();
    if cluster == "gatelog_collector" {
        config.cluster_at(cluster, collector.address()).unwrap();
    } else {
        config.add_cluster(cluster, collector.address()).unwrap();
    }
    let manager = config.connection_manager().unwrap();
    let filter = "/access_log/0/filter/extension_filter/typed_config/expression";
    *manager.pointer_mut(filter).unwrap() = expression.clone();
    install(&mut config, &directory);
    let mut options = EnvoyOptions::new(config);
    if choice.token {
        options.environment = vec![("GATELOG_TOKEN".to_owned(), TOKEN.to_owned())];
    }
    let envoy = Envoy::start(options).await.unwrap();
    services.push(service);
    System { envoy, database, _collector: collector, _services: services, _directory: directory }
}

fn find(documents: &[Value], kind: &str) -> Value {
    let found = documents.iter().find(|document| document["kind"] == kind);
    found.unwrap_or_else(|| panic!("no {kind}")).clone()
}

/// Istio: the filter's configuration comes by discovery; the agent has fetched the module; variables
/// are the pod's (`HOST`) or in the file.
async fn istio(plugin: &Value, phase: &Value, telemetry: &Value, choice: &Choice) -> System {
    assert_eq!(phase["phase"], "AUTHN");
    let mut hosts = Vec::new();
    let mut inline = json!({});
    for variable in plugin["vmConfig"]["env"].as_array().unwrap() {
        if variable["valueFrom"] == "HOST" {
            hosts.push(variable["name"].clone());
        } else {
            inline[variable["name"].as_str().unwrap()] = variable["value"].clone();
        }
    }
    let name = "istio-ingress.gatelog";
    let filter = json!({ "@type": WASM, "config": {
        "name": name,
        "root_id": plugin["pluginName"],
        "failure_policy": choice.failure_policy,
        "vm_config": {
            "runtime": "envoy.wasm.runtime.v8",
            "code": { "local": { "filename": filter_path().unwrap() } },
            "environment_variables": { "host_env_keys": hosts, "key_values": inline },
        },
        "configuration": { "@type": STRING, "value": plugin["pluginConfig"].to_string() },
    } });
    let install = |config: &mut EnvoyConfig, directory: &TempDir| {
        let file = directory.path().join("extension.json");
        let resource = json!({
            "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
            "name": name, "typed_config": filter,
        });
        std::fs::write(&file, json!({ "resources": [resource] }).to_string()).unwrap();
        *config.http_filter("gatelog").unwrap() = json!({ "name": name, "config_discovery": {
            // Istio's: Envoy waits for the filter before it listens.
            "config_source": {
                "path_config_source": { "path": file }, "initial_fetch_timeout": "0s"
            },
            "type_urls": [WASM],
        } });
    };
    let cluster = plugin["pluginConfig"]["delivery"]["cluster"].as_str().unwrap();
    let expression = &telemetry["spec"]["accessLogging"][0]["filter"]["expression"];
    start(choice, cluster, expression, install, Vec::new()).await
}

/// Envoy Gateway: the module comes over HTTP from the control plane, and the filter is disabled
/// except on the routes of the policy.
async fn envoy_gateway(choice: &Choice) -> System {
    let documents = yaml_documents("envoy/envoy-gateway.yaml").unwrap();
    let wasm = find(&documents, "EnvoyExtensionPolicy")["spec"]["wasm"][0].clone();
    let proxy = find(&documents, "EnvoyProxy");
    let module = filter_path().unwrap();
    let sum = Command::new("sha256sum").arg(&module).output().unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap();
    let sum = sum.split_whitespace().next().unwrap().to_owned();
    let bytes = std::fs::read(&module).unwrap();
    let server = SampleService::serve(Router::new().fallback(async move || bytes)).await.unwrap();
    let (nowhere, _socket) = unreachable_address().unwrap();
    let address = if choice.module { server.address() } else { nowhere };

    let name = "envoy.filters.http.wasm/envoyextensionpolicy/default/gatelog/wasm/0";
    let install = |config: &mut EnvoyConfig, _: &TempDir| {
        config.add_cluster("wasm_cluster", address).unwrap();
        *config.http_filter("gatelog").unwrap() = json!({
            "name": name,
            "disabled": true,
            "typed_config": { "@type": WASM, "config": {
                "name": wasm["name"],
                "root_id": wasm["rootID"],
                "fail_open": wasm["failOpen"],
                "vm_config": {
                    "vm_id": "envoyextensionpolicy/default/gatelog/wasm/0",
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": { "remote": {
                        "http_uri": {
                            "uri": "http://envoy-gateway/module", "cluster": "wasm_cluster",
                            "timeout": "10s"
                        },
                        "sha256": sum,
                    } },
                    "environment_variables": { "host_env_keys": wasm["env"]["hostKeys"] },
                },
                "configuration": { "@type": STRING, "value": wasm["config"].to_string() },
            } },
        });
        for route in config.routes().unwrap() {
            route["typed_per_filter_config"] = json!({ name: {
                "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "config": {},
            } });
        }
    };
    let cluster = wasm["config"]["delivery"]["cluster"].as_str().unwrap();
    let expression = &proxy["spec"]["telemetry"]["accessLog"]["settings"][0]["matches"][0];
    start(choice, cluster, expression, install, vec![server]).await
}

async fn istio_by(file: &str, choice: &Choice) -> System {
    let documents = yaml_documents(file).unwrap();
    let telemetry = find(&yaml_documents("envoy/istio-gateway.yaml").unwrap(), "Telemetry");
    if file == "envoy/istio.yaml" {
        let spec = &find(&documents, "WasmPlugin")["spec"];
        istio(spec, spec, &telemetry, choice).await
    } else {
        let spec = &find(&documents, "TrafficExtension")["spec"];
        istio(&spec["wasm"], spec, &telemetry, choice).await
    }
}

/// A request has its ids, its line on stdout, and its record behind the collector's token.
async fn assert_logged(system: &System) {
    let reply = system.get(PATH).await;
    assert_eq!(reply.status, 200);
    let stored = &exactly(&system.database, "info_logs", 1).await.unwrap()[0];
    assert_eq!(at(stored, "/context/request_id"), reply.header("x-request-id"), "{stored:#}");
    assert_eq!(at(stored, "/context/correlation_id"), reply.header("x-correlation-id"));
    eventually("the line is on stdout", PATIENCE, async || {
        let lines = system.envoy.journal().records()?.len();
        anyhow::ensure!(lines == 1, "{lines} lines");
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn istios_files_deliver_with_the_token_of_the_pods_environment() {
    for file in ["envoy/istio.yaml", "envoy/istio-traffic-extension.yaml"] {
        let system = istio_by(file, &SHIPPED).await;
        assert_logged(&system).await;
        // What the annotation of the pods asks Istio to keep, and the alert asks for.
        for stat in
            ["wasmcustom.gatelog.records_delivered", "wasm.istio-ingress.gatelog.vm_reload_success"]
        {
            let found = system.envoy.stats(stat).await.unwrap();
            assert_eq!(found.len(), 1, "{file}: {stat}: {found:?}");
        }
    }
}

#[tokio::test]
async fn istios_gateway_answers_500_while_the_filter_refuses_its_configuration() {
    for failure_policy in ["FAIL_OPEN", "FAIL_RELOAD"] {
        let choice = Choice { token: false, failure_policy, ..SHIPPED };
        let system = istio_by("envoy/istio.yaml", &choice).await;
        assert_eq!(system.get(PATH).await.status, 500, "{failure_policy}");
        let log = system.envoy.log();
        assert!(log.contains("\"GATELOG_TOKEN\" is not set"), "{log}");
    }
}

#[tokio::test]
async fn envoy_gateways_file_delivers_with_the_token_of_the_pods_environment() {
    let system = envoy_gateway(&SHIPPED).await;
    // The stated limit: no route, no filter, no record.
    let unrouted = system.get("/nowhere").await;
    assert_eq!(unrouted.status, 404);
    assert!(unrouted.header("x-correlation-id").is_empty());
    assert_logged(&system).await;
    exactly(&system.database, "warning_logs", 0).await.unwrap();
}

#[tokio::test]
async fn envoy_gateway_bypasses_a_filter_that_cannot_be_fetched_or_rejects_its_configuration() {
    for choice in [Choice { token: false, ..SHIPPED }, Choice { module: false, ..SHIPPED }] {
        let system = envoy_gateway(&choice).await;
        let reply = system.get(PATH).await;
        assert_eq!(reply.status, 200);
        assert!(reply.header("x-correlation-id").is_empty());
    }
}
