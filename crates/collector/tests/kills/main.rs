//! Rollups are exact however collectors and the database are killed: two collectors, senders that send
//! a batch to both when an acknowledgement is lost, and SIGKILL at moments that a seed chooses. Then
//! every count is compared with a count of the stored records that shares no code with the collector.
//!
//! `KILLS=50` kills more often; `KILLS_SEED` repeats a run's choices.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "tests"
)]

mod count;
mod moments;
mod records;
mod sender;
mod swallow;
mod system;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use gatelog_record::Uuid;
use mongodb::bson::Document;

use count::{LEVELS, counted, recount};
use moments::Moment;
use sender::{Sender, Sent};
use system::{Part, System};

/// Maximum time for anything that ends by itself, also on a busy machine.
const PATIENCE: Duration = Duration::from_mins(3);

/// Records that both collectors must have acknowledged.
const BY_BOTH: u64 = 100;

/// Records in a batch of each sender.
const BATCHES: [u64; 3] = [5, 20, 60];

/// Batches that each sender sends from one kill to the next.
const TURNS: usize = 2;

/// How long a moment is waited for.
const MOMENT: Duration = Duration::from_secs(8);

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// Where and when the processes were killed.
#[derive(Debug, Default)]
struct Kills {
    of: BTreeMap<Part, u64>,
    at: BTreeMap<&'static str, u64>,
}

impl Kills {
    fn all(&self) -> u64 {
        self.of.values().sum()
    }
}

/// Kills this many processes, most of them while they insert, settle or write rollups.
async fn kill(
    system: &mut System,
    senders: &[Sender],
    rng: &mut fastrand::Rng,
    wanted: u64,
) -> Kills {
    let mut kills = Kills::default();
    while kills.all() < wanted {
        for sender in senders {
            sender.more(TURNS);
        }
        let part = loop {
            let part =
                [Part::One, Part::Other, Part::Database][[0, 0, 0, 1, 1, 1, 2][rng.usize(..7)]];
            if system.runs(part) {
                break part;
            }
        };
        let moment = match rng.u8(..8) {
            0..3 => Some(Moment::Insert),
            3..5 => Some(Moment::Inserted),
            5 => Some(Moment::Rollup),
            6 => Some(Moment::RolledUp),
            _ => None,
        };
        // Nothing passes without the database.
        let moment = moment.filter(|_| system.runs(Part::Database));
        // The last rollups are written when a collector is stopped.
        let stops = matches!(moment, Some(Moment::Rollup | Moment::RolledUp));
        let at = moment.map(|moment| system.moment(part, moment, rng));
        if stops {
            system.stop_soon(part);
        }
        let hit = match at {
            Some(at) => tokio::time::timeout(MOMENT, at).await.is_ok(),
            None => false,
        };
        let longest = if hit { 15_000 } else { 300_000 };
        tokio::time::sleep(Duration::from_micros(rng.u64(..longest))).await;
        if system.kill(part) {
            *kills.of.entry(part).or_default() += 1;
            let name = moment.filter(|_| hit).map_or("any", Moment::name);
            *kills.at.entry(name).or_default() += 1;
        }
        // Now and then another one is killed while this one is down.
        if rng.u8(..4) > 0 || !system.any_runs() {
            system.start_all().await;
            tokio::time::sleep(Duration::from_millis(rng.u64(..700))).await;
        }
    }
    system.start_all().await;
    kills
}

/// What was acknowledged is stored once, and nothing else is.
fn check_stored(sent: &[Sent], stored: &BTreeMap<&str, Vec<Document>>) {
    for batch in sent {
        let mut due: Vec<_> = (1..=batch.last).collect();
        let boot = batch.boot.hyphenated().to_string();
        let all = LEVELS.iter().flat_map(|level| &stored[level]);
        let sources = all.map(|document| document.get_document("source").unwrap());
        let of_boot = sources.filter(|source| source.get_str("boot").unwrap() == boot);
        let mut seqs: Vec<_> = of_boot.map(|source| count::whole(source, "seq").unwrap()).collect();
        seqs.sort_unstable();
        let twice: Vec<_> = seqs.windows(2).filter(|pair| pair[0] == pair[1]).collect();
        due.retain(|seq| seqs.binary_search(seq).is_err());
        assert!(twice.is_empty() && due.is_empty(), "twice: {twice:?}, absent: {due:?}");
        assert_eq!(seqs.len() as u64, batch.last);
    }
    let total: usize = LEVELS.iter().map(|level| stored[level].len()).sum();
    assert_eq!(total as u64, sent.iter().map(|batch| batch.last).sum::<u64>());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_count_is_exact_though_collectors_and_the_database_are_killed_and_answers_are_lost() {
    let kills = number("KILLS").unwrap_or(10);
    let seed = number("KILLS_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("KILLS_SEED={seed} KILLS={kills}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let started = Instant::now();
    let mut system = System::start().await;
    let mut senders = Vec::new();
    for records in BATCHES {
        let boot = Uuid::from_u128(rng.u128(..));
        senders.push(Sender::start(system.addresses(), boot, records, rng.fork()).await);
    }
    let killed = kill(&mut system, &senders, &mut rng, kills).await;
    while senders.iter().map(Sender::by_both).sum::<u64>() < BY_BOTH {
        assert!(started.elapsed() < Duration::from_mins(10), "too few acknowledgements were lost");
        for sender in &senders {
            sender.more(1);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let mut sent = Vec::new();
    for sender in senders {
        sent.push(sender.finish().await);
    }
    system.drain().await;
    for batch in &sent {
        system.check_accounts(batch.boot, batch.last).await;
    }
    let database = system.database().await;
    system.count(&database).await;
    system.stop();

    let mut stored = BTreeMap::new();
    for level in LEVELS {
        stored.insert(level, database.find(level, Document::new()).await.unwrap());
    }
    check_stored(&sent, &stored);
    let due = recount(stored.values().flatten());
    let documents = database.find("gatelog_rollups", Document::new()).await.unwrap();
    let (found, parts) = counted(&documents);
    let wrong: Vec<_> = due
        .keys()
        .chain(found.keys())
        .filter(|key| due.get(*key) != found.get(*key))
        .map(|key| format!("{key:?}\n  stored  {:?}\n  counted {:?}", due.get(key), found.get(key)))
        .collect();
    println!(
        "{} kills of {:?}, at {:?}; {} records, {} of them acknowledged by both; {} values from {parts} \
         documents, {} of them wrong; {} s",
        killed.all(),
        killed.of,
        killed.at,
        sent.iter().map(|batch| batch.last).sum::<u64>(),
        sent.iter().map(|batch| batch.by_both).sum::<u64>(),
        due.len(),
        wrong.len(),
        started.elapsed().as_secs()
    );
    assert!(due.len() > 100, "only {} values are due", due.len());
    assert!(
        wrong.is_empty(),
        "{} of {}: {}",
        wrong.len(),
        due.len(),
        wrong[..3.min(wrong.len())].join("\n")
    );
}
