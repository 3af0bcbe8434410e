use std::time::Duration;

use gatelog_search::{Query, Scope};
use serde_json::json;

use super::subscription::{WAITING_BYTES, WAITING_RECORDS};
use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

fn tail() -> Tail {
    Tail::new(DecodeLimits::default(), Metrics::new())
}

fn selection(text: &str) -> Selection {
    Scope::ALL.select(text.parse::<Query>().unwrap())
}

fn batch(messages: impl IntoIterator<Item = String>) -> Append {
    let mut batch = Append::default();
    for message in messages {
        let record = json!({"timestamp": "2026-01-26T02:11:57Z", "level": "info",
            "message": message, "id": "01a20c77-f456-712b-883b-d7d78b41ea9e"});
        batch.body.extend_from_slice(record.to_string().as_bytes());
        batch.body.push(b'\n');
        batch.records += 1;
    }
    batch
}

fn publish(tail: &Tail, batch: &Append) {
    tail.publish(tail.copy(batch));
}

/// The message of the next record.
async fn next(subscription: &mut Subscription) -> Option<String> {
    let line = tokio::time::timeout(PATIENCE, subscription.next()).await.expect("a record");
    let record: serde_json::Value = serde_json::from_slice(&line?).unwrap();
    assert_eq!(record["level"], "INFO", "in canonical form");
    Some(record["message"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_subscriber_gets_the_records_that_match_in_order() {
    let tail = tail();
    assert!(tail.copy(&batch(["nobody listens".into()])).is_none());
    let mut even = tail.subscribe(selection("message:even")).unwrap();
    let mut all = tail.subscribe(selection("")).unwrap();
    publish(&tail, &batch(["even 0".into(), "odd 1".into(), "even 2".into()]));
    for message in ["even 0", "even 2"] {
        assert_eq!(next(&mut even).await.as_deref(), Some(message));
    }
    for message in ["even 0", "odd 1", "even 2"] {
        assert_eq!(next(&mut all).await.as_deref(), Some(message));
    }
    assert_eq!((even.skipped(), all.skipped()), (0, 0));
}

#[tokio::test]
async fn what_does_not_become_durable_is_not_shown() {
    let tail = tail();
    let mut all = tail.subscribe(selection("")).unwrap();
    drop(tail.copy(&batch(["refused".into()])));
    publish(&tail, &batch(["taken".into()]));
    assert_eq!(next(&mut all).await.as_deref(), Some("taken"));
}

#[tokio::test]
async fn a_slow_subscriber_skips_records_and_is_told_how_many() {
    let tail = tail();
    let mut slow = tail.subscribe(selection("")).unwrap();
    let mut quick = tail.subscribe(selection("last")).unwrap();
    let many = WAITING_RECORDS + 100;
    publish(&tail, &batch((0..many).map(|number| number.to_string())));
    publish(&tail, &batch(["last".into()]));
    assert_eq!(next(&mut quick).await.as_deref(), Some("last"), "the slow one holds up nobody");
    let mut seen = 1;
    assert_eq!(next(&mut slow).await.as_deref(), Some("0"));
    while slow.waiting().is_some() {
        seen += 1;
    }
    assert_eq!(seen, WAITING_RECORDS);
    assert_eq!(slow.skipped(), 101);
    assert_eq!(slow.skipped(), 0, "told once");
}

#[tokio::test]
async fn what_waits_for_a_subscriber_is_bounded_in_bytes_too() {
    let tail = tail();
    let mut slow = tail.subscribe(selection("")).unwrap();
    let large = WAITING_BYTES / 4;
    publish(&tail, &batch((0..6).map(|_| "x".repeat(large))));
    let mut quick = tail.subscribe(selection("last")).unwrap();
    publish(&tail, &batch(["last".into()]));
    next(&mut quick).await;
    let mut seen = 0;
    while slow.waiting().is_some() {
        seen += 1;
    }
    assert_eq!((seen, slow.skipped()), (4, 3), "three large ones, and the last");
}

#[tokio::test]
async fn a_batch_without_room_in_the_queue_is_skipped_and_told() {
    let tail = tail();
    let all = tail.subscribe(selection("")).unwrap();
    let room =
        tail.inner.room.clone().try_acquire_many_owned(u32::try_from(QUEUE_BYTES / KIB).unwrap());
    publish(&tail, &batch(["a".into(), "b".into()]));
    assert_eq!(all.skipped(), 2);
    drop(room);
}

#[tokio::test]
async fn places_are_bounded_given_back_and_closed_when_the_collector_stops() {
    let tail = tail();
    let mut all: Vec<_> =
        (0..SUBSCRIBERS).map(|_| tail.subscribe(selection("")).unwrap()).collect();
    assert!(tail.subscribe(selection("")).is_none());
    all.pop();
    let mut last = tail.subscribe(selection("")).unwrap();
    tail.stop();
    assert_eq!(next(&mut last).await, None);
    drop((all, last));
    assert!(tail.subscribe(selection("")).is_none(), "it is stopping");
    assert!(tail.copy(&batch(["a".into()])).is_none());
}
