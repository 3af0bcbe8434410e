//! Conversations: a service behind the gateway that reads messages from another one, through the gateway.
//! Whatever it logs has the ids of the request, and stands in one flow with the gateway's own records.
//!
//! | variable | meaning |
//! |---|---|
//! | `LISTEN` | the address to listen on, by default `127.0.0.1:3000` |
//! | `ADDRESS_FILE` | a file to which that address is written, once the service listens |
//! | `COLLECTOR_URL` | where records are sent; without it, they go to standard output only |
//! | `GATEWAY_FILE` | a file with the gateway's `host:port`, read at each call |
//! | `LOG_LEVEL` | what is logged, by default `INFO` |

mod routes;

use std::env;

use anyhow::{Context, Result};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> Result<()> {
    let mut logging = gatelog_tracing::builder("conversations").stdout();
    if let Ok(url) = env::var("COLLECTOR_URL") {
        logging = logging.collector(url);
    }
    // Until the end of `main`: then what waits is written and sent.
    let _guard = logging.init()?;

    let address = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".into());
    let listener =
        TcpListener::bind(&address).await.with_context(|| format!("LISTEN = {address}"))?;
    let address = listener.local_addr()?;
    if let Ok(file) = env::var("ADDRESS_FILE") {
        std::fs::write(&file, address.to_string()).context(file)?;
    }
    tracing::info!(%address, "listening");

    let mut terminate = signal(SignalKind::terminate())?;
    let stop = async move {
        terminate.recv().await;
    };
    axum::serve(listener, routes::app()).with_graceful_shutdown(stop).await?;
    tracing::info!("stopped");
    Ok(())
}
