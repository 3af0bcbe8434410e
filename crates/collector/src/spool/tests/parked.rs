//! The rest of a batch waits for its collection in a separate row.

use super::*;

/// A batch of three records, 1 to 3 of its boot.
fn three() -> Append {
    let mut append = Append { records: 3, ..Append::default() };
    for number in 1..=3 {
        append.body.extend_from_slice(&batch(number, 10).body);
        append.seqs.merge(&batch(number, 10).seqs);
    }
    append
}

fn rest(collection: &str, number: u64) -> Rest {
    let Append { body, records, seqs, .. } = batch(number, 10);
    Rest { collection: collection.into(), records, seqs, body }
}

/// One batch in which record 1 is stored, 2 waits for `audit_logs` and 3 for `trace_logs`.
async fn park(spool: &Spool) {
    spool.append(three()).await.unwrap();
    let rows = all(spool).await;
    let mut settled = Settled { generation: spool.generation(), ..Settled::default() };
    settled.stored.merge(&batch(1, 0).seqs);
    let rests = vec![rest("audit_logs", 2), rest("trace_logs", 3)];
    settled.rows.push(SettledRow { rests, ..SettledRow::of(&rows[0]) });
    spool.settle(settled).await.unwrap();
}

async fn parked(spool: &Spool, collection: &str) -> Vec<Row> {
    spool.read_parked(collection, 0, usize::MAX, 100).await.unwrap().rows
}

fn bytes_of(rows: &[Row]) -> u64 {
    rows.iter().map(|row| database::row_bytes(&row.body, &row.seqs)).sum()
}

/// What is visible matches what a restart would find.
fn is_as_on_disk(spool: &Spool, dir: &Path) {
    let db = database::open_reader(&dir.join(FILE)).unwrap();
    assert_eq!(spool.parked(), database::parked(&db).unwrap());
    let sum = spool.parked().values().fold(database::waiting(&db).unwrap(), Waiting::and);
    assert_eq!(spool.waiting(), sum);
}

#[tokio::test]
async fn a_batch_is_settled_and_its_rests_wait_for_their_collections() {
    let dir = TempDir::new().unwrap();
    let spool = open(dir.path());
    park(&spool).await;
    assert_eq!(all(&spool).await, []);
    let [audit, trace] = [parked(&spool, "audit_logs").await, parked(&spool, "trace_logs").await];
    assert_eq!((audit.len(), trace.len()), (1, 1));
    assert_eq!((audit[0].id, audit[0].records, number_of(&audit[0].body)), (1, 1, 2));
    assert_eq!((trace[0].id, trace[0].intact, number_of(&trace[0].body)), (1, true, 3));
    assert_eq!(trace[0].parked.as_deref(), Some("trace_logs"));
    assert_eq!(parked(&spool, "info_logs").await, []);
    is_as_on_disk(&spool, dir.path());
    let statement = spool.ledger().get(&key()).unwrap().statement(0);
    assert_eq!((statement.stored, statement.spooled, statement.missing), (1, 2, 0));
    // A later batch is read as usual.
    spool.append(batch(4, 10)).await.unwrap();
    assert_eq!(all(&spool).await.len(), 1);
    is_as_on_disk(&spool, dir.path());
}

#[tokio::test]
async fn a_rest_is_settled_in_parts_and_gives_its_bytes_back() {
    let dir = TempDir::new().unwrap();
    let spool = open(dir.path());
    spool.append(three()).await.unwrap();
    let rows = all(&spool).await;
    let all_of_it = Rest {
        collection: "audit_logs".into(),
        records: 3,
        seqs: rows[0].seqs.clone(),
        body: rows[0].body.clone(),
    };
    let mut settled = Settled { generation: spool.generation(), ..Settled::default() };
    settled.rows.push(SettledRow { rests: vec![all_of_it], ..SettledRow::of(&rows[0]) });
    spool.settle(settled.clone()).await.unwrap();
    assert_eq!(spool.waiting().records, 3);
    let rows = parked(&spool, "audit_logs").await;
    settled.stored.merge(&batch(1, 0).seqs);
    let letters = vec![letter("refused")];
    let (quarantined, rests) = (batch(2, 0).seqs, vec![rest("audit_logs", 3)]);
    settled.rows = vec![SettledRow { letters, quarantined, rests, ..SettledRow::of(&rows[0]) }];
    spool.settle(settled.clone()).await.unwrap();
    let rows = parked(&spool, "audit_logs").await;
    assert_eq!(number_of(&rows[0].body), 3);
    assert_eq!(spool.waiting().bytes, bytes_of(&rows));
    is_as_on_disk(&spool, dir.path());
    settled.rows = vec![SettledRow::of(&rows[0])];
    settled.stored = batch(3, 0).seqs;
    spool.settle(settled).await.unwrap();
    assert_eq!(spool.waiting(), Waiting::default());
    assert!(spool.parked().is_empty());
    let statement = spool.ledger().get(&key()).unwrap().statement(0);
    assert_eq!((statement.stored, statement.quarantined, statement.spooled), (2, 1, 0));
}

/// Regression, found by the model: what was already parked was replaced, and lost.
#[tokio::test]
async fn a_rest_for_a_collection_that_has_one_of_the_batch_joins_it() {
    let dir = TempDir::new().unwrap();
    let spool = open(dir.path());
    park(&spool).await;
    let rows = parked(&spool, "audit_logs").await;
    let row = SettledRow { rests: vec![rest("trace_logs", 2)], ..SettledRow::of(&rows[0]) };
    let settled = Settled { generation: spool.generation(), rows: vec![row], ..Settled::default() };
    spool.settle(settled).await.unwrap();
    let rows = parked(&spool, "trace_logs").await;
    assert_eq!((rows.len(), rows[0].records, rows[0].intact), (1, 2, true));
    assert_eq!(rows[0].body, [batch(3, 10).body, batch(2, 10).body].concat());
    assert_eq!(spool.ledger().get(&key()).unwrap().statement(0).spooled, 2);
    is_as_on_disk(&spool, dir.path());
}

#[tokio::test]
async fn rests_count_against_the_bound() {
    let dir = TempDir::new().unwrap();
    let spool = open(dir.path());
    let big = batch(1, LIMIT as usize - 1_000);
    spool.append(big.clone()).await.unwrap();
    let rows = all(&spool).await;
    let Append { body, records, seqs, .. } = big;
    let rests = vec![Rest { collection: "audit_logs".into(), records, seqs, body }];
    let row = SettledRow { rests, ..SettledRow::of(&rows[0]) };
    let settled = Settled { generation: spool.generation(), rows: vec![row], ..Settled::default() };
    spool.settle(settled).await.unwrap();
    let refused = spool.append(batch(2, 1_000)).await.unwrap_err();
    assert!(matches!(refused, SpoolError::Full { .. }), "{refused}");
}

#[tokio::test]
async fn rests_survive_a_restart_and_a_damaged_file() {
    let dir = TempDir::new().unwrap();
    let spool = open(dir.path());
    park(&spool).await;
    for number in 4..=40 {
        spool.append(batch(number, 3_000)).await.unwrap();
    }
    spool.close().await.unwrap();
    drop(spool);
    let spool = open(dir.path());
    assert_eq!(parked(&spool, "audit_logs").await.len(), 1);
    is_as_on_disk(&spool, dir.path());
    spool.close().await.unwrap();
    drop(spool);
    let path = dir.path().join(FILE);
    let bytes = fs::read(&path).unwrap();
    let at = bytes.windows(9).position(|window| window == b"{\"n\":30,\"").unwrap();
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&[0xff; 4_096], at as u64 / 4_096 * 4_096).unwrap();
    let spool = open(dir.path());
    assert_eq!(fs::read_dir(dir.path()).unwrap().filter(is_aside).count(), 1);
    let [audit, trace] = [parked(&spool, "audit_logs").await, parked(&spool, "trace_logs").await];
    assert_eq!((number_of(&audit[0].body), number_of(&trace[0].body)), (2, 3));
    let statement = spool.ledger().get(&key()).unwrap().statement(0);
    assert_eq!((statement.stored, statement.missing > 0), (1, true));
    is_as_on_disk(&spool, dir.path());
}

/// A process killed after a settle, but before the writer learns of it, settles again.
#[tokio::test]
async fn a_row_is_settled_once() {
    let dir = TempDir::new().unwrap();
    let spool = open(dir.path());
    spool.append(three()).await.unwrap();
    let rows = all(&spool).await;
    let row = SettledRow {
        letters: vec![letter("refused")],
        rests: vec![rest("audit_logs", 3)],
        ..SettledRow::of(&rows[0])
    };
    let settled = Settled { generation: spool.generation(), rows: vec![row], ..Settled::default() };
    spool.settle(settled.clone()).await.unwrap();
    spool.settle(settled).await.unwrap();
    assert_eq!((spool.letters().letters, spool.waiting().rows), (1, 1));
    is_as_on_disk(&spool, dir.path());
}

/// Regression: they became dead letters, and again when their row was read from the new file.
#[tokio::test]
async fn letters_of_a_file_that_was_moved_aside_are_left_to_the_new_one() {
    let dir = TempDir::new().unwrap();
    let spool = open(dir.path());
    spool.append(batch(1, 10)).await.unwrap();
    let rows = all(&spool).await;
    let row = SettledRow {
        letters: vec![letter("refused")],
        quarantined: rows[0].seqs.clone(),
        ..SettledRow::of(&rows[0])
    };
    let generation = spool.generation() + 1;
    spool.settle(Settled { generation, rows: vec![row], ..Settled::default() }).await.unwrap();
    assert_eq!((spool.letters().letters, all(&spool).await.len()), (0, 1));
    assert_eq!(spool.ledger().get(&key()).unwrap().statement(0).spooled, 1);
}

#[tokio::test]
async fn a_batch_accepted_after_a_rescue_does_not_get_the_number_of_one_that_is_parked() {
    let dir = TempDir::new().unwrap();
    let spool = open(dir.path());
    park(&spool).await;
    let found = spool.submit(|done| Job::Corrupt("told".into(), done)).await;
    assert_eq!(found.unwrap_err().kind(), SpoolErrorKind::Corrupt);
    spool.append(batch(4, 10)).await.unwrap();
    assert_eq!(parked(&spool, "trace_logs").await[0].id, 1);
    assert_eq!(all(&spool).await[0].id, 2);
}
