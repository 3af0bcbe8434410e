//! The contents of a record: facts, tenant, redaction, server timing, and the assembled record.

pub mod assemble;
pub mod facts;
pub mod redaction;
pub mod server_timing;
pub mod tenancy;
