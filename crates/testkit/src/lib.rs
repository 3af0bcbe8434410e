//! Test harness for the public surface: the real components, each as a value that starts a process
//! or a server on a free port and stops it when dropped, also on panic.
//!
//! - [`Envoy`], configured by [`EnvoyConfig`] from the files under `envoy/`
//! - [`Collector`] and [`Console`], the binaries built beside the test
//! - [`Database`], on a MongoDB-compatible server or on `MONGODB_URI`
//! - [`InsertRefusals`], a MongoDB that refuses inserts, whole or per document
//! - [`SampleService`], an upstream; [`ExampleService`], one of `examples/`
//! - [`IdentityProvider`], which signs tokens
//! - [`Sink`], a collector with scripted responses
//! - [`FaultProxy`], a network that fails on demand; [`PacketLoss`], one that loses packets
//! - [`NameServer`], [`Disk`], [`ShiftedClock`]: names, disks and clocks that fail on demand
//! - [`Gateway`]: all of them wired together as in `envoy/envoy.yaml`
//! - [`mock_host`]: a strict proxy-wasm host for the shipped module
//! - [`secret_shapes`]: the table of secrets that must never appear in a record
//! - [`Client`], [`eventually`] to wait for conditions, and [`stored`] to inspect the results

mod client;
mod collector;
mod console;
mod database;
mod disk;
mod envoy;
mod envoy_config;
mod eventually;
mod example_service;
mod fault_proxy;
mod gateway;
mod identity_provider;
mod insert_refusals;
mod journal;
pub mod mock_host;
mod name_server;
mod packet_loss;
mod paths;
mod process;
mod sample_records;
mod sample_service;
pub mod secret_shapes;
mod shifted_clock;
mod sink;
pub mod stored;

pub use client::{Client, Reply, raw_exchange};
pub use collector::{Collector, CollectorOptions};
pub use console::{Console, ConsoleOptions};
pub use database::{Database, DatabaseServer};
pub use disk::{Disk, DiskKind};
pub use envoy::{Envoy, EnvoyOptions};
pub use envoy_config::{EnvoyConfig, JournalWriter, Shell, yaml_documents};
pub use eventually::{Hopeless, eventually};
pub use example_service::ExampleService;
pub use fault_proxy::{Fault, FaultProxy};
pub use gateway::{Gateway, GatewayOptions};
pub use identity_provider::{IdentityProvider, base64url};
pub use insert_refusals::{InsertRefusals, Refusal};
pub use journal::Journal;
pub use name_server::{NameServer, Resolution};
pub use packet_loss::PacketLoss;
pub use paths::{
    collector as collector_path, console as console_path, envoy_binary, filter as filter_path,
    module as module_path, root as checkout, tool as tool_path,
};
pub use process::{Process, Signal, bound_command};
pub use sample_records::SampleRecords;
pub use sample_service::{GatewayAddress, SampleService, unreachable_address};
pub use shifted_clock::ShiftedClock;
pub use sink::{Answer, Sink};
