//! Configurations that are valid, invalid, or of the wrong kind.

use gatelog_testkit::mock_host::{LogLevel, World};

use crate::gateway::{Gateway, ROOT, ordinary, record};

/// The lines that the filter logged when it rejected a configuration.
fn refusal(configuration: &[u8]) -> Vec<String> {
    let mut gateway = Gateway::unconfigured();
    assert!(!gateway.host.configure(ROOT, configuration), "it was taken");
    let logs = &gateway.host.world().logs;
    assert!(logs.iter().all(|line| line.level == LogLevel::Error), "{logs:?}");
    assert!(!logs.is_empty(), "it was refused without a word");
    logs.iter().map(|line| line.text.clone()).collect()
}

#[test]
fn no_configuration_at_all_is_a_working_one() {
    for configuration in ["", " \n", "{}"] {
        let mut gateway = Gateway::start(configuration);
        record(&gateway.serve(ordinary()));
        assert!(gateway.host.world().logs.is_empty());
        assert_eq!(gateway.host.world().tick_period_ms, Some(200));
    }
}

#[test]
fn a_struct_is_refused_with_the_remedy() {
    // {"service": "edge"} as google.protobuf.Struct, as Envoy passes it.
    let protobuf = b"\x0a\x11\x0a\x07service\x12\x06\x1a\x04edge";
    let lines = refusal(protobuf);
    assert_eq!(lines.len(), 1);
    assert!(lines[0].contains("StringValue"), "{lines:?}");
}

#[test]
fn every_fault_is_named_at_once() {
    let lines = refusal(
        br#"{"delivery": {"flush_interval": "0s", "max_in_flight": 0}, "unknown": 1, "level": "LOUD"}"#,
    );
    for part in ["delivery.flush_interval", "delivery.max_in_flight", "unknown", "level"] {
        assert!(lines.iter().any(|line| line.contains(part)), "{part}: {lines:?}");
    }
}

#[test]
fn an_invalid_configuration_is_rejected_and_the_vm_survives() {
    let huge = vec![b' '; 2 * 1024 * 1024];
    let deep = [vec![b'['; 10_000], vec![b']'; 10_000]].concat();
    for configuration in [
        &b"not json"[..],
        b"[]",
        b"7",
        b"\"text\"",
        b"{",
        b"\xff\xfe",
        b"{\"level\":\"\xff\"}",
        &huge,
        &deep,
    ] {
        refusal(configuration);
    }
}

#[test]
fn a_refused_update_leaves_the_running_configuration_in_force() {
    let mut gateway = Gateway::start(r#"{"service": "first"}"#);
    assert!(!gateway.host.configure(ROOT, r#"{"service": 7}"#));
    let record = record(&gateway.serve(ordinary()));
    assert_eq!(record["logger_name"], "gateway.first");
    assert_eq!(record["source"]["seq"], 1);
}

#[test]
fn a_refused_update_beside_a_running_root_harms_neither() {
    // Envoy configures a new root context beside the old one, in the same VM.
    let mut gateway = Gateway::start("{}");
    gateway.host.create_root(2);
    assert!(!gateway.host.configure(2, "not json"));
    gateway.host.tick(2);
    assert!(gateway.host.done(2));
    gateway.host.delete(2);
    record(&gateway.serve(ordinary()));
}

#[test]
fn the_environment_sets_the_level_and_fills_in_names() {
    let mut world = World::new();
    world.environment = vec![
        ("LOG_LEVEL".to_owned(), "ERROR".to_owned()),
        ("REGION".to_owned(), "eu-north-1".to_owned()),
    ];
    let mut gateway = Gateway::in_world(world);
    let configuration = r#"{"record": {"fields": {"region": "${REGION}"}}}"#;
    assert!(gateway.host.configure(ROOT, configuration), "{:?}", gateway.host.world().logs);
    assert!(!gateway.serve(ordinary()).filter_state.contains_key("gatelog"));
    let mut failed = ordinary();
    failed.property("response.code", 500_u64);
    assert_eq!(record(&gateway.serve(failed))["extra"]["region"], "eu-north-1");
}
