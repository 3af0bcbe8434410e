//! Keeps `docs/` true: what the pages and the schema say is held against the code.

mod agreement;
mod configuration;
mod levels;
mod metrics;
mod page;
mod record;
mod schema;
