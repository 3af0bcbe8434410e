//! The result of an erasure, and what it leaves.

use serde_json::{Map, Value, json};

use crate::erase::collectors::Heeding;
use crate::erase::deletion::Counts;
use crate::store::erase::Matching;
use crate::tombstone::Hash;

/// What stays. Told each time, since somebody has to think of it.
const REMAINS: [&str; 5] = [
    "records that mention the value elsewhere: in messages, paths, errors, extra",
    "counts in gatelog_rollups, which name organizations",
    "exports, backups and replicas that are out of this database, and its oplog",
    "journals of gateways and services (a replay of them is dropped)",
    "files that a collector has moved aside: spool.db.corrupt-…, spool.db-wal.damaged",
];

/// What was found, or done.
pub(super) struct Outcome<'a> {
    pub(super) which: &'a Matching,
    pub(super) counts: Counts,
    /// The value's hash, unless it was only counted.
    pub(super) hash: Option<Hash>,
    pub(super) heeding: Option<Heeding>,
}

impl Outcome<'_> {
    /// As JSON, without the value.
    pub(super) fn json(&self) -> Value {
        let Matching { field, until, .. } = self.which;
        let counts: Map<_, _> = self
            .counts
            .iter()
            .map(|(collection, count)| (collection.as_str().to_owned(), (*count).into()))
            .collect();
        let mut value = json!({
            "field": field.as_str(),
            "until": until.to_string(),
            "dry_run": self.hash.is_none(),
            "documents": counts,
            "total": self.counts.values().sum::<u64>(),
        });
        if let (Some(hash), Some(heeding), Some(object)) =
            (&self.hash, &self.heeding, value.as_object_mut())
        {
            object.insert("hash".into(), hash.to_string().into());
            object.insert("collectors".into(), heeding.confirmed.into());
            object.insert("absent".into(), heeding.absent.clone().into());
            object.insert("dead_letters".into(), heeding.letters.into());
        }
        value
    }

    /// Prints it, with what stays.
    pub(super) fn print(&self, json: bool) {
        if json {
            let mut value = self.json();
            if let Some(object) = value.as_object_mut() {
                object.insert("remains".into(), REMAINS.as_slice().into());
            }
            println!("{value}");
            return;
        }
        let verb = if self.hash.is_none() { "would be deleted" } else { "deleted" };
        for (collection, count) in &self.counts {
            println!("{:<14} {count:>12} {verb}", collection.as_str());
        }
        if let Some(heeding) = &self.heeding {
            println!(
                "{:<14} {:>12} deleted by {} collectors",
                "dead letters", heeding.letters, heeding.confirmed
            );
            for absent in &heeding.absent {
                println!(
                    "not running: {absent}; it drops what its spool has before it stores anything"
                );
            }
        }
        println!("not erased:");
        for what in REMAINS {
            println!("  {what}");
        }
    }
}
