//! No secret reaches a record.

use std::error::Error;
use std::time::Duration;

use gatelog_tracing::builder;
use serde_json::json;
use tracing::{error, info, info_span};
use tracing_subscriber::prelude::*;

use crate::logged::{Kept, logged, logged_by};

#[test]
fn the_values_of_sensitive_names_are_masked_wherever_they_stand() {
    #[derive(Debug)]
    struct Login {
        #[expect(dead_code, reason = "only shown")]
        password: &'static str,
    }
    let records = logged(|| {
        let span = info_span!("login", api_key = "s3cret", session_id = tracing::field::Empty);
        let _span = span.entered();
        tracing::Span::current().record("session_id", "s3cret");
        info!(user.password = "s3cret", client_secret = 987_654_321_u64, otp = true, "x");
        info!(token = ?Login { password: "s3cret" }, "login password=s3cret");
        info!(login = ?Login { password: "s3cret" }, url = "http://a/?access_token=s3cret", "x");
        info!(sent = "Bearer s3cret", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJzM2NyZXQifQ.c2lnbmVk");
        info!(user_id = "token=s3cret", "Authorization: Bearer s3cret");
        let error: Box<dyn Error> = "refused: api_key=s3cret".into();
        error!(error = &*error, secret = &*error, "x");
        error!(error = "password: s3cret", error.stack_trace = "token=s3cret", "x");
    });
    assert_eq!(records.len(), 7);
    for record in &records {
        let text = record.to_string();
        assert!(
            !text.contains("s3cret") && !text.contains("987654321") && !text.contains("eyJ"),
            "{record:#}"
        );
        assert_eq!(record["extra"]["api_key"], "[redacted]", "{record:#}");
        assert_eq!(record["extra"]["session_id"], "[redacted]", "{record:#}");
    }
    assert_eq!(records[1]["message"], "login password=[redacted]");
}

#[test]
fn names_can_be_added_and_kept() {
    let builder = builder("orders").mask("pin").keep("session_region");
    let (records, _) = logged_by(builder, || {
        info!(pin = 1234, session_region = "eu", pins = 3, "pin=1234");
    });
    let extra = json!({"pin": "[redacted]", "session_region": "eu", "pins": 3});
    assert_eq!(records[0]["extra"], extra);
    assert_eq!(records[0]["message"], "pin=[redacted]");
}

/// Regression: the last layer's fields of a span replaced those of the others.
#[test]
fn each_layer_has_a_spans_fields_as_it_masks_them() {
    let (own, others) = (Kept::default(), Kept::default());
    let (masking, guard) = builder("a").mask("pin").writer(own.clone()).layer().unwrap();
    let (plain, other_guard) = builder("b").writer(others.clone()).layer().unwrap();
    let subscriber = tracing_subscriber::registry().with(masking).with(plain);
    tracing::subscriber::with_default(subscriber, || {
        let _span = info_span!("pay", pin = 1234, token = "s3cret", sum = 5).entered();
        info!("x");
    });
    for (guard, kept, pin) in
        [(guard, own, json!("[redacted]")), (other_guard, others, json!(1234))]
    {
        assert!(guard.flush(Duration::from_secs(10)));
        let extra = json!({"pin": pin, "token": "[redacted]", "sum": 5});
        assert_eq!(kept.records()[0]["extra"], extra);
    }
}
