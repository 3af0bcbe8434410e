//! What the demo prints.

use anyhow::{Context, Result};
use gatelog_record::Level;
use gatelog_testkit::{Console, Gateway};
use mongodb::bson::doc;

use crate::checks::{self, Outcome};
use crate::heading::heading;
use crate::traffic::Traffic;

/// The ids, a record, the counts and a flow.
pub(crate) async fn everything(gateway: &Gateway, traffic: &Traffic) -> Result<()> {
    ids(traffic)?;
    record(gateway)?;
    counts(gateway, traffic).await?;
    heading(&format!("one flow: gatelog-collector trace {}", traffic.correlation_id));
    match checks::trace(gateway, traffic) {
        Ok(tree) => print!("{tree}"),
        Err(error) => println!("  not printed: {error:#}"),
    }
    Ok(())
}

fn ids(traffic: &Traffic) -> Result<()> {
    let sent = traffic.sent.first().context("nothing was sent")?;
    heading("the ids on a response");
    println!("  {} {}", sent.step.method, sent.step.path);
    for name in ["x-request-id", "x-correlation-id"] {
        println!("  {name}: {}", sent.reply.header(name));
    }
    Ok(())
}

fn record(gateway: &Gateway) -> Result<()> {
    let records = gateway.envoy.journal().records()?;
    let failed = records.iter().find(|record| record["level"] == "ERROR");
    if let Some(record) = failed.or(records.first()) {
        heading("one record, as it stands on stdout (there on one line) and in MongoDB");
        println!("{}", serde_json::to_string_pretty(record)?);
    }
    Ok(())
}

async fn counts(gateway: &Gateway, traffic: &Traffic) -> Result<()> {
    heading("records by collection");
    let levels = Level::ALL.into_iter().map(checks::collection);
    for name in levels.chain(["audit_logs", "trace_logs"].map(str::to_owned)) {
        let now = gateway.database.count(&name, checks::of_this_run(traffic)).await?;
        let ever = gateway.database.count(&name, doc! {}).await?;
        let older =
            if ever > now { format!("  ({ever} with earlier runs)") } else { String::new() };
        println!("  {name:<14} {now:>3}{older}");
    }
    Ok(())
}

/// Prints the checks; returns whether all of them passed.
pub(crate) fn checks(outcomes: &[Outcome]) -> bool {
    heading("checks");
    for Outcome { name, result } in outcomes {
        match result {
            Ok(()) => println!("  ok      {name}"),
            Err(error) => println!("  FAILED  {name}: {error:#}"),
        }
    }
    let failed = outcomes.iter().filter(|outcome| outcome.result.is_err()).count();
    println!("\n{} passed, {failed} failed", outcomes.len() - failed);
    failed == 0
}

pub(crate) fn hints(gateway: &Gateway, console: &Console) -> Result<()> {
    let at = gateway.address();
    heading("the console, in a browser; this link signs in once");
    println!("  {}", console.link()?);
    heading("it stays up until Ctrl-C, with visitors: try");
    println!("  curl -i -H 'x-organization-id: org_123' http://{at}/api/v1/conversations/conv_1");
    println!(
        "  tail -f {} | jq 'select(.level==\"ERROR\")'",
        gateway.envoy.journal().path().display()
    );
    println!("  mongosh {} --eval 'db.info_logs.countDocuments()'", shell_uri(gateway));
    println!("  curl http://{}/v1/accounting | jq", gateway.collector.address());
    println!("  curl -s http://{}/stats/prometheus | grep gatelog", gateway.envoy.admin());
    Ok(())
}

/// The argument for mongosh. A connection string from outside may contain a password: print only
/// the variable's name.
fn shell_uri(gateway: &Gateway) -> String {
    match std::env::var_os("MONGODB_URI") {
        Some(_) => format!("\"$MONGODB_URI\" (database {})", gateway.database.name()),
        None => format!("{}{}", gateway.database.uri(), gateway.database.name()),
    }
}
