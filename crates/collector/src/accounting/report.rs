//! The accounting as JSON, for `GET /v1/accounting`.

use std::collections::BTreeMap;

use gatelog_record::{Timestamp, Uuid};
use serde_json::{Value, json};

use super::account::{Account, BootKey};
use super::ledger::Ledger;
use super::peers::Peers;

/// Which boots are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    gateway: Option<String>,
    boot: Option<Uuid>,
}

impl Filter {
    /// Reads a query: `gateway=edge-7&boot=<uuid>`, both optional, percent-encoded.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(query: &str) -> Result<Self, String> {
        let mut filter = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent_decode(value).ok_or("query is not percent-encoded UTF-8")?;
            match name {
                "gateway" => filter.gateway = Some(value),
                "boot" => {
                    let boot = Uuid::try_parse(&value).map_err(|_| "boot must be a UUID")?;
                    filter.boot = Some(boot);
                }
                _ => return Err("unknown query: must be gateway=… or boot=…".into()),
            }
        }
        Ok(filter)
    }

    fn takes(&self, key: &BootKey) -> bool {
        self.gateway.as_ref().is_none_or(|gateway| *gateway == key.gateway)
            && self.boot.is_none_or(|boot| boot == key.boot)
    }
}

/// The statements of the boots asked for, by gateway and boot.
///
/// `silent_before`: see [`Account::statement`].
pub fn report(
    collector: Uuid,
    ledger: &Ledger,
    peers: &Peers,
    silent_before: i64,
    filter: &Filter,
) -> Value {
    let mut boots = BTreeMap::new();
    peers.for_each(ledger, |key, account| {
        if filter.takes(key) {
            let statement = statement(key, account, silent_before, filter.boot.is_some());
            boots.insert(key.clone(), statement);
        }
    });
    let boots: Vec<_> = boots.into_values().collect();
    json!({"collector": collector.hyphenated().to_string(), "boots": boots})
}

fn statement(key: &BootKey, account: &Account, silent_before: i64, with_known: bool) -> Value {
    let mut value = json!({"gateway": key.gateway, "boot": key.boot.hyphenated().to_string()});
    let Some(map) = value.as_object_mut() else { return value };
    for (term, count) in account.statement(silent_before).terms() {
        map.insert(term.into(), count.into());
    }
    map.insert("dropped_by_reason".into(), json!(account.totals.dropped));
    map.insert("gaps".into(), json!(account.absent()));
    let touched = Timestamp::from_unix_micros(account.touched.saturating_mul(1_000));
    map.insert("updated".into(), touched.to_string().into());
    if with_known {
        // What a replay need not send.
        let known = account.known();
        let spans: Vec<_> = known.spans().collect();
        map.insert("known".into(), json!({"up_to": known.floor(), "ranges": spans}));
    }
    value
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            b'+' => b' ',
            other => other,
        });
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounting::Edit;

    #[test]
    fn a_report_has_the_terms_and_the_gaps_of_what_was_asked_for() {
        let mut ledger = Ledger::default();
        for (gateway, boot) in [("edge 7", 7), ("edge-8", 8)] {
            let key = BootKey { gateway: gateway.into(), boot: Uuid::from_u128(boot) };
            let mut edit = Edit::default();
            let account = edit.account(&ledger, &key, 1_000);
            account.totals.assigned = 10;
            account.accepted.insert(1..=4);
            account.stored.insert(1..=4);
            ledger.absorb(edit);
        }
        let filter = Filter::parse("gateway=edge%207&boot=00000000-0000-0000-0000-000000000007");
        let report = report(Uuid::nil(), &ledger, &Peers::default(), 0, &filter.unwrap());
        assert_eq!(
            report["boots"],
            json!([{
                "gateway": "edge 7", "boot": "00000000-0000-0000-0000-000000000007",
                "assigned": 10, "stored": 4, "spooled": 0, "quarantined": 0, "dropped": 0,
                "recovered": 0, "queued": 0, "missing": 6, "dropped_by_reason": {},
                "gaps": [[5, 10]], "updated": "1970-01-01T00:00:01.000000+00:00",
                "known": {"up_to": 0, "ranges": [[1, 4]]},
            }])
        );
    }

    #[test]
    fn a_query_that_means_nothing_is_refused() {
        for query in ["boot=x", "gateway=%zz", "gateway=%ff", "gateway=%2", "colour=blue"] {
            assert!(Filter::parse(query).is_err(), "{query}");
        }
        assert_eq!(Filter::parse(""), Ok(Filter::default()));
    }
}
