//! Batches, and collectors that are down, slow, full or misbehaving.

use std::time::Duration;

use gatelog_testkit::mock_host::{Answer, Callout, Cluster, LogLevel};

use crate::gateway::{Gateway, ROOT, batch, ordinary, record};

const TICK: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(11);

/// A gateway with this many records in its queue and the first batch in flight.
fn sent(configuration: &str, records: usize) -> Gateway {
    let mut gateway = Gateway::start(configuration);
    for _ in 0..records {
        gateway.serve(ordinary());
    }
    gateway.tick_after(TICK);
    gateway
}

/// Answers the latest callout.
fn answer(gateway: &mut Gateway, answer: Answer) {
    let token = gateway.callouts().last().expect("a callout").token;
    gateway.answer(token, answer);
}

fn warnings(gateway: &Gateway) -> Vec<&str> {
    let logs = gateway.host.world().logs.iter();
    logs.filter(|line| line.level >= LogLevel::Warn).map(|line| line.text.as_str()).collect()
}

#[test]
fn an_idle_filter_sends_nothing() {
    let mut gateway = Gateway::start("{}");
    for _ in 0..100 {
        gateway.tick_after(TICK);
    }
    assert!(gateway.callouts().is_empty());
}

#[test]
fn what_the_collector_did_not_take_is_sent_again_unchanged() {
    for refusal in [
        Answer::status(503),
        Answer::status(500),
        Answer::status(504),
        Answer::status(429),
        Answer::status(401),
        Answer::reset(),
        Answer::status(302),
        Answer::status(100),
    ] {
        let mut gateway = sent("{}", 3);
        answer(&mut gateway, refusal.clone());
        assert_eq!(gateway.callouts().len(), 1, "{refusal:?}: not at once");
        gateway.tick_after(LONG);
        assert_eq!(gateway.callouts().len(), 2, "{refusal:?}");
        let (first, second) = (batch(&gateway.callouts()[0]), batch(&gateway.callouts()[1]));
        assert_eq!(first.1, second.1, "{refusal:?}");
        answer(&mut gateway, Answer::status(202));
        gateway.tick_after(TICK);
        assert_eq!(gateway.metric("records_delivered"), 3);
        assert_eq!(gateway.metric("queue_records"), 0);
    }
}

#[test]
fn retries_wait_longer_and_longer_up_to_the_bound() {
    let mut gateway = sent("{}", 1);
    let mut waits = Vec::new();
    for _ in 0..10 {
        answer(&mut gateway, Answer::status(503));
        let before = gateway.callouts().len();
        let ticks = (1..1_000).find(|_| {
            gateway.tick_after(Duration::from_millis(50));
            gateway.callouts().len() > before
        });
        waits.push(ticks.unwrap_or_default());
    }
    assert!(waits[0] <= 5, "the first within 250 ms: {waits:?}");
    assert!(waits[4] > waits[0] && waits[9] >= 100, "{waits:?}");
    assert!(waits.iter().all(|ticks| *ticks <= 201), "none over 10 s: {waits:?}");
}

#[test]
fn retry_after_is_honoured() {
    let mut gateway = sent("{}", 1);
    answer(&mut gateway, Answer::status(503).header("retry-after", "7"));
    gateway.tick_after(Duration::from_millis(6_900));
    assert_eq!(gateway.callouts().len(), 1);
    gateway.tick_after(Duration::from_millis(200));
    assert_eq!(gateway.callouts().len(), 2);
}

#[test]
fn a_nonsensical_retry_after_is_ignored() {
    for value in ["-1", "soon", "99999999999999999999999999", "Wed, 21 Oct 2026 07:28:00 GMT"] {
        let mut gateway = sent("{}", 1);
        answer(&mut gateway, Answer::status(503).header("retry-after", value));
        gateway.tick_after(LONG);
        assert_eq!(gateway.callouts().len(), 2, "{value}");
    }
}

#[test]
fn a_batch_that_is_too_large_is_halved_until_it_fits() {
    let mut gateway = sent("{}", 32);
    let size = |callout: &Callout| batch(callout).1.len();
    let batches =
        gateway.collect(|callout| Answer::status(if size(callout) > 2 { 413 } else { 202 }));
    let sizes: Vec<_> = batches.iter().map(size).collect();
    assert!(sizes[0] == 32 && sizes[1] <= 16, "{sizes:?}");
    assert_eq!(gateway.metric("records_delivered"), 32);
    assert_eq!(gateway.metric("records_dropped.too_large"), 0);
}

#[test]
fn a_single_record_that_is_too_large_is_dropped_and_counted() {
    let mut gateway = sent("{}", 1);
    answer(&mut gateway, Answer::status(413));
    gateway.tick_after(TICK);
    assert_eq!(gateway.metric("records_dropped.too_large"), 1);
    assert_eq!(gateway.metric("queue_records"), 0);
}

#[test]
fn a_batch_that_is_refused_for_good_is_dropped_with_one_warning_without_content() {
    let mut gateway = sent("{}", 2);
    answer(&mut gateway, Answer::status(400));
    gateway.tick_after(TICK);
    assert_eq!(gateway.metric("records_dropped.rejected"), 2);
    assert_eq!(gateway.metric("queue_records"), 0);
    let warnings = warnings(&gateway);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    for secret in ["req-1", "org_123", "conversations"] {
        assert!(!warnings[0].contains(secret), "{warnings:?}");
    }
}

#[test]
fn a_cluster_that_is_unknown_or_empty_keeps_the_records_waiting() {
    for cluster in [None, Some(Cluster::WithoutEndpoint)] {
        let mut gateway = Gateway::start("{}");
        let clusters = &mut gateway.host.world_mut().clusters;
        clusters.clear();
        clusters.extend(cluster.map(|cluster| ("gatelog_collector".to_owned(), cluster)));
        gateway.serve(ordinary());
        for _ in 0..50 {
            gateway.tick_after(TICK);
        }
        assert!(gateway.callouts().is_empty());
        assert_eq!(gateway.metric("queue_records"), 1);
        assert_eq!(warnings(&gateway).len(), 1, "{:?}", warnings(&gateway));
        let known = ("gatelog_collector".to_owned(), Cluster::Reachable);
        gateway.host.world_mut().clusters.extend([known]);
        gateway.tick_after(LONG);
        answer(&mut gateway, Answer::status(202));
        gateway.tick_after(TICK);
        assert_eq!(gateway.metric("records_delivered"), 1);
    }
}

#[test]
fn no_more_batches_are_under_way_than_allowed() {
    let configuration = r#"{"delivery": {"max_in_flight": 3, "batch_max_bytes": 16384}}"#;
    let mut gateway = sent(configuration, 200);
    for under_way in [1, 2, 3, 3] {
        assert_eq!(gateway.callouts().len(), under_way);
        gateway.tick_after(TICK);
    }
    for callout in gateway.callouts() {
        assert!(callout.body.len() <= 16_384 + 2_048, "{}", callout.body.len());
    }
}

#[test]
fn a_full_queue_drops_the_least_severe_records_and_counts_them() {
    let mut gateway =
        Gateway::start(r#"{"delivery": {"queue_max_bytes": 65536, "batch_max_bytes": 16384}}"#);
    gateway.host.world_mut().clusters.clear();
    let mut failed = ordinary();
    failed.property("response.code", 500_u64);
    for _ in 0..20 {
        gateway.serve(failed.clone());
        for _ in 0..20 {
            gateway.serve(ordinary());
        }
    }
    gateway.tick_after(TICK);
    let (kept, shed) =
        (gateway.metric("queue_records"), gateway.metric("records_dropped.queue_full"));
    assert_eq!(kept + shed, 420);
    assert!(gateway.metric("queue_bytes") <= 65_536);

    let known = ("gatelog_collector".to_owned(), Cluster::Reachable);
    gateway.host.world_mut().clusters.extend([known]);
    let batches = gateway.collect(|_| Answer::status(202));
    assert_eq!(batch(&batches[0]).0["batch"]["dropped"]["queue_full"], shed);
    let records: Vec<_> = batches.iter().flat_map(|callout| batch(callout).1).collect();
    let errors = records.iter().filter(|record| record["level"] == "ERROR").count();
    assert_eq!(errors, 20, "no error was shed");
    assert_eq!(i64::try_from(records.len()), Ok(kept));
}

#[test]
fn memory_is_bounded_while_the_collector_is_away() {
    let mut gateway =
        Gateway::start(r#"{"delivery": {"queue_max_bytes": 262144, "batch_max_bytes": 65536}}"#);
    gateway.host.world_mut().clusters.clear();
    let mut round = || {
        for _ in 0..500 {
            gateway.serve(ordinary());
        }
        gateway.tick_after(TICK);
        gateway.host.memory_bytes()
    };
    let full = (0..2).map(|_| round()).last().unwrap();
    for _ in 0..4 {
        assert!(round() <= full + 64 * 1024, "one page of slack for fragmentation");
    }
}

#[test]
fn answers_to_unknown_calls_harm_nothing() {
    let mut gateway = sent("{}", 1);
    gateway.answer(4_711, Answer::status(202));
    gateway.answer(0, Answer::reset());
    let token = gateway.callouts()[0].token;
    gateway.answer(token, Answer::status(202));
    gateway.answer(token, Answer::status(202));
    gateway.tick_after(TICK);
    assert_eq!(gateway.metric("records_delivered"), 1);
}

#[test]
fn a_collector_that_answers_nonsense_harms_nothing() {
    let nonsense = [&b"\xff\xfe"[..], b"", b"OK", b"-1", b"999999999999999999999", b"20 2"];
    for status in nonsense {
        let mut gateway = sent("{}", 1);
        let mut reply = Answer { body: vec![0xff; 100_000], ..Answer::default() };
        reply.headers.add(":status", status);
        reply.headers.add("retry-after", b"\xff");
        answer(&mut gateway, reply);
        gateway.tick_after(LONG);
        assert_eq!(gateway.callouts().len(), 2, "{}", status.escape_ascii());
    }
}

#[test]
fn a_lost_answer_is_given_up_on_in_the_end() {
    let mut gateway = sent("{}", 1);
    for _ in 0..60 {
        gateway.tick_after(Duration::from_secs(1));
    }
    assert!(gateway.callouts().len() >= 2);
    let first = gateway.callouts()[0].token;
    gateway.answer(first, Answer::status(202));
    gateway.tick_after(TICK);
}

#[test]
fn a_replaced_root_with_a_queue_flushes_it_and_then_is_done() {
    let mut gateway = Gateway::start("{}");
    let made = record(&gateway.serve(ordinary()));
    assert!(!gateway.host.done(ROOT), "it has something to send");
    let (_, records) = batch(&gateway.callouts()[0]);
    assert_eq!(records, [made]);
    assert!(gateway.host.world().finished.is_empty());
    answer(&mut gateway, Answer::status(202));
    assert_eq!(gateway.host.world().finished, [ROOT]);
    gateway.host.delete(ROOT);
}

#[test]
fn a_replaced_root_without_a_queue_is_done_at_once() {
    let mut gateway = Gateway::start("{}");
    assert!(gateway.host.done(ROOT));
    gateway.host.delete(ROOT);
}

#[test]
fn a_replaced_root_whose_collector_is_away_gives_up_in_the_end() {
    let mut gateway = Gateway::start("{}");
    gateway.host.world_mut().clusters.clear();
    gateway.serve(ordinary());
    assert!(!gateway.host.done(ROOT));
    for _ in 0..3_600 {
        gateway.tick_after(Duration::from_secs(1));
        if !gateway.host.world().finished.is_empty() {
            break;
        }
    }
    assert_eq!(gateway.host.world().finished, [ROOT]);
    assert_eq!(gateway.metric("records_abandoned"), 1);
}
