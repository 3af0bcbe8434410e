//! The library and Envoy: every hook is there, and every callback.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use gatelog_testkit::{Envoy, EnvoyConfig, EnvoyOptions, Shell, envoy_binary, module_path};
use tempfile::TempDir;

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
fn the_module_can_neither_answer_for_a_service_nor_read_a_body() {
    const NEVER: [&str; 10] = [
        "body",
        "buffer",
        "clear_route",
        "continue_",
        "go_away",
        "override",
        "recreate",
        "reset",
        "send_response",
        "socket_option",
    ];
    let imported = symbols(&module_path().unwrap(), "U");
    let able: Vec<_> = imported
        .iter()
        .filter(|name| name.starts_with("envoy_") && NEVER.iter().any(|part| name.contains(part)))
        .collect();
    assert!(able.is_empty(), "{able:#?}");
}

#[test]
fn the_library_exports_nothing_but_hooks() {
    let exported = symbols(&module_path().unwrap(), "TDBRW");
    let others: Vec<_> =
        exported.iter().filter(|name| !name.starts_with("envoy_dynamic_module_on_")).collect();
    assert!(others.is_empty(), "{others:#?}");
}

/// The C library of the images of Envoy (Ubuntu 22.04): minor version of glibc 2.
const GLIBC: u32 = 35;

#[test]
fn the_library_needs_no_newer_c_library_than_envoys_images_have() {
    let output = Command::new("nm").arg("-D").arg(module_path().unwrap()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let needed = text.split("@GLIBC_2.").skip(1).filter_map(|rest| {
        rest.split(|character: char| !character.is_ascii_digit()).next()?.parse::<u32>().ok()
    });
    let newest = needed.max().expect("it needs a C library");
    assert!(newest <= GLIBC, "glibc 2.{newest}");
}

/// A directory with the library, in which one text is another of the same length.
fn altered(from: &str, to: &str) -> TempDir {
    let mut bytes = std::fs::read(module_path().unwrap()).unwrap();
    let places: Vec<_> = bytes
        .windows(from.len())
        .enumerate()
        .filter_map(|(place, window)| (window == from.as_bytes()).then_some(place))
        .collect();
    assert!(!places.is_empty(), "{from}");
    for place in places {
        bytes[place..place + to.len()].copy_from_slice(to.as_bytes());
    }
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("libgatelog.so"), bytes).unwrap();
    directory
}

fn searching(directory: &TempDir) -> EnvoyOptions {
    let mut options = EnvoyOptions::new(EnvoyConfig::built(Shell::Module).unwrap());
    let path = directory.path().to_str().unwrap().to_owned();
    options.environment.push(("ENVOY_DYNAMIC_MODULES_SEARCH_PATH".to_owned(), path));
    options
}

#[tokio::test]
async fn a_library_for_another_version_of_the_interface_is_warned_about() {
    let directory = altered("v0.2.0", "v0.9.0");
    let envoy = Envoy::start(searching(&directory)).await.unwrap();
    assert!(envoy.log().contains("ABI version v0.9.0 is deprecated"), "{}", envoy.log());
    let own = Envoy::start(EnvoyOptions::new(EnvoyConfig::built(Shell::Module).unwrap())).await;
    let log = own.unwrap().log();
    assert!(!log.contains("ABI version"), "{log}");
}

#[tokio::test]
async fn an_envoy_without_a_callback_that_the_library_needs_names_it_and_does_not_start() {
    let (ours, unknown) = ("access_logger_get_timing_info_v2", "access_logger_get_timing_info_v9");
    let directory = altered(ours, unknown);
    let error = Envoy::start(searching(&directory)).await.unwrap_err();
    let says = format!("undefined symbol: envoy_dynamic_module_callback_{unknown}");
    assert!(format!("{error:#}").contains(&says), "{error:#}");
}
