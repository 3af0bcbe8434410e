//! The compared variants: the same Envoy with different ways to log.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use gatelog_testkit::{EnvoyConfig, JournalWriter, Shell};
use serde_json::{Value, json};

/// The addresses of upstream and collector.
pub(crate) struct Addresses {
    pub(crate) upstream: SocketAddr,
    pub(crate) collector: SocketAddr,
    /// A collector that is unreachable.
    pub(crate) away: SocketAddr,
}

/// One way to log.
pub(crate) struct Variant {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    change: Change,
}

enum Change {
    Nothing,
    NativeLog,
    Lua,
    Module {
        file: PathBuf,
        configuration: String,
    },
    /// Another module in place of gatelog's, printed by the same access log.
    Plain(PathBuf),
    /// An earlier gatelog, with the same configuration.
    Before(PathBuf),
    /// Options of the filter, and whether it writes to stdout.
    Gatelog(Vec<(&'static str, Value)>, bool),
    /// The same with the collector unreachable.
    Away,
    /// The dynamic module, with these options.
    Library(Vec<(&'static str, Value)>, bool),
    /// The same with its journal in Envoy's access log.
    LibraryAccessLog,
    /// The same with the collector unreachable.
    LibraryAway,
}

/// The variant whose collector is unreachable.
pub(crate) const AWAY: &str = "gatelog-away";

/// The variant of the dynamic module whose collector is unreachable.
pub(crate) const MODULE_AWAY: &str = "module-away";

/// The variant built from an earlier commit.
pub(crate) const BEFORE: &str = "gatelog-before";

/// All of them, or those of `BENCH_VARIANTS`; the others are compared with the first.
pub(crate) fn all() -> Result<Vec<Variant>> {
    let empty = tempfile::Builder::new().suffix(".wasm").tempfile()?.keep()?.1;
    std::fs::write(&empty, wat::parse_str(include_str!("empty.wat"))?)?;
    let plain =
        PathBuf::from(std::env::var_os("BENCH_PLAIN_WASM").context(
            "BENCH_PLAIN_WASM names no module: run `make bench`, which builds tests/plain",
        )?);
    let variant = |name, about, change| Variant { name, about, change };
    let mut variants = vec![
        variant("none", "no filter, no log", Change::Nothing),
        variant("native", "Envoy's JSON file access log, the same fields", Change::NativeLog),
        variant("lua", "a Lua filter that sets and echoes the two ids, no log", Change::Lua),
        variant(
            "empty",
            "a wasm filter that does nothing",
            Change::Module { file: empty, configuration: String::new() },
        ),
        variant(
            "plain",
            "a plain filter of the SDK: ids, most of the fields, stdout, batches",
            Change::Plain(plain),
        ),
        variant(
            "gatelog",
            "ids, tenant, full record, stdout, batches",
            Change::Gatelog(vec![], true),
        ),
        variant("gatelog-no-stdout", "the same without stdout", Change::Gatelog(vec![], false)),
        variant(
            "gatelog-sampled",
            "the same at a sampling rate of 10 %",
            Change::Gatelog(vec![("/sampling/rate", json!(0.1))], true),
        ),
        variant(
            "gatelog-propagate",
            "the same with the gateway's own span in traceparent",
            Change::Gatelog(vec![("/trace/propagate", json!(true))], true),
        ),
        variant(AWAY, "the same with the collector away", Change::Away),
        variant("module", "gatelog as a dynamic module, complete", Change::Library(vec![], true)),
        variant(
            "module-access-log",
            "the same with the journal by Envoy's access log",
            Change::LibraryAccessLog,
        ),
        variant("module-no-stdout", "the same without stdout", Change::Library(vec![], false)),
        variant(
            "module-sampled",
            "the same at a sampling rate of 10 %",
            Change::Library(vec![("/sampling/rate", json!(0.1))], true),
        ),
        variant(MODULE_AWAY, "the same with the collector away", Change::LibraryAway),
    ];
    if let Some(file) = std::env::var_os("BENCH_BEFORE_WASM") {
        variants.push(variant(BEFORE, "the same, as of BENCH_BEFORE", Change::Before(file.into())));
    }
    if let Some(file) = std::env::var_os("BENCH_PEER_WASM") {
        let configuration = std::env::var("BENCH_PEER_CONFIG").unwrap_or_default();
        variants.push(variant(
            "peer",
            "BENCH_PEER_WASM",
            Change::Module { file: file.into(), configuration },
        ));
    }
    if let Ok(wanted) = std::env::var("BENCH_VARIANTS") {
        let wanted: Vec<&str> = wanted.split_whitespace().collect();
        variants.retain(|variant| variant.name == "none" || wanted.contains(&variant.name));
    }
    Ok(variants)
}

impl Variant {
    /// The form of gatelog in it.
    fn shell(&self) -> Shell {
        match self.change {
            Change::Library(..) | Change::LibraryAccessLog | Change::LibraryAway => Shell::Module,
            _ => Shell::Wasm,
        }
    }

    /// The shipped configuration with this variant's logging.
    pub(crate) fn config(&self, addresses: &Addresses) -> Result<EnvoyConfig> {
        let mut config = EnvoyConfig::built(self.shell())?;
        config.cluster_at("conversations", addresses.upstream)?;
        config.cluster_at("gatelog_collector", addresses.collector)?;
        match &self.change {
            Change::Nothing => remove_gatelog(&mut config)?,
            Change::NativeLog => {
                remove_gatelog(&mut config)?;
                config.connection_manager()?["access_log"] = native_log();
            }
            Change::Lua => {
                remove_gatelog(&mut config)?;
                config.http_filters()?.insert(0, lua());
            }
            Change::Module { file, configuration } => {
                let mut filter = config.http_filter("gatelog")?.clone();
                remove_gatelog(&mut config)?;
                let plugin = filter.pointer_mut("/typed_config/config").context("no plugin")?;
                plugin["vm_config"]["code"]["local"]["filename"] = json!(file);
                plugin["vm_config"]["vm_id"] = json!(self.name);
                plugin["configuration"]["value"] = json!(configuration);
                config.http_filters()?.insert(0, filter);
            }
            Change::Plain(file) => self.run_instead(file, &mut config)?,
            Change::Before(file) => {
                self.run_instead(file, &mut config)?;
                ordinary_requests(&mut config)?;
            }
            Change::LibraryAccessLog => {
                config.journal_by(JournalWriter::AccessLog)?;
                ordinary_requests(&mut config)?;
            }
            Change::Away | Change::LibraryAway => {
                config.cluster_at("gatelog_collector", addresses.away)?;
            }
            Change::Gatelog(options, stdout) | Change::Library(options, stdout) => {
                config.filter_options(options)?;
                config.filter_options(&[("/stdout", json!(stdout))])?;
                ordinary_requests(&mut config)?;
            }
        }
        Ok(config)
    }

    /// Replaces gatelog's module with another one.
    fn run_instead(&self, file: &Path, config: &mut EnvoyConfig) -> Result<()> {
        let plugin = config.http_filter("gatelog")?.pointer_mut("/typed_config/config");
        let code = &mut plugin.context("no plugin")?["vm_config"];
        code["code"]["local"]["filename"] = json!(file);
        code["vm_id"] = json!(self.name);
        Ok(())
    }
}

/// Makes every request of the load count as ordinary, however slow the machine is.
fn ordinary_requests(config: &mut EnvoyConfig) -> Result<()> {
    config.filter_options(&[("/sampling/always_slower_than", json!("1h"))])
}

fn remove_gatelog(config: &mut EnvoyConfig) -> Result<()> {
    config.connection_manager()?["access_log"] = json!([]);
    config.http_filters()?.remove(0);
    Ok(())
}

/// The record's fields by Envoy's own means, as far as Envoy provides them.
fn native_log() -> Value {
    let log = tempfile::NamedTempFile::new()
        .and_then(|file| Ok(file.keep()?.1))
        .unwrap_or_else(|_| "/dev/null".into());
    json!([{
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": log,
            "log_format": {"json_format": {
                "timestamp": "%START_TIME(%Y-%m-%dT%H:%M:%S.%6f+00:00)%",
                "function_name": "%ROUTE_NAME%",
                "context": {
                    "request_id": "%REQ(X-REQUEST-ID)%",
                    "correlation_id": "%REQ(X-CORRELATION-ID)%",
                    "organization_id": "%REQ(X-ORGANIZATION-ID)%",
                    "user_id": "%REQ(X-USER-ID)%",
                    "conversation_id": "%REQ(X-CONVERSATION-ID)%",
                },
                "trace": {"execution_time_ms": "%DURATION%", "upstream_ms": "%RESPONSE_DURATION%"},
                "http": {
                    "method": "%REQ(:METHOD)%",
                    "scheme": "%REQ(:SCHEME)%",
                    "host": "%REQ(:AUTHORITY)%",
                    "path": "%REQ(:PATH)%",
                    "status": "%RESPONSE_CODE%",
                    "protocol": "%PROTOCOL%",
                    "user_agent": "%REQ(USER-AGENT)%",
                    "client_ip": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
                    "cluster": "%UPSTREAM_CLUSTER%",
                    "upstream": "%UPSTREAM_HOST%",
                    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
                    "request_bytes": "%BYTES_RECEIVED%",
                    "response_bytes": "%BYTES_SENT%",
                },
                "error": {"details": "%RESPONSE_CODE_DETAILS%", "flags": "%RESPONSE_FLAGS%"},
            }},
        },
    }])
}

fn lua() -> Value {
    json!({
        "name": "envoy.filters.http.lua",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
            "default_source_code": {"inline_string": r#"
                function envoy_on_request(handle)
                  local headers = handle:headers()
                  local id = headers:get("x-request-id")
                  local correlation = headers:get("x-correlation-id") or id
                  headers:replace("x-correlation-id", correlation)
                  local metadata = handle:streamInfo():dynamicMetadata()
                  metadata:set("ids", "request", id)
                  metadata:set("ids", "correlation", correlation)
                end
                function envoy_on_response(handle)
                  local ids = handle:streamInfo():dynamicMetadata():get("ids")
                  handle:headers():replace("x-request-id", ids["request"])
                  handle:headers():replace("x-correlation-id", ids["correlation"])
                end
            "#},
        },
    })
}
