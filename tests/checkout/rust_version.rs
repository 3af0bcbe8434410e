//! `rust-version` in Cargo.toml.

use std::process::Command;

use gatelog_testkit::checkout;
use serde_json::Value;

/// "1.91" or "1.91.1" as numbers.
fn version(text: &str) -> (u32, u32) {
    let mut parts = text.split('.').map(|part| part.parse().unwrap());
    (parts.next().unwrap(), parts.next().unwrap())
}

fn packages() -> Vec<Value> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--format-version", "1", "--locked"]);
    let output = cargo.current_dir(checkout()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// Clippy's `incompatible_msrv` checks our own code's use of the standard library.
#[test]
fn no_dependency_needs_a_newer_compiler_than_the_workspace_declares() {
    let packages = packages();
    let declared = |package: &Value| package["rust_version"].as_str().map(version);
    let own = packages.iter().find(|package| package["name"] == "gatelog").unwrap();
    let own = declared(own).unwrap();
    assert!(packages.len() > 100, "{}", packages.len());
    for package in &packages {
        let name = &package["name"];
        let needed = declared(package);
        assert!(needed.is_none_or(|needed| needed <= own), "{name}: {needed:?} > {own:?}");
        let ours = package["source"].is_null();
        assert!(!ours || needed == Some(own), "{name} does not take the workspace's rust-version");
    }
}
