//! Errors with their causes and the spans around them.

use std::error::Error;
use std::fmt;

use serde_json::json;
use tracing::{error, info, info_span};

use crate::logged::one;

#[derive(Debug)]
struct Refused {
    cause: std::num::ParseIntError,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the payment was refused")
    }
}

impl Error for Refused {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}

fn refused() -> Refused {
    Refused { cause: "x".parse::<u8>().unwrap_err() }
}

#[test]
fn an_error_has_its_type_its_causes_and_its_span_trace() {
    let record = one(|| {
        let _outer = info_span!(target: "orders", "handle").entered();
        let _inner = info_span!(target: "orders::pay", "charge").entered();
        error!(error = &refused() as &dyn Error, "charge failed");
    });
    assert_eq!(record["error"]["type"], "Refused");
    assert_eq!(record["error"]["message"], "the payment was refused");
    let stack = record["error"]["stack_trace"].as_array().unwrap();
    assert_eq!(stack[0], "caused by: invalid digit found in string");
    let within = |line: usize| stack[line].as_str().unwrap().split(" (").next().unwrap().to_owned();
    assert_eq!([within(1), within(2)], ["in orders::pay::charge", "in orders::handle"]);
    assert!(stack[1].as_str().unwrap().contains("errors.rs:"));
    assert!(record.get("extra").is_none(), "{record:#}");
}

#[test]
fn an_error_given_as_text_has_its_message() {
    let record = one(|| error!(error = %refused(), "charge failed"));
    assert_eq!(record["error"], json!({"message": "the payment was refused"}));
    let record = one(|| error!(err = "first\n  second\n\n  third", "charge failed"));
    let error = json!({"message": "first", "stack_trace": ["  second", "  third"]});
    assert_eq!(record["error"], error);
}

#[test]
fn a_second_error_is_an_ordinary_field() {
    let (one_error, other) = (refused(), "".parse::<u8>().unwrap_err());
    let record = one(|| {
        error!(error = &one_error as &dyn Error, other = &other as &dyn Error, "x");
    });
    assert_eq!(record["error"]["type"], "Refused");
    assert_eq!(record["extra"]["other"], "cannot parse integer from empty string");
}

#[test]
fn a_text_after_an_error_does_not_mix_with_it() {
    let first = refused();
    let record = one(|| error!(error = &first as &dyn Error, err = "other\nlines", "x"));
    assert_eq!(record["error"]["type"], "Refused");
    assert_eq!(record["error"]["message"], "the payment was refused");
    assert_eq!(record["extra"]["err"], "other\nlines");
    let record = one(|| error!(err = "text", error = &first as &dyn Error, "x"));
    assert_eq!(record["error"], json!({"message": "text"}));
    assert_eq!(record["extra"]["error"], "the payment was refused");
}

#[test]
fn an_error_of_a_span_is_a_field_of_its_records() {
    let first = refused();
    let record = one(|| {
        let _span = info_span!("retry", err = &first as &dyn Error).entered();
        info!("x");
    });
    assert!(record.get("error").is_none(), "{record:#}");
    assert_eq!(record["extra"]["error"], "the payment was refused");
}

#[test]
fn a_chain_without_end_is_cut() {
    #[derive(Debug)]
    struct Circle;
    impl fmt::Display for Circle {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("circle")
        }
    }
    impl Error for Circle {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(self)
        }
    }
    let record = one(|| error!(error = &Circle as &dyn Error, "x"));
    assert_eq!(record["error"]["stack_trace"].as_array().unwrap().len(), 16);
}
