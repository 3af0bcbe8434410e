//! The library and Envoy: every hook is there, and every callback.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use gatelog_testkit::{envoy_binary, module_path};

/// The extensions of which Envoy may ask for every hook: those that the library is used as.
const EXTENSIONS: [&str; 4] =
    ["program_", "http_filter_", "access_logger_", "bootstrap_extension_"];

/// Dynamic symbols of a file: `nm -D`, and the letters of the wanted kinds.
fn symbols(file: &Path, kinds: &str) -> BTreeSet<String> {
    let output = Command::new("nm").arg("-D").arg(file).output().expect("binutils has nm");
    assert!(output.status.success(), "nm -D {}", file.display());
    let text = String::from_utf8(output.stdout).unwrap();
    let wanted = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace().rev();
        let (name, kind) = (words.next()?, words.next()?);
        kinds.contains(kind).then(|| name.split('@').next().unwrap().to_owned())
    });
    wanted.collect()
}

/// The hooks that a binary of Envoy asks for by name: texts that end with NUL.
fn asked_for(envoy: &Path) -> BTreeSet<String> {
    const PREFIX: &[u8] = b"envoy_dynamic_module_on_";
    let bytes = std::fs::read(envoy).unwrap();
    let texts = bytes.split(|byte| *byte == 0);
    let names = texts.filter_map(|text| Some(text.strip_prefix(PREFIX)?.to_vec()));
    names
        .filter_map(|name| String::from_utf8(name).ok())
        .filter(|name| name.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric()))
        .filter(|name| EXTENSIONS.iter().any(|extension| name.starts_with(extension)))
        .collect()
}

#[test]
fn every_hook_that_the_pinned_envoy_asks_for_is_exported() {
    let wanted = asked_for(&envoy_binary().unwrap());
    assert!(wanted.len() > 30, "{wanted:?}");
    let exported = symbols(&module_path().unwrap(), "T");
    let missing: Vec<_> = wanted
        .iter()
        .filter(|name| !exported.contains(&format!("envoy_dynamic_module_on_{name}")))
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_callback_that_the_library_imports_is_one_of_the_pinned_envoy() {
    let imported = symbols(&module_path().unwrap(), "U");
    let imported: BTreeSet<_> =
        imported.into_iter().filter(|name| name.starts_with("envoy_")).collect();
    assert!(imported.len() > 20, "{imported:?}");
    let offered = symbols(&envoy_binary().unwrap(), "T");
    let missing: Vec<_> = imported.difference(&offered).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn the_library_exports_nothing_but_hooks() {
    let exported = symbols(&module_path().unwrap(), "TDBRW");
    let others: Vec<_> =
        exported.iter().filter(|name| !name.starts_with("envoy_dynamic_module_on_")).collect();
    assert!(others.is_empty(), "{others:#?}");
}
