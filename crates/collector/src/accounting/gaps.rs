//! Gaps: records that stay missing. A gap is reported in the audit trail once its records have been
//! missing for a while, and again when none is missing any more.

use std::time::Duration;

use gatelog_record::{Level, Uuid};
use serde_json::{Value, json};

use super::account::{Account, BootKey, Statement};
use super::peers::Peers;
use super::{Edit, Gap, Ledger};
use crate::clock;
use crate::spool::{Append, Spool, SpoolError};

/// Maximum ranges listed in one entry.
const RANGES_LISTED: usize = 20;

/// Maximum boots reported in one pass; the next passes report the others.
const TOLD_AT_ONCE: usize = 500;

/// What to report about one boot.
#[derive(Clone, Debug, PartialEq)]
enum News {
    /// Records went missing just now.
    Began,
    /// They have been missing long enough: the audit trail's entry.
    Opened(Uuid, Value),
    /// None is missing any more; the entry, if the gap was reported.
    Closed(Option<Value>),
}

/// Checks every boot, and writes entries for gaps that opened or closed.
///
/// # Errors
///
/// The spool fails. The call may be retried: an entry's id is derived from its content.
pub async fn look(spool: &Spool, peers: &Peers, after: Duration) -> Result<(), SpoolError> {
    let now = clock::now_millis();
    let after = i64::try_from(after.as_millis()).unwrap_or(i64::MAX);
    let (looked_at, peers) = (spool.clone(), peers.clone());
    let found = tokio::task::spawn_blocking(move || find(&looked_at, &peers, now, after)).await;
    let news = found.map_err(|_| SpoolError::Closed)?;
    if news.is_empty() {
        return Ok(());
    }
    let mut batch = Append::default();
    for (key, news) in &news {
        let entry = match news {
            News::Began | News::Closed(None) => continue,
            News::Opened(_, entry) => {
                tracing::error!(gateway = key.gateway, boot = %key.boot.hyphenated(),
                    "records are missing: replay the gateway's journal");
                entry
            }
            News::Closed(Some(entry)) => {
                tracing::info!(gateway = key.gateway, boot = %key.boot.hyphenated(),
                    "no record is missing any more");
                entry
            }
        };
        batch.body.extend_from_slice(entry.to_string().as_bytes());
        batch.body.push(b'\n');
        batch.records += 1;
    }
    if batch.records > 0 {
        spool.append(batch).await?;
    }
    spool.account(move |edit, ledger| apply(&news, now, edit, ledger)).await
}

fn find(spool: &Spool, peers: &Peers, now: i64, after: i64) -> Vec<(BootKey, News)> {
    let mut found = Vec::new();
    let ledger = |key: Option<&BootKey>, count| spool.ledger().after(key, count);
    peers.for_each(ledger, |key, account| {
        // A boot known only to other collectors is reported by them; the gap of a boot known here
        // is in our own account.
        if found.len() < TOLD_AT_ONCE && spool.ledger().contains(key) {
            found.extend(news(key, account, now, after).map(|news| (key.clone(), news)));
        }
    });
    found
}

fn apply(news: &[(BootKey, News)], now: i64, edit: &mut Edit, ledger: &Ledger) {
    for (key, news) in news {
        // Eviction still depends on when the sender was last heard from. A sender that is gone
        // stays gone.
        let Some(touched) = edit.get(ledger, key).map(|account| account.touched) else { continue };
        edit.change(ledger, key, touched, |account| {
            let gap = &mut account.gap;
            match news {
                News::Began => gap.since = Some(now),
                News::Opened(id, _) => gap.entry = Some(*id),
                News::Closed(told) => {
                    let closed = gap.closed.saturating_add(u64::from(told.is_some()));
                    *gap = Gap { closed, ..Gap::default() };
                }
            }
        });
    }
}

fn news(key: &BootKey, account: &Account, now: i64, after: i64) -> Option<News> {
    let statement = account.statement(now.saturating_sub(after));
    match (statement.missing, account.gap.since, account.gap.entry) {
        (0, None, _) => None,
        (0, Some(_), entry) => Some(News::Closed(entry.map(|id| closed(key, &statement, id)))),
        (_, None, _) => Some(News::Began),
        (_, Some(since), None) if now.saturating_sub(since) >= after => {
            let (id, entry) = opened(key, account, &statement, since);
            Some(News::Opened(id, entry))
        }
        (_, Some(_), _) => None,
    }
}

/// The id is derived from the boot, its first absent record and the number of earlier gaps. So
/// several collectors that see the same gap write the same entry, and the next gap gets a separate
/// entry even if the first absent record, which the sender may have dropped, stays the same.
fn opened(key: &BootKey, account: &Account, statement: &Statement, since: i64) -> (Uuid, Value) {
    let mut ranges = account.absent();
    let first = ranges.first().map_or(0, |(first, _)| *first);
    ranges.truncate(RANGES_LISTED);
    let name = format!("gap:{}:{first}:{}", key.gateway, account.gap.closed);
    let id = Uuid::new_v5(&key.boot, name.as_bytes());
    let count = statement.missing;
    let text = format!("{count} records of {} are missing: replay its journal", key.gateway);
    let since = gatelog_record::Timestamp::from_unix_micros(since.saturating_mul(1_000));
    let extra = json!({
        "event": "gap_opened", "gateway": key.gateway, "boot": key.boot.hyphenated().to_string(),
        "missing": count, "gaps": ranges, "since": since.to_string(),
    });
    (id, entry(Level::Warning, id, &text, &extra))
}

fn closed(key: &BootKey, statement: &Statement, opened: Uuid) -> Value {
    let id = Uuid::new_v5(&opened, b"closed");
    let text = format!("no record of {} is missing any more", key.gateway);
    let extra = json!({
        "event": "gap_closed", "gateway": key.gateway, "boot": key.boot.hyphenated().to_string(),
        "stored": statement.stored, "recovered": statement.recovered,
        "opened": opened.hyphenated().to_string(),
    });
    entry(Level::Info, id, &text, &extra)
}

fn entry(level: Level, id: Uuid, message: &str, extra: &Value) -> Value {
    json!({
        "timestamp": clock::now().to_string(),
        "level": level.as_str(),
        "logger_name": "gatelog_collector.accounting",
        "function_name": "gap",
        "line_number": null,
        "message": message,
        "context": {
            "request_id": null, "correlation_id": null, "organization_id": null,
            "user_id": null, "conversation_id": null,
        },
        "audit": true,
        "extra": extra,
        "id": id.hyphenated().to_string(),
    })
}

#[cfg(test)]
mod tests {
    use gatelog_record::{DecodeLimits, decode_record};

    use super::*;
    use crate::accounting::{Gap, Totals};

    const AFTER: i64 = 1_000;

    fn key() -> BootKey {
        BootKey { gateway: "edge \"7\"".into(), boot: Uuid::from_u128(7) }
    }

    fn account(accepted: u64, gap: Gap) -> Account {
        let totals = Totals { assigned: 10, at: 5_000, ..Totals::default() };
        let mut account = Account { totals, gap, ..Account::default() };
        account.numbers.accept(1..=accepted);
        account
    }

    #[test]
    fn a_gap_is_told_once_when_it_has_stayed_open_and_once_when_it_closes() {
        let mut gap = Gap::default();
        assert_eq!(news(&key(), &account(10, gap.clone()), 5_000, AFTER), None);
        assert_eq!(news(&key(), &account(8, gap.clone()), 5_000, AFTER), Some(News::Began));
        gap.since = Some(5_000);
        assert_eq!(news(&key(), &account(8, gap.clone()), 5_999, AFTER), None);
        let Some(News::Opened(id, entry)) = news(&key(), &account(8, gap.clone()), 6_000, AFTER)
        else {
            panic!("not told")
        };
        assert_eq!(entry["extra"]["gaps"], json!([[9, 10]]));
        gap.entry = Some(id);
        assert_eq!(news(&key(), &account(9, gap.clone()), 9_000, AFTER), None);
        let Some(News::Closed(Some(entry))) = news(&key(), &account(10, gap), 9_000, AFTER) else {
            panic!("not closed")
        };
        assert_eq!(entry["extra"]["opened"], id.hyphenated().to_string());
    }

    #[test]
    fn the_second_gap_of_a_boot_has_an_entry_of_its_own() {
        // The record that the sender dropped remains the first absent one.
        let of = |closed| {
            let mut account = account(8, Gap { closed, ..Gap::default() });
            account.numbers = crate::accounting::Numbers::default();
            account.numbers.accept(2..=8);
            opened(&key(), &account, &account.statement(0), 0)
        };
        let ((one, first), (two, second)) = (of(0), of(1));
        assert_eq!(first["extra"]["gaps"], second["extra"]["gaps"]);
        assert_ne!(one, two);

        let mut ledger = Ledger::default();
        for news in [News::Began, News::Opened(one, first), News::Closed(Some(second))] {
            let mut edit = Edit::default();
            if ledger.is_empty() {
                edit.change(&ledger, &key(), 3, |_| ());
            }
            apply(&[(key(), news)], 9, &mut edit, &ledger);
            ledger.absorb(edit);
        }
        let known = ledger.get(&key()).unwrap();
        assert_eq!((known.gap, known.touched), (Gap { closed: 1, ..Gap::default() }, 3));
    }

    #[test]
    fn entries_are_audited_records() {
        let account = account(8, Gap::default());
        let (id, entry) = opened(&key(), &account, &account.statement(0), 0);
        for entry in [entry, closed(&key(), &account.statement(0), id)] {
            let line = entry.to_string();
            let read = decode_record(line.as_bytes(), &DecodeLimits::default(), Uuid::nil());
            let read = read.unwrap();
            assert!(read.audit && read.id != Uuid::nil());
        }
    }

    #[test]
    fn two_collectors_write_the_same_entry_of_the_same_gap() {
        let (one, two) = (account(8, Gap::default()), account(8, Gap::default()));
        let id = |account: &Account, since| opened(&key(), account, &account.statement(0), since).0;
        assert_eq!(id(&one, 1), id(&two, 2));
    }
}
