//! Envoy's view of an exchange: headers, properties, attributes, response flags.

pub mod attributes;
pub mod claims;
pub mod headers;
pub mod property;
pub mod response_flags;

pub use gatelog_record::sensitive::percent;
