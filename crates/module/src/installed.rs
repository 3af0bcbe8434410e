//! A configuration that Envoy has installed, shared by all its threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use gatelog::config::{Config, Delivery};
use gatelog::host::Severity;

use crate::abi::callbacks::log;
use crate::abi::configuration::Configuration;
use crate::clock;
use crate::deliveries;
use crate::stats::Ids;

/// How often stats are told where nothing is sent.
const STATS_PERIOD: Duration = Duration::from_secs(1);

static NEXT: AtomicU64 = AtomicU64::new(1);

/// A number for a configuration.
pub(crate) fn next_id() -> u64 {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// How many access loggers are installed: only then a stream is marked for them.
static LOGGERS: AtomicUsize = AtomicUsize::new(0);

/// A configuration.
#[derive(Debug)]
pub(crate) struct Installed {
    /// Its number in this process.
    pub(crate) id: u64,
    /// What each worker starts with; without delivery, as workers do not send.
    pub(crate) config: Config,
    /// How its records are sent; `None` if they are not.
    pub(crate) delivery: Option<Delivery>,
    /// Its numbers for the stats.
    pub(crate) stats: Ids,
    logger: bool,
    alive: AtomicBool,
}

impl Installed {
    /// Reads the configuration of an HTTP filter; faults go to Envoy's log.
    pub(crate) fn filter(json: &[u8], envoy: Configuration) -> Option<Arc<Self>> {
        let installed = Self::read(json, Ids::define(envoy), false)?;
        let flush =
            installed.delivery.as_ref().map(|to| Duration::from_nanos(to.flush_interval_ns));
        clock::start(installed.id, envoy.scheduler(), flush.unwrap_or(STATS_PERIOD));
        Some(installed)
    }

    /// Reads the configuration of an access logger. Its records are sent by a filter or the bootstrap
    /// extension of the same process, as an access logger can make no callout.
    pub(crate) fn logger(json: &[u8]) -> Option<Arc<Self>> {
        let installed = Self::read(json, Ids::default(), true)?;
        LOGGERS.fetch_add(1, Ordering::Relaxed);
        Some(installed)
    }

    fn read(json: &[u8], stats: Ids, logger: bool) -> Option<Arc<Self>> {
        match Config::parse(json, &|name| std::env::var(name).ok()) {
            Ok(mut config) => Some(Arc::new(Self {
                id: next_id(),
                delivery: config.delivery.take(),
                config,
                stats,
                logger,
                alive: AtomicBool::new(true),
            })),
            Err(faults) => {
                for fault in faults {
                    log(Severity::Error, &format!("gatelog: {fault}"));
                }
                None
            }
        }
    }

    /// Envoy has destroyed it: its queues are sent by others.
    pub(crate) fn destroyed(&self) {
        self.alive.store(false, Ordering::Relaxed);
        if self.logger {
            LOGGERS.fetch_sub(1, Ordering::Relaxed);
        } else {
            clock::stop(self.id);
        }
        deliveries::destroyed(self.id);
    }

    /// Whether it is an access logger's.
    pub(crate) fn is_logger(&self) -> bool {
        self.logger
    }

    /// Whether Envoy has it.
    pub(crate) fn alive(&self) -> bool {
        self.alive.load(Ordering::Relaxed)
    }

    /// Whether an access logger of this module looks at streams too.
    pub(crate) fn logged_too() -> bool {
        LOGGERS.load(Ordering::Relaxed) > 0
    }
}
