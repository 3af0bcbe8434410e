//! `recount`: counts what is stored again, and replaces the rollups.

use std::time::Duration;

use clap::Args;
use gatelog_record::Timestamp;
use gatelog_record::units::parse_duration;
use serde_json::json;

use super::Failure;
use crate::clock::now_millis;
use crate::config::{Faults, StoreArgs};
use crate::rollup::Period;
use crate::rollup::recount::{LATEST_MS, Recount, RecountError, Recounted, SETTLE};
use crate::store::{Retention, Store};

const HOUR_MS: i64 = 3_600_000;
/// The last hour is counted again at the earliest this long after its end.
const ENDED_MS: i64 = 15 * 60_000;

/// What to count again.
#[derive(Args, Clone, Debug)]
pub struct RecountArgs {
    /// From when on: how long ago, for example 6h, or a time, for example 2026-01-26T02:00:00Z;
    /// rounded down to the hour
    #[arg(long, value_name = "TIME")]
    from: String,
    /// Until when, in the same forms; rounded up to the hour, and at least 15 minutes ago
    #[arg(long, value_name = "TIME")]
    to: String,
    /// Count, but change nothing
    #[arg(long)]
    dry_run: bool,
    /// Count even if a collector that does not run has records or rollups of that time: its disk is
    /// lost
    #[arg(long)]
    force: bool,
    /// How long records are kept, as in `serve`: what may have expired is not counted again
    #[arg(
        long,
        value_name = "NAME=TIME,…",
        env = "GATELOG_RETENTION",
        default_value = "",
        hide_default_value = true
    )]
    retention: String,
    /// How long to wait for collectors before looking whether they counted meanwhile [default: 40s]
    #[arg(long, value_name = "TIME", hide = true)]
    settle: Option<String>,
    #[command(flatten)]
    store: StoreArgs,
}

/// Whole hours, in ms since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    from: i64,
    to: i64,
}

impl RecountArgs {
    fn span(&self, retention: &Retention, now: i64) -> Result<Span, Faults> {
        let mut faults = Faults::default();
        let from = faults.take("--from", &self.from, millis(&self.from, now));
        let to = faults.take("--to", &self.to, millis(&self.to, now));
        let (Some(from), Some(to)) = (from, to) else { return Err(faults) };
        let hour = |millis: i64| millis.div_euclid(HOUR_MS).saturating_mul(HOUR_MS);
        let span = Span { from: hour(from), to: hour(to.saturating_add(HOUR_MS - 1)) };
        if span.from >= span.to {
            faults.add("--from", &self.from, "must be before --to");
        }
        if span.to > now.saturating_sub(ENDED_MS) {
            let reason = "must be an hour that ended at least 15 minutes ago";
            faults.add("--to", &self.to, reason);
        }
        let (collection, kept) = retention.shortest();
        let kept_ms = i64::from(kept.seconds()).saturating_mul(1_000);
        // The server removes expired records within minutes; what began earlier ended in this hour.
        let oldest = now.saturating_sub(kept_ms.min(LATEST_MS)).saturating_add(HOUR_MS);
        if span.from < oldest {
            let name = collection.as_str();
            let reason = format!(
                "records of that time may have expired: {name} keeps them for {kept} \
                 (GATELOG_RETENTION), and none is counted after 35 days"
            );
            faults.add("--from", &self.from, &reason);
        }
        if faults.is_empty() { Ok(span) } else { Err(faults) }
    }
}

fn millis(text: &str, now: i64) -> Result<i64, &'static str> {
    let text = text.trim();
    if let Ok(ago) = parse_duration(text) {
        return Ok(now.saturating_sub(i64::try_from(ago.as_millis()).unwrap_or(i64::MAX)));
    }
    Timestamp::parse(text).map(Timestamp::unix_millis).map_err(
        |_| "must be how long ago, for example 6h, or a time, for example 2026-01-26T02:00:00Z",
    )
}

/// Counts again, hour by hour.
///
/// # Errors
///
/// An argument is invalid, collectors may still write values of that time, or the database refuses.
pub async fn run(args: &RecountArgs) -> Result<(), Failure> {
    let options = args.store.options()?;
    let mut faults = Faults::default();
    let given = args.retention.trim();
    let retention = faults.take("GATELOG_RETENTION", given, given.parse::<Retention>());
    let settle = args.settle.as_deref().map_or(Some(SETTLE), |text| {
        faults.take("--settle", text, parse_duration(text).map_err(|error| error.to_string()))
    });
    let (Some(retention), Some(settle)) = (retention, settle) else { return Err(faults.into()) };
    let span = args.span(&retention, now_millis())?;
    let store = Store::connect(&options).await.map_err(Failure::failed)?;
    let undisturbed = Recount::undisturbed(&store, span.to).await;
    match undisturbed {
        Err(RecountError::Busy(_)) if args.force => {}
        undisturbed => undisturbed.map_err(Failure::failed)?,
    }
    let recount = Recount::new(store, span.from, span.to).await.map_err(Failure::failed)?;
    let mut done = Vec::new();
    let mut hour = span.from;
    while hour < span.to {
        let period = Period::Hour(hour.div_euclid(HOUR_MS));
        let counted = recount.hour(period, args.dry_run).await.map_err(Failure::failed)?;
        let Recounted { hour: name, before, after } = counted;
        eprintln!("{name}: {after} records stored, {before} were counted");
        done.push(counted);
        hour = hour.saturating_add(HOUR_MS);
    }
    print(&done, args.dry_run);
    if args.dry_run { Ok(()) } else { check(&recount, &done, settle).await }
}

fn print(done: &[Recounted], dry: bool) {
    let sum = |of: fn(&Recounted) -> u64| done.iter().map(of).fold(0, u64::saturating_add);
    let (stored, counted) = (sum(|it| it.after), sum(|it| it.before));
    let hours = done.len();
    println!("{}", json!({"hours": hours, "stored": stored, "counted": counted, "dry_run": dry}));
}

/// Looks whether a collector has counted records meanwhile, some of which may be counted twice then.
async fn check(recount: &Recount, done: &[Recounted], settle: Duration) -> Result<(), Failure> {
    eprintln!("waiting {} s for what collectors may have counted meanwhile", settle.as_secs());
    tokio::time::sleep(settle).await;
    let mut disturbed = Vec::new();
    for Recounted { hour, .. } in done {
        if !recount.is_alone(*hour).await.map_err(Failure::failed)? {
            disturbed.push(hour.to_string());
        }
    }
    if disturbed.is_empty() {
        return Ok(());
    }
    Err(Failure::failed(format!(
        "records of these hours were stored meanwhile, and may be counted twice: {}; run it again",
        disturbed.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_741_430_000;

    fn span(from: &str, to: &str, retention: &str) -> Result<(String, String), String> {
        let args = RecountArgs {
            from: from.into(),
            to: to.into(),
            dry_run: true,
            force: false,
            retention: String::new(),
            settle: None,
            store: StoreArgs {
                mongodb_uri: String::new(),
                database: String::new(),
                mongodb_timeout: String::new(),
            },
        };
        let name = |millis: i64| Period::Hour(millis.div_euclid(HOUR_MS)).to_string();
        args.span(&retention.parse().unwrap(), NOW)
            .map(|span| (name(span.from), name(span.to)))
            .map_err(|faults| faults.to_string())
    }

    #[test]
    fn a_span_is_of_whole_hours() {
        let hours = |from: &str, to: &str| Ok((from.to_owned(), to.to_owned()));
        assert_eq!(span("6h", "3h", ""), hours("2026-11-26T19", "2026-11-26T23"));
        assert_eq!(
            span("2026-11-26T02:30:00Z", "2026-11-26T03:00:00Z", ""),
            hours("2026-11-26T02", "2026-11-26T03")
        );
    }

    #[test]
    fn what_may_have_expired_or_is_not_over_is_refused() {
        for (from, to, retention, says) in [
            ("3h", "4h", "", "must be before --to"),
            ("3h", "10m", "", "must be an hour that ended at least 15 minutes ago"),
            ("7d", "3h", "", "debug_logs keeps them for 7d"),
            ("2d", "3h", "info=1d", "info_logs keeps them for 1d"),
            ("2d", "3h", "acme/error=1d", "error_logs keeps them for 1d"),
            ("36d", "3h", "*=90d", "none is counted after 35 days"),
            ("soon", "3h", "", "must be how long ago"),
        ] {
            let told = span(from, to, retention).unwrap_err();
            assert!(told.contains(says), "{told}");
        }
        assert!(span("34d", "3h", "*=90d").is_ok());
    }
}
