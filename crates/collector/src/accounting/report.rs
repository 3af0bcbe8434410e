//! The accounting as JSON, for `GET /v1/accounting`.

use std::sync::Arc;

use gatelog_record::{Timestamp, Uuid};
use serde_json::{Value, json};

use super::account::{Account, BootKey};
use super::ledger::Packed;
use super::peers::Peers;
use super::unnumbered::Unnumbered;

/// Boots in one response by default.
pub const DEFAULT_LIMIT: usize = 1_000;

/// Maximum boots in one response.
pub const MAX_LIMIT: usize = 10_000;

/// Maximum ranges of known numbers listed; a replay sends unlisted ones again.
const KNOWN_LISTED: usize = 10_000;

/// Boots added to the response at a time.
const AT_ONCE: usize = 16;

/// Which boots were requested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    gateway: Option<String>,
    boot: Option<Uuid>,
    limit: usize,
    after: Option<BootKey>,
}

impl Default for Filter {
    fn default() -> Self {
        Self { gateway: None, boot: None, limit: DEFAULT_LIMIT, after: None }
    }
}

impl Filter {
    /// Parses a query: `gateway=edge-7&boot=<uuid>&limit=1000&after=<next of the last answer>`, all
    /// optional, percent-encoded.
    ///
    /// # Errors
    ///
    /// The query is invalid; the error says why.
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
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
                    let rule = || format!("limit must be from 1 to {MAX_LIMIT}");
                    filter.limit = limit.ok_or_else(rule)?;
                }
                "after" => {
                    let after = cursor_of(&value).ok_or("after must be `next` of an answer")?;
                    filter.after = Some(after);
                }
                _ => {
                    let text = "unknown query: must be gateway=…, boot=…, limit=… or after=…";
                    return Err(text.into());
                }
            }
        }
        Ok(filter)
    }

    fn takes(&self, key: &BootKey) -> bool {
        self.gateway.as_ref().is_none_or(|gateway| *gateway == key.gateway)
            && self.boot.is_none_or(|boot| boot == key.boot)
    }
}

/// The response, generated part by part: only a few dozen boots are in memory at a time.
#[derive(Debug)]
pub struct Report {
    filter: Filter,
    unnumbered: Unnumbered,
    /// See [`Account::statement`].
    silent_before: i64,
    last: Option<BootKey>,
    listed: usize,
    state: State,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Head(Uuid),
    Boots,
    Done,
}

impl Report {
    /// Starts the response of this collector.
    pub fn new(
        collector: Uuid,
        unnumbered: Unnumbered,
        silent_before: i64,
        filter: Filter,
    ) -> Self {
        let last = filter.after.clone();
        Self { filter, unnumbered, silent_before, last, listed: 0, state: State::Head(collector) }
    }

    /// The next part; `None` after the last one. Blocks for some milliseconds.
    pub fn next_part(
        &mut self,
        peers: &Peers,
        ledger: impl Fn(Option<&BootKey>, usize) -> Vec<(Arc<BootKey>, Packed)>,
    ) -> Option<String> {
        let mut part = String::new();
        match self.state {
            State::Done => return None,
            State::Head(collector) => {
                let [accepted, quarantined] = self.unnumbered.terms().map(|(_, count)| count);
                part = format!(
                    "{{\"collector\":\"{}\",\"unnumbered\":{{\"accepted\":{accepted},\
                     \"quarantined\":{quarantined}}},\"boots\":[",
                    collector.hyphenated()
                );
                self.state = State::Boots;
            }
            State::Boots => {}
        }
        // Boots that were not requested are skipped, some at a time.
        loop {
            let some = peers.after(&ledger, self.last.as_ref(), AT_ONCE);
            for (key, account) in &some {
                if !self.filter.takes(key) {
                    self.last = Some((**key).clone());
                    continue;
                }
                if self.listed == self.filter.limit {
                    let next = self.last.as_ref().map(cursor);
                    part.push_str("],\"next\":");
                    part.push_str(&json!(next).to_string());
                    part.push_str("}\n");
                    self.state = State::Done;
                    return Some(part);
                }
                if self.listed > 0 {
                    part.push(',');
                }
                let with_known = self.filter.boot.is_some();
                let told = statement(key, account, self.silent_before, with_known);
                part.push_str(&told.to_string());
                self.listed += 1;
                self.last = Some((**key).clone());
            }
            if some.len() < AT_ONCE {
                part.push_str("]}\n");
                self.state = State::Done;
                return Some(part);
            }
            if !part.is_empty() {
                return Some(part);
            }
        }
    }
}

fn statement(key: &BootKey, account: &Account, silent_before: i64, with_known: bool) -> Value {
    let mut value = json!({"gateway": key.gateway, "boot": key.boot.hyphenated().to_string()});
    let Some(map) = value.as_object_mut() else { return value };
    for (term, count) in account.statement(silent_before).terms() {
        map.insert(term.into(), count.into());
    }
    map.insert("dropped_by_reason".into(), json!(account.totals.dropped));
    map.insert("sampled".into(), account.totals.sampled.into());
    map.insert("counted_up_to".into(), account.numbers.floor().into());
    map.insert("gaps".into(), json!(account.absent()));
    let touched = Timestamp::from_unix_micros(account.touched.saturating_mul(1_000));
    map.insert("updated".into(), touched.to_string().into());
    if with_known {
        // What a replay need not send.
        let ranges: Vec<_> = account.known().take(KNOWN_LISTED).collect();
        map.insert("known".into(), json!({"ranges": ranges}));
    }
    value
}

/// A boot as text: `<uuid>:<gateway>`.
fn cursor(key: &BootKey) -> String {
    format!("{}:{}", key.boot.hyphenated(), key.gateway)
}

fn cursor_of(text: &str) -> Option<BootKey> {
    let (boot, gateway) = text.split_once(':')?;
    Some(BootKey { gateway: gateway.to_owned(), boot: Uuid::try_parse(boot).ok()? })
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
    use crate::accounting::{Edit, Ledger, Told};

    fn answer(ledger: &Ledger, query: &str) -> Value {
        let counts = Unnumbered { accepted: 5, quarantined: 2 };
        let mut report = Report::new(Uuid::nil(), counts, 0, Filter::parse(query).unwrap());
        let mut text = String::new();
        while let Some(part) =
            report.next_part(&Peers::default(), |key, count| ledger.after(key, count))
        {
            assert!(part.len() < 64 << 10, "{} bytes at once", part.len());
            text += &part;
        }
        serde_json::from_str(&text).unwrap()
    }

    fn ledger(boots: impl IntoIterator<Item = (String, u128)>) -> Ledger {
        let mut ledger = Ledger::default();
        for (gateway, boot) in boots {
            let key = BootKey { gateway, boot: Uuid::from_u128(boot) };
            let mut edit = Edit::default();
            edit.change(&ledger, &key, 1_000, |account| {
                account.totals.assigned = 10;
                account.totals.sampled = 30;
                account.numbers.accept(1..=4);
                account.numbers.settle(1..=4, Told::New);
            });
            ledger.absorb(edit);
        }
        ledger
    }

    #[test]
    fn a_report_has_the_terms_and_the_gaps_of_what_was_asked_for() {
        let ledger = ledger([("edge 7".into(), 7), ("edge-8".into(), 8)]);
        let report = answer(&ledger, "gateway=edge%207&boot=00000000-0000-0000-0000-000000000007");
        assert_eq!(
            report,
            json!({"collector": Uuid::nil().to_string(), "unnumbered": {"accepted": 5, "quarantined": 2}, "boots": [{
                "gateway": "edge 7", "boot": "00000000-0000-0000-0000-000000000007",
                "assigned": 10, "stored": 4, "spooled": 0, "quarantined": 0, "dropped": 0,
                "recovered": 0, "queued": 0, "unknown": 0, "missing": 6, "dropped_by_reason": {},
                "sampled": 30, "counted_up_to": 0,
                "gaps": [[5, 10]], "updated": "1970-01-01T00:00:01.000000+00:00",
                "known": {"ranges": [[1, 4]]},
            }]})
        );
    }

    #[test]
    fn all_boots_are_read_page_by_page_each_once() {
        let ledger = ledger((0..250).map(|boot| (format!("edge & {}", boot % 7), boot)));
        for limit in [1, 32, 100, 249, 250, 251, MAX_LIMIT] {
            let (mut seen, mut query) = (Vec::new(), format!("limit={limit}"));
            loop {
                let page = answer(&ledger, &query);
                let boots = page["boots"].as_array().unwrap();
                assert!(boots.len() <= limit);
                seen.extend(boots.iter().map(|boot| boot["boot"].as_str().unwrap().to_owned()));
                let Some(next) = page["next"].as_str() else { break };
                query =
                    format!("limit={limit}&after={}", next.replace(' ', "+").replace('&', "%26"));
            }
            assert_eq!(seen.len(), 250);
            seen.sort();
            seen.dedup();
            assert_eq!(seen.len(), 250, "{limit}");
        }
    }

    #[test]
    fn a_query_that_means_nothing_is_refused() {
        for query in [
            "boot=x",
            "gateway=%zz",
            "gateway=%ff",
            "gateway=%2",
            "colour=blue",
            "limit=0",
            "after=x",
        ] {
            assert!(Filter::parse(query).is_err(), "{query}");
        }
        assert_eq!(Filter::parse(""), Ok(Filter::default()));
    }
}
