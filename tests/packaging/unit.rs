//! The systemd unit. Checked by systemd itself where it is installed; its settings always.

use std::fs;
use std::process::Command;

use gatelog_testkit::collector_path;

use crate::program::{assert_command, assert_variables, read};

const UNIT: &str = "packaging/gatelog-collector.service";
const ENVIRONMENT: &str = "packaging/collector.env";

fn setting<'a>(unit: &'a str, name: &str) -> &'a str {
    let mut found = unit.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    found.next().unwrap_or_else(|| panic!("{UNIT} has no {name}"))
}

#[test]
fn the_unit_sets_variables_and_runs_a_command_that_exist() {
    let unit = read(UNIT);
    let (name, value) = setting(&unit, "Environment").split_once('=').unwrap();
    assert_eq!(value, format!("/var/lib/{}", setting(&unit, "StateDirectory")));
    assert_variables(UNIT, [name]);
    let command: Vec<_> = setting(&unit, "ExecStart").split(' ').skip(1).collect();
    assert_command(UNIT, &command);

    let environment = read(ENVIRONMENT);
    let lines = environment.lines().map(|line| line.strip_prefix('#').unwrap_or(line));
    let set = lines.filter_map(|line| line.split_once('=')).map(|(name, _)| name);
    let set = set.filter(|name| !name.is_empty() && !name.contains([' ', ':']));
    assert_variables(ENVIRONMENT, set);
}

#[test]
fn systemd_takes_the_unit_and_finds_it_well_confined() {
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
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join("gatelog-collector.service");
    let program = collector_path().unwrap().to_str().unwrap().to_owned();
    fs::write(&copy, read(UNIT).replace("/usr/local/bin/gatelog-collector", &program)).unwrap();
    let analyze = |arguments: &[&str]| {
        let output = Command::new("systemd-analyze").args(arguments).arg(&copy).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    };
    let (sound, said) = analyze(&["verify", "--man=no"]);
    // Of this file: other units of the machine may be at fault.
    assert!(sound && !said.contains("gatelog-collector.service:"), "{said}");
    let (confined, said) = analyze(&["security", "--offline=true", "--threshold=15", "--no-pager"]);
    assert!(confined, "more exposed than 1.5 of 10:\n{said}");
}
