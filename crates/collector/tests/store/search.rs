//! Searching the collections of all levels back in time.

use std::time::Duration;

use gatelog_record::{Decoded, Timestamp, Uuid};
use gatelog_search::limits::{PAGE_BYTES, SLICE_BYTES};
use gatelog_search::{End, Key, Page, Query, Reach, Scope, Search, Searcher};
use mongodb::bson::doc;
use serde_json::json;

use crate::fixture::{Fixture, all_stored, record};

const TIME: Duration = Duration::from_secs(20);
const LEVELS: [&str; 5] = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn search(text: &str, reach: Reach) -> Search {
    Search {
        selection: Scope::ALL.select(text.parse::<Query>().unwrap()),
        since: at("2096-01-26T00:00:00Z"),
        before: Key::first(at("2096-01-27T00:00:00Z")),
        reach,
    }
}

/// The ids of all pages of this size, and how many pages there were.
async fn pages(searcher: &Searcher, mut search: Search, most: usize) -> (Vec<Uuid>, usize) {
    let (mut ids, mut count) = (Vec::new(), 0);
    loop {
        let page = searcher.page(&search, most, TIME).await.unwrap();
        assert!(page.records.len() <= most);
        assert!(page.reached < search.before, "no progress");
        count += 1;
        ids.extend(page.records.iter().map(|found| found.key.id));
        search.before = page.reached;
        match page.end {
            End::Complete => return (ids, count),
            End::Full => {}
            End::OutOfTime => panic!("out of time"),
        }
    }
}

/// Their ids, newest first.
fn in_order(records: &[Decoded]) -> Vec<Uuid> {
    let mut keys: Vec<_> = records.iter().map(|it| Key { at: it.timestamp, id: it.id }).collect();
    keys.sort_by_key(|key| std::cmp::Reverse(*key));
    keys.into_iter().map(|key| key.id).collect()
}

async fn one(fixture: &Fixture, search: &Search) -> Page {
    fixture.store.searcher().page(search, 100, TIME).await.unwrap()
}

/// Forty records of all levels: most within the same millisecond, many at the same microsecond, and
/// some hours apart.
fn crowded() -> Vec<Decoded> {
    let time = |number: usize| match number {
        0..10 => format!("2096-01-26T{number:02}:00:00Z"),
        10..30 => "2096-01-26T12:00:00.000500Z".to_owned(),
        _ => format!("2096-01-26T12:00:00.0004{number}Z"),
    };
    let change = |number: usize| {
        json!({"timestamp": time(number), "id": Uuid::new_v4().to_string(),
            "context": {"user_id": format!("u{}", number % 2), "organization_id": "org_1",
                "conversation_id": "c", "request_id": format!("r{number}")}})
    };
    (0..40).map(|number| record(LEVELS[number % 5], &change(number))).collect()
}

#[tokio::test]
async fn pages_of_any_size_show_every_record_once_in_order() {
    let fixture = Fixture::new().await;
    fixture.store.reconcile().await;
    let records = crowded();
    assert_eq!(fixture.store.insert(&records).await, all_stored(40));
    let searcher = fixture.store.searcher();
    // By date; by an id in trace_logs; by an id in two levels' own indexes and in trace_logs.
    for (text, of) in [("", 1), ("user:u1", 2), ("org:org_1", 1), ("conversation:c", 1)] {
        let wanted = records.iter().enumerate().filter(|(at, _)| of == 1 || at % 2 == 1);
        let wanted: Vec<_> = wanted.map(|(_, record)| record.clone()).collect();
        for most in [1, 7, 100] {
            for reach in [Reach::Flows, Reach::Everything] {
                let (ids, count) = pages(&searcher, search(text, reach), most).await;
                assert_eq!(ids, in_order(&wanted), "{text} {most} {reach:?}");
                assert!(count <= wanted.len() / most + 2, "{text} {most}: {count} pages");
            }
        }
    }
}

#[tokio::test]
async fn a_page_says_how_far_it_searched() {
    let fixture = Fixture::new().await;
    fixture.store.reconcile().await;
    let records = crowded();
    assert_eq!(fixture.store.insert(&records).await, all_stored(40));
    let searcher = fixture.store.searcher();
    let page = searcher.page(&search("level:>=ERROR", Reach::Flows), 3, TIME).await.unwrap();
    assert_eq!((page.records.len(), page.end), (3, End::Full));
    assert_eq!(Some(page.reached), page.records.last().map(|found| found.key));
    assert!(!page.only_flows);
    let nothing = one(&fixture, &search("user:nobody", Reach::Flows)).await;
    assert_eq!((nothing.records.len(), nothing.end, nothing.only_flows), (0, End::Complete, true));
    assert_eq!(nothing.reached, Key::first(at("2096-01-26T00:00:00Z")));
}

#[tokio::test]
async fn a_page_of_large_records_ends_at_its_bytes_and_the_next_continues() {
    let fixture = Fixture::new().await;
    let records: Vec<_> = (0..24)
        .map(|number| {
            let change = json!({"timestamp": format!("2096-01-26T02:00:{number:02}Z"),
                "id": Uuid::new_v4().to_string(), "message": "x".repeat(1_000_000)});
            record(LEVELS[number % 2], &change)
        })
        .collect();
    assert_eq!(fixture.store.insert(&records).await, all_stored(24));
    let searcher = fixture.store.searcher();
    let first = searcher.page(&search("", Reach::Flows), 100, TIME).await.unwrap();
    assert_eq!(first.end, End::Full);
    let bytes: usize = first.records.iter().map(|it| it.document.as_bytes().len()).sum();
    let bound = PAGE_BYTES + LEVELS.len() * (SLICE_BYTES + 1_001_000);
    assert!(bytes > PAGE_BYTES && bytes < bound, "{bytes}");
    let (ids, _) = pages(&searcher, search("", Reach::Flows), 100).await;
    assert_eq!(ids, in_order(&records));
}

#[tokio::test]
async fn records_of_no_flow_are_found_by_reading_everything() {
    let fixture = Fixture::new().await;
    fixture.store.reconcile().await;
    let lonely = record(
        "INFO",
        &json!({"timestamp": "2096-01-26T01:00:00Z",
        "context": {"user_id": "u"}}),
    );
    let linked = record(
        "INFO",
        &json!({"timestamp": "2096-01-26T02:00:00Z",
        "context": {"user_id": "u", "correlation_id": "c"}}),
    );
    assert_eq!(fixture.store.insert(&[lonely.clone(), linked.clone()]).await, all_stored(2));
    let searcher = fixture.store.searcher();
    let ids = pages(&searcher, search("user:u", Reach::Flows), 10).await.0;
    assert_eq!(ids, [linked.id]);
    let ids = pages(&searcher, search("user:u", Reach::Everything), 10).await.0;
    assert_eq!(ids, [linked.id, lonely.id]);
    assert!(!one(&fixture, &search("", Reach::Flows)).await.only_flows);
}

#[tokio::test]
async fn a_search_goes_on_where_trace_logs_has_expired() {
    let fixture = Fixture::new().await;
    fixture.store.reconcile().await;
    let day = |ago: i64| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let micros = i64::try_from(now.as_micros()).unwrap() - ago * 86_400_000_000;
        Timestamp::from_unix_micros(micros)
    };
    // Errors are kept for 90 days, documents of trace_logs for 30.
    let of = |ago: i64| {
        json!({"timestamp": day(ago).to_string(),
            "context": {"user_id": "u", "correlation_id": "c"}})
    };
    let (old, new) = (record("ERROR", &of(50)), record("ERROR", &of(1)));
    assert_eq!(fixture.store.insert(&[old.clone(), new.clone()]).await, all_stored(2));
    fixture
        .database
        .collection("trace_logs")
        .delete_one(doc! { "timestamp": day(50).to_string() })
        .await
        .unwrap();
    let search =
        Search { since: day(60), before: Key::first(day(0)), ..search("user:u", Reach::Flows) };
    let (ids, _) = pages(&fixture.store.searcher(), search, 10).await;
    assert_eq!(ids, [new.id, old.id]);
}

#[tokio::test]
async fn nobody_finds_another_organizations_records() {
    let fixture = Fixture::new().await;
    fixture.store.reconcile().await;
    let orgs = [json!("a"), json!("b"), json!(null), json!("a")];
    let records: Vec<_> = orgs
        .iter()
        .enumerate()
        .map(|(number, org)| {
            let time = format!("2096-01-26T0{number}:00:00Z");
            record(
                LEVELS[number + 1],
                &json!({"timestamp": time,
            "context": {"organization_id": org, "user_id": "u", "correlation_id": "c"}}),
            )
        })
        .collect();
    assert_eq!(fixture.store.insert(&records).await, all_stored(4));
    let of = |names: &[usize]| names.iter().map(|at| records[*at].id).collect::<Vec<_>>();
    for (names, found) in
        [(&["a"][..], of(&[3, 0])), (&["a", "b"], of(&[3, 1, 0])), (&["c"], vec![]), (&[], vec![])]
    {
        let scope = Scope::organizations(names.iter().map(|&name| name.to_owned())).unwrap();
        for text in ["", "user:u", "org:a OR -org:a", "correlation:c"] {
            for reach in [Reach::Flows, Reach::Everything] {
                let selection = scope.select(text.parse().unwrap());
                let search = Search { selection, ..search("", reach) };
                let (ids, _) = pages(&fixture.store.searcher(), search, 10).await;
                assert_eq!(ids, found, "{names:?} {text} {reach:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_database_that_is_too_slow_ends_the_page_and_one_that_refuses_fails_it() {
    let fixture = Fixture::failing().await;
    let slow = doc! { "failCommands": ["aggregate"], "errorCode": 50 };
    fixture.fail("alwaysOn", slow).await;
    let page = one(&fixture, &search("", Reach::Flows)).await;
    assert_eq!((page.records.len(), page.end), (0, End::OutOfTime));
    assert_eq!(page.reached, search("", Reach::Flows).before);
    let denied = doc! { "failCommands": ["aggregate"], "errorCode": 13 };
    fixture.fail("alwaysOn", denied).await;
    let error = fixture.store.searcher().page(&search("", Reach::Flows), 1, TIME).await;
    assert!(error.unwrap_err().to_string().contains("cannot be searched"));
    fixture.fail("off", doc! {}).await;
}
