//! Structured request logging at the gateway: a proxy-wasm filter for Envoy.
