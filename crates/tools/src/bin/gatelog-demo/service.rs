//! The checks of the service that logs with gatelog-tracing.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use gatelog_testkit::{Gateway, eventually};
use mongodb::bson::doc;
use serde_json::Value;

use crate::traffic::{ORGANIZATION, PATIENCE, Traffic};

/// The service that logs with gatelog-tracing.
const SERVICE: &str = "conversations";

/// What the service says about the requests of the flow.
const MESSAGES: [&str; 4] =
    ["conversation read", "counted as read", "message sent", "export finished"];

/// The service's records have the flow's ids; its error has its causes, and the ids of the request that failed.
pub(crate) async fn joins_the_flow(gateway: &Gateway, traffic: &Traffic) -> Result<()> {
    eventually("the service's records are stored", PATIENCE, async || {
        let own = doc! {
            "context.correlation_id": &traffic.correlation_id,
            "context.organization_id": ORGANIZATION,
            "source.gateway": SERVICE,
        };
        let records = gateway.database.find("info_logs", own.clone()).await?;
        let said: BTreeSet<&str> =
            records.iter().filter_map(|record| record.get_str("message").ok()).collect();
        ensure!(said == BTreeSet::from(MESSAGES), "it said {said:?}");

        let failed = traffic.sent.iter().find(|sent| sent.step.status == 500);
        let request = failed.context("no request failed")?.reply.header("x-request-id").to_owned();
        let errors = gateway.database.find("error_logs", own).await?;
        let [error] = errors.as_slice() else { anyhow::bail!("{} errors", errors.len()) };
        let id = error.get_document("context")?.get_str("request_id")?;
        ensure!(id == request, "the error has request id {id:?}, not {request:?}");
        let error = error.get_document("error")?;
        ensure!(error.get_str("type")? == "ModelUnavailable", "{error}");
        let stack = error.get_array("stack_trace")?;
        let first = stack.first().and_then(|line| line.as_str()).unwrap_or_default();
        ensure!(first.starts_with("caused by: "), "{error}");
        Ok(())
    })
    .await?;
    let lines = gateway.example.as_ref().context("the example does not run")?.lines()?;
    ensure!(!lines.iter().any(|line| line.contains("s3cret")), "a secret stands in a record");
    Ok(())
}

/// The collector accounts for the service as for a gateway.
pub(crate) async fn is_accounted_for(gateway: &Gateway) -> Result<()> {
    eventually("the service's account adds up", PATIENCE, async || {
        let accounting = gateway.collector.accounting().await?;
        let boots = accounting.get("boots").and_then(Value::as_array).context("no boots")?;
        let own = boots
            .iter()
            .find(|boot| boot.get("gateway").is_some_and(|name| name == SERVICE))
            .context("no such boot")?;
        let term = |name: &str| own.get(name).and_then(Value::as_u64).unwrap_or_default();
        ensure!(term("assigned") > 0 && term("assigned") == term("stored"), "{own:#}");
        ensure!(term("missing") == 0, "{own:#}");
        Ok(())
    })
    .await
}
