//! The hooks that have nothing to do: what they tell of is never asked for.
//!
//! They are exported because Envoy refuses a module without them, and more are required from release to
//! release. They answer "continue". Their
//! parameters are the header's, so that what Envoy passes is what they take.
#![expect(unsafe_code, reason = "exported symbols")]
#![expect(unreachable_pub, reason = "Envoy reaches them, by their names")]

use super::callbacks::{EnvoyBytes, Header};
use super::kept::{CONTINUE, Envoys, Ours};

macro_rules! idle {
    ($($name:ident ($($kind:ty),*);)*) => {
        $(
            /// Nothing to do.
            #[unsafe(no_mangle)]
            pub extern "C" fn $name($(_: $kind),*) {}
        )*
    };
}

macro_rules! idle_and_go_on {
    ($($name:ident ($($kind:ty),*);)*) => {
        $(
            /// Nothing to do; the stream continues.
            #[unsafe(no_mangle)]
            pub extern "C" fn $name($(_: $kind),*) -> u32 {
                CONTINUE
            }
        )*
    };
}

idle_and_go_on! {
    envoy_dynamic_module_on_http_filter_request_body(Envoys, Ours, bool);
    envoy_dynamic_module_on_http_filter_request_trailers(Envoys, Ours);
    envoy_dynamic_module_on_http_filter_response_body(Envoys, Ours, bool);
    envoy_dynamic_module_on_http_filter_response_trailers(Envoys, Ours);
    envoy_dynamic_module_on_http_filter_local_reply(Envoys, Ours, u32, EnvoyBytes, bool);
}

idle! {
    envoy_dynamic_module_on_bootstrap_extension_server_initialized(Envoys, Ours);
    envoy_dynamic_module_on_bootstrap_extension_worker_thread_initialized(Envoys, Ours);
    envoy_dynamic_module_on_bootstrap_extension_drain_started(Envoys, Ours);
    envoy_dynamic_module_on_bootstrap_extension_timer_fired(Envoys, Ours, Envoys);
    envoy_dynamic_module_on_bootstrap_extension_file_changed(Envoys, Ours, EnvoyBytes, u32);
    envoy_dynamic_module_on_bootstrap_extension_cluster_add_or_update(Envoys, Ours, EnvoyBytes);
    envoy_dynamic_module_on_bootstrap_extension_cluster_removal(Envoys, Ours, EnvoyBytes);
    envoy_dynamic_module_on_bootstrap_extension_listener_add_or_update(Envoys, Ours, EnvoyBytes);
    envoy_dynamic_module_on_bootstrap_extension_listener_removal(Envoys, Ours, EnvoyBytes);
    envoy_dynamic_module_on_http_filter_scheduled(Envoys, Ours, u64);
    envoy_dynamic_module_on_http_filter_downstream_above_write_buffer_high_watermark(Envoys, Ours);
    envoy_dynamic_module_on_http_filter_downstream_below_write_buffer_low_watermark(Envoys, Ours);
    envoy_dynamic_module_on_http_filter_http_callout_done(
        Envoys, Ours, u64, u32, *const Header, usize, *const EnvoyBytes, usize
    );
    envoy_dynamic_module_on_http_filter_http_stream_headers(
        Envoys, Ours, u64, *const Header, usize, bool
    );
    envoy_dynamic_module_on_http_filter_http_stream_data(
        Envoys, Ours, u64, *const EnvoyBytes, usize, bool
    );
    envoy_dynamic_module_on_http_filter_http_stream_trailers(
        Envoys, Ours, u64, *const Header, usize
    );
    envoy_dynamic_module_on_http_filter_http_stream_complete(Envoys, Ours, u64);
    envoy_dynamic_module_on_http_filter_http_stream_reset(Envoys, Ours, u64, u32);
    envoy_dynamic_module_on_http_filter_config_http_stream_headers(
        Envoys, Ours, u64, *const Header, usize, bool
    );
    envoy_dynamic_module_on_http_filter_config_http_stream_data(
        Envoys, Ours, u64, *const EnvoyBytes, usize, bool
    );
    envoy_dynamic_module_on_http_filter_config_http_stream_trailers(
        Envoys, Ours, u64, *const Header, usize
    );
    envoy_dynamic_module_on_http_filter_config_http_stream_complete(Envoys, Ours, u64);
    envoy_dynamic_module_on_http_filter_config_http_stream_reset(Envoys, Ours, u64, u32);
}

/// An endpoint of the admin interface that was never registered: 404.
#[unsafe(no_mangle)]
pub extern "C" fn envoy_dynamic_module_on_bootstrap_extension_admin_request(
    _envoy: Envoys,
    _ours: Ours,
    _method: EnvoyBytes,
    _path: EnvoyBytes,
    _body: EnvoyBytes,
) -> u32 {
    404
}
