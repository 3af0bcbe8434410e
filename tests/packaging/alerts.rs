//! The alert rules, against the metrics of a running collector and a running Envoy.

use std::collections::BTreeSet;
use std::process::Command;

use axum::http::Method;
use gatelog_testkit::{Client, Gateway, checkout, yaml_documents};
use serde_json::Value;

use crate::program::read;

const FILE: &str = "packaging/alerts.yaml";

fn rules() -> Vec<Value> {
    let file = yaml_documents(FILE).unwrap().remove(0);
    let groups = file["groups"].as_array().unwrap();
    groups.iter().flat_map(|group| group["rules"].as_array().unwrap()).cloned().collect()
}

/// The names of metrics in an expression; what is optional in a name is left out.
fn metrics(expression: &str) -> Vec<String> {
    let expression = expression.replace("(.+_)?", "");
    let words = expression.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let named = words.filter(|word| word.starts_with("gatelog_") || word.starts_with("envoy_"));
    named.map(str::to_owned).collect()
}

/// The names at the beginnings of lines: of samples, not of types, which lack a counter's ending.
fn samples(exposition: &str) -> BTreeSet<&str> {
    let lines = exposition.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split(['{', ' ']).next()).collect()
}

#[tokio::test]
async fn every_alert_asks_for_metrics_that_exist() {
    let gateway = Gateway::start().await.unwrap();
    let client = Client::default();
    let (collector, admin) = (gateway.collector.address(), gateway.envoy.admin());
    // Answers by status exist once there is an answer.
    let ndjson: [(&str, &[u8]); 1] = [("content-type", b"application/x-ndjson")];
    client.send(collector, Method::POST, "/v1/records", &ndjson, "no record\n").await.unwrap();

    let of_collector = gateway.collector.get("/metrics").await.unwrap().text();
    let of_envoy = client.get(admin, "/stats/prometheus").await.unwrap().text();
    let known: BTreeSet<_> = samples(&of_collector).union(&samples(&of_envoy)).copied().collect();
    for rule in rules() {
        let expression = rule["expr"].as_str().unwrap();
        assert!(!metrics(expression).is_empty(), "{rule:#}");
        for metric in metrics(expression) {
            assert!(known.contains(metric.as_str()), "{}: no metric {metric}", rule["alert"]);
        }
    }
}

#[test]
fn every_alert_is_explained_and_has_a_severity() {
    let page = read("docs/operations.md");
    let mut names = BTreeSet::new();
    for rule in rules() {
        let name = rule["alert"].as_str().unwrap().to_owned();
        assert!(page.contains(&format!("| `{name}` |")), "docs/operations.md lacks {name}");
        let severity = rule["labels"]["severity"].as_str().unwrap();
        assert!(["warning", "critical"].contains(&severity), "{name}: {severity}");
        for annotation in ["summary", "description"] {
            assert!(rule["annotations"][annotation].is_string(), "{name} has no {annotation}");
        }
        assert!(names.insert(name.clone()), "{name} is there twice");
    }
    let explained =
        page.lines().filter_map(|line| line.strip_prefix("| `Gatelog")?.split('`').next());
    for name in explained {
        assert!(names.contains(&format!("Gatelog{name}")), "no alert Gatelog{name}");
    }
}

#[test]
fn prometheus_takes_the_rules() {
    let mut promtool = Command::new("promtool");
    let Ok(checked) = promtool.args(["check", "rules"]).arg(checkout().join(FILE)).output() else {
        eprintln!("not checked: promtool is not installed (Debian: prometheus)");
        return;
    };
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}
