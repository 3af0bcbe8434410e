//! The conditions that must hold after the traffic, each as a named check.

use std::collections::BTreeSet;
use std::process::Output;

use anyhow::{Context, Result, bail, ensure};
use gatelog_record::Level;
use gatelog_testkit::{Console, Gateway, eventually};
use mongodb::bson::{Document, doc};
use serde_json::Value;

use crate::step::Sent;
use crate::traffic::{ORGANIZATION, PATIENCE, Traffic};
use crate::{console, service};

/// The collection of a level; flows and the audit trail have separate collections.
pub(crate) fn collection(level: Level) -> String {
    format!("{}_logs", level.as_str().to_lowercase())
}

/// A check and its result.
pub(crate) struct Outcome {
    pub(crate) name: &'static str,
    pub(crate) result: Result<()>,
}

/// Runs every check, regardless of the others' results.
pub(crate) async fn run(gateway: &Gateway, shown: &Console, traffic: &Traffic) -> Vec<Outcome> {
    let mut outcomes = vec![
        Outcome { name: "every response has the expected status", result: statuses(traffic) },
        Outcome { name: "every response carries both ids", result: ids(traffic) },
    ];
    let stored = stored(gateway, traffic).await;
    outcomes
        .push(Outcome { name: "every record is in the collection of its level", result: stored });
    outcomes.push(Outcome {
        name: "stdout has the same records, one JSON line each",
        result: journal(gateway, traffic).await,
    });
    outcomes.push(Outcome {
        name: "one correlation id spans both services, tenant included",
        result: flow(gateway, traffic).await,
    });
    outcomes.push(Outcome {
        name: "a service's own records, an error with its stack among them, are in that flow",
        result: service::joins_the_flow(gateway, traffic).await,
    });
    outcomes.push(Outcome {
        name: "the service's records are numbered, and none is missing",
        result: service::is_accounted_for(gateway).await,
    });
    outcomes.push(Outcome { name: "the flow prints as a tree", result: tree(gateway, traffic) });
    outcomes.push(Outcome {
        name: "the console's link signs in once, a search finds the failed request, and its flow is whole",
        result: console::shows_the_failed_request(shown, traffic).await,
    });
    outcomes.push(Outcome { name: "the health check left no record", result: health(gateway) });
    outcomes.push(Outcome { name: "no secret reached the log", result: secrets(gateway) });
    outcomes
        .push(Outcome { name: "the filter never had to reload", result: reloads(gateway).await });
    outcomes
}

/// The documents of this run.
pub(crate) fn of_this_run(traffic: &Traffic) -> Document {
    doc! { "timestamp": { "$gte": &traffic.since } }
}

/// Those of the gateway.
fn of_the_gateway(traffic: &Traffic) -> Document {
    doc! { "timestamp": { "$gte": &traffic.since }, "logger_name": { "$regex": "^gateway\\." } }
}

fn statuses(traffic: &Traffic) -> Result<()> {
    for Sent { step, reply } in &traffic.sent {
        let got = reply.status.as_u16();
        ensure!(got == step.status, "{} {}: {got}, not {}", step.method, step.path, step.status);
    }
    Ok(())
}

fn ids(traffic: &Traffic) -> Result<()> {
    let mut seen = BTreeSet::new();
    for Sent { step, reply } in &traffic.sent {
        let (request, flow) = (reply.header("x-request-id"), reply.header("x-correlation-id"));
        ensure!(
            !request.is_empty() && !flow.is_empty(),
            "{} {}: an id is missing",
            step.method,
            step.path
        );
        ensure!(seen.insert(request), "{request} was given twice");
        let wanted = if step.in_flow { traffic.correlation_id.as_str() } else { request };
        ensure!(
            flow == wanted,
            "{} {}: x-correlation-id {flow:?}, not {wanted:?}",
            step.method,
            step.path
        );
    }
    Ok(())
}

async fn stored(gateway: &Gateway, traffic: &Traffic) -> Result<()> {
    let count =
        async |collection: &str| gateway.database.count(collection, of_the_gateway(traffic)).await;
    eventually("all records are stored", PATIENCE, async || {
        for level in Level::ALL.into_iter().filter(|level| *level > Level::Debug) {
            let (name, wanted) = (collection(level), traffic.expected(level));
            let got = count(&name).await?;
            ensure!(got == wanted, "{got} records in {name}, not {wanted}");
        }
        let (got, wanted) = (count("trace_logs").await?, traffic.expected_in_all());
        ensure!(got == wanted, "{got} records in trace_logs, not {wanted}");
        let (audited, wanted) = (count("audit_logs").await?, traffic.expected_audits());
        ensure!(audited == wanted, "{audited} records in audit_logs, not {wanted}");
        Ok(())
    })
    .await
}

async fn journal(gateway: &Gateway, traffic: &Traffic) -> Result<()> {
    eventually("all lines are printed", PATIENCE, async || {
        let records = gateway.envoy.journal().records()?;
        let kept = records.iter().filter(|record| record["level"] != "DEBUG").count();
        let wanted = traffic.expected_in_all();
        ensure!(u64::try_from(kept)? == wanted, "{kept} lines, not {wanted}");
        Ok(())
    })
    .await
}

async fn flow(gateway: &Gateway, traffic: &Traffic) -> Result<()> {
    let mut filter = of_the_gateway(traffic);
    filter.insert("context.correlation_id", &traffic.correlation_id);
    let records = gateway.database.find("info_logs", filter).await?;
    let functions: BTreeSet<&str> =
        records.iter().filter_map(|record| record.get_str("function_name").ok()).collect();
    ensure!(functions == BTreeSet::from(["conversations", "messages"]), "routes: {functions:?}");
    for record in &records {
        let organization = record.get_document("context")?.get_str("organization_id")?;
        ensure!(organization == ORGANIZATION, "organization_id {organization:?}");
    }
    Ok(())
}

/// What `gatelog-collector trace` prints for the flow.
pub(crate) fn trace(gateway: &Gateway, traffic: &Traffic) -> Result<String> {
    let Output { status, stdout, stderr } =
        gateway.collector.command(&["trace", &traffic.correlation_id])?.output()?;
    ensure!(status.success(), "{status}: {}", String::from_utf8_lossy(&stderr));
    Ok(String::from_utf8(stdout)?)
}

fn tree(gateway: &Gateway, traffic: &Traffic) -> Result<()> {
    let tree = trace(gateway, traffic)?;
    for sent in traffic.sent.iter().filter(|sent| sent.step.in_flow) {
        let path = sent.step.path.split('?').next().unwrap_or_default();
        ensure!(tree.contains(path), "{path} is not in it:\n{tree}");
    }
    for part in ["/api/v1/messages", "conversation read"] {
        ensure!(tree.contains(part), "{part} is not in it:\n{tree}");
    }
    Ok(())
}

fn records(gateway: &Gateway) -> Result<Vec<Value>> {
    let records = gateway.envoy.journal().records()?;
    ensure!(!records.is_empty(), "there are no records at all");
    Ok(records)
}

fn path(record: &Value) -> Option<&str> {
    record.pointer("/http/path").and_then(Value::as_str)
}

fn health(gateway: &Gateway) -> Result<()> {
    let health = records(gateway)?.into_iter().find(|record| path(record) == Some("/healthz"));
    if let Some(record) = health {
        bail!("it left {record}");
    }
    Ok(())
}

fn secrets(gateway: &Gateway) -> Result<()> {
    let lines = gateway.envoy.journal().lines()?;
    let redacted = lines.iter().find(|line| line.contains("token="));
    redacted.context("the query with a token is in no record")?;
    ensure!(!lines.iter().any(|line| line.contains("s3cret")), "the token stands in a record");
    Ok(())
}

async fn reloads(gateway: &Gateway) -> Result<()> {
    let reloads = gateway.envoy.reloads().await?;
    ensure!(reloads == 0, "{reloads} times:\n{}", gateway.envoy.log());
    Ok(())
}
