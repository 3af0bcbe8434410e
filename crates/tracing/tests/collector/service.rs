//! A service that logs to a collector.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use gatelog_testkit::stored::PATIENCE;
use gatelog_testkit::{Collector, eventually};
use gatelog_tracing::{Builder, Counts, Guard, builder};
use serde_json::Value;
use tracing::Dispatch;
use tracing_subscriber::prelude::*;

/// The service's name.
pub(crate) const NAME: &str = "orders";

/// A service; its records are sent until it is dropped.
pub(crate) struct Service {
    dispatch: Dispatch,
    pub(crate) guard: Guard,
}

/// The settings of a service that sends to this address.
pub(crate) fn sending_to(address: std::net::SocketAddr) -> Builder {
    builder(NAME).collector(format!("http://{address}"))
}

impl Service {
    pub(crate) fn start(builder: Builder) -> Self {
        let (layer, guard) = builder.layer().unwrap();
        Self { dispatch: Dispatch::new(tracing_subscriber::registry().with(layer)), guard }
    }

    /// Logs this many events.
    pub(crate) fn log(&self, events: u64) {
        tracing::dispatcher::with_default(&self.dispatch, || {
            for number in 0..events {
                tracing::info!(number, "event");
            }
        });
    }

    /// Runs `work` with the service's subscriber.
    pub(crate) fn within(&self, work: impl FnOnce()) {
        tracing::dispatcher::with_default(&self.dispatch, work);
    }

    pub(crate) fn counts(&self) -> Counts {
        self.guard.counters().read()
    }

    /// Waits until the counters are as wanted.
    pub(crate) async fn until(&self, what: &str, wanted: impl Fn(Counts) -> bool) {
        let counts = async || {
            let counts = self.counts();
            ensure!(wanted(counts), "{counts:?}");
            Ok(())
        };
        eventually(what, PATIENCE, counts).await.unwrap();
    }
}

/// Ends it as a program that returns from `main` does: on a thread that may block.
pub(crate) async fn ended(service: Service) -> Counts {
    let counters = service.guard.counters();
    tokio::task::spawn_blocking(move || drop(service)).await.unwrap();
    counters.read()
}

/// The account of the service's only boot, once it is as wanted.
pub(crate) async fn account(
    collector: &Collector,
    wanted: impl Fn(&dyn Fn(&str) -> u64) -> bool,
) -> Result<Value> {
    eventually("the account is as wanted", PATIENCE, async || {
        let accounting = collector.accounting().await?;
        let boots = accounting["boots"].as_array().context("no boots")?;
        ensure!(boots.len() == 1 && boots[0]["gateway"] == NAME, "{accounting:#}");
        let term = |name: &str| boots[0][name].as_u64().unwrap_or_default();
        ensure!(wanted(&term), "{accounting:#}");
        Ok(boots[0].clone())
    })
    .await
}

/// Enough for any drain of a healthy collector on a busy machine.
pub(crate) const LONG: Duration = Duration::from_mins(1);
