//! Who sent how many records, and where each of them is now.

mod account;
pub mod gaps;
mod intervals;
mod ledger;
mod peers;
pub mod report;
mod seqs;
pub mod sharing;

pub use account::{Account, BootKey, GAPS_LISTED, Gap, Statement, Totals};
pub use intervals::{Intervals, MAX_INTERVALS};
pub use ledger::{Edit, Ledger, MAX_BOOTS};
pub use peers::Peers;
pub use seqs::Seqs;
