//! The files for Istio and Envoy Gateway, against the schemas of their custom resources (docs/support.md has the
//! releases). `tests/e2e/control_planes.rs` runs them on a real Envoy.

use gatelog_testkit::yaml_documents;
use serde_json::Value;

use crate::program::read;

const ISTIO: [&str; 2] = ["envoy/istio.yaml", "envoy/istio-traffic-extension.yaml"];
const ISTIO_GATEWAY: &str = "envoy/istio-gateway.yaml";
const ENVOY_GATEWAY: &str = "envoy/envoy-gateway.yaml";

fn document(file: &str, kind: &str) -> Value {
    let documents = yaml_documents(file).unwrap();
    let found = documents.into_iter().find(|document| document["kind"] == kind);
    found.unwrap_or_else(|| panic!("{file}: no {kind}"))
}

/// The plugin's specification and the part of it that names the module.
fn plugin(file: &str) -> (Value, Value) {
    if file == ISTIO[0] {
        let spec = document(file, "WasmPlugin")["spec"].clone();
        (spec.clone(), spec)
    } else {
        let spec = document(file, "TrafficExtension")["spec"].clone();
        let module = spec["wasm"].clone();
        (spec, module)
    }
}

#[test]
fn every_file_wires_the_collectors_token_or_says_what_to_put_in() {
    for file in ["envoy/envoy.yaml", "envoy/jwt.yaml", "envoy/filter.yaml"] {
        let text = read(file);
        assert!(text.contains("host_env_keys: [LOG_LEVEL, GATELOG_TOKEN]"), "{file}");
        let comments = text.lines().filter(|line| line.trim_start().starts_with('#'));
        let said: String = comments.collect();
        assert!(said.contains("\"token\": \"${GATELOG_TOKEN}\""), "{file}");
        assert!(said.contains("GATELOG_TOKENS_FILE answer 401"), "{file}");
    }
    let container = read("envoy/container.yaml");
    assert!(container.contains("\"token\": \"${GATELOG_TOKEN}\""));
    assert!(read("envoy/compose.yaml").contains("GATELOG_TOKEN: ${GATELOG_TOKEN:?"));

    for file in ISTIO {
        let (_, module) = plugin(file);
        assert_eq!(module["pluginConfig"]["delivery"]["token"], "${GATELOG_TOKEN}", "{file}");
        let variables = module["vmConfig"]["env"].as_array().unwrap();
        let token = variables.iter().find(|variable| variable["name"] == "GATELOG_TOKEN").unwrap();
        assert_eq!(token["valueFrom"], "HOST", "{file}");
        // Without the variable the filter would reject its configuration.
        assert!(read(file).contains("First apply istio-gateway.yaml"), "{file}");
        assert_eq!(yaml_documents(file).unwrap().len(), 1, "{file}: it comes last, and alone");
    }
    let overlay = document(ISTIO_GATEWAY, "ConfigMap")["data"]["deployment"].clone();
    for wanted in ["name: istio-proxy", "name: GATELOG_TOKEN", "key: gateway-token"] {
        assert!(overlay.as_str().unwrap().contains(wanted), "{ISTIO_GATEWAY}: {wanted}");
    }
    for file in [ISTIO_GATEWAY, ENVOY_GATEWAY] {
        assert!(read(file).contains("create secret generic gatelog --from-literal=gateway-token="));
    }
    let wasm = document(ENVOY_GATEWAY, "EnvoyExtensionPolicy")["spec"]["wasm"][0].clone();
    assert_eq!(wasm["config"]["delivery"]["token"], "${GATELOG_TOKEN}");
    let keys = wasm["env"]["hostKeys"].as_array().unwrap();
    let proxy = document(ENVOY_GATEWAY, "EnvoyProxy");
    let place = "/spec/provider/kubernetes/envoyDeployment/container/env";
    let given = proxy.pointer(place).unwrap().as_array().unwrap();
    for key in keys {
        assert!(given.iter().any(|variable| variable["name"] == *key), "{key}");
    }
    assert_eq!(given[0]["valueFrom"]["secretKeyRef"]["key"], "gateway-token");
}

#[test]
fn no_file_can_be_applied_before_the_module_url_is_filled_in() {
    for file in ISTIO {
        // A minimum length of one in the resource's schema.
        assert_eq!(plugin(file).1["url"], "", "{file}");
    }
    // Required, and null counts as absent; an empty text would be accepted.
    let wasm = &document(ENVOY_GATEWAY, "EnvoyExtensionPolicy")["spec"]["wasm"][0];
    assert_eq!(wasm["code"]["image"].get("url"), Some(&Value::Null));
    for file in ISTIO.iter().chain(&[ENVOY_GATEWAY, "envoy/kustomization.yaml"]) {
        assert!(!read(file).contains("example.com"), "{file}");
    }
}

#[test]
fn the_two_files_for_istio_say_the_same() {
    let [(_, of_old), (spec, of_new)] = ISTIO.map(plugin);
    for key in ["url", "pluginName", "failStrategy", "vmConfig", "pluginConfig", "imagePullPolicy"]
    {
        assert_eq!(of_old[key], of_new[key], "{key}");
    }
    for key in ["targetRefs", "phase", "priority"] {
        assert_eq!(of_old[key], spec[key], "{key}");
    }
    assert_eq!(of_old["failStrategy"], "FAIL_OPEN");
    // The first phase, and the first in it: the largest 32-bit integer.
    assert_eq!((&of_old["phase"], &of_old["priority"]), (&"AUTHN".into(), &i32::MAX.into()));
}

/// Envoy Gateway's default order of the filters that may come before a Wasm filter, and some after it.
const DEFAULT_ORDER: [&str; 18] = [
    "custom_response",
    "health_check",
    "fault",
    "cors",
    "csrf",
    "header_mutation",
    "ext_authz",
    "api_key_auth",
    "basic_auth",
    "oauth2",
    "jwt_authn",
    "stateful_session",
    "buffer",
    "lua",
    "ext_proc",
    "wasm",
    "rbac",
    "ratelimit",
];

/// A chain reordered by the entries of `filterOrder`: one after the other, each moves its
/// filter in front of another one, if that is in the chain.
fn ordered<'a>(mut chain: Vec<&'a str>, entries: &'a Value) -> Vec<&'a str> {
    let short =
        |name: &'a Value| name.as_str().unwrap().strip_prefix("envoy.filters.http.").unwrap();
    for entry in entries.as_array().unwrap() {
        let (name, before) = (short(&entry["name"]), short(&entry["before"]));
        assert!(DEFAULT_ORDER.contains(&before), "{before}");
        if chain.contains(&before) {
            chain.retain(|filter| *filter != name);
            let place = chain.iter().position(|filter| *filter == before).unwrap();
            chain.insert(place, name);
        }
    }
    chain
}

#[test]
fn in_envoy_gateway_the_filter_is_first_whatever_else_is_in_the_chain() {
    let proxy = document(ENVOY_GATEWAY, "EnvoyProxy");
    let entries = &proxy["spec"]["filterOrder"];
    assert_eq!(ordered(DEFAULT_ORDER.to_vec(), entries)[0], "wasm");
    // With any two others, and alone.
    for one in DEFAULT_ORDER {
        for other in DEFAULT_ORDER {
            let there = |filter: &&str| *filter == "wasm" || *filter == one || *filter == other;
            let chain: Vec<_> = DEFAULT_ORDER.into_iter().filter(there).collect();
            assert_eq!(ordered(chain, entries)[0], "wasm", "with {one} and {other}");
        }
    }
}

#[test]
fn envoy_gateways_policy_names_a_cluster_of_its_own_bootstrap() {
    let wasm = document(ENVOY_GATEWAY, "EnvoyExtensionPolicy")["spec"]["wasm"][0].clone();
    let proxy = document(ENVOY_GATEWAY, "EnvoyProxy");
    let bootstrap = proxy["spec"]["bootstrap"]["value"].as_str().unwrap();
    let cluster = wasm["config"]["delivery"]["cluster"].as_str().unwrap();
    assert!(bootstrap.contains(&format!("cluster_name: {cluster}")), "{bootstrap}");
    assert_eq!(wasm["failOpen"], true);
}
