//! `health`: asks a serving console whether it answers, where there is no other program that could: in a
//! container of nothing else.

use std::path::PathBuf;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use clap::Args;
use gatelog_collector::commands::Failure;
use gatelog_delivery::client::{Client, Target};

/// Longest wait for the answer. Below what container engines and orchestrators commonly wait.
const PATIENCE: Duration = Duration::from_secs(4);

/// Whom to ask.
#[derive(Args, Clone, Debug)]
pub struct HealthArgs {
    /// URL of the console
    #[arg(
        long,
        value_name = "URL",
        env = "GATELOG_CONSOLE_URL",
        default_value = "http://127.0.0.1:8687"
    )]
    url: String,
    /// CA certificates (PEM) for the console's certificate; required for https
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Client certificate (PEM), if the console requires one
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Private key of the client certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
}

/// Prints the console's answer.
///
/// # Errors
///
/// There is no answer, or it is another than 200.
pub async fn run(args: &HealthArgs) -> Result<(), Failure> {
    let identity = args.cert.clone().zip(args.key.clone());
    let (url, ca) = (args.url.clone(), args.ca.clone());
    let target = Target { url, ca, identity, ..Target::default() };
    let mut client = Client::new(&target).map_err(Failure::configuration)?;
    let answer = tokio::time::timeout(PATIENCE, client.ask(Method::GET, "/healthz", None)).await;
    let failed = |text: String| Failure::failed(format!("{}: {text}", args.url));
    let answer = answer
        .map_err(|_| failed(format!("no answer within {}s", PATIENCE.as_secs())))?
        .map_err(|error| failed(error.to_string()))?;
    let text = String::from_utf8_lossy(&answer.body).trim().to_owned();
    if answer.status != StatusCode::OK {
        return Err(failed(text));
    }
    println!("{text}");
    Ok(())
}
