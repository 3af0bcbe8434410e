//! A new configuration takes over from a running one.

use gatelog_testkit::{Gateway, GatewayOptions};
use mongodb::bson::doc;
use serde_json::json;

use crate::SHELL;
use crate::stored::exactly;

async fn with_listeners_from_a_file() -> Gateway {
    let mut options = GatewayOptions::of(SHELL).unwrap();
    options.envoy.watch_listeners = true;
    Gateway::start_with(options).await.unwrap()
}

#[tokio::test]
async fn a_replaced_configuration_loses_no_record() {
    let mut gateway = with_listeners_from_a_file().await;
    for round in 0..4 {
        for _ in 0..5 {
            gateway.get("/api/v1/messages", &[]).await.unwrap();
        }
        let service = json!(format!("edge-{round}"));
        gateway.config.filter_options(&[("/service", service)]).unwrap();
        gateway.envoy.replace_listeners(&gateway.config).await.unwrap();
    }
    exactly(&gateway.database, "info_logs", 20).await.unwrap();
    assert_eq!(gateway.envoy.reloads().await.unwrap(), 0);
}

#[tokio::test]
async fn a_faulty_configuration_is_refused_with_its_faults_and_the_running_one_stays() {
    let mut gateway = with_listeners_from_a_file().await;
    let mut faulty = gateway.config.clone();
    faulty
        .filter_options(&[("/delivery/flush_interval", json!("0s")), ("/typo", json!(1))])
        .unwrap();
    let refusal = gateway.envoy.replace_listeners(&faulty).await.unwrap_err().to_string();
    for fault in ["delivery.flush_interval", "typo"] {
        assert!(refusal.contains(fault), "{refusal}");
    }
    gateway.get("/api/v1/messages", &[]).await.unwrap();
    exactly(&gateway.database, "info_logs", 1).await.unwrap();
    let with_service = doc! { "logger_name": "gateway.edge" };
    assert_eq!(gateway.database.count("info_logs", with_service).await.unwrap(), 1);
}
