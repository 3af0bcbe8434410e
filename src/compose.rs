//! What a record says: the facts, the tenant, redaction, server timing, and the record put together.

pub mod assemble;
pub mod facts;
pub mod redaction;
pub mod server_timing;
pub mod tenancy;
