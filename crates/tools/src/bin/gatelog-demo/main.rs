//! `make demo`: all of gatelog on one machine. Starts everything, sends mixed traffic, shows the
//! results, and checks them.
//!
//! With `--once` it exits by itself: with 0 if every check passes, otherwise 1. Without it, it
//! stays up until Ctrl-C, and visitors keep coming. `MONGODB_URI`: use that server instead of starting
//! one; `GATELOG_DATABASE` (default `pytake_logs`); `GATEWAY_PORT` (default 8080); `CONSOLE_PORT`
//! (default 8687).

mod checks;
mod console;
mod heading;
mod service;
mod show;
mod step;
mod traffic;
mod visitors;

use std::env;
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use gatelog_testkit::{Console, ConsoleOptions, Database, DatabaseServer, Gateway, GatewayOptions};
use tempfile::TempDir;

use crate::heading::heading;
use crate::traffic::Traffic;

const DATABASE: &str = "pytake_logs";
const GATEWAY_PORT: u16 = 8080;
const CONSOLE_PORT: u16 = 8687;

/// Timeout for Envoy to exit.
const STOPPING: Duration = Duration::from_secs(10);

/// What the demo runs on. If the demo started the server, it stops after the gateway.
struct Demo {
    gateway: Gateway,
    console: Console,
    _server: Option<(DatabaseServer, TempDir)>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let once = env::args().any(|argument| argument == "--once");
    match run(once).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Returns whether every check passed.
async fn run(once: bool) -> Result<bool> {
    let gateway = free_address("GATEWAY_PORT", GATEWAY_PORT)?;
    let console = free_address("CONSOLE_PORT", CONSOLE_PORT)?;
    let mut demo = start(gateway, console).await?;
    let traffic = Traffic::send(&demo.gateway).await?;
    let outcome = checks::run(&demo.gateway, &demo.console, &traffic).await;
    show::everything(&demo.gateway, &traffic).await?;
    let good = show::checks(&outcome);
    if !once {
        show::hints(&demo.gateway, &demo.console)?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted?,
            ended = visitors::keep_coming(&demo.gateway) => ended?,
        }
        println!();
    }
    heading("stopping");
    // Stop the senders first, so that the collector receives their last batches.
    demo.gateway.envoy.process().terminate(STOPPING)?;
    if let Some(service) = &mut demo.gateway.example {
        service.stop()?;
    }
    demo.console.stop()?;
    demo.gateway.collector.stop()?;
    Ok(good)
}

/// The address with this variable's port, which nobody else may have.
fn free_address(variable: &str, default: u16) -> Result<SocketAddr> {
    let port = match env::var(variable) {
        Ok(text) => text
            .parse()
            .with_context(|| format!("{variable} = {text:?}: must be a port, 1 to 65535"))?,
        Err(_) => default,
    };
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    // Envoy would silently share the port with another Envoy.
    match TcpListener::bind(address) {
        Ok(_) => Ok(address),
        Err(error) => {
            let other = port.saturating_add(10);
            bail!(
                "cannot listen on {address}: {error}: choose another port: make demo {variable}={other}"
            )
        }
    }
}

async fn start(address: SocketAddr, console: SocketAddr) -> Result<Demo> {
    heading("starting");
    let name = env::var("GATELOG_DATABASE").unwrap_or_else(|_| DATABASE.to_owned());
    let (uri, server) = if let Ok(uri) = env::var("MONGODB_URI") {
        (uri, None)
    } else {
        let directory = TempDir::new()?;
        let storage = directory.path().join("data");
        let server = DatabaseServer::start_in(directory.path(), &storage).await?;
        (server.uri(), Some((server, directory)))
    };
    // A connection string from outside may contain a password: print only the variable's name.
    let shown = if server.is_some() { uri.as_str() } else { "$MONGODB_URI, database " };
    println!("  database    {shown}{name}");
    let database = Database::on(&uri, &name).await?;

    let mut options = GatewayOptions::shipped()?;
    options.envoy.config.listen_on(address)?;
    options.envoy.keep_address = true;
    options.database = Some(database.clone());
    // The console's overview is made of them.
    options.collector.environment = vec![("GATELOG_ROLLUPS".to_owned(), "on".to_owned())];
    options.example = true;
    let gateway = Gateway::start_with(options).await?;
    println!("  collector   http://{}", gateway.collector.address());
    println!(
        "  services    conversations (examples/conversations) and messages, calling each other through the gateway"
    );
    println!(
        "  gateway     http://{} (administration: http://{})",
        gateway.address(),
        gateway.envoy.admin()
    );
    let collector = format!("http://{}", gateway.collector.address());
    let environment = ["GATELOG_CONSOLE_COLLECTOR", "GATELOG_CONSOLE_TAIL"];
    let environment = environment.map(|name| (name.to_owned(), collector.clone())).to_vec();
    let options =
        ConsoleOptions { listen: console.to_string(), environment, ..ConsoleOptions::default() };
    let console = Console::start(&database, options).await?;
    println!("  console     http://{}", console.address());
    Ok(Demo { gateway, console, _server: server })
}
