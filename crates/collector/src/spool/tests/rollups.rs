//! Rollups in the spool's file: counted with the row, put away, and bounded.

use super::super::rollups;
use super::*;
use crate::rollup::{Facts, LIMITS, Observation, Period, Tally, Value};

const RECEIVED: i64 = 1_795_741_430_000;

/// One record of an application, this many minutes before its batch arrived.
fn observed(logger: &str, minutes: i64) -> Observation {
    let facts = Facts {
        timestamp: gatelog_record::Timestamp::from_unix_micros(
            (RECEIVED - minutes * 60_000) * 1_000,
        ),
        level: gatelog_record::Level::Info,
        logger,
        function: "",
        message: "m",
        method: None,
        status: None,
        organization: None,
        took_ms: Some(1.0),
        weight: None,
        error_type: None,
        error_details: None,
    };
    Observation::of(&facts, RECEIVED).unwrap()
}

/// Settles a new row that has counted these.
async fn count(spool: &Spool, observations: impl IntoIterator<Item = Observation>) {
    spool.append(batch(1, 10)).await.unwrap();
    let rows = all(spool).await;
    let mut settled = settled(spool, &rows);
    let tally = &mut settled.rows[0].tally;
    observations.into_iter().for_each(|it| tally.add(&it));
    spool.settle(settled).await.unwrap();
}

async fn rows(spool: &Spool) -> Vec<RollupRow> {
    spool.rollups(None, usize::MAX).await.unwrap().rows
}

fn records(row: &RollupRow) -> u64 {
    Value::unpack(&row.packed).unwrap().records
}

#[tokio::test]
async fn a_row_is_counted_when_it_is_settled_and_never_again() {
    let dir = TempDir::new().unwrap();
    let spool = open(dir.path());
    spool.append(batch(1, 10)).await.unwrap();
    let read = all(&spool).await;
    let mut settled = settled(&spool, &read);
    settled.rows[0].tally.add(&observed("app", 0));
    for _ in 0..3 {
        spool.settle(settled.clone()).await.unwrap();
    }
    let stale = Settled { generation: spool.generation() + 1, ..settled };
    spool.settle(stale).await.unwrap();
    let found = rows(&spool).await;
    assert_eq!(found.iter().map(records).collect::<Vec<_>>(), [1, 1], "a minute and its hour");
    spool.close().await.unwrap();
    drop(spool);
    assert_eq!(rows(&open(dir.path())).await, found);
}

#[tokio::test]
async fn a_damaged_row_counts_nothing() {
    let dir = TempDir::new().unwrap();
    let spool = open(dir.path());
    spool.append(batch(1, 10)).await.unwrap();
    let read = all(&spool).await;
    let mut settled = settled(&spool, &read);
    settled.rows[0].damaged = true;
    settled.rows[0].tally.add(&observed("app", 0));
    spool.settle(settled).await.unwrap();
    assert!(rows(&spool).await.is_empty());
}

#[tokio::test]
async fn what_is_counted_after_a_value_was_put_away_is_a_new_part() {
    let dir = TempDir::new().unwrap();
    let spool = open(dir.path());
    let mut parts = Vec::new();
    for _ in 0..3 {
        count(&spool, [observed("app", 0)]).await;
        let page = spool.rollups(None, usize::MAX).await.unwrap();
        parts.extend(page.rows.iter().map(|row| (row.period, row.part)));
        spool.put_away(page.generation + 1, page.rows.clone()).await.unwrap();
        assert_eq!(rows(&spool).await.len(), 2, "of another file");
        spool.put_away(page.generation, page.rows).await.unwrap();
        assert_eq!((rows(&spool).await.len(), spool.rollup_count()), (0, RollupCount::default()));
    }
    let all = parts.len();
    parts.sort_unstable();
    parts.dedup();
    assert_eq!(parts.len(), all, "no part is used twice");
}

#[tokio::test]
async fn a_value_that_has_changed_since_it_was_read_is_not_put_away() {
    let dir = TempDir::new().unwrap();
    let spool = open(dir.path());
    count(&spool, [observed("app", 0)]).await;
    let before = spool.rollups(None, usize::MAX).await.unwrap();
    count(&spool, [observed("app", 0)]).await;
    spool.put_away(before.generation, before.rows).await.unwrap();
    assert_eq!(rows(&spool).await.iter().map(records).collect::<Vec<_>>(), [2, 2]);
}

#[tokio::test]
async fn rollups_are_read_page_by_page_in_order() {
    let dir = TempDir::new().unwrap();
    let spool = open(dir.path());
    count(&spool, (0..20).map(|number| observed(&format!("app{}", number % 5), number))).await;
    let whole = rows(&spool).await;
    let (mut paged, mut last) = (Vec::new(), None);
    loop {
        let page = spool.rollups(last, 3).await.unwrap().rows;
        last = page.last().cloned();
        paged.extend(page);
        if last.is_none() {
            break;
        }
    }
    assert!(whole.len() > 20);
    assert_eq!(paged, whole);
}

#[tokio::test]
async fn the_names_of_an_hour_are_bounded_also_across_a_restart() {
    let limit = LIMITS.iter().find(|(family, _)| family.as_str() == "service").unwrap().1;
    let dir = TempDir::new().unwrap();
    let spool = open(dir.path());
    count(&spool, (0..limit).map(|number| observed(&format!("app{number}"), 0))).await;
    spool.close().await.unwrap();
    drop(spool);
    let spool = open(dir.path());
    count(&spool, [observed("late", 0), observed("later", 0), observed("app7", 0)]).await;
    let found = rows(&spool).await;
    let hours: Vec<_> = found.iter().filter(|row| matches!(row.period, Period::Hour(_))).collect();
    assert_eq!(hours.len(), limit + 1);
    let others = hours.iter().find(|row| row.dimension.is_other()).unwrap();
    assert_eq!(records(others), 2);
}

#[tokio::test]
async fn past_the_bound_the_oldest_minutes_go_first_and_hours_stay() {
    let dir = TempDir::new().unwrap();
    let mut db = database::open(&dir.path().join(FILE)).unwrap();
    let tx = db.transaction().unwrap();
    let (mut names, mut count) = (crate::rollup::Names::default(), RollupCount::default());
    let mut tally = Tally::default();
    for minutes in 0..60 {
        tally.add(&observed("app", minutes));
    }
    rollups::add(&tx, &mut names, &tally, &mut count).unwrap();
    assert_eq!(rollups::trim(&tx, &mut count, 62, u64::MAX), Ok(0));
    let removed = rollups::trim(&tx, &mut count, 32, u64::MAX).unwrap();
    assert_eq!((removed, count.rows), (34, 28));
    let left = rollups::after(&tx, None, usize::MAX).unwrap();
    let minutes: Vec<_> = left.iter().filter(|row| row.period.end().is_some()).collect();
    assert_eq!(left.iter().filter(|row| matches!(row.period, Period::Hour(_))).count(), 2);
    let oldest = minutes.iter().map(|row| row.period.start()).min().unwrap();
    assert!(oldest >= Some(RECEIVED - 90 * 60_000));
    // What is counted for a value that was deleted is a new part.
    rollups::add(&tx, &mut names, &tally, &mut count).unwrap();
    let again = rollups::after(&tx, None, usize::MAX).unwrap();
    assert_eq!(again.iter().filter(|row| row.part == 1).count(), 34);
    assert_eq!(rollups::trim(&tx, &mut count, 62, 1), Ok(62));
    assert_eq!(count, RollupCount::default());
}
