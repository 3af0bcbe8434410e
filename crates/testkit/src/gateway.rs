//! The complete system of `envoy/envoy.yaml`: two services, an unreachable upstream, Envoy with the
//! filter, a collector, and a database.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result};
use axum::http::Method;
use tokio::net::TcpSocket;

use crate::{
    Client, Collector, CollectorOptions, Database, Envoy, EnvoyConfig, EnvoyOptions,
    ExampleService, FaultProxy, GatewayAddress, Reply, SampleService, Shell, unreachable_address,
};

/// The example that can serve conversations.
const CONVERSATIONS: &str = "gatelog-example-conversations";

/// What differs from the shipped system.
#[derive(Debug)]
pub struct GatewayOptions {
    /// How to start Envoy. Addresses and the filter's file are filled in.
    pub envoy: EnvoyOptions,
    /// How to start the collector.
    pub collector: CollectorOptions,
    /// The database; a fresh one if absent.
    pub database: Option<Database>,
    /// A filter file other than the shipped one.
    pub filter: Option<PathBuf>,
    /// A proxy between Envoy and the collector; it is pointed at the collector.
    pub collector_via: Option<FaultProxy>,
    /// A name server: if set, Envoy knows the collector by a name and resolves it there.
    pub names: Option<SocketAddr>,
    /// Whether `examples/conversations`, which logs with gatelog-tracing, serves conversations.
    pub example: bool,
}

impl GatewayOptions {
    /// The shipped system.
    pub fn shipped() -> Result<Self> {
        Ok(Self::with(EnvoyConfig::shipped()?))
    }

    /// The shipped system with the filter in one of its forms.
    pub fn of(shell: Shell) -> Result<Self> {
        Ok(Self::with(EnvoyConfig::built(shell)?))
    }

    fn with(config: EnvoyConfig) -> Self {
        let envoy = EnvoyOptions::new(config);
        Self {
            envoy,
            collector: CollectorOptions::default(),
            database: None,
            filter: None,
            collector_via: None,
            names: None,
            example: false,
        }
    }
}

/// The running system. Fields are public so that a test can stop and restart each part.
#[derive(Debug)]
pub struct Gateway {
    /// Envoy with the filter.
    pub envoy: Envoy,
    /// The collector that receives the filter's batches.
    pub collector: Collector,
    /// The proxy between Envoy and the collector, if any.
    pub collector_via: Option<FaultProxy>,
    /// The database that the collector writes to.
    pub database: Database,
    /// A client with its own connections.
    pub client: Client,
    /// Envoy's configuration, with addresses filled in.
    pub config: EnvoyConfig,
    /// `examples/conversations`, if it was asked for.
    pub example: Option<ExampleService>,
    _services: [SampleService; 2],
    _dead: TcpSocket,
}

impl Gateway {
    /// Starts the shipped system with a fresh database.
    pub async fn start() -> Result<Self> {
        Self::start_with(GatewayOptions::shipped()?).await
    }

    /// Starts the shipped system with the filter in one of its forms.
    pub async fn of(shell: Shell) -> Result<Self> {
        Self::start_with(GatewayOptions::of(shell)?).await
    }

    /// Starts the system with changes.
    pub async fn start_with(options: GatewayOptions) -> Result<Self> {
        let database = match options.database {
            Some(database) => database,
            None => Database::fresh().await?,
        };
        let collector = Collector::start(&database, options.collector).await?;
        let address = GatewayAddress::default();
        let services = [
            SampleService::conversations(GatewayAddress::clone(&address)).await?,
            SampleService::messages().await?,
        ];
        let (dead, dead_socket) = unreachable_address()?;

        let mut envoy = options.envoy;
        let config = &mut envoy.config;
        let [conversations, messages] = &services;
        let example = if options.example {
            Some(ExampleService::start(CONVERSATIONS, collector.address()).await?)
        } else {
            None
        };
        let conversations =
            example.as_ref().map_or(conversations.address(), ExampleService::address);
        config.cluster_at("conversations", conversations)?;
        config.cluster_at("messages", messages.address())?;
        config.cluster_at("reports", dead)?;
        let batches_to = options.collector_via.as_ref().map_or(collector.address(), |proxy| {
            proxy.lead_to(collector.address());
            proxy.address()
        });
        match options.names {
            Some(names) => config.cluster_named("gatelog_collector", batches_to.port(), names)?,
            None => config.cluster_at("gatelog_collector", batches_to)?,
        }
        match &options.filter {
            Some(file) => config.filter_at(file)?,
            None => config.built_filter()?,
        }
        let mut config = config.clone();
        let envoy = Envoy::start(envoy).await?;
        config.listen_on(envoy.address())?;
        if let Some(example) = &example {
            example.call_through(envoy.address())?;
        }
        address.set(envoy.address()).ok().context("the gateway's address was set before")?;
        Ok(Self {
            envoy,
            collector,
            collector_via: options.collector_via,
            database,
            client: Client::default(),
            config,
            example,
            _services: services,
            _dead: dead_socket,
        })
    }

    /// The address of the gateway.
    pub fn address(&self) -> SocketAddr {
        self.envoy.address()
    }

    /// `GET path` through the gateway.
    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Result<Reply> {
        self.send(Method::GET, path, headers).await
    }

    /// A request without a body through the gateway.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Reply> {
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        self.client.send(self.address(), method, path, &headers, "").await
    }
}
