//! The programs' own command-line help, and the files of the checkout.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use gatelog_testkit::{checkout, collector_path, console_path};

/// A file of the checkout.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(checkout().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A program, by its own command-line help.
pub(crate) struct Program {
    name: &'static str,
    path: fn() -> Result<PathBuf>,
    /// A variable of `serve`, so that reading its help cannot go wrong unnoticed.
    variable: &'static str,
}

/// The collector.
pub(crate) const COLLECTOR: Program =
    Program { name: "collector", path: collector_path, variable: "GATELOG_SPOOL_MAX_BYTES" };

/// The console.
pub(crate) const CONSOLE: Program =
    Program { name: "console", path: console_path, variable: "GATELOG_CONSOLE_TOKENS_FILE" };

impl Program {
    fn help(&self, arguments: &[&str]) -> String {
        let output = Command::new((self.path)().unwrap()).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The environment variables of `serve`.
    fn variables(&self) -> BTreeSet<String> {
        let help = self.help(&["serve", "--help"]);
        let marks = help.split("[env: ").skip(1);
        let names: BTreeSet<_> =
            marks.map(|rest| rest.split(['=', ']']).next().unwrap().to_owned()).collect();
        assert!(names.contains(self.variable) && names.contains("MONGODB_URI"), "{help}");
        names
    }

    /// Every variable is one of the program's.
    pub(crate) fn assert_variables<'a>(
        &self,
        place: &str,
        names: impl IntoIterator<Item = &'a str>,
    ) {
        let known = self.variables();
        let mut seen = 0;
        for name in names {
            seen += 1;
            assert!(known.contains(name), "{place}: the {} knows no {name}", self.name);
        }
        assert!(seen > 0, "{place} sets no variable");
    }

    /// The first argument is a command of the program, followed by that command's flags.
    pub(crate) fn assert_command(&self, place: &str, arguments: &[&str]) {
        let [command, flags @ ..] = arguments else { panic!("{place}: no command") };
        let help = self.help(&[command, "--help"]);
        for flag in flags.iter().filter(|argument| argument.starts_with("--")) {
            assert!(help.contains(flag), "{place}: {command} has no {flag}");
        }
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
