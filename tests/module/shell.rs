//! Which form of the filter these tests run.

use gatelog_testkit::Shell;

/// The dynamic module.
pub(crate) const SHELL: Shell = Shell::Module;
