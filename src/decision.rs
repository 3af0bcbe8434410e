//! The decisions about an exchange: its outcome and level, rules, health checks, the audit trail,
//! sampling. [`fate::decide`] shows the order in which they apply.

pub mod audit;
pub mod fate;
pub mod grpc;
pub mod health_checks;
pub mod outcome;
pub mod path_template;
pub mod rules;
pub mod sampling;
