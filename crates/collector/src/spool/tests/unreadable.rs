//! A disk with unreadable parts, and a thread that dies.

use super::*;

/// Makes rows unreadable, and ranges of rows whose numbers cannot even be found.
fn break_rows(spool: &Spool, rows: &[i64], stretch: std::ops::RangeInclusive<i64>) {
    let mut reader = spool.inner.reader.lock().unwrap();
    reader.as_mut().unwrap().rows.broken = (rows.to_vec(), vec![stretch]);
}

async fn ids(spool: &Spool, after: i64) -> Vec<i64> {
    let rows = spool.read(after, usize::MAX, usize::MAX).await.unwrap().rows;
    rows.iter().map(|row| row.id).collect()
}

/// Regression: the spool waited for it forever, and everything behind it waited too.
#[tokio::test]
async fn a_batch_that_cannot_be_read_does_not_hold_up_the_others() {
    let dir = TempDir::new().unwrap();
    let metrics = Metrics::new();
    let spool = Spool::open(&options(dir.path()), metrics.clone()).unwrap();
    for number in 1..=40 {
        spool.append(batch(number, 100)).await.unwrap();
    }
    assert_eq!(ids(&spool, 0).await.len(), 40);
    break_rows(&spool, &[3, 40], 10..=17);
    let readable: Vec<_> = (1..=39).filter(|id| *id != 3 && !(10..=17).contains(id)).collect();
    for _ in 0..3 {
        let found = ids(&spool, 0).await;
        assert_eq!(found, readable);
    }
    let text = metrics.render(&crate::metrics::Snapshot::default());
    assert!(text.contains("gatelog_collector_spool_unreadable_total 3\n"), "told once each");
    assert_eq!(spool.waiting().rows, 40, "what cannot be read waits");
    break_rows(&spool, &[], -2..=-1);
    assert_eq!(ids(&spool, 0).await.len(), 40, "and is there when the disk gives it again");
}

#[tokio::test]
async fn a_disk_that_gives_nothing_is_an_error() {
    let dir = TempDir::new().unwrap();
    let spool = open(dir.path());
    spool.append(batch(1, 100)).await.unwrap();
    assert_eq!(ids(&spool, 0).await, [1]);
    break_rows(&spool, &[], 0..=i64::MAX);
    let error = spool.read(0, 1, 1).await.unwrap_err();
    assert_eq!(error.kind(), SpoolErrorKind::Unreadable);
}

/// Regression: `/healthz` kept answering 200 while every append failed.
#[tokio::test]
async fn a_spool_whose_thread_died_is_broken() {
    let dir = TempDir::new().unwrap();
    let spool = open(dir.path());
    let died = spool.account(|_, _| panic!("a fault of the program's own")).await;
    assert_eq!(died, Err(SpoolError::Closed));
    let began = std::time::Instant::now();
    while spool.health() == Health::Good {
        assert!(began.elapsed().as_secs() < 30, "never told");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(matches!(spool.health(), Health::Broken(_)));
    assert!(spool.append(batch(1, 10)).await.is_err());
}
