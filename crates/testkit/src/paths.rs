//! Paths of the components under test.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// The root of the repository.
pub fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().nth(2).unwrap_or(package).to_owned()
}

fn existing(path: PathBuf, remedy: &str) -> Result<PathBuf> {
    ensure!(path.exists(), "{} is missing: run '{remedy}'", path.display());
    Ok(path)
}

/// A program in the Python environment that `make tools` created.
pub fn tool(name: &str) -> Result<PathBuf> {
    existing(root().join(".tools/venv/bin").join(name), "make tools")
}

/// Envoy: `GATELOG_ENVOY`, or else the pinned one that `make tools` installed.
pub(crate) fn envoy() -> Result<PathBuf> {
    match env::var_os("GATELOG_ENVOY") {
        Some(path) => existing(path.into(), "scripts/envoy-version.sh VERSION"),
        None => tool("envoy"),
    }
}

/// The binary of the pinned Envoy: what tests start is a script around it.
pub fn envoy_binary() -> Result<PathBuf> {
    let libraries = root().join(".tools/venv/lib");
    let pythons = std::fs::read_dir(&libraries)
        .with_context(|| format!("{} is missing: run 'make tools'", libraries.display()))?;
    let binary = |python: PathBuf| python.join("site-packages/envoy/_bin/envoy");
    let mut found = pythons.flatten().map(|python| binary(python.path()));
    found.find(|path| path.exists()).context("no Envoy in .tools/venv: run 'make tools'")
}

/// The filter: `GATELOG_WASM`, or else the one built by `make wasm`.
pub fn filter() -> Result<PathBuf> {
    match env::var_os("GATELOG_WASM") {
        Some(path) => existing(path.into(), "make wasm"),
        None => existing(root().join("target/gatelog.wasm"), "make wasm"),
    }
}

/// The directory of the dynamic module, for Envoy's search path: `GATELOG_MODULES`, or else where
/// `make module` puts it.
pub(crate) fn modules() -> PathBuf {
    env::var_os("GATELOG_MODULES").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The filter as a dynamic module.
pub fn module() -> Result<PathBuf> {
    existing(modules().join("libgatelog.so"), "make module")
}

/// The collector: `GATELOG_COLLECTOR`, or else the one from the running program's build profile.
pub fn collector() -> Result<PathBuf> {
    if let Some(path) = env::var_os("GATELOG_COLLECTOR") {
        return existing(path.into(), "make collector");
    }
    beside("gatelog-collector")
}

/// The console: `GATELOG_CONSOLE`, or else the one from the running program's build profile.
pub fn console() -> Result<PathBuf> {
    if let Some(path) = env::var_os("GATELOG_CONSOLE") {
        return existing(path.into(), "cargo build --release --package gatelog-console");
    }
    beside("gatelog-console")
}

/// An example service, from the running program's build profile.
pub(crate) fn example(name: &str) -> Result<PathBuf> {
    beside(name)
}

fn beside(name: &str) -> Result<PathBuf> {
    let program = env::current_exe().context("finding this program's own path")?;
    let beside = program
        .ancestors()
        .skip(1)
        .map(|directory| directory.join(name))
        .find(|candidate| candidate.is_file());
    beside.with_context(|| format!("{name} is missing: run 'cargo build --package {name}'"))
}
