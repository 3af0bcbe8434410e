//! A small disk, full to the last page. Mounting one needs root: without it these tests have
//! nothing to show, and say so.

use gatelog_testkit::{Disk, DiskKind};

use super::*;

/// Of a disk as small as this nothing is to spare.
const RESERVE_OF_SMALL: u64 = 12 << 20;

fn small_disk(bytes: u64) -> Option<Disk> {
    let disk = Disk::mount(DiskKind::Memory(bytes));
    if let Err(error) = &disk {
        assert!(!rustix::process::geteuid().is_root(), "{error:#}");
        eprintln!("not shown: {error:#}");
    }
    disk.ok()
}

fn crowded(dir: &Path) -> SpoolOptions {
    SpoolOptions {
        dir: dir.to_owned(),
        max_bytes: 1 << 30,
        dead_letters_max_bytes: 1 << 30,
        keep_free_bytes: RESERVE_OF_SMALL,
    }
}

async fn healthy(spool: &Spool) {
    let began = std::time::Instant::now();
    while spool.health() != Health::Good {
        assert!(began.elapsed().as_secs() < 60, "{:?}", spool.health());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// Appends until the disk has no more.
async fn fill(spool: &Spool, mut next: impl FnMut(u64) -> Append) -> u64 {
    for number in 1..100_000 {
        if spool.append(next(number)).await.is_err() {
            return number - 1;
        }
    }
    panic!("the disk is never full");
}

/// Settles all that waits, as the writer does: again while the disk refuses.
async fn drain(spool: &Spool) {
    let began = std::time::Instant::now();
    while spool.waiting().rows > 0 {
        assert!(began.elapsed().as_secs() < 60, "{:?}: {:?}", spool.waiting(), spool.health());
        let rows = spool.read(0, 1 << 20, 256).await.unwrap().rows;
        let _ = spool.settle(settled(spool, &rows)).await;
    }
}

fn used(disk: &Disk) -> u64 {
    fs::read_dir(disk.path()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

#[tokio::test]
async fn a_disk_full_of_records_is_drained_and_takes_records_again() {
    let Some(disk) = small_disk(48 << 20) else { return };
    let spool = Spool::open(&crowded(&disk.path()), Metrics::new()).unwrap();
    let count = fill(&spool, |number| batch(number, 100_000)).await;
    assert!(count > 100, "{count}");
    drain(&spool).await;
    healthy(&spool).await;
    spool.append(batch(count + 1, 1_000)).await.unwrap();
}

/// One-byte letters took 85 bytes each of the file and 1 of the bound: the disk was full to its
/// last page, what waited could not be settled any more, and a restart did not help.
#[tokio::test]
async fn a_disk_that_letters_would_fill_keeps_room_for_records() {
    let Some(disk) = small_disk(48 << 20) else { return };
    let spool = Spool::open(&crowded(&disk.path()), Metrics::new()).unwrap();
    for number in 1..=200 {
        spool.append(batch(number, 10_000)).await.unwrap();
    }
    for _ in 0..30 {
        let letters = (0..10_000).map(|_| letter("x")).collect();
        let _ = spool.append(Append { letters, ..Append::default() }).await;
    }
    let letters = spool.letters();
    assert!(letters.bytes <= (48 << 20) / 8, "{letters:?}");
    assert!(used(&disk) < 40 << 20, "{} bytes", used(&disk));
    drain(&spool).await;
    healthy(&spool).await;
    spool.append(batch(201, 1_000)).await.unwrap();
}

/// Something else fills the disk: neither the log nor the file can grow, and a row cannot be
/// deleted without either.
#[tokio::test]
async fn on_a_disk_without_a_free_page_rows_are_settled_with_the_reserve() {
    let Some(disk) = small_disk(48 << 20) else { return };
    let metrics = Metrics::new();
    let spool = Spool::open(&crowded(&disk.path()), metrics.clone()).unwrap();
    for number in 1..=100 {
        spool.append(batch(number, 100_000)).await.unwrap();
    }
    disk.fill(0).unwrap();
    assert!(spool.append(batch(101, 100_000)).await.is_err());
    spool.close().await.unwrap();
    drop(spool);
    // It exited with status 1.
    let spool = Spool::open(&crowded(&disk.path()), metrics).unwrap();
    assert!(matches!(spool.health(), Health::Refusing(_)));
    assert!(spool.append(batch(101, 100_000)).await.is_err());
    assert_eq!(spool.waiting().rows, 100);
    drain(&spool).await;
    // The other's file is still there: what the rows took is given back, and is the new reserve.
    healthy(&spool).await;
    spool.append(batch(101, 1_000)).await.unwrap();
}

/// All that waits is refused by the database for good: it needs more room as letters.
#[tokio::test]
async fn on_a_disk_without_a_free_page_refused_records_become_letters() {
    let Some(disk) = small_disk(48 << 20) else { return };
    let spool = Spool::open(&crowded(&disk.path()), Metrics::new()).unwrap();
    let short = |number| {
        let mut append = Append { records: 1_000, ..batch(number, 0) };
        append.body = b"{\"n\":1}\n".repeat(1_000);
        append
    };
    for number in 1..=300 {
        spool.append(short(number)).await.unwrap();
    }
    disk.fill(0).unwrap();
    let began = std::time::Instant::now();
    while spool.waiting().rows > 0 {
        assert!(began.elapsed().as_secs() < 120, "{:?}: {:?}", spool.waiting(), spool.health());
        let rows = spool.read(0, 1 << 20, 16).await.unwrap().rows;
        let mut settled = Settled { generation: spool.generation(), ..Settled::default() };
        for row in &rows {
            let letters = vec![letter("{\"n\":1}"); 1_000];
            settled.rows.push(SettledRow { letters, ..SettledRow::of(row) });
        }
        let _ = spool.settle(settled).await;
    }
    assert!(spool.letters().letters > 0);
    disk.free().unwrap();
    healthy(&spool).await;
    spool.append(batch(301, 1_000)).await.unwrap();
}
