//! What counts as a credential, by name, and where its value ends in a text: shared by all who make
//! records.

pub mod assignments;
pub mod names;
pub mod percent;

/// The replacement for a secret.
pub const MASK: &str = "[redacted]";
