//! The same module as an access logger: records what the HTTP filter cannot see, and nothing twice.

use std::time::Duration;

use anyhow::Context;
use gatelog_testkit::{EnvoyOptions, Shell, eventually};
use serde_json::{Value, json};

use crate::rig::{PATIENCE, Rig};
use crate::shell::SHELL;

/// Adds the module as the first access logger; `alone` removes the HTTP filter.
fn add(options: &mut EnvoyOptions, alone: bool) -> anyhow::Result<()> {
    let filter = options.config.http_filter("gatelog")?["typed_config"].clone();
    let logger = match SHELL {
        Shell::Wasm => wasm_logger(filter),
        Shell::Module => module_logger(filter),
    };
    let loggers = &mut options.config.connection_manager()?["access_log"];
    if loggers.is_null() {
        *loggers = json!([]);
    }
    loggers.as_array_mut().context("access_log")?.insert(0, logger);
    if alone {
        options.config.http_filters()?.remove(0);
    }
    Ok(())
}

fn wasm_logger(mut filter: Value) -> Value {
    let mut plugin = filter["config"].take();
    plugin["name"] = json!("gatelog_access_logger");
    plugin["root_id"] = json!("gatelog_access_logger");
    json!({
        "name": "envoy.access_loggers.wasm",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.wasm.v3.WasmAccessLog",
            "config": plugin,
        },
    })
}

fn module_logger(mut filter: Value) -> Value {
    json!({
        "name": "envoy.access_loggers.dynamic_modules",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.dynamic_modules.v3.DynamicModuleAccessLog",
            "dynamic_module_config": filter["dynamic_module_config"].take(),
            "logger_name": "gatelog",
            "logger_config": filter["filter_config"].take(),
        },
    })
}

async fn delivered(rig: &Rig, records: usize) -> Vec<Value> {
    eventually("the records are delivered", PATIENCE, async || {
        let delivered = rig.sink.records();
        anyhow::ensure!(delivered.len() >= records, "{} of {records}", delivered.len());
        anyhow::Ok(delivered)
    })
    .await
    .unwrap_or_else(|error| panic!("{error:#}\n{}", rig.envoy.log()))
}

#[tokio::test]
async fn alone_it_records_every_exchange() {
    // Regardless of `trust`: nothing has given the request other ids.
    let never = json!({"trust": "never"});
    let options = [("/request_id", never.clone()), ("/correlation_id", never)];
    let rig = Rig::start_with(&options, |options| add(options, true)).await.unwrap();
    for (path, status) in [("/raw/ok", 200), ("/raw/500", 500), ("/unknown", 404)] {
        let reply = rig.get(path, &[("x-correlation-id", path), ("x-user-id", "u1")]).await;
        assert_eq!(reply.status.as_u16(), status);
        assert_eq!(reply.header("x-correlation-id"), "", "it cannot change headers");
    }
    let records = delivered(&rig, 3).await;
    let of = |path: &str| {
        records.iter().find(|r| r["context"]["correlation_id"] == path).unwrap().clone()
    };
    assert_eq!(of("/raw/ok")["context"]["user_id"], "u1");
    assert_eq!(of("/raw/500")["level"], "ERROR");
    assert_eq!(of("/unknown")["http"]["status"], 404);
    if SHELL == Shell::Module {
        // What writes its own lines also has those of an access logger.
        assert_eq!(rig.record("/raw/ok").await, of("/raw/ok"));
    }
    assert!(of("/raw/ok")["trace"]["execution_time_ms"].as_f64().unwrap() > 0.0);
    // It makes no hostcall that an access logger may not make.
    let refused = rig.envoy.stats("host_refused").await.unwrap();
    assert_eq!(refused.values().collect::<Vec<_>>(), [&0]);
}

#[tokio::test]
async fn beside_the_filter_it_records_nothing_twice() {
    let options = [("/sampling/rate", json!(0.0)), ("/sampling/always_slower_than", json!("24h"))];
    let rig = Rig::start_with(&options, |options| add(options, false)).await.unwrap();
    // Every decision of the filter: recorded, sampled out, a health check.
    for path in ["/raw/500", "/raw/404", "/raw/ok", "/healthz"] {
        rig.get(path, &[("x-correlation-id", path)]).await;
    }
    gatelog_testkit::raw_exchange(rig.address(), b"garbage\r\n\r\n", Duration::from_secs(5))
        .await
        .unwrap();
    let records = delivered(&rig, 3).await;
    let mut levels: Vec<_> =
        records.iter().map(|r| r["level"].as_str().unwrap().to_owned()).collect();
    levels.sort();
    assert_eq!(levels, ["ERROR", "WARNING", "WARNING"], "{records:#?}");
    assert_eq!(rig.envoy.reloads().await.unwrap(), 0);
}
