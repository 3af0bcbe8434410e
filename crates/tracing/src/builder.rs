//! Settings, checked once.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gatelog_delivery::client::Target;
use gatelog_delivery::queue::ENTRY_OVERHEAD;
use gatelog_record::limits::{PAIRS, RECORD_BYTES};
use gatelog_record::sensitive::{self, MASK};
use gatelog_record::{Encoder, Uuid};

use crate::build_error::BuildError;
use crate::counters::Counters;
use crate::fields::Names;
use crate::guard::Guard;
use crate::journal::Journal;
use crate::layer::GatelogLayer;
use crate::outbox::Outbox;
use crate::sender::Sender;
use crate::shared::{Shared, is_service_name};

/// Some 15,000 records: a collector's restart at a thousand events a second.
const QUEUE_BYTES: usize = 8 * 1024 * 1024;
/// Room for one record at least.
const QUEUE_BYTES_MIN: usize = RECORD_BYTES + ENTRY_OVERHEAD;
/// Within the customary grace of a stopped container.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Begins the settings of a service's layer. `service` becomes `source.gateway` of every record: 1 to 128
/// printable ASCII characters without quotes and backslashes. A collector's token may be bound to it.
///
/// ```
/// let _guard = gatelog_tracing::builder("orders").field("region", "eu-west-1").init()?;
/// tracing::info!("started");
/// # Ok::<(), gatelog_tracing::BuildError>(())
/// ```
pub fn builder(service: impl Into<String>) -> Builder {
    Builder {
        service: service.into(),
        writer: None,
        collector: None,
        queue_bytes: QUEUE_BYTES,
        drain_timeout: DRAIN_TIMEOUT,
        masked: Vec::new(),
        kept: Vec::new(),
        fields: Vec::new(),
    }
}

/// The settings of a layer: see [`builder`]. Without an output, records go to standard output.
///
/// ```no_run
/// let _guard = gatelog_tracing::builder("orders")
///     .stdout()
///     .collector("https://collector:8686")
///     .token_file("/etc/gatelog/token")
///     .ca("/etc/gatelog/ca.pem")
///     .init()?;
/// # Ok::<(), gatelog_tracing::BuildError>(())
/// ```
#[must_use = "it does nothing until `init` or `layer`"]
pub struct Builder {
    service: String,
    writer: Option<Box<dyn Write + Send>>,
    collector: Option<Target>,
    queue_bytes: usize,
    drain_timeout: Duration,
    masked: Vec<String>,
    kept: Vec<String>,
    fields: Vec<(String, String)>,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, collector, queue_bytes, .. } = self;
        f.debug_struct("Builder")
            .field("service", service)
            .field("collector", collector)
            .field("queue_bytes", queue_bytes)
            .finish_non_exhaustive()
    }
}

impl Builder {
    /// Writes records to standard output, one line each, from a thread of their own.
    ///
    /// ```
    /// let _guard = gatelog_tracing::builder("orders").stdout().layer()?;
    /// # Ok::<(), gatelog_tracing::BuildError>(())
    /// ```
    pub fn stdout(self) -> Self {
        self.writer(std::io::stdout())
    }

    /// Writes records to `writer` instead of standard output, one line each. At most 1 MiB waits; a
    /// line that finds no room is dropped and counted.
    ///
    /// ```
    /// let _guard = gatelog_tracing::builder("orders").writer(std::io::stderr()).layer()?;
    /// # Ok::<(), gatelog_tracing::BuildError>(())
    /// ```
    pub fn writer(mut self, writer: impl Write + Send + 'static) -> Self {
        self.writer = Some(Box::new(writer));
        self
    }

    fn target(&mut self) -> &mut Target {
        self.collector.get_or_insert_default()
    }

    /// Sends records to the collector at `http://host:port` or `https://host:port`, without ever waiting for it.
    ///
    /// ```
    /// let _guard = gatelog_tracing::builder("orders").collector("http://127.0.0.1:8686").layer()?;
    /// # Ok::<(), gatelog_tracing::BuildError>(())
    /// ```
    pub fn collector(mut self, url: impl Into<String>) -> Self {
        self.target().url = url.into();
        self
    }

    /// The collector's bearer token.
    ///
    /// ```
    /// # let token = "0123456789abcdef";
    /// let _ = gatelog_tracing::builder("orders").collector("http://127.0.0.1:8686").token(token);
    /// ```
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.target().token = Some(token.into());
        self
    }

    /// A file whose first line is the collector's bearer token; read once.
    ///
    /// ```
    /// let _ = gatelog_tracing::builder("orders").token_file("/etc/gatelog/token");
    /// ```
    pub fn token_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.target().token_file = Some(file.into());
        self
    }

    /// The CA certificates (PEM) of the collector's certificate: required for `https`.
    ///
    /// ```
    /// let _ = gatelog_tracing::builder("orders").ca("/etc/gatelog/ca.pem");
    /// ```
    pub fn ca(mut self, file: impl Into<PathBuf>) -> Self {
        self.target().ca = Some(file.into());
        self
    }

    /// The service's own certificate and key (PEM), if the collector requires one.
    ///
    /// ```
    /// let _ = gatelog_tracing::builder("orders").identity("tls.crt", "tls.key");
    /// ```
    pub fn identity(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.target().identity = Some((certificate.into(), key.into()));
        self
    }

    /// Bytes of records that may wait for the collector, each with 64 bytes for its place; at least 16,448,
    /// by default 8 MiB. At the bound, the oldest records of the lowest level are dropped and counted.
    ///
    /// ```
    /// let _ = gatelog_tracing::builder("orders").queue_max_bytes(1 << 20);
    /// ```
    pub fn queue_max_bytes(mut self, bytes: usize) -> Self {
        self.queue_bytes = bytes;
        self
    }

    /// How long the guard may take to write and send what waits, at most a day; by default 5 s.
    ///
    /// ```
    /// # use std::time::Duration;
    /// let _ = gatelog_tracing::builder("orders").drain_timeout(Duration::from_secs(2));
    /// ```
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain_timeout = timeout;
        self
    }

    /// Masks the values of this name too, besides those of gatelog's list.
    ///
    /// ```
    /// let _ = gatelog_tracing::builder("orders").mask("card_number");
    /// ```
    pub fn mask(mut self, name: impl Into<String>) -> Self {
        self.masked.push(name.into().to_lowercase());
        self
    }

    /// Keeps the values of the field with this name, which only looks like a secret's.
    ///
    /// ```
    /// let _ = gatelog_tracing::builder("orders").keep("session_region");
    /// ```
    pub fn keep(mut self, name: impl Into<String>) -> Self {
        self.kept.push(name.into());
        self
    }

    /// Adds a fixed text under `extra` to every record; up to 64.
    ///
    /// ```
    /// let _ = gatelog_tracing::builder("orders").field("region", "eu-west-1");
    /// ```
    pub fn field(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }

    /// Makes the layer and starts its outputs.
    ///
    /// ```
    /// use tracing_subscriber::prelude::*;
    ///
    /// let (layer, _guard) = gatelog_tracing::builder("orders").writer(std::io::sink()).layer()?;
    /// let subscriber = tracing_subscriber::registry().with(layer);
    /// # drop(subscriber);
    /// # Ok::<(), gatelog_tracing::BuildError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the settings, or a thread that could not be started.
    pub fn layer(self) -> Result<(GatelogLayer, Guard), BuildError> {
        let mut faults = self.faults();
        let names = Names::new(self.masked, self.kept);
        let counters = Counters::default();
        let boot = Uuid::now_v7();
        let sender = self.collector.as_ref().and_then(|target| {
            let outbox = Arc::new(Outbox::new(self.queue_bytes, counters.clone()));
            let made = Sender::new(target, outbox, self.service.clone(), boot, counters.clone());
            made.map_err(|fault| faults.push(format!("collector: {fault}"))).ok()
        });
        if !faults.is_empty() {
            return Err(BuildError::new(faults));
        }
        let start = |error: std::io::Error| BuildError::one(format!("starting a thread: {error}"));
        let outbox = sender.as_ref().map(|sender| Arc::clone(&sender.outbox));
        let writer = match (self.writer, &outbox) {
            (None, None) => Some(Box::new(std::io::stdout()) as Box<dyn Write + Send>),
            (writer, _) => writer,
        };
        let journal = match writer {
            Some(writer) => Some(Journal::start(writer, counters.clone()).map_err(start)?),
            None => None,
        };
        if let Some(sender) = sender {
            sender.start().map_err(start)?;
        }
        let fields = self.fields.into_iter().map(|(name, value)| {
            let value = if names.is_sensitive(&name) {
                MASK.to_owned()
            } else {
                sensitive::masked(&value, &names.masked).into_owned()
            };
            (name, value)
        });
        let shared = Arc::new(Shared {
            service: self.service,
            boot,
            counters,
            fields: fields.collect(),
            encoder: Encoder::default(),
            journal,
            outbox,
        });
        let guard = Guard { shared: Arc::clone(&shared), drain_timeout: self.drain_timeout };
        Ok((GatelogLayer { names, shared }, guard))
    }

    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if !is_service_name(&self.service) {
            faults.push(format!(
                "service = \"{}\": must be 1 to 128 printable ASCII characters without quotes and backslashes",
                self.service.chars().take(128).collect::<String>().escape_debug()
            ));
        }
        if self.queue_bytes < QUEUE_BYTES_MIN {
            let bytes = self.queue_bytes;
            faults.push(format!("queue_max_bytes = {bytes}: must be at least {QUEUE_BYTES_MIN}"));
        }
        if self.fields.len() > PAIRS {
            faults
                .push(format!("field: {} fields, at most {PAIRS} are allowed", self.fields.len()));
        }
        if let Some((name, _)) = self.fields.iter().find(|(name, _)| name.contains('\0')) {
            faults.push(format!("field \"{}\": must not contain U+0000", name.escape_debug()));
        }
        faults
    }
}
