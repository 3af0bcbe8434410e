//! No secret reaches a record.

use std::error::Error;

use gatelog_tracing::builder;
use tracing::{error, info, info_span};

use crate::logged::{logged, logged_by};

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
    let extra = serde_json::json!({"pin": "[redacted]", "session_region": "eu", "pins": 3});
    assert_eq!(records[0]["extra"], extra);
    assert_eq!(records[0]["message"], "pin=[redacted]");
}
