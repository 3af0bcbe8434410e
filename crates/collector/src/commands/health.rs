//! `health`: asks a serving collector how it is, where there is no other program that could: in a
//! container of nothing else.

use std::time::Duration;

use clap::Args;
use hyper::{Method, StatusCode};

use super::Failure;
use super::target::TargetArgs;
use crate::config::Faults;
use gatelog_delivery::client::Client;

/// Longest wait for the answer. Below what container engines and orchestrators commonly wait.
const PATIENCE: Duration = Duration::from_secs(4);

/// Whom to ask, and what.
#[derive(Args, Clone, Debug)]
pub struct HealthArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Ask whether it would take a batch (/readyz), not whether it lives (/healthz)
    #[arg(long)]
    ready: bool,
}

/// Prints the collector's answer.
///
/// # Errors
///
/// There is no answer, or it is another than 200.
pub async fn run(args: &HealthArgs) -> Result<(), Failure> {
    let mut client = Client::new(&args.target.with_token(None)).map_err(|error| {
        let mut faults = Faults::default();
        faults.add_rule(error);
        Failure::from(faults)
    })?;
    let path = if args.ready { "/readyz" } else { "/healthz" };
    let answer = tokio::time::timeout(PATIENCE, client.ask(Method::GET, path, None)).await;
    let failed = |text: String| Failure::failed(format!("{}: {text}", client.url()));
    let answer = answer
        .map_err(|_| failed(format!("no answer within {}s", PATIENCE.as_secs())))?
        .map_err(|error| failed(error.to_string()))?;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    if answer.status == StatusCode::OK {
        println!("{text}");
        Ok(())
    } else {
        Err(Failure::failed(text))
    }
}
