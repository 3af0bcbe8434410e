//! What becomes of an exchange: its outcome and level, the rules, sampling.

pub mod outcome;
pub mod path_template;
pub mod rules;
pub mod sampling;
