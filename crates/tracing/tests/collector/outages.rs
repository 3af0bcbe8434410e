//! A collector that is away, slow, silent or killed: nothing stops, nothing acknowledged is lost, and
//! what is dropped is counted.

use gatelog_testkit::stored::exactly;
use gatelog_testkit::{Collector, CollectorOptions, Database, Fault, FaultProxy};

use crate::service::{LONG, Service, account, ended, sending_to};

async fn collector() -> (Database, Collector) {
    let database = Database::fresh().await.unwrap();
    let collector = Collector::start(&database, CollectorOptions::default()).await.unwrap();
    (database, collector)
}

#[tokio::test]
async fn a_services_records_are_stored_and_accounted_for_like_a_gateways() {
    let (database, collector) = collector().await;
    let service = Service::start(sending_to(collector.address()).drain_timeout(LONG));
    service.log(1_000);
    let counts = ended(service).await;
    assert_eq!((counts.records, counts.delivered, counts.abandoned), (1_000, 1_000, 0));
    let records = exactly(&database, "info_logs", 1_000).await.unwrap();
    assert_eq!(records[0]["source"]["gateway"], "orders");
    account(&collector, |term| {
        (term("assigned"), term("stored"), term("missing")) == (1_000, 1_000, 0)
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn records_made_while_the_collector_is_away_arrive_when_it_is_back() {
    let (database, mut collector) = collector().await;
    let service = Service::start(sending_to(collector.address()));
    service.log(10);
    service.until("the first are delivered", |counts| counts.delivered == 10).await;
    collector.kill().unwrap();
    service.log(500);
    service.until("it was tried in vain", |counts| counts.batches_retried > 0).await;
    service.log(500);
    assert_eq!(service.counts().delivered, 10);
    collector.restart().await.unwrap();
    exactly(&database, "info_logs", 1_010).await.unwrap();
    account(&collector, |term| {
        (term("assigned"), term("stored"), term("queued"), term("missing")) == (1_010, 1_010, 0, 0)
    })
    .await
    .unwrap();
    assert_eq!(service.counts().dropped_queue_full, 0);
}

#[tokio::test]
async fn a_collector_killed_in_a_loop_loses_nothing() {
    let (database, mut collector) = collector().await;
    let service = Service::start(sending_to(collector.address()));
    for round in 1..=3 {
        service.log(400);
        service.until("some are delivered", |counts| counts.delivered > (round - 1) * 400).await;
        service.log(400);
        collector.kill().unwrap();
        collector.restart().await.unwrap();
        service.until("all are delivered", |counts| counts.delivered == round * 800).await;
    }
    exactly(&database, "info_logs", 2_400).await.unwrap();
    account(&collector, |term| (term("stored"), term("missing")) == (2_400, 0)).await.unwrap();
}

#[tokio::test]
async fn a_collector_that_never_answers_stops_nobody_and_the_queue_keeps_its_bound() {
    const QUEUE: usize = 256 * 1024;
    let (database, collector) = collector().await;
    let proxy = FaultProxy::start(collector.address()).await.unwrap();
    proxy.fault(Fault::Silent);
    let service = Service::start(sending_to(proxy.address()).queue_max_bytes(QUEUE));
    service.within(|| tracing::error!("the one that must stay"));
    // No answer will come, so this test ends only if logging waits for none.
    service.log(20_000);
    let counts = service.counts();
    let kept = counts.records - counts.dropped_queue_full;
    assert!(counts.dropped_queue_full > 0 && kept > 0, "{counts:?}");
    proxy.fault(Fault::None);
    service.until("the rest is delivered", |counts| counts.delivered == kept).await;

    let stored = exactly(&database, "info_logs", usize::try_from(kept).unwrap() - 1).await.unwrap();
    let bytes: usize = stored.iter().map(|record| record.to_string().len() / 2 + 64).sum();
    assert!(bytes <= QUEUE, "{kept} records of at least {bytes} bytes");
    exactly(&database, "error_logs", 1).await.unwrap();
    account(&collector, |term| {
        term("assigned") == 20_001
            && term("stored") == kept
            && term("dropped") == 20_001 - kept
            && term("missing") == 0
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_collector_that_is_away_for_good_delays_the_end_no_longer_than_allowed() {
    let (_, mut collector) = collector().await;
    let address = collector.address();
    collector.kill().unwrap();
    let builder = sending_to(address).drain_timeout(std::time::Duration::from_millis(200));
    let service = Service::start(builder);
    service.log(7);
    let counts = ended(service).await;
    assert_eq!((counts.records, counts.delivered, counts.abandoned), (7, 0, 7));
}

#[tokio::test]
async fn answers_that_come_too_late_cost_no_record_and_make_no_duplicate() {
    let (database, collector) = collector().await;
    let proxy = FaultProxy::start(collector.address()).await.unwrap();
    // The collector has the batch; the service never hears of it.
    proxy.fault(Fault::ClosedAfter(1));
    let service = Service::start(sending_to(proxy.address()));
    service.log(100);
    service.until("it is tried again", |counts| counts.batches_retried > 1).await;
    proxy.fault(Fault::None);
    service.until("all are delivered", |counts| counts.delivered == 100).await;
    exactly(&database, "info_logs", 100).await.unwrap();
    account(&collector, |term| (term("stored"), term("missing")) == (100, 0)).await.unwrap();
}

#[tokio::test]
async fn a_stalled_standard_output_costs_the_collector_no_record() {
    struct Stalled;
    impl std::io::Write for Stalled {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            loop {
                std::thread::park();
            }
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let (database, collector) = collector().await;
    let service = Service::start(
        sending_to(collector.address())
            .writer(Stalled)
            .drain_timeout(std::time::Duration::from_secs(20)),
    );
    // More than the writer's buffer holds: none of this waits for it.
    service.log(10_000);
    service.until("all are delivered", |counts| counts.delivered == 10_000).await;
    assert!(service.counts().lines_dropped > 0);
    exactly(&database, "info_logs", 10_000).await.unwrap();
    // Its thread never ends; the process does not wait for it.
    std::mem::forget(service);
}
