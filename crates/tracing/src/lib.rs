//! gatelog's record from Rust services: a [`tracing`] layer that writes to standard output, to a collector, or
//! to both, and that joins what a service logs to the gateway's record of the request.
//!
//! ```
//! use gatelog_tracing::timed;
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // Bound to a name, so that it lives, and flushes, until the end of `main`.
//!     let _guard = gatelog_tracing::builder("orders")
//!         .stdout()
//!         .collector("http://127.0.0.1:8686")
//! #       .drain_timeout(std::time::Duration::ZERO)
//!         .init()?;
//!
//!     let _span = tracing::info_span!("reserve", order_id = "o-17").entered();
//!     tracing::info!(sku = "a-1", left = 3, "reserved");
//!
//!     timed("restock").metric("pallets", 2);
//!
//!     if let Err(error) = "three".parse::<u8>() {
//!         tracing::error!(error = &error as &dyn std::error::Error, "stock is unknown");
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # From events to records
//!
//! | of the record | from |
//! |---|---|
//! | `level` | the event's; TRACE and DEBUG are `DEBUG`, `critical = true` makes it `CRITICAL` |
//! | `logger_name`, `line_number` | the event's target and line |
//! | `function_name` | the name of the span around it |
//! | `message` | the message |
//! | `context`, `trace.trace_id`, … | fields of the event and its spans with these names; [`set_context`]; requests |
//! | `trace.execution_time_ms`, `trace.status`, `trace.metrics` | [`timed`], or fields `trace.execution_time_ms`, `trace.status`, `trace.metrics.NAME` |
//! | `error` | a field `error`, `err` or `exception`: its type, message and causes, then the spans around the event |
//! | `audit` | `audit = true`: the record goes to the audit trail as well |
//! | `extra` | all other fields of the event and its spans, the innermost of each name |
//! | `source` | the service's name, the process's life, and the number of the record within it |
//!
//! The values of sensitive names (`password`, `api_key`, …) are masked, in fields and in the text of messages,
//! errors and `Debug` output, as in the gateway's records.
//!
//! # Bounds
//!
//! A record has at most 16 KiB, a text 2 KiB, `extra` 64 fields. The queue to the collector, the buffer to
//! standard output and every wait have a bound; [`Counters`] tell what was dropped there. Logging never
//! waits for either output.
//!
//! # Features
//!
//! - `tower` (default): a layer that takes ids from requests, for axum, tonic and the like.
//! - `reqwest`: a middleware that sends them on.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod build_error;
mod builder;
mod context;
mod counters;
mod errors;
mod fields;
mod guard;
#[cfg(any(feature = "tower", feature = "reqwest"))]
mod headers;
mod ids;
mod init;
mod journal;
mod layer;
mod outbox;
#[cfg(feature = "reqwest")]
mod outgoing;
#[cfg(feature = "tower")]
mod requests;
mod scratch;
mod sender;
mod shared;
mod span;
mod timed;
#[cfg(any(feature = "tower", feature = "reqwest"))]
mod traceparent;
mod visit;

pub use build_error::BuildError;
pub use builder::{Builder, builder};
pub use context::{Context, set_context};
pub use counters::{Counters, Counts};
pub use guard::Guard;
#[cfg(any(feature = "tower", feature = "reqwest"))]
pub use headers::HeaderNames;
pub use layer::GatelogLayer;
#[cfg(feature = "reqwest")]
pub use outgoing::Outgoing;
#[cfg(feature = "tower")]
pub use requests::{RequestLayer, Requests};
pub use timed::{Measure, Timed, timed};

/// The target of this crate's own spans and events: a filter must let its ERROR level pass.
pub(crate) const TARGET: &str = "gatelog_tracing";
