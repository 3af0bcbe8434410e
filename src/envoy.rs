//! What Envoy says about an exchange: headers, properties, attributes, response flags.

pub mod attributes;
pub mod headers;
pub mod property;
pub mod response_flags;
