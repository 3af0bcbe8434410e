//! What each answer of a collector leads to, on one that answers as told; and tokens, on the real one.

use std::fs;

use gatelog_testkit::stored::exactly;
use gatelog_testkit::{Answer, Collector, CollectorOptions, Database, Sink};
use gatelog_tracing::builder;

use crate::service::{LONG, Service, ended, sending_to};

#[tokio::test]
async fn an_answer_about_load_or_credentials_leads_to_a_retry() {
    let sink = Sink::start().await.unwrap();
    for status in [500, 503, 429, 401, 403, 404, 408] {
        sink.answer(Answer::Refuse(status));
        let service = Service::start(sending_to(sink.address()).drain_timeout(LONG));
        service.log(3);
        service.until("it is tried again", |counts| counts.batches_retried > 0).await;
        sink.answer(Answer::Accept);
        let counts = ended(service).await;
        assert_eq!(counts.delivered, 3, "{status}: {counts:?}");
    }
    sink.ensure_well_formed().unwrap();
    assert_eq!(sink.records().len(), 21);
}

#[tokio::test]
async fn a_batch_that_is_too_large_is_halved_and_a_single_record_dropped() {
    let sink = Sink::start().await.unwrap();
    sink.answer(Answer::Refuse(413));
    let service = Service::start(sending_to(sink.address()).drain_timeout(LONG));
    service.log(4);
    service.until("one is dropped", |counts| counts.dropped_too_large > 0).await;
    sink.answer(Answer::Accept);
    let counts = ended(service).await;
    assert_eq!(counts.delivered + counts.dropped_too_large, 4, "{counts:?}");
    let totals = sink.totals().into_values().next().unwrap();
    assert_eq!((totals.assigned, totals.dropped.total()), (4, counts.dropped_too_large));
}

/// Regression: each halving waited as long as a failure does, so this exceeded the guard's minute.
#[tokio::test]
async fn a_collector_that_takes_one_record_at_a_time_gets_them_all_soon() {
    let sink = Sink::start().await.unwrap();
    sink.answer(Answer::TakeRecords(1));
    let service = Service::start(sending_to(sink.address()).drain_timeout(LONG));
    service.log(1_000);
    assert_eq!(ended(service).await.delivered, 1_000);
    assert_eq!(sink.records().len(), 1_000);
}

#[tokio::test]
async fn a_batch_that_is_refused_for_good_is_dropped_and_reported() {
    let sink = Sink::start().await.unwrap();
    sink.answer(Answer::Refuse(400));
    let service = Service::start(sending_to(sink.address()).drain_timeout(LONG));
    service.log(4);
    service.until("it is dropped", |counts| counts.dropped_rejected == 4).await;
    sink.answer(Answer::Accept);
    let counts = ended(service).await;
    assert_eq!((counts.records, counts.delivered), (4, 0));
    let totals = sink.totals().into_values().next().unwrap();
    assert_eq!((totals.assigned, totals.queued, totals.dropped.total()), (4, 0, 4));
}

#[tokio::test]
async fn a_token_bound_to_the_services_name_lets_it_in_and_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let tokens = directory.path().join("tokens");
    let token = "0123456789abcdef0123";
    fs::write(&tokens, format!("{token} send=orders\n")).unwrap();
    let environment = vec![("GATELOG_TOKENS_FILE".to_owned(), tokens.display().to_string())];
    let database = Database::fresh().await.unwrap();
    let collector = Collector::start(&database, CollectorOptions { environment }).await.unwrap();

    let url = format!("http://{}", collector.address());
    let other = Service::start(builder("payments").collector(&url).token(token));
    other.log(1);
    other.until("it is refused, and tried again", |counts| counts.batches_retried > 0).await;
    assert_eq!(other.counts().delivered, 0);

    let own = sending_to(collector.address()).token_file(&tokens).drain_timeout(LONG);
    let own = Service::start(own);
    own.log(5);
    assert_eq!(ended(own).await.delivered, 5);
    exactly(&database, "info_logs", 5).await.unwrap();
}
