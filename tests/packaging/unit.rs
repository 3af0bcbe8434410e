//! The systemd units. Checked by systemd itself where it is installed; their settings always.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use gatelog_testkit::{collector_path, console_path};

use crate::program::{COLLECTOR, CONSOLE, Program, read};

/// A unit, the file with its environment, and its program.
struct Unit {
    name: &'static str,
    environment: &'static str,
    program: Program,
}

const UNITS: [Unit; 2] = [
    Unit { name: "gatelog-collector", environment: "packaging/collector.env", program: COLLECTOR },
    Unit { name: "gatelog-console", environment: "packaging/console.env", program: CONSOLE },
];

impl Unit {
    fn file(&self) -> String {
        format!("packaging/{}.service", self.name)
    }

    fn binary(&self) -> PathBuf {
        let [collector, console] = [collector_path, console_path];
        if self.name == "gatelog-console" { console() } else { collector() }.unwrap()
    }
}

fn setting<'a>(unit: &'a str, name: &str) -> &'a str {
    let mut found = unit.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    found.next().unwrap_or_else(|| panic!("no {name} in\n{unit}"))
}

#[test]
fn the_units_set_variables_and_run_commands_that_exist() {
    for unit in UNITS {
        let (file, text) = (unit.file(), read(&unit.file()));
        let (name, value) = setting(&text, "Environment").split_once('=').unwrap();
        match value.strip_prefix("%d/") {
            Some(file) => {
                assert!(setting(&text, "LoadCredential").starts_with(&format!("{file}:")));
            }
            None => assert_eq!(value, format!("/var/lib/{}", setting(&text, "StateDirectory"))),
        }
        unit.program.assert_variables(&file, [name]);
        assert_eq!(
            setting(&text, "EnvironmentFile"),
            unit.environment.replace("packaging", "/etc/gatelog")
        );
        let (binary, command) = setting(&text, "ExecStart").split_once(' ').unwrap();
        assert_eq!(binary, format!("/usr/local/bin/{}", unit.name));
        unit.program.assert_command(&file, &command.split(' ').collect::<Vec<_>>());

        let environment = read(unit.environment);
        let lines = environment.lines().map(|line| line.strip_prefix('#').unwrap_or(line));
        let set = lines.filter_map(|line| line.split_once('=')).map(|(name, _)| name);
        let set = set.filter(|name| !name.is_empty() && !name.contains([' ', ':']));
        unit.program.assert_variables(unit.environment, set);
    }
}

#[test]
fn systemd_takes_the_units_and_finds_them_well_confined() {
    let Ok(version) = Command::new("systemd-analyze").arg("--version").output() else {
        eprintln!("not checked: systemd-analyze is not installed");
        return;
    };
    let version = String::from_utf8(version.stdout).unwrap();
    // "systemd 252 (…)": offline judgement came with 250.
    let number: u32 = version.split_whitespace().nth(1).unwrap().parse().unwrap();
    if number < 250 {
        eprintln!("not checked: systemd {number} is older than 250");
        return;
    }
    for unit in UNITS {
        let directory = tempfile::tempdir().unwrap();
        let copy = directory.path().join(format!("{}.service", unit.name));
        let program = unit.binary().to_str().unwrap().to_owned();
        let installed = format!("/usr/local/bin/{}", unit.name);
        fs::write(&copy, read(&unit.file()).replace(&installed, &program)).unwrap();
        let analyze = |arguments: &[&str]| {
            let output =
                Command::new("systemd-analyze").args(arguments).arg(&copy).output().unwrap();
            let said = [output.stdout, output.stderr].concat();
            (output.status.success(), String::from_utf8(said).unwrap())
        };
        let (sound, said) = analyze(&["verify", "--man=no"]);
        // Of this file: other units of the machine may be at fault.
        assert!(sound && !said.contains(&format!("{}.service:", unit.name)), "{said}");
        let (confined, said) =
            analyze(&["security", "--offline=true", "--threshold=15", "--no-pager"]);
        assert!(confined, "more exposed than 1.5 of 10:\n{said}");
    }
}
