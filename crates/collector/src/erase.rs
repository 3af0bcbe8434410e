//! Erasing a person's records, and keeping them erased.
//!
//! `gatelog-collector erase` writes a [tombstone](crate::tombstone), waits until every collector heeds
//! it (`collectors`), and deletes what is stored (`deletion`). Every collector follows the
//! tombstones while it runs (`follow`): it inserts nothing that they cover, and deletes its dead
//! letters that they cover (`letters`). Why nothing slips through is in
//! `docs/decisions/0009-tombstones.md`.

pub(crate) mod collectors;
pub(crate) mod deletion;
pub mod follow;
mod letters;
