//! Configurations replaced under load, good ones and bad ones.

use std::collections::BTreeMap;

use anyhow::ensure;
use gatelog_testkit::{Shell, eventually};
use serde_json::{Value, json};

use crate::load::Load;
use crate::rig::{PATIENCE, Rig};
use crate::shell::SHELL;

/// How often the configuration is replaced.
const REPLACEMENTS: u64 = 20;

fn occurrences(records: &[Value]) -> BTreeMap<String, usize> {
    let mut seen = BTreeMap::new();
    for record in records {
        let id = record["context"]["correlation_id"].as_str().unwrap_or_default();
        *seen.entry(id.to_owned()).or_default() += 1;
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_replacements_under_load_lose_nothing_and_repeat_nothing() {
    let mut rig = Rig::start_with(&[("/record/fields", json!({"version": "0"}))], |options| {
        options.watch_listeners = true;
        // Replaced filter chains are removed immediately instead of after ten minutes.
        options.arguments =
            ["--drain-time-s", "1", "--drain-strategy", "immediate"].map(str::to_owned).to_vec();
        Ok(())
    })
    .await
    .unwrap();
    let load = Load::start(rig.address(), 4);
    for version in 1..=REPLACEMENTS {
        let before = load.requests();
        rig.config
            .filter_options(&[("/record/fields/version", json!(version.to_string()))])
            .unwrap();
        rig.envoy.replace_listeners(&rig.config).await.unwrap();
        eventually("requests meet the new configuration", PATIENCE, async || {
            ensure!(load.requests() > before + 20, "{} requests", load.requests());
            anyhow::Ok(())
        })
        .await
        .unwrap();
    }
    let sent = load.stop().await;
    assert_eq!(sent.harmed, [""; 0]);

    let expected: BTreeMap<String, usize> = sent.ids().map(|id| (id, 1)).collect();
    let delivered = eventually("every record is delivered", PATIENCE, async || {
        let delivered = rig.sink.records();
        ensure!(
            delivered.len() as u64 >= sent.requests,
            "{} of {}",
            delivered.len(),
            sent.requests
        );
        anyhow::Ok(delivered)
    })
    .await
    .unwrap_or_else(|error| panic!("{error:#}\n{}", rig.envoy.log()));
    assert!(occurrences(&delivered) == expected, "delivered once each");
    // The journal is not written in step with the batches.
    let printed = eventually("every record is printed", PATIENCE, async || {
        let printed = rig.envoy.journal().records()?;
        let count = printed.len() as u64;
        ensure!(count >= sent.requests, "{count} of {}", sent.requests);
        anyhow::Ok(printed)
    });
    assert!(occurrences(&printed.await.unwrap()) == expected, "printed once each");
    let versions: std::collections::BTreeSet<_> =
        delivered.iter().map(|record| record["extra"]["version"].to_string()).collect();
    assert!(versions.len() > 15, "{versions:?}");
    assert_eq!(rig.envoy.reloads().await.unwrap(), 0);
}

#[tokio::test]
async fn a_replaced_configuration_keeps_trying_while_the_collector_is_away() {
    let mut rig = Rig::start_with(&[], |options| {
        options.watch_listeners = true;
        options.arguments =
            ["--drain-time-s", "1", "--drain-strategy", "immediate"].map(str::to_owned).to_vec();
        Ok(())
    })
    .await
    .unwrap();
    rig.sink.answer(gatelog_testkit::Answer::Refuse(503));
    rig.get("/raw/ok", &[("x-correlation-id", "old"), ("connection", "close")]).await;
    rig.record("old").await;
    rig.config.filter_options(&[("/service", json!("new"))]).unwrap();
    rig.envoy.replace_listeners(&rig.config).await.unwrap();
    // The old filter chain is gone, and with it the old root has begun to drain.
    eventually("the old configuration has drained", PATIENCE, async || {
        let draining = rig.envoy.stats("listener_manager.total_filter_chains_draining").await?;
        ensure!(draining.values().all(|count| *count == 0), "{draining:?}");
        anyhow::Ok(())
    })
    .await
    .unwrap();
    let refused = rig.sink.requests();
    eventually("it is tried again", PATIENCE, async || {
        ensure!(rig.sink.requests() > refused, "{} requests", rig.sink.requests());
        anyhow::Ok(())
    })
    .await
    .unwrap();
    rig.sink.answer(gatelog_testkit::Answer::Accept);
    eventually("the old configuration's record is delivered", PATIENCE, async || {
        ensure!(rig.sink.records().len() == 1, "{} records", rig.sink.records().len());
        anyhow::Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn configurations_that_take_turns_in_an_outage_lose_no_queue() {
    let mut rig = Rig::start_with(&[("/delivery/drain_timeout", json!("5m"))], |options| {
        options.watch_listeners = true;
        options.arguments =
            ["--drain-time-s", "1", "--drain-strategy", "immediate"].map(str::to_owned).to_vec();
        Ok(())
    })
    .await
    .unwrap();
    rig.sink.answer(gatelog_testkit::Answer::Refuse(503));
    let (one, mut other) = (rig.config.clone(), rig.config.clone());
    other.filter_options(&[("/service", json!("other"))]).unwrap();
    for turn in 0..6 {
        let id = format!("turn-{turn}");
        rig.get("/raw/ok", &[("x-correlation-id", &id), ("connection", "close")]).await;
        rig.record(&id).await;
        let next = if turn % 2 == 0 { &other } else { &one };
        rig.envoy.replace_listeners(next).await.unwrap();
        eventually("the replaced configuration drains", PATIENCE, async || {
            let draining = rig.envoy.stats("listener_manager.total_filter_chains_draining").await?;
            ensure!(draining.values().all(|count| *count == 0), "{draining:?}");
            anyhow::Ok(())
        })
        .await
        .unwrap();
    }
    rig.sink.answer(gatelog_testkit::Answer::Accept);
    eventually("every configuration's record is delivered", PATIENCE, async || {
        ensure!(rig.sink.records().len() == 6, "{} records", rig.sink.records().len());
        anyhow::Ok(())
    })
    .await
    .unwrap_or_else(|error| panic!("{error:#}\n{}", rig.envoy.log()));
    eventually("no queue counts any more", PATIENCE, async || {
        let queued = rig.envoy.stats("gatelog.queue_records").await?;
        ensure!(queued.values().sum::<u64>() == 0, "{queued:?}");
        anyhow::Ok(())
    })
    .await
    .unwrap();
    let abandoned = rig.envoy.stats("gatelog.records_abandoned").await.unwrap();
    assert_eq!(abandoned.values().sum::<u64>(), 0);
    assert_eq!(rig.envoy.reloads().await.unwrap(), 0);
}

fn text(value: &str) -> Value {
    json!({"@type": "type.googleapis.com/google.protobuf.StringValue", "value": value})
}

#[tokio::test]
async fn a_bad_update_is_refused_with_every_fault_and_the_running_one_stays() {
    let mut rig = Rig::start_with(&[], |options| {
        options.watch_listeners = true;
        Ok(())
    })
    .await
    .unwrap();
    let good = rig.config.clone();
    let faults = json!({"level": "LOUD", "delivery": {"flush_interval": "0s"}, "nonsense": 1});
    let mut refused = vec![
        (
            text(&faults.to_string()),
            vec![
                "gatelog: level = \"LOUD\": must be DEBUG, INFO, WARNING, ERROR or CRITICAL",
                "gatelog: delivery.flush_interval = \"0s\": must be at least 50ms",
                "gatelog: nonsense: unknown key",
            ],
        ),
        (text("{"), vec!["gatelog: configuration: is not JSON"]),
    ];
    // To a module, Envoy gives a Struct as JSON.
    if SHELL == Shell::Wasm {
        let structure = json!({"@type": "type.googleapis.com/google.protobuf.Struct", "value": {"service": "edge"}});
        let says = "gatelog: configuration: is a protobuf Struct: give it as JSON text";
        refused.push((structure, vec![says]));
    }
    for (configuration, expected) in refused {
        let mut bad = good.clone();
        *bad.filter_configuration().unwrap() = configuration;
        rig.envoy.replace_listeners(&bad).await.unwrap_err();
        let log = rig.envoy.log();
        for line in expected {
            assert!(log.contains(line), "{line} in {log}");
        }
    }
    let reply = rig.get("/raw/ok", &[("x-correlation-id", "still")]).await;
    assert_eq!(reply.header("x-correlation-id"), "still");
    rig.record("still").await;
}
