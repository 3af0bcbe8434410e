//! The imports of module `env`.

mod callouts;
mod foreign;
mod headers;
mod metrics;
mod properties;
mod runtime;

use wasmi::{Linker, errors::LinkerError};

use super::guest::State;

/// Defines every modelled hostcall.
pub(super) fn link(linker: &mut Linker<State>) -> Result<(), LinkerError> {
    headers::link(linker)?;
    properties::link(linker)?;
    metrics::link(linker)?;
    callouts::link(linker)?;
    foreign::link(linker)?;
    runtime::link(linker)
}

/// Hostcalls that Envoy has and this host does not model: calling one fails the test. Source:
/// proxy-wasm-cpp-host, `include/proxy-wasm/exports.h`, for ABI 0.2.1.
pub(super) const NOT_MODELLED: [&str; 18] = [
    "proxy_get_status",
    "proxy_get_shared_data",
    "proxy_set_shared_data",
    "proxy_register_shared_queue",
    "proxy_resolve_shared_queue",
    "proxy_dequeue_shared_queue",
    "proxy_enqueue_shared_queue",
    "proxy_get_buffer_status",
    "proxy_set_buffer_bytes",
    "proxy_grpc_call",
    "proxy_grpc_stream",
    "proxy_grpc_close",
    "proxy_grpc_cancel",
    "proxy_grpc_send",
    "proxy_close_stream",
    "proxy_continue_stream",
    "proxy_send_local_response",
    "proxy_get_header_map_size",
];
