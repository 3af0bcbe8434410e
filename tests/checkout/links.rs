//! Every relative link of every page resolves to a file, and to a heading if it has an
//! anchor.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use gatelog_testkit::checkout;

/// The pages that git tracks or would add.
fn pages() -> Vec<PathBuf> {
    let mut git = Command::new("git");
    git.args(["ls-files", "--cached", "--others", "--exclude-standard", "*.md"]);
    let listed = git.current_dir(checkout()).output().unwrap();
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let listed = String::from_utf8(listed.stdout).unwrap();
    listed.lines().map(PathBuf::from).filter(|page| checkout().join(page).exists()).collect()
}

/// The lines of a page that are not code.
fn prose(text: &str) -> Vec<&str> {
    let mut fenced = false;
    let outside = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    });
    outside.collect()
}

/// A line without its text in backticks.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect()
}

/// The targets of `[text](target)`.
fn targets(line: &str) -> Vec<String> {
    let line = without_code(line);
    let rest = line.split("](").skip(1);
    rest.filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())).collect()
}

/// The anchor that GitHub generates for a heading.
fn anchor(heading: &str) -> String {
    let letters = heading.trim().to_lowercase();
    let letters = letters
        .chars()
        .filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
    letters.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}

/// The anchors of a page: a repeated heading gets a number.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut seen = BTreeMap::new();
    let mut anchors = BTreeSet::new();
    for line in prose(text) {
        let heading = line.trim_start_matches('#');
        if heading.len() == line.len() || !heading.starts_with(' ') {
            continue;
        }
        let name = anchor(heading);
        let times = seen.entry(name.clone()).or_insert(0);
        anchors.insert(if *times == 0 { name } else { format!("{name}-{times}") });
        *times += 1;
    }
    anchors
}

/// `a/b/../c` as `a/c`; `None` if it leaves the checkout.
fn within(path: &Path) -> Option<PathBuf> {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => clean.pop().then_some(())?,
            Component::CurDir => {}
            other => clean.push(other),
        }
    }
    Some(clean)
}

/// What is wrong with a link of a page, if anything is.
fn fault(page: &Path, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, heading) = target.split_once('#').map_or((target, None), |(a, b)| (a, Some(b)));
    let beside = page.parent().unwrap();
    let linked = if path.is_empty() { page.to_owned() } else { beside.join(path) };
    let Some(linked) = within(&linked) else { return Some("leaves the checkout".to_owned()) };
    let file = checkout().join(&linked);
    if !file.exists() {
        return Some(format!("{} does not exist", linked.display()));
    }
    let heading = heading?;
    let text = fs::read_to_string(file).unwrap();
    (!anchors(&text).contains(heading)).then(|| format!("{} has no #{heading}", linked.display()))
}

#[test]
fn every_relative_link_and_anchor_resolves() {
    let pages = pages();
    assert!(pages.contains(&PathBuf::from("docs/record.md")), "{pages:?}");
    let mut faults = Vec::new();
    let mut links = 0;
    for page in &pages {
        let text = fs::read_to_string(checkout().join(page)).unwrap();
        for target in prose(&text).into_iter().flat_map(targets) {
            links += 1;
            let found = fault(page, &target);
            faults.extend(found.map(|what| format!("{}: {target}: {what}", page.display())));
        }
    }
    assert!(links > 50, "{links} links found");
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn every_decision_is_in_the_index_and_has_its_three_parts() {
    let directory = checkout().join("docs/decisions");
    let index = fs::read_to_string(directory.join("README.md")).unwrap();
    let mut pages = 0;
    for entry in fs::read_dir(&directory).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name == "README.md" {
            continue;
        }
        pages += 1;
        let text = fs::read_to_string(directory.join(&name)).unwrap();
        for part in ["\n## Context\n", "\n## Decision\n", "\n## Consequences\n"] {
            assert!(text.contains(part), "{name} lacks {part:?}");
        }
        let (number, _) = name.split_once('-').unwrap();
        let number: u32 = number.parse().unwrap();
        assert!(
            text.starts_with(&format!("# {number}. ")),
            "{name}: its heading has another number"
        );
        assert!(index.contains(&format!("[{number:04}]({name})")), "{name} is not in the index");
    }
    assert!(pages > 5, "{pages}");
}

#[test]
fn a_broken_link_is_reported() {
    let page = Path::new("docs/security.md");
    for target in ["record.md", "record.md#bounds", "#threats", "../README.md", "https://a.test"] {
        assert_eq!(fault(page, target), None, "{target}");
    }
    for target in ["nowhere.md", "record.md#nowhere", "#nowhere", "../../README.md", "README.md"] {
        assert!(fault(page, target).is_some(), "{target}");
    }
}

#[test]
fn anchors_match_githubs() {
    let page = "# Away: with `it`?\n\n```sh\n# not one\n```\n## Twice\n## Twice\n#tag\n";
    let expected = ["away-with-it", "twice", "twice-1"].map(str::to_owned);
    assert_eq!(anchors(page), BTreeSet::from(expected));
    assert_eq!(targets("[a](x.md#y) `[b](z)` [c](../w)"), ["x.md#y", "../w"]);
}
