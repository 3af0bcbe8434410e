//! `envoy/compose.yaml`.

use std::collections::BTreeSet;

use gatelog_testkit::{EnvoyConfig, checkout, yaml_documents};
use serde_json::{Map, Value};

use crate::program::{COLLECTOR, CONSOLE, assert_pinned};

const FILE: &str = "envoy/compose.yaml";

fn compose() -> Value {
    yaml_documents(FILE).unwrap().remove(0)
}

fn services(file: &Value) -> &Map<String, Value> {
    file["services"].as_object().unwrap()
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().map(|item| item.as_str().unwrap()).collect()
}

#[test]
fn images_are_pinned_and_what_is_built_has_a_recipe() {
    for (name, service) in services(&compose()) {
        assert_pinned(service["image"].as_str().unwrap());
        if let Some(recipe) = service.pointer("/build/dockerfile") {
            assert!(checkout().join(recipe.as_str().unwrap()).is_file(), "{name}: {recipe}");
        }
    }
}

#[test]
fn every_service_is_confined() {
    for (name, service) in services(&compose()) {
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(strings(&service["cap_drop"]), ["ALL"], "{name}");
        assert_eq!(strings(&service["security_opt"]), ["no-new-privileges:true"], "{name}");
    }
}

#[test]
fn the_collector_is_set_by_variables_that_it_knows_and_writes_where_a_volume_is() {
    let file = compose();
    let collector = &services(&file)["collector"];
    let environment = collector["environment"].as_object().unwrap();
    COLLECTOR.assert_variables(FILE, environment.keys().map(String::as_str));
    assert_eq!(strings(&collector["volumes"]), ["spool:/var/lib/gatelog"]);
    assert!(file["volumes"].get("spool").is_some());
    let secret = strings(&collector["secrets"])[0];
    assert_eq!(environment["GATELOG_TOKENS_FILE"], format!("/run/secrets/{secret}"));
    assert!(file["secrets"].get(secret).is_some());
}

#[test]
fn the_console_is_set_by_variables_that_it_knows_and_reaches_what_they_name() {
    let file = compose();
    let console = &services(&file)["console"];
    let environment = console["environment"].as_object().unwrap();
    CONSOLE.assert_variables(FILE, environment.keys().map(String::as_str));
    assert_eq!(console.get("volumes"), None, "it writes nothing");
    for (variable, secret) in [
        ("GATELOG_CONSOLE_TOKENS_FILE", "viewers"),
        ("GATELOG_CONSOLE_COLLECTOR_TOKEN_FILE", "tokens"),
    ] {
        assert_eq!(environment[variable], format!("/run/secrets/{secret}"));
        assert!(strings(&console["secrets"]).contains(&secret), "{secret}");
        let path = file["secrets"][secret]["file"].as_str().unwrap().trim_start_matches("./");
        for ignored in [".gitignore", ".dockerignore"] {
            let text = std::fs::read_to_string(checkout().join(ignored)).unwrap();
            assert!(text.contains(&format!("envoy/{path}\n")), "{ignored}: envoy/{path}");
        }
    }
    let collector = &services(&file)["collector"];
    let shared = strings(&console["networks"]).into_iter();
    let shared: Vec<_> =
        shared.filter(|name| strings(&collector["networks"]).contains(name)).collect();
    assert_eq!(shared, ["inner"]);
    assert_eq!(environment["GATELOG_CONSOLE_COLLECTOR"], "http://collector:8686");
    // Reachable from this machine only: it has no TLS here.
    assert_eq!(strings(&console["ports"]), ["127.0.0.1:8687:8687"]);
}

#[test]
fn every_dependency_has_a_health_check() {
    let file = compose();
    for (name, service) in services(&file) {
        for awaited in service["depends_on"].as_object().into_iter().flatten().map(|(name, _)| name)
        {
            let own = services(&file)[awaited].get("healthcheck").is_some();
            // The collector's health check is in its image.
            assert!(own || awaited == "collector", "{name} waits for {awaited}");
        }
    }
}

#[test]
fn the_gateways_clusters_are_services_it_shares_a_network_with() {
    let file = compose();
    let mut config = EnvoyConfig::file("envoy/container.yaml").unwrap();
    let gateway = &services(&file)["gateway"];
    let networks: BTreeSet<_> = strings(&gateway["networks"]).into_iter().collect();
    for cluster in ["service", "gatelog_collector"] {
        let address = config
            .cluster(cluster)
            .unwrap()
            .pointer("/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address");
        let address = address.unwrap();
        let service = &services(&file)[address["address"].as_str().unwrap()];
        assert!(strings(&service["networks"]).iter().any(|name| networks.contains(name)));
    }
    let listener = config.at("/static_resources/listeners/0/address/socket_address").unwrap();
    let published = strings(&gateway["ports"])[0].rsplit(':').next().unwrap().to_owned();
    assert_eq!(listener["port_value"].to_string(), published);
}
