//! The capabilities that docs/security.md says the plugin needs from Envoy.

use gatelog_testkit::checkout;
use serde_json::Value;

use crate::rig::Rig;

/// The block of the page that restricts the module.
fn documented() -> Value {
    let page = std::fs::read_to_string(checkout().join("docs/security.md")).unwrap();
    let block =
        page.split("```yaml\n").find(|block| block.starts_with("capability_restriction_config:"));
    let yaml = block.and_then(|block| block.split("```").next()).unwrap();
    let read: Value = serde_saphyr::from_str(yaml).unwrap();
    read["capability_restriction_config"].clone()
}

#[tokio::test]
async fn the_listed_capabilities_are_enough() {
    let restriction = documented();
    assert!(restriction["allowed_capabilities"].as_object().unwrap().len() > 20);
    let rig = Rig::start_with(&[], |options| {
        let plugin = &mut options.config.http_filter("gatelog")?["typed_config"]["config"];
        plugin["capability_restriction_config"] = restriction;
        Ok(())
    })
    .await
    .unwrap();
    let reply = rig.get("/raw/500", &[("x-correlation-id", "restricted")]).await;
    assert_eq!(reply.header("x-correlation-id"), "restricted");
    assert_eq!(rig.record("restricted").await["level"], "ERROR");
    gatelog_testkit::eventually("it is delivered", crate::rig::PATIENCE, async || {
        anyhow::ensure!(rig.sink.records().len() == 1, "not yet");
        anyhow::Ok(())
    })
    .await
    .unwrap();
    assert_eq!(rig.envoy.reloads().await.unwrap(), 0);
}
