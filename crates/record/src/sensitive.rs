//! What counts as a credential, by name or by form, and where its value ends in a text: shared by
//! all who make records.

pub mod assignments;
pub mod encoding;
pub mod json;
pub mod jwt;
pub mod marks;
pub mod names;
pub mod percent;
mod schemes;

/// The replacement for a secret.
pub const MASK: &str = "[redacted]";
