//! The files shipped with the programs, checked against the programs: images, the systemd unit,
//! Compose, Kubernetes, alert rules. `make test-packaging` builds the parts and runs these.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod alerts;
mod compose;
mod control_planes;
mod images;
mod kubernetes;
mod program;
mod unit;
