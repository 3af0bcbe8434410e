//! `erase`: deletes the records of a user, organization or conversation, and keeps them deleted.

mod entry;
mod outcome;

use std::io::Read;
use std::time::Duration;

use clap::Args;
use gatelog_record::Timestamp;
use gatelog_record::units::parse_duration;
use serde_json::json;

use entry::Entry;
use outcome::Outcome;

use super::Failure;
use crate::clock::{now, now_millis};
use crate::config::{Faults, StoreArgs};
use crate::erase::collectors::{self, WaitError, Waiting};
use crate::erase::deletion::{Counts, Deletion};
use crate::store::erase::Matching;
use crate::store::tombstones::ERASED;
use crate::store::{Retention, Store};
use crate::tombstone::{Field, MAX_TOMBSTONES, Tombstone};

/// Longest value read from standard input, in bytes.
const VALUE_BYTES: u64 = 1 << 20;
/// How often the collections are gone through at most; the last time nothing is found.
const PASSES: usize = 10;
/// Between two of them.
const SETTLE: Duration = Duration::from_secs(2);
/// A tombstone is kept this much longer than records are, in ms.
const KEPT_LONGER: i64 = 86_400_000;

/// Whose records, and up to when.
#[derive(Args, Clone, Debug)]
#[command(group(clap::ArgGroup::new("whose").required(true).args(["user", "organization", "conversation"])))]
pub struct EraseArgs {
    /// Records with this `context.user_id`; - reads it from standard input, as process lists and shell
    /// histories show arguments
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// Records with this `context.organization_id`; - reads it from standard input
    #[arg(long, value_name = "ID")]
    organization: Option<String>,
    /// Records with this `context.conversation_id`; - reads it from standard input
    #[arg(long, value_name = "ID")]
    conversation: Option<String>,
    /// Only records up to this time, inclusive: how long ago, for example 30d, or a time, for example
    /// 2026-01-26T02:00:00Z; not in the future [default: now]
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Count what would be deleted, and change nothing
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Delete: this cannot be undone
    #[arg(long)]
    yes: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// How long to wait for collectors to know
    #[arg(long, value_name = "TIME", default_value = "5m")]
    wait: String,
    /// Who erases, for the audit trail [default: $USER, or $LOGNAME]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// How long records are kept, as in `serve`: the tombstone is kept as long as the longest
    #[arg(
        long,
        value_name = "NAME=TIME,…",
        env = "GATELOG_RETENTION",
        default_value = "",
        hide_default_value = true
    )]
    retention: String,
    #[command(flatten)]
    store: StoreArgs,
}

/// What the arguments say.
struct Wanted {
    which: Matching,
    wait: Duration,
    by: String,
    expires_at: i64,
}

impl EraseArgs {
    fn compile(&self) -> Result<Wanted, Failure> {
        let mut faults = Faults::default();
        let given = self.retention.trim();
        let retention = faults.take("GATELOG_RETENTION", given, given.parse::<Retention>());
        let wait = faults.take("--wait", &self.wait, parse_duration(&self.wait));
        let until = match &self.until {
            None => Some(now()),
            Some(text) => faults.take("--until", text, instant(text)),
        };
        if !self.dry_run && !self.yes {
            faults.add_rule(
                "erase: --yes is needed to delete; --dry-run counts what would be deleted",
            );
        }
        let whose = [
            (Field::User, &self.user),
            (Field::Organization, &self.organization),
            (Field::Conversation, &self.conversation),
        ];
        let named = whose.into_iter().find_map(|(field, value)| Some((field, value.as_ref()?)));
        let (Some((field, value)), Some(retention), Some(wait), Some(until), true) =
            (named, retention, wait, until, faults.is_empty())
        else {
            return Err(faults.into());
        };
        let value = if value == "-" { from_input()? } else { value.clone() };
        if value.is_empty() {
            faults.add_rule(format!("--{}: must not be empty: no stored id is", field.as_str()));
            return Err(faults.into());
        }
        let system = || std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
        let by = self.by.clone().unwrap_or_else(|| system().unwrap_or_default());
        let kept = i64::from(retention.longest().seconds()).saturating_mul(1_000);
        let expires_at = now_millis().saturating_add(kept).saturating_add(KEPT_LONGER);
        let expires_at = expires_at.min(Timestamp::LAST.unix_millis());
        Ok(Wanted { which: Matching { field, value, until }, wait, by, expires_at })
    }
}

fn instant(text: &str) -> Result<Timestamp, &'static str> {
    let text = text.trim();
    let at = match parse_duration(text) {
        Ok(ago) => {
            let micros = i64::try_from(ago.as_micros()).unwrap_or(i64::MAX);
            Timestamp::from_unix_micros(now().unix_micros().saturating_sub(micros))
        }
        Err(_) => Timestamp::parse(text).map_err(|_| {
            "must be how long ago, for example 30d, or a time, for example 2026-01-26T02:00:00Z"
        })?,
    };
    // It would drop records that are still to be made.
    if at > now() { Err("must not be in the future") } else { Ok(at) }
}

fn from_input() -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().take(VALUE_BYTES).read_to_end(&mut bytes);
    read.map_err(|error| Failure::failed(format!("standard input: {error}")))?;
    line_of(bytes)
}

/// The only line.
fn line_of(bytes: Vec<u8>) -> Result<String, Failure> {
    let Ok(text) = String::from_utf8(bytes) else {
        let mut faults = Faults::default();
        faults.add_rule("standard input: must be UTF-8, as the ids that are stored");
        return Err(faults.into());
    };
    // Some programs begin a text with a byte order mark; no id has one.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let (line, more) = text.split_once('\n').unwrap_or((text, ""));
    if !more.is_empty() {
        let mut faults = Faults::default();
        faults.add_rule("standard input: must have one line, the id: erase one after the other");
        return Err(faults.into());
    }
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

/// Erases, or counts.
///
/// # Errors
///
/// An argument is invalid, a right is missing, collectors do not confirm, or the database refuses. What
/// was done so far stays done, and the command may be run again.
pub async fn run(args: &EraseArgs) -> Result<(), Failure> {
    let options = args.store.options()?;
    let wanted = args.compile()?;
    let store = Store::connect(&options).await.map_err(Failure::failed)?;
    if args.dry_run {
        let mut counting = Deletion::new(&store, &wanted.which, true);
        let counts = counting.pass(progress).await.map_err(Failure::failed)?;
        Outcome { which: &wanted.which, counts, hash: None, heeding: None }.print(args.json);
        return Ok(());
    }
    let by_user = may_erase(&store, options.database.as_str()).await?;
    // A new key beside tombstones of another would leave none that fits all of them.
    store.tombstones().await.map_err(Failure::failed)?;
    let key = store.erase_key_or_new().await.map_err(Failure::failed)?;
    let Matching { field, value, until } = &wanted.which;
    let tombstone = Tombstone { field: *field, hash: key.hash(*field, value), until: *until };
    bounded(&store, &tombstone).await?;
    if let Err(error) = store.index_erased().await {
        progress(&format!(
            "warning: tombstones will not expire: {error}; run \
             db.{ERASED}.createIndex({{expires_at: 1}}, {{expireAfterSeconds: 0}})"
        ));
    }
    let entry = Entry { which: &wanted.which, hash: tombstone.hash, by: &wanted.by, by_user };
    entry.write(&store, "erase_began", &json!({})).await?;
    store.write_tombstone(&tombstone, &key, wanted.expires_at).await.map_err(Failure::failed)?;
    let (revision, _) = store.step_revision(1).await.map_err(Failure::failed)?;
    progress("the tombstone is written; waiting for the collectors to know it");
    let told = |one: &Waiting| progress(&format!("waiting for {one}"));
    let heeding = collectors::heed(&store, revision, wanted.wait, told).await;
    let heeding = heeding.map_err(|error| unheeded(&error))?;
    progress(&format!(
        "{} collectors heed it, {} are not running; deleting",
        heeding.confirmed,
        heeding.absent.len()
    ));
    let counts = delete(&store, &wanted.which).await?;
    let outcome = Outcome {
        which: &wanted.which,
        counts,
        hash: Some(tombstone.hash),
        heeding: Some(heeding),
    };
    entry.write(&store, "erased", &outcome.json()).await?;
    outcome.print(args.json);
    Ok(())
}

/// Deletes until nothing is found.
async fn delete(store: &Store, which: &Matching) -> Result<Counts, Failure> {
    let mut sum = Counts::new();
    for _ in 0..PASSES {
        let counts = Deletion::new(store, which, false).pass(progress).await.map_err(|error| {
            Failure::failed(format!("{error}; what was deleted stays deleted: run it again"))
        })?;
        let found: u64 = counts.values().sum();
        for (collection, count) in counts {
            let all = sum.entry(collection).or_default();
            *all = all.saturating_add(count);
        }
        if found == 0 {
            return Ok(sum);
        }
        progress(&format!("{found} deleted; looking again"));
        tokio::time::sleep(SETTLE).await;
    }
    Err(Failure::failed(format!(
        "records were found each of {PASSES} times: something inserts them that does not heed \
         tombstones, such as a collector of an earlier version; stop it, and run this again"
    )))
}

/// The logged-in user, if it has every right.
async fn may_erase(store: &Store, database: &str) -> Result<Option<String>, Failure> {
    let rights = store.rights_to_erase().await.map_err(Failure::failed)?;
    if rights.missing.is_empty() {
        return Ok(rights.user.map(|(user, of)| format!("{user}@{of}")));
    }
    let list = |names: &std::collections::BTreeSet<&'static str>| {
        names.iter().copied().collect::<Vec<_>>().join(", ")
    };
    let remedy = match rights.grant(database) {
        Some(command) => format!(
            "an administrator can grant it with {command}, or with the role of docs/erase.md"
        ),
        None => "log in as a user who has it".to_owned(),
    };
    let (missing, places) = (list(&rights.missing), list(&rights.collections));
    Err(Failure::failed(format!(
        "missing in database \"{database}\": {missing} (on {places}); {remedy}; nothing was changed"
    )))
}

async fn bounded(store: &Store, tombstone: &Tombstone) -> Result<(), Failure> {
    let known = store.has_tombstone(tombstone.field, tombstone.hash).await;
    if known.map_err(Failure::failed)? {
        return Ok(());
    }
    let count = store.tombstone_count().await.map_err(Failure::failed)?;
    if count < MAX_TOMBSTONES {
        return Ok(());
    }
    Err(Failure::failed(format!(
        "there are {count} tombstones, and {MAX_TOMBSTONES} are the most that collectors take: wait \
         until some expire, or erase whole organizations; nothing was changed"
    )))
}

fn unheeded(error: &WaitError) -> Failure {
    match error {
        WaitError::Store(error) => Failure::failed(format!(
            "{error}; the tombstone stays in force, and nothing was deleted: run it again"
        )),
        WaitError::Left(waiting) => {
            let lines: Vec<_> = waiting.iter().map(|one| format!("\n  {one}")).collect();
            Failure::failed(format!(
                "not all collectors know the tombstone; it stays in force, and nothing was deleted: run \
                 it again (--wait) once these do:{}",
                lines.concat()
            ))
        }
    }
}

fn progress(line: &str) {
    eprintln!("{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(until: Option<&str>, yes: bool, user: &str) -> EraseArgs {
        EraseArgs {
            user: Some(user.into()),
            organization: None,
            conversation: None,
            until: until.map(str::to_owned),
            dry_run: false,
            yes,
            json: false,
            wait: "5m".into(),
            by: Some("me".into()),
            retention: "acme/audit=400d".into(),
            store: StoreArgs {
                mongodb_uri: String::new(),
                database: String::new(),
                mongodb_timeout: String::new(),
            },
        }
    }

    #[test]
    fn nothing_is_erased_without_a_yes_nor_in_the_future() {
        for (until, yes, user, says) in [
            (None, false, "user_7", "--yes is needed"),
            (Some("2999-01-01T00:00:00Z"), true, "user_7", "must not be in the future"),
            (Some("soon"), true, "user_7", "must be how long ago"),
            (None, true, "", "must not be empty"),
        ] {
            let Err(failure) = args(until, yes, user).compile() else { panic!("{says}") };
            assert!(failure.status == 2 && failure.text.contains(says), "{}", failure.text);
            assert!(!failure.text.contains("user_7"), "{}", failure.text);
        }
    }

    #[test]
    fn an_id_is_one_line_of_utf_8() {
        for (input, id) in
            [("user_7", Some("user_7")), ("\u{feff}user 7\r\n", Some("user 7")), ("a\nb", None)]
        {
            assert_eq!(line_of(input.into()).ok().as_deref(), id, "{input}");
        }
        let Err(failure) = line_of(b"\xff\xfe7\x00".to_vec()) else { panic!("UTF-16") };
        assert!(failure.status == 2 && failure.text.contains("must be UTF-8"), "{}", failure.text);
    }

    #[test]
    fn a_tombstone_is_kept_as_long_as_any_record() {
        let wanted =
            args(Some("2026-01-26T02:00:00.000001Z"), true, "user_7").compile().ok().unwrap();
        let days = wanted.expires_at.saturating_sub(now_millis()) / 86_400_000;
        assert!((400..=401).contains(&days), "{days}");
        assert_eq!(wanted.which.until.to_string(), "2026-01-26T02:00:00.000001+00:00");
    }
}
