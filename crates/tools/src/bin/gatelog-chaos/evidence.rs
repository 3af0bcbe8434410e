//! Where the load's records are, seen from outside: in the collections and in the journal.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};

use anyhow::{Context, Result};
use gatelog_testkit::{Database, Journal};
use mongodb::bson::{Document, doc};
use serde::Deserialize;

use crate::load::Sent;
use crate::logs;

/// Collections that hold records by level.
const LEVELS: [&str; 5] = ["debug", "info", "warning", "error", "critical"];

/// Every collection that a record may have to appear in.
const COLLECTIONS: [&str; 7] = ["debug", "info", "warning", "error", "critical", "audit", "trace"];

/// A request's record in a collection: `chaos-12/info`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    id: String,
    collection: &'static str,
}

/// The number of documents, or lines, for each.
pub(crate) type Copies = BTreeMap<Place, u64>;

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.id, self.collection)
    }
}

impl Place {
    fn new(id: &str, collection: &'static str) -> Self {
        Self { id: id.to_owned(), collection }
    }
}

/// The lines that the journal must have for each request: its record and its DEBUG record.
pub(crate) fn lines_due(sent: &[Sent]) -> Copies {
    let lines = |sent: &Sent| [Place::new(&sent.id, sent.level), Place::new(&sent.id, "debug")];
    sent.iter().flat_map(lines).map(|place| (place, 1)).collect()
}

/// The documents that MongoDB must have: each record in its level's collection and in the flows,
/// and audited ones in the audit trail.
pub(crate) fn documents_due(sent: &[Sent]) -> Copies {
    let mut due = lines_due(sent);
    due.extend(sent.iter().map(|sent| (Place::new(&sent.id, "trace"), 2)));
    let audited = sent.iter().filter(|sent| sent.audited);
    due.extend(audited.map(|sent| (Place::new(&sent.id, "audit"), 1)));
    due
}

/// The documents that MongoDB has.
pub(crate) async fn documents(database: &Database) -> Result<Copies> {
    let mut copies = Copies::new();
    for collection in COLLECTIONS {
        let only = doc! {"_id": 0, "context.correlation_id": 1};
        let documents = database.collection(&format!("{collection}_logs"));
        let mut cursor = documents.find(doc! {}).projection(only).await?;
        while cursor.advance().await? {
            let document: Document = cursor.deserialize_current()?;
            let context = document.get_document("context");
            let id = context.and_then(|context| context.get_str("correlation_id"));
            if let Some(id) = id.ok().filter(|id| is_the_loads(id)) {
                *copies.entry(Place::new(id, collection)).or_default() += 1;
            }
        }
    }
    Ok(copies)
}

/// The number of numbered records that MongoDB has, from the load and from others.
pub(crate) async fn count(database: &Database) -> Result<u64> {
    let mut records = 0;
    for level in LEVELS {
        let numbered = doc! {"extra.service_name": {"$ne": logs::SERVICE}};
        records += database.count(&format!("{level}_logs"), numbered).await?;
    }
    Ok(records)
}

#[derive(Deserialize)]
struct Line {
    level: String,
    context: Ids,
}

#[derive(Deserialize)]
struct Ids {
    correlation_id: Option<String>,
}

/// The lines that Envoy printed: complete ones only.
pub(crate) fn lines(journal: &Journal) -> Result<Copies> {
    let mut copies = Copies::new();
    let mut lines = BufReader::new(File::open(journal.path())?);
    let mut line = String::new();
    while lines.read_line(&mut line)? > 0 {
        if line.ends_with('\n') {
            let record: Line =
                serde_json::from_str(&line).with_context(|| format!("not a record: {line}"))?;
            let level = LEVELS.into_iter().find(|level| level.eq_ignore_ascii_case(&record.level));
            let id = record.context.correlation_id.filter(|id| is_the_loads(id));
            if let Some((id, level)) = id.zip(level) {
                *copies.entry(Place::new(&id, level)).or_default() += 1;
            }
        }
        line.clear();
    }
    Ok(copies)
}

fn is_the_loads(id: &str) -> bool {
    id.strip_prefix("chaos-").is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The part of `due` that is not in `found`.
pub(crate) fn absent(due: &Copies, found: &Copies) -> Copies {
    let lacking = |(place, copies): (&Place, &u64)| {
        let lacking = copies.saturating_sub(found.get(place).copied().unwrap_or(0));
        (lacking > 0).then(|| (place.clone(), lacking))
    };
    due.iter().filter_map(lacking).collect()
}

/// The part of `due` whose records are in the journal: the rest cannot be recovered.
pub(crate) fn recoverable(due: Copies, printed: &Copies) -> Copies {
    let of_id = |id: &str| LEVELS.map(|level| Place::new(id, level));
    let printed_of = |place: &Place| match place.collection {
        "trace" => of_id(&place.id).iter().filter_map(|place| printed.get(place)).sum(),
        "audit" => u64::from(
            of_id(&place.id).iter().any(|of| of.collection != "debug" && printed.contains_key(of)),
        ),
        _ => printed.get(place).copied().unwrap_or(0),
    };
    due.into_iter()
        .map(|(place, copies)| {
            let copies = copies.min(printed_of(&place));
            (place, copies)
        })
        .filter(|(_, copies)| *copies > 0)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn sent(id: &str, audited: bool) -> Sent {
        let took = Duration::ZERO;
        Sent { id: id.to_owned(), level: "info", audited, harm: None, took, without: took }
    }

    #[test]
    fn a_request_that_was_not_printed_is_due_nowhere_when_it_may_be_lost() {
        let sent = [sent("chaos-1", true), sent("chaos-2", false)];
        let printed = lines_due(&sent[..1]);
        assert_eq!(recoverable(documents_due(&sent), &printed), documents_due(&sent[..1]));
        let lacking = absent(&documents_due(&sent), &documents_due(&sent[..1]));
        let named: Vec<String> = lacking.keys().map(Place::to_string).collect();
        assert_eq!(named, ["chaos-2/debug", "chaos-2/info", "chaos-2/trace"]);
    }

    #[test]
    fn what_is_there_twice_is_more_than_is_due() {
        let due = lines_due(&[sent("chaos-1", false)]);
        let mut found = due.clone();
        found.insert(Place::new("chaos-1", "info"), 2);
        assert_eq!(absent(&due, &found), Copies::new());
        assert_eq!(absent(&found, &due).len(), 1);
    }
}
