//! What the module exports and imports.

use crate::gateway::{Gateway, artifact};

#[test]
fn only_callbacks_that_the_filter_acts_on_are_exported() {
    // Envoy enters the VM for every exported callback: a body callback would cost an entry per
    // chunk.
    assert_eq!(
        Gateway::unconfigured().host.exports(),
        [
            "_initialize",
            "proxy_abi_version_0_2_1",
            "proxy_on_configure",
            "proxy_on_context_create",
            "proxy_on_delete",
            "proxy_on_done",
            "proxy_on_http_call_response",
            "proxy_on_log",
            "proxy_on_memory_allocate",
            "proxy_on_request_headers",
            "proxy_on_response_headers",
            "proxy_on_tick",
        ]
    );
}

#[test]
fn the_filter_cannot_answer_for_a_service() {
    // A function that is not imported cannot be called, whatever a client sends.
    for import in [
        "env.proxy_send_local_response",
        "env.proxy_close_stream",
        "env.proxy_set_buffer_bytes",
        "env.proxy_set_header_map_pairs",
        "env.proxy_set_shared_data",
    ] {
        assert!(!artifact().imports().iter().any(|have| have == import), "{import}");
    }
}
