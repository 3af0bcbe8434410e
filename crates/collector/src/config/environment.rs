//! Environment variables that look like settings but are not: a mistyped one would be ignored
//! silently.

/// What this program's own variables begin with.
const PREFIX: &str = "GATELOG_";
const URI: &str = "MONGODB_URI";
/// Maximum number of letters by which a mistyped name may differ from a setting.
const TYPOS: usize = 3;
/// Names longer than this are compared by their beginning: any is a bound here.
const NAME_BYTES: usize = 64;

/// A line for each of the `given` variables that looks like one of the `known` and is not.
pub fn strange(known: &[String], given: &[String]) -> Vec<String> {
    let is_known = |name: &str| known.iter().any(|known| known == name);
    let has_uri = given.iter().any(|name| name == URI);
    let mut lines = Vec::new();
    for name in given.iter().filter(|name| !is_known(name) && !is_service_link(name)) {
        if name.starts_with(PREFIX) {
            let closest = known.iter().map(|known| (distance(name, known), known)).min();
            let hint = match closest.filter(|(typos, _)| *typos <= TYPOS) {
                Some((_, closest)) => format!("did you mean {closest}?"),
                None => "see gatelog-collector serve --help".to_owned(),
            };
            lines.push(format!(
                "{} is not a setting of the collector and is ignored; {hint}",
                name.escape_debug()
            ));
        } else if !has_uri && name.starts_with("MONGO") && distance(name, URI) <= TYPOS {
            lines.push(format!("{} is ignored; did you mean {URI}?", name.escape_debug()));
        }
    }
    lines.sort();
    lines
}

/// Kubernetes gives every container such variables for each service: `GATELOG_COLLECTOR_PORT`,
/// `…_SERVICE_HOST`, `…_PORT_8686_TCP_ADDR`.
fn is_service_link(name: &str) -> bool {
    name.contains("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT")
        || name
            .split_once("_PORT_")
            .is_some_and(|(_, rest)| rest.starts_with(|first: char| first.is_ascii_digit()))
}

/// How many letters must be changed, added or removed to make one of the other.
fn distance(one: &str, other: &str) -> usize {
    let one: Vec<char> = one.chars().take(NAME_BYTES).collect();
    let mut row: Vec<usize> = (0..=one.len()).collect();
    for (line, there) in other.chars().take(NAME_BYTES).enumerate() {
        let mut diagonal = line;
        let mut left = line.saturating_add(1);
        for (here, above) in one.iter().zip(row.iter_mut().skip(1)) {
            let change = diagonal.saturating_add(usize::from(*here != there));
            diagonal = *above;
            left = change.min(left.saturating_add(1)).min(above.saturating_add(1));
            *above = left;
        }
        if let Some(first) = row.first_mut() {
            *first = line.saturating_add(1);
        }
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(given: &[&str]) -> Vec<String> {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let known = owned(&["MONGODB_URI", "GATELOG_SPOOL_MAX_BYTES", "GATELOG_LISTEN"]);
        strange(&known, &owned(given))
    }

    #[test]
    fn a_mistyped_variable_is_told_with_the_one_that_was_meant() {
        assert_eq!(
            told(&["GATELOG_SPOOL_MAXBYTES", "MONGODB_URL", "PATH"]),
            [
                "GATELOG_SPOOL_MAXBYTES is not a setting of the collector and is ignored; did you \
                 mean GATELOG_SPOOL_MAX_BYTES?",
                "MONGODB_URL is ignored; did you mean MONGODB_URI?",
            ]
        );
        assert!(told(&["GATELOG_COLOUR"])[0].ends_with("see gatelog-collector serve --help"));
        assert_eq!(told(&["MONGO_URI"]).len(), 1);
    }

    #[test]
    fn what_belongs_to_others_is_not_told() {
        let others = [
            "MONGODB_URI",
            "MONGO_URL",
            "MONGODB_PORT",
            "GATELOG_LISTEN",
            "GATELOG_COLLECTOR_PORT",
            "GATELOG_COLLECTOR_SERVICE_HOST",
            "GATELOG_COLLECTOR_SERVICE_PORT_HTTP",
            "GATELOG_COLLECTOR_PORT_8686_TCP_ADDR",
        ];
        assert_eq!(told(&others), Vec::<String>::new());
    }

    #[test]
    fn distances_are_counted_in_letters() {
        for (one, other, letters) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "abc", 0),
            ("kitten", "sitting", 3),
            ("ab", "ba", 2),
        ] {
            assert_eq!(distance(one, other), letters, "{one} {other}");
            assert_eq!(distance(other, one), letters, "{other} {one}");
        }
    }
}
