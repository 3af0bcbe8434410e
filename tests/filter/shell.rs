//! Which form of the filter these tests run.

use gatelog_testkit::Shell;

/// The wasm filter; the same tests run the module in `tests/module/`.
pub(crate) const SHELL: Shell = Shell::Wasm;
