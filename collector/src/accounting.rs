//! Who sent how many records, and where each of them is now.

mod account;
mod intervals;
mod ledger;
pub mod report;
mod seqs;

pub use account::{Account, BootKey, GAPS_LISTED, Gap, Statement, Totals};
pub use intervals::{Intervals, MAX_INTERVALS};
pub use ledger::{Edit, Ledger, MAX_BOOTS};
pub use seqs::Seqs;
