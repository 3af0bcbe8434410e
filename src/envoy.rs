//! Envoy's view of an exchange: headers, properties, attributes, response flags.

pub mod attributes;
pub mod claims;
pub mod headers;
pub mod percent;
pub mod property;
pub mod response_flags;
