//! Ids and tenants, from spans and by hand.

use gatelog_tracing::{Context, set_context};
use serde_json::json;
use tracing::{info, info_span};

use crate::logged::logged;

#[test]
fn fields_with_an_ids_name_are_ids_and_the_innermost_wins() {
    let records = logged(|| {
        let _outer =
            info_span!("a", correlation_id = "c-1", user_id = 17, trace_id = "t").entered();
        info!("outer");
        let _inner = info_span!("b", user_id = "u-2").entered();
        info!(organization_id = "org_1", "inner");
    });
    let ids = |user: &str, organization: Option<&str>| {
        json!({
            "request_id": null, "correlation_id": "c-1", "organization_id": organization,
            "user_id": user, "conversation_id": null
        })
    };
    assert_eq!(records[0]["context"], ids("17", None));
    assert_eq!(records[1]["context"], ids("u-2", Some("org_1")));
    assert_eq!(records[1]["trace"], json!({"trace_id": "t"}));
    assert!(records[1].get("extra").is_none(), "{records:#?}");
}

#[test]
fn a_context_is_set_on_the_current_span_and_read_from_all() {
    let given = Context { organization_id: Some("org_1".into()), ..Context::default() };
    let other = Context { correlation_id: Some("c-1".into()), ..Context::default() };
    let both = Context { organization_id: given.organization_id.clone(), ..other.clone() };
    let records = logged(|| {
        assert!(!set_context(&given), "there is no span yet");
        assert_eq!(Context::current(), Context::default());
        let _job = info_span!("job").entered();
        assert!(set_context(&given));
        info!("one");
        other.span().in_scope(|| {
            assert_eq!(Context::current(), both);
            info!("other");
        });
    });
    assert_eq!(records[0]["context"]["organization_id"], "org_1");
    assert_eq!(records[1]["context"]["organization_id"], "org_1");
    assert_eq!(records[1]["context"]["correlation_id"], "c-1");
    assert_eq!(records[1]["function_name"], "job", "a span of ours is no function");
}

#[test]
fn without_the_layer_a_context_is_empty() {
    let _span = info_span!("job").entered();
    assert!(!set_context(&Context::default()));
    assert_eq!(Context::current(), Context::default());
}
