#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::config::Config;
use crate::plain_host::PlainHost;
use gatelog_record::Level;

struct Rig {
    host: PlainHost,
    outbox: Outbox,
    metrics: Metrics,
}

impl Rig {
    fn new(delivery: &str) -> Self {
        let configuration = format!(r#"{{"delivery": {delivery}}}"#);
        let config = Config::parse(configuration.as_bytes(), &|_| None).unwrap();
        let host = PlainHost::default();
        let sender = Sender { gateway: "edge-7".into(), boot: Uuid::from_u128(7) };
        let metrics = Metrics::define(&host);
        Self { outbox: Outbox::new(config.delivery.unwrap(), sender), host, metrics }
    }

    fn push(&mut self, level: Level, bytes: usize) {
        let seq = self.outbox.assign();
        let line = format!(r#"{{"seq":{seq},"fill":"{}"}}"#, "x".repeat(bytes));
        let entry = Entry { seq, level, line: line.into_bytes().into_boxed_slice() };
        self.outbox.push(entry, &mut self.metrics);
    }

    fn push_many(&mut self, records: usize) {
        for _ in 0..records {
            self.push(Level::Info, 10);
        }
    }

    /// A tick of a configuration that is being replaced: it sends all it may.
    fn tick(&mut self) -> Vec<crate::plain_host::Sent> {
        self.flush(true)
    }

    fn flush(&mut self, all: bool) -> Vec<crate::plain_host::Sent> {
        self.host.advance_ms(200);
        let now = self.host.monotonic_nanos();
        self.outbox.flush(&self.host, now, 0, all, &mut self.metrics);
        self.metrics.hand_over(&self.host);
        self.host.take_sent()
    }

    /// Answers a callout, with no headers at all where there is no status.
    fn answer(
        &mut self,
        token: u32,
        status: Option<u16>,
        retry_after: Option<&str>,
    ) -> Vec<crate::plain_host::Sent> {
        let status = status.map(|status| status.to_string());
        let headers: Vec<_> = [(":status", status.as_deref()), ("retry-after", retry_after)]
            .into_iter()
            .filter_map(|(name, value)| value.map(|value| (name, value)))
            .collect();
        self.host.set_map(HeaderMap::Callout, &headers);
        let now = self.host.monotonic_nanos();
        self.outbox.answered(&self.host, token, now, 0, &mut self.metrics);
        self.metrics.hand_over(&self.host);
        self.host.take_sent()
    }
}

fn seqs(sent: &crate::plain_host::Sent) -> Vec<u64> {
    sent.records().iter().map(|record| record["seq"].as_u64().unwrap()).collect()
}

#[test]
fn a_batch_leaves_the_queue_only_when_it_is_acknowledged() {
    let mut rig = Rig::new("{}");
    rig.push_many(3);
    let sent = rig.tick();
    assert_eq!(sent.len(), 1);
    assert_eq!(seqs(&sent[0]), [1, 2, 3]);
    let header = sent[0].header();
    assert_eq!((header.gateway.as_str(), header.assigned, header.queued), ("edge-7", 3, 0));
    assert!(!rig.outbox.is_empty());
    rig.answer(sent[0].token, Some(202), None);
    assert!(rig.outbox.is_empty());
    assert_eq!(rig.host.metric("records_delivered"), 3);
}

#[test]
fn the_callout_is_what_the_collector_expects() {
    let mut rig = Rig::new(r#"{"token": "s3cret", "path": "/in", "authority": "logs"}"#);
    rig.push_many(1);
    let sent = rig.tick();
    let header = |name: &str| {
        sent[0].headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone())
    };
    assert_eq!(header(":method").unwrap(), "POST");
    assert_eq!(header(":path").unwrap(), "/in");
    assert_eq!(header(":authority").unwrap(), "logs");
    assert_eq!(header("content-type").unwrap(), "application/x-ndjson");
    assert_eq!(header("authorization").unwrap(), "Bearer s3cret");
}

#[test]
fn an_answer_that_says_nothing_about_the_records_leads_to_a_retry() {
    for status in [
        None,
        Some(301),
        Some(401),
        Some(403),
        Some(404),
        Some(408),
        Some(429),
        Some(500),
        Some(503),
        Some(504),
    ] {
        let mut rig = Rig::new("{}");
        rig.push_many(3);
        let sent = rig.tick();
        assert!(rig.answer(sent[0].token, status, None).is_empty(), "{status:?}");
        let again = (0..10).map(|_| rig.tick()).find(|sent| !sent.is_empty()).unwrap();
        assert_eq!(seqs(&again[0]), [1, 2, 3], "{status:?}");
        rig.answer(again[0].token, Some(202), None);
        assert!(rig.outbox.is_empty());
        assert_eq!(rig.host.metric("callouts.retried"), 1);
    }
}

#[test]
fn retry_after_is_honoured() {
    let mut rig = Rig::new("{}");
    rig.push_many(1);
    let sent = rig.tick();
    rig.answer(sent[0].token, Some(429), Some("3"));
    let ticks = (1..100).find(|_| !rig.tick().is_empty()).unwrap();
    assert_eq!(ticks, 15, "three seconds are fifteen ticks");
}

#[test]
fn a_permanently_rejected_batch_is_dropped_and_counted_without_its_content() {
    for status in [400, 415, 422] {
        let mut rig = Rig::new("{}");
        rig.push_many(3);
        let sent = rig.tick();
        rig.answer(sent[0].token, Some(status), None);
        assert!(rig.outbox.is_empty());
        assert_eq!(rig.host.metric("records_dropped.rejected"), 3);
        let log = rig.host.log.take();
        assert_eq!(log.len(), 1);
        assert!(log[0].contains(&status.to_string()) && !log[0].contains("fill"), "{log:?}");
        rig.push_many(1);
        let header = rig.tick()[0].header();
        assert_eq!(header.dropped.get(DropReason::Rejected), 3);
    }
}

#[test]
fn a_batch_that_is_too_large_is_halved_down_to_the_one_record_that_is() {
    let mut rig = Rig::new("{}");
    rig.push_many(7);
    rig.push(Level::Info, 5_000);
    rig.push_many(8);
    let mut delivered = Vec::new();
    for _ in 0..40 {
        for sent in rig.tick() {
            let status = if sent.body.len() > 4_000 { 413 } else { 202 };
            if status == 202 {
                delivered.extend(seqs(&sent));
            }
            let more = rig.answer(sent.token, Some(status), None);
            assert!(more.is_empty() || status == 202);
            for sent in more {
                rig.outbox.answered(&rig.host, sent.token, 0, 0, &mut rig.metrics);
            }
        }
    }
    delivered.sort_unstable();
    let expected: Vec<u64> = (1..=16).filter(|seq| *seq != 8).collect();
    assert_eq!(delivered, expected);
    assert_eq!(rig.host.metric("records_dropped.too_large"), 1);
    assert!(rig.outbox.is_empty());
}

#[test]
fn a_report_that_is_refused_is_said_to_be_one_and_comes_again_in_time() {
    for (status, said) in [
        (413, "answered with status 413 to a report without records"),
        (400, "refused a report without records with status 400"),
    ] {
        let mut rig = Rig::new("{}");
        rig.push_many(1);
        let sent = rig.tick();
        rig.answer(sent[0].token, Some(202), None);
        rig.outbox.note_dropped(DropReason::TooLarge, 1, &mut rig.metrics);
        let mut next = || (1..=60).find_map(|ticks| Some((ticks, rig.tick().pop()?))).unwrap();
        let (_, report) = next();
        assert!(report.records().is_empty());
        rig.answer(report.token, Some(status), None);
        let log = rig.host.log.take();
        assert!(log.len() == 1 && log[0].contains(said) && !log[0].contains("dropped"), "{log:?}");
        let mut next = || (1..=60).find_map(|ticks| Some((ticks, rig.tick().pop()?))).unwrap();
        let (ticks, again) = next();
        assert!(again.records().is_empty() && ticks >= 49, "after {ticks} ticks");
    }
}

#[test]
fn batches_in_flight_are_bounded() {
    let mut rig = Rig::new(r#"{"max_in_flight": 2, "batch_max_records": 5}"#);
    rig.push_many(100);
    let sent = rig.tick();
    assert_eq!(sent.len(), 2);
    assert!(rig.tick().is_empty());
    assert_eq!(sent[0].header().queued, 95);
}

#[test]
fn a_tick_makes_one_batch_and_a_backlog_goes_on_with_each_answer() {
    let mut rig =
        Rig::new(r#"{"batch_max_records": 10, "batch_max_bytes": 1024, "max_in_flight": 4}"#);
    for _ in 0..40 {
        rig.push(Level::Info, 200);
    }
    let first = rig.flush(false);
    assert_eq!(first.len(), 1);
    let second = rig.answer(first[0].token, Some(202), None);
    assert_eq!(second.len(), 1);
    let third = rig.flush(false);
    assert_eq!(third.len(), 1, "one more in flight with each tick");
    assert_eq!(rig.flush(true).len(), 2, "all that may be, where the end is near");
}

#[test]
fn a_backlog_does_not_wait_for_the_tick() {
    let mut rig = Rig::new(r#"{"max_in_flight": 1, "batch_max_bytes": 1024}"#);
    rig.push_many(200);
    let sent = rig.tick();
    assert_eq!(rig.answer(sent[0].token, Some(202), None).len(), 1);
}

#[test]
fn a_recovering_collector_is_not_flooded() {
    let mut rig = Rig::new(r#"{"max_in_flight": 8, "batch_max_records": 5}"#);
    rig.push_many(1_000);
    for sent in rig.tick() {
        rig.answer(sent.token, Some(503), None);
    }
    let mut batches = Vec::new();
    while batches.len() < 4 {
        let sent = rig.tick();
        if !sent.is_empty() {
            batches.push(sent.len());
        }
        for sent in sent {
            let more = rig.answer(sent.token, Some(202), None);
            assert!(more.is_empty(), "less than a full batch of bytes waits for the tick");
        }
    }
    assert_eq!(batches, [1, 2, 8, 8], "doubled by each success");
}

#[test]
fn while_the_collector_is_away_memory_is_bounded_and_errors_stay() {
    let mut rig = Rig::new(r#"{"queue_max_bytes": 65536, "batch_max_bytes": 8192}"#);
    rig.host.refuse_dispatch.set(Some(Refused::Unavailable));
    let mut attempts = 0;
    for round in 0..2_000 {
        rig.push(if round % 100 == 0 { Level::Error } else { Level::Info }, 200);
        if round % 10 == 0 {
            rig.tick();
            attempts = rig.host.metric("callouts.unsent");
        }
    }
    assert!(attempts < 30, "{attempts} attempts in 40 s: backoff");
    assert!(rig.outbox.bytes() <= 65_536);
    rig.host.refuse_dispatch.set(None);
    let mut delivered = Vec::new();
    for _ in 0..200 {
        let mut sent = rig.tick();
        while let Some(batch) = sent.pop() {
            delivered.extend(seqs(&batch));
            sent.extend(rig.answer(batch.token, Some(202), None));
        }
    }
    let errors = delivered.iter().filter(|seq| (**seq - 1) % 100 == 0).count();
    assert_eq!(errors, 20, "every ERROR is there");
    let shed = rig.host.metric("records_dropped.queue_full");
    assert_eq!(
        i64::try_from(delivered.len()).unwrap() + shed,
        2_000,
        "every record is accounted for"
    );
    assert!(shed > 0);
}

#[test]
fn an_unknown_cluster_is_named_once_a_minute() {
    let mut rig = Rig::new(r#"{"cluster": "nowhere"}"#);
    rig.host.refuse_dispatch.set(Some(Refused::BadArgument));
    rig.push_many(1);
    for _ in 0..250 {
        rig.tick();
    }
    let log = rig.host.log.take();
    assert_eq!(
        log,
        [
            "gatelog: cluster \"nowhere\": Envoy has no such cluster; 1 records waiting, 0 shed so far"
        ]
    );
}

#[test]
fn an_answer_that_never_comes_does_not_hold_its_records_forever() {
    let mut rig = Rig::new("{}");
    rig.push_many(2);
    let first = rig.tick();
    rig.host.advance_ms(40_000);
    let again = (0..10).map(|_| rig.tick()).find(|sent| !sent.is_empty()).unwrap();
    assert_eq!(seqs(&again[0]), [1, 2]);
    assert!(rig.answer(first[0].token, Some(202), None).is_empty(), "an unknown token is ignored");
    assert!(!rig.outbox.is_empty());
}

#[test]
fn totals_that_changed_without_a_record_are_reported() {
    let mut rig = Rig::new("{}");
    rig.outbox.note_sampled(1);
    let sent = (0..60).map(|_| rig.tick()).find(|sent| !sent.is_empty()).unwrap();
    let header = sent[0].header();
    assert_eq!((header.assigned, header.sampled, sent[0].records().len()), (0, 1, 0));
    rig.answer(sent[0].token, Some(202), None);
    assert!((0..200).all(|_| rig.tick().is_empty()), "nothing new to report");
}

#[test]
fn a_collector_with_a_fixed_limit_is_rarely_sent_more() {
    let mut rig = Rig::new(r#"{"max_in_flight": 1}"#);
    rig.push_many(400);
    let (mut refused, mut accepted) = (0, 0);
    while !rig.outbox.is_empty() {
        let mut sent = rig.tick();
        while let Some(batch) = sent.pop() {
            let fits = batch.records().len() <= 20;
            if fits {
                accepted += 1;
            } else {
                refused += 1;
            }
            sent.extend(rig.answer(batch.token, Some(if fits { 202 } else { 413 }), None));
        }
    }
    assert!(refused * 3 < accepted, "{refused} refused, {accepted} accepted");
}
