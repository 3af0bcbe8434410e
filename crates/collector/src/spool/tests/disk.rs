//! A small disk, completely full. Mounting one needs root: without it these tests are skipped and
//! say so.

use gatelog_testkit::{Disk, DiskKind};

use super::*;

/// A disk this small has nothing to spare.
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
        assert!(began.elapsed().as_secs() < 20, "{:?} {:?}", spool.health(), spool.letters());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// Appends until the disk is full.
async fn fill(spool: &Spool, mut next: impl FnMut(u64) -> Append) -> u64 {
    for number in 1..100_000 {
        if spool.append(next(number)).await.is_err() {
            return number - 1;
        }
    }
    panic!("the disk is never full");
}

/// Settles everything that waits, as the writer does: retrying while the disk refuses.
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

/// Regression: one-byte letters took 85 bytes each of the file but counted as 1 against the bound.
/// The disk became completely full, waiting rows could no longer be settled, and a restart did not
/// help.
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

/// Boots with the maximum number of ranges per account, each with its letters.
#[tokio::test]
async fn a_disk_that_accounts_would_fill_keeps_room_for_records() {
    let Some(disk) = small_disk(64 << 20) else { return };
    let options = SpoolOptions { keep_free_bytes: 32 << 20, ..crowded(&disk.path()) };
    let spool = Spool::open(&options, Metrics::new()).unwrap();
    for number in 1..=100 {
        spool.append(batch(number, 10_000)).await.unwrap();
    }
    for boot in 0..150 {
        let mut append = Append::default();
        let key = BootKey { gateway: "flood".into(), boot: Uuid::from_u128(boot) };
        append.totals = Some((key.clone(), Totals { assigned: 10_000, ..Totals::default() }));
        for number in (1..10_000).step_by(2) {
            append.quarantined.add(&key.gateway, key.boot, number);
            append.letters.push(letter(&format!("{{\"source\":{{\"seq\":{number}}}}}")));
        }
        let _ = spool.append(append).await;
    }
    healthy(&spool).await;
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
    // Regression: it exited with status 1.
    let spool = Spool::open(&crowded(&disk.path()), metrics).unwrap();
    assert!(matches!(spool.health(), Health::Refusing(_)));
    assert!(spool.append(batch(101, 100_000)).await.is_err());
    assert_eq!(spool.waiting().rows, 100);
    drain(&spool).await;
    // The other file is still there: the space freed by the rows becomes the new reserve.
    healthy(&spool).await;
    spool.append(batch(101, 1_000)).await.unwrap();
}

/// The database permanently refuses everything that waits: it needs more space as letters.
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

/// Regression: removing letters needs space as well, so a purge did not help.
#[tokio::test]
async fn on_a_disk_without_a_free_page_letters_are_purged() {
    let Some(disk) = small_disk(48 << 20) else { return };
    let spool = Spool::open(&crowded(&disk.path()), Metrics::new()).unwrap();
    let letters = (0..10_000).map(|_| letter("x")).collect();
    spool.append(Append { letters, ..Append::default() }).await.unwrap();
    spool.close().await.unwrap();
    disk.fill(0).unwrap();
    let mut letters = LetterBox::open(&disk.path()).unwrap();
    assert_eq!(letters.purge(&LetterFilter::default()), Ok(10_000));
}

fn length(dir: &Path, name: &str) -> u64 {
    fs::metadata(dir.join(name)).map_or(0, |metadata| metadata.len())
}

/// What docs/collector.md says about the directory, with rows and letters of the sizes that fill
/// pages worst, settled in random order.
#[tokio::test]
async fn the_directory_keeps_the_size_that_is_documented() {
    let dir = TempDir::new().unwrap();
    let (rows_bound, letters_bound, reserve) = (6 << 20, 1 << 20, 2 << 20);
    let spool = Spool::open(
        &SpoolOptions {
            dir: dir.path().to_owned(),
            max_bytes: rows_bound,
            dead_letters_max_bytes: letters_bound,
            keep_free_bytes: reserve,
        },
        Metrics::new(),
    )
    .unwrap();
    let spare = 16 << 20;
    let (log, group, largest) = (8 << 20, 4 << 20, 1 << 20);
    let mut number = 0;
    for round in 0..6 {
        // A record and a letter of just over half a page, of just over a page, and tiny ones.
        for size in [2_100, 4_200, 10, 600_000].into_iter().cycle() {
            number += 1;
            let mut append = batch(number, size);
            append.letters.extend((0..40).map(|_| letter("x")));
            append.letters.push(letter(&"y".repeat(size.min(4_200))));
            if spool.append(append).await.is_err() {
                break;
            }
        }
        let file = length(dir.path(), FILE);
        assert!(file <= 2 * rows_bound + 2 * letters_bound + spare, "{file} bytes");
        let wal = length(dir.path(), "spool.db-wal");
        assert!(wal <= (log + group + largest) * 11 / 10, "{wal} bytes of log");
        assert_eq!(length(dir.path(), RESERVE), reserve);
        // Every second row, then every third: pages are left half empty.
        let rows = all(&spool).await;
        let some: Vec<_> = rows.into_iter().step_by(2 + round % 2).collect();
        spool.settle(settled(&spool, &some)).await.unwrap();
    }
}
