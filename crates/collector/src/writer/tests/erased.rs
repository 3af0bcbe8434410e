//! What a tombstone covers is settled and never sent, wherever it waits.

use super::*;
use crate::tombstone::{Field, Key, Tombstone, Tombstones};
use gatelog_record::Timestamp;

fn tombstones() -> Tombstones {
    let (key, field) = (Key::of(&[7; 32]).unwrap(), Field::User);
    let until = Timestamp::parse("2026-01-26T02:11:57Z").unwrap();
    let hash = key.hash(field, "user_7");
    Tombstones::new(key, [Tombstone { field, hash, until }])
}

impl Rig {
    /// One batch of records of users; returns their ids.
    async fn post_of(&mut self, users: &[&str]) -> Vec<Uuid> {
        let mut append = Append { records: users.len() as u64, ..Append::default() };
        let mut ids = Vec::new();
        for user in users {
            self.acknowledged += 1;
            append.seqs.add("edge", BOOT, self.acknowledged);
            let sample = Sample { audit: true, flow: true, ..Sample::of("INFO") };
            let line = String::from_utf8(sample.line(self.acknowledged)).unwrap();
            let context = format!(r#""context":{{"user_id":"{user}","#);
            append.body.extend(line.replace(r#""context":{"#, &context).into_bytes());
            ids.push(sample.id);
        }
        self.spool.append(append).await.unwrap();
        ids
    }

    fn has(&self, id: &Uuid) -> [bool; 3] {
        [LogCollection::Info, LogCollection::Audit, LogCollection::Trace]
            .map(|name| self.model.ids(name).contains(id))
    }

    fn statement(&self) -> (u64, u64, u64) {
        let key = BootKey { gateway: "edge".into(), boot: BOOT };
        let statement = self.spool.ledger().get(&key).unwrap().statement(0);
        (statement.stored, statement.spooled, statement.missing)
    }
}

#[tokio::test(start_paused = true)]
async fn an_erased_record_is_settled_and_not_sent() {
    let mut rig = Rig::start(ModelServer::new(|_, _| Reply::Taken)).await;
    drop(rig.gate.replace(tombstones()));
    let ids = rig.post_of(&["user_7", "user_8", "user_7"]).await;
    rig.until_nothing_waits().await;
    assert_eq!(
        [&ids[0], &ids[1], &ids[2]].map(|id| rig.has(id)),
        [[false; 3], [true; 3], [false; 3]]
    );
    assert_eq!(rig.statement(), (3, 0, 0), "none of them is missing");
    assert!(rig.letters().is_empty());
    // All of a batch, again, and after a restart.
    rig.post_of(&["user_7"; 150]).await;
    let rig = rig.restart().await;
    rig.until_nothing_waits().await;
    assert_eq!((rig.statement(), rig.model.ids(LogCollection::Info).len()), ((153, 0, 0), 1));
}

/// Its documents were sent to some collections before the tombstone was known.
#[tokio::test(start_paused = true)]
async fn what_was_parked_is_dropped_once_the_tombstone_is_known() {
    let denied = Arc::new(AtomicBool::new(true));
    let shared = Arc::clone(&denied);
    let mut rig = Rig::start(ModelServer::new(move |name, _| {
        let refuses = name == LogCollection::Trace && shared.load(Ordering::SeqCst);
        if refuses { Reply::Whole(13) } else { Reply::Taken }
    }))
    .await;
    let ids = rig.post_of(&["user_7", "user_8"]).await;
    rig.until("they are parked", |rig| rig.parked(LogCollection::Trace) == 2).await;
    drop(rig.gate.replace(tombstones()));
    let rig = rig.restart().await;
    denied.store(false, Ordering::SeqCst);
    rig.until_nothing_waits().await;
    assert_eq!(
        rig.has(&ids[0]),
        [false; 3],
        "none is sent any more, and those that were are deleted"
    );
    assert_eq!((rig.has(&ids[1]), rig.statement()), ([true; 3], (2, 0, 0)));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_inserted_while_the_tombstones_are_not_known() {
    let mut rig = Rig::start(ModelServer::new(|_, _| Reply::Taken)).await;
    rig.gate.close();
    let ids = rig.post_of(&["user_8"]).await;
    rig.pass(Duration::from_mins(10)).await;
    assert_eq!((rig.has(&ids[0]), rig.spool.waiting().records), ([false; 3], 1));
    // It can be stopped all the same.
    let rig = rig.restart().await;
    rig.gate.open_until(Instant::now(), crate::clock::now_millis(), Duration::from_hours(3));
    rig.until_nothing_waits().await;
    assert_eq!(rig.has(&ids[0]), [true; 3]);
}

/// Found by an attack: a process that was stopped in the middle of an insert sent it after `erase` had
/// taken it for gone and had looked for the last time.
#[tokio::test(start_paused = true)]
async fn an_insert_that_outlives_the_lease_leaves_nothing_that_was_erased_meanwhile() {
    let gate: Arc<std::sync::OnceLock<Gate>> = Arc::default();
    let stopped = Arc::clone(&gate);
    let first = AtomicBool::new(true);
    let mut rig = Rig::start(ModelServer::new(move |_, _| {
        if let Some(gate) = stopped.get()
            && first.swap(false, Ordering::SeqCst)
        {
            // As if the process had slept for an hour before the server took it.
            let began = crate::clock::now_millis() - 3_600_000;
            gate.open_until(Instant::now(), began, Duration::from_mins(1));
        }
        Reply::Taken
    }))
    .await;
    gate.set(rig.gate.clone()).unwrap();
    let ids = rig.post_of(&["user_7", "user_8"]).await;
    rig.until("it is stored", |rig| !rig.model.ids(LogCollection::Info).is_empty()).await;
    rig.pass(Duration::from_mins(10)).await;
    assert_eq!(rig.spool.waiting().records, 2, "nothing of it is settled");
    drop(rig.gate.replace(tombstones()));
    rig.gate.open_until(Instant::now(), crate::clock::now_millis(), Duration::from_hours(3));
    rig.until_nothing_waits().await;
    assert_eq!((rig.has(&ids[0]), rig.has(&ids[1])), ([false; 3], [true; 3]));
    assert_eq!(rig.statement(), (2, 0, 0));
}
