//! The collector's own command-line help, and the files of the checkout.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use gatelog_testkit::{checkout, collector_path};

/// A file of the checkout.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(checkout().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn help(arguments: &[&str]) -> String {
    let output = Command::new(collector_path().unwrap()).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The environment variables of `serve`.
pub(crate) fn variables() -> BTreeSet<String> {
    let help = help(&["serve", "--help"]);
    let marks = help.split("[env: ").skip(1);
    let names: BTreeSet<_> =
        marks.map(|rest| rest.split(['=', ']']).next().unwrap().to_owned()).collect();
    assert!(names.contains("GATELOG_SPOOL_MAX_BYTES") && names.contains("MONGODB_URI"), "{help}");
    names
}

/// Every variable is one of the collector's.
pub(crate) fn assert_variables<'a>(place: &str, names: impl IntoIterator<Item = &'a str>) {
    let known = variables();
    let mut seen = 0;
    for name in names {
        seen += 1;
        assert!(known.contains(name), "{place}: the collector knows no {name}");
    }
    assert!(seen > 0, "{place} sets no variable");
}

/// The first argument is a command of the collector, followed by that command's flags.
pub(crate) fn assert_command(place: &str, arguments: &[&str]) {
    let [command, flags @ ..] = arguments else { panic!("{place}: no command") };
    let help = help(&[command, "--help"]);
    for flag in flags.iter().filter(|argument| argument.starts_with("--")) {
        assert!(help.contains(flag), "{place}: {command} has no {flag}");
    }
}

/// The version of the workspace: what the project's own images are tagged with.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// An image is named with its version: the project's own with the workspace's.
pub(crate) fn assert_pinned(image: &str) {
    let (name, tag) = image.rsplit_once(':').unwrap_or_else(|| panic!("{image} has no tag"));
    if name.rsplit('/').next().unwrap().starts_with("gatelog") {
        assert_eq!(tag, VERSION, "{image}");
    } else {
        let parts = tag.split('-').next().unwrap().trim_start_matches('v').split('.');
        let numbers = parts.filter(|part| part.parse::<u32>().is_ok()).count();
        assert_eq!(numbers, 3, "{image}: not pinned to a whole version");
    }
}
