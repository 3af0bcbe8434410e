//! A naive access logger that uses the SDK's calls directly, as a baseline for the benchmark: ids,
//! the tenant's headers, fourteen properties, `json!`, and batches sent in callouts. Only `make
//! bench` runs it, next to gatelog, under a load that it can handle.
//!
//! It does less than gatelog: it sets levels by status alone, has no redaction, sampling, record or
//! value limits, accounting or retries, and a header that is not UTF-8 crashes it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::{Duration, UNIX_EPOCH};

use log::warn;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use serde_json::{Value, json};

/// The cluster that batches are sent to.
const CLUSTER: &str = "gatelog_collector";

/// How often a batch is sent, and how many records it may contain.
const FLUSH: Duration = Duration::from_secs(1);
const BATCH: usize = 1_000;

/// Maximum number of queued records; nothing else bounds them.
const WAITING: usize = 8_000;

thread_local! {
    static RECORDS: RefCell<VecDeque<String>> = const { RefCell::new(VecDeque::new()) };
}

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_root_context(|_| Box::new(Root));
}}

struct Root;

impl Context for Root {
    fn on_http_call_response(&mut self, _: u32, _: usize, _: usize, _: usize) {
        let status = self.get_http_call_response_header(":status");
        if status.as_deref() != Some("202") {
            warn!("a batch was lost: {status:?}");
        }
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        self.set_tick_period(FLUSH);
        true
    }

    fn on_tick(&mut self) {
        RECORDS.with_borrow_mut(|records| {
            while !records.is_empty() {
                let batch: Vec<String> = records.drain(..records.len().min(BATCH)).collect();
                let headers = vec![
                    (":method", "POST"),
                    (":path", "/v1/records"),
                    (":authority", CLUSTER),
                    ("content-type", "application/x-ndjson"),
                ];
                let body = batch.join("\n");
                let sent = self.dispatch_http_call(
                    CLUSTER,
                    headers,
                    Some(body.as_bytes()),
                    vec![],
                    Duration::from_secs(5),
                );
                if let Err(status) = sent {
                    warn!("a batch was lost: {status:?}");
                }
            }
        });
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream::default()))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

#[derive(Default)]
struct Stream {
    request_id: String,
    correlation_id: String,
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        self.request_id = self.get_http_request_header("x-request-id").unwrap_or_default();
        self.correlation_id = self
            .get_http_request_header("x-correlation-id")
            .unwrap_or_else(|| self.request_id.clone());
        self.set_http_request_header("x-correlation-id", Some(&self.correlation_id));
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        self.set_http_response_header("x-request-id", Some(&self.request_id));
        self.set_http_response_header("x-correlation-id", Some(&self.correlation_id));
        Action::Continue
    }

    fn on_log(&mut self) {
        let status = self.number(&["response", "code"]);
        let (method, path) = (self.text(&["request", "method"]), self.text(&["request", "path"]));
        let milliseconds = self.number(&["request", "duration"]) as f64 / 1e6;
        let now = self.get_current_time().duration_since(UNIX_EPOCH).unwrap_or_default();
        let record = json!({
            "timestamp_ns": now.as_nanos() as u64,
            "level": if status >= 500 { "ERROR" } else { "INFO" },
            "function_name": self.text(&["xds", "route_name"]),
            "message": format!("{method} {path} -> {status} in {milliseconds:.2} ms"),
            "context": {
                "request_id": self.request_id,
                "correlation_id": self.correlation_id,
                "organization_id": self.get_http_request_header("x-organization-id"),
                "user_id": self.get_http_request_header("x-user-id"),
                "conversation_id": self.get_http_request_header("x-conversation-id"),
            },
            "trace": {"execution_time_ms": milliseconds},
            "http": {
                "method": method,
                "scheme": self.text(&["request", "scheme"]),
                "host": self.text(&["request", "host"]),
                "path": path,
                "status": status,
                "protocol": self.text(&["request", "protocol"]),
                "user_agent": self.get_http_request_header("user-agent"),
                "client_ip": self.text(&["source", "address"]),
                "cluster": self.text(&["xds", "cluster_name"]),
                "upstream": self.text(&["upstream", "address"]),
                "request_bytes": self.number(&["request", "total_size"]),
                "response_bytes": self.number(&["response", "total_size"]),
            },
            "error": {"details": self.text(&["response", "code_details"])},
        });
        let line = record.to_string();
        self.set_property(vec!["gatelog"], Some(line.as_bytes()));
        RECORDS.with_borrow_mut(|records| {
            if records.len() < WAITING {
                records.push_back(line);
            }
        });
    }
}

impl Stream {
    fn text(&self, path: &[&str]) -> Value {
        self.get_property(path.to_vec())
            .map_or(Value::Null, |bytes| String::from_utf8_lossy(&bytes).into())
    }

    fn number(&self, path: &[&str]) -> i64 {
        let bytes = self.get_property(path.to_vec()).unwrap_or_default();
        bytes.try_into().map_or(0, i64::from_le_bytes)
    }
}
