//! Who sent how many records, and where each of them is now.

mod account;
pub mod gaps;
mod intervals;
mod ledger;
pub mod legacy;
#[cfg(test)]
mod model;
mod numbers;
mod peers;
pub mod reading;
pub mod report;
mod seqs;
pub mod sharing;
mod sums;
mod unnumbered;

pub use account::{Account, BootKey, GAPS_LISTED, Gap, Statement, Totals};
pub use intervals::Intervals;
pub use ledger::{Edit, FOREIGN_BYTES, Ledger, LedgerBounds, OWN_BYTES, Packed};
pub use numbers::{Counts, MAX_NUMBER, MAX_RUNS, Numbers, Place, Run, Told};
pub use peers::Peers;
pub use seqs::Seqs;
pub use sums::Sums;
pub use unnumbered::Unnumbered;
