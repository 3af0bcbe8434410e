//! The content of a post: its body, read within bounds, and the batch in it.

mod batch;
mod body;
mod elements;
pub mod otlp;

pub use batch::{BatchError, BatchLimits, Form, parse};
pub(crate) use batch::{beside_text, write_line};
pub use body::{BodyError, Budget, Held, POST_BYTES};
pub(crate) use body::{gunzip, read};
