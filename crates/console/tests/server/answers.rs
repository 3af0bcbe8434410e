//! What the endpoints answer.

use std::collections::BTreeSet;

use axum::http::Method;
use gatelog_testkit::{
    Client, Collector, CollectorOptions, Database, DatabaseServer, SampleRecords, eventually,
    stored,
};
use serde_json::{Value, json};

use crate::fixture::{A, ALL, Console, SPAN, fill, filled, record};

async fn many(count: u32) -> (Database, Console) {
    let records: Vec<_> = (0..count)
        .map(|number| {
            let level = if number % 10 == 0 { "ERROR" } else { "INFO" };
            let context = json!({"organization_id": "a", "correlation_id": format!("c{number}")});
            record(level, number, &json!({"message": number.to_string(), "context": context}))
        })
        .collect();
    let database = filled(&records).await;
    let console = Console::start(&database).await;
    (database, console)
}

#[tokio::test]
async fn pages_follow_one_another_without_a_gap_or_a_repetition() {
    let (_database, console) = many(230).await;
    for (token, reach) in [(ALL, "everything"), (A, "flows")] {
        let (mut seen, mut next) = (Vec::new(), String::new());
        loop {
            let path = format!("search?{SPAN}&limit=50&reach={reach}&after={next}");
            let page = console.json(token, &path).await;
            let records = page["records"].as_array().unwrap();
            seen.extend(
                records.iter().map(|record| record["message"].as_str().unwrap().to_owned()),
            );
            let Some(after) = page["next"].as_str() else {
                let whole = json!({
                    "from": "2096-01-26T00:00:00.000000+00:00",
                    "until": "2096-01-27T00:00:00.000000+00:00",
                    "complete": true, "reason": null, "only_flows": reach == "flows",
                });
                assert_eq!(page["reach"], whole);
                break;
            };
            assert!(records.len() <= 50);
            assert_eq!(page["reach"]["reason"], "page");
            next = crate::fixture::encoded(after);
        }
        let expected: Vec<_> = (0..230).rev().map(|number| number.to_string()).collect();
        assert_eq!(seen, expected, "{reach}");
    }
}

#[tokio::test]
async fn a_flow_of_ten_thousand_records_is_shown_whole() {
    let database = Database::fresh().await.unwrap();
    for part in 0..10 {
        let records: Vec<_> = (0..1_000)
            .map(|number| {
                let context = json!({"organization_id": "a", "correlation_id": "large"});
                record("INFO", part * 360 + number / 3, &json!({"context": context}))
            })
            .collect();
        fill(&database, &records).await;
    }
    let console = Console::start(&database).await;
    let flow = console.json(ALL, "flows/large").await;
    assert_eq!((&flow["complete"], &flow["reason"]), (&json!(true), &json!(null)));
    let records = flow["records"].as_array().unwrap();
    let ids: BTreeSet<_> = records.iter().map(|record| record["id"].as_str().unwrap()).collect();
    assert_eq!((records.len(), ids.len()), (10_000, 10_000));
    println!("resident: {} KiB", console.process.resident_bytes().unwrap() >> 10);
}

#[tokio::test]
async fn a_histogram_counts_all_that_match() {
    let (_database, console) = many(230).await;
    let span = "since=2096-01-26T02:00:00Z&until=2096-01-26T02:04:00Z";
    let counted = console.json(A, &format!("histogram?{span}&query=level:ERROR")).await;
    assert_eq!((&counted["records"], &counted["step_ms"]), (&json!(23), &json!(5_000)));
    let buckets = counted["buckets"].as_array().unwrap();
    assert_eq!(buckets.len(), 48);
    let errors = buckets.iter().filter_map(|bucket| bucket["counts"]["ERROR"].as_u64());
    assert_eq!(errors.sum::<u64>(), 23);
    assert_eq!(counted["facets"]["level"], json!([["ERROR", 23]]));
    assert_eq!(counted["reach"]["complete"], true);
}

/// What is shown later must never be anything but text.
#[tokio::test]
async fn hostile_records_stay_text_in_json() {
    let long = "x".repeat(900_000);
    let texts = [
        "</script><script>alert(1)</script><img src=x onerror=alert(1)>",
        "\u{0}\u{1b}[2J\u{202e}\u{2066}\u{feff}",
        "{\"$where\": \"sleep(1000)\"} ${jndi:ldap://x} %00 ' OR 1=1 --",
        &long,
    ];
    let records: Vec<_> = texts
        .iter()
        .zip(0..)
        .map(|(text, second)| {
            let short: String = text.chars().take(60).collect();
            let extra = json!({"deep": {"text": short}, "$where": short, "a.b": short});
            let context = json!({"organization_id": "a", "correlation_id": "hostile"});
            record("INFO", second, &json!({"message": text, "context": context, "extra": extra}))
        })
        .collect();
    let database = filled(&records).await;
    let console = Console::start(&database).await;
    let reply = console.get(A, &format!("search?{SPAN}")).await;
    assert_eq!(reply.header("content-type"), "application/json");
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
    let found: Value = reply.json().unwrap();
    let messages: BTreeSet<_> = found["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["message"].clone().to_string())
        .collect();
    // A decoder of records may shorten nothing: each is there as it was sent.
    let sent: BTreeSet<_> = texts.iter().map(|text| json!(text).to_string()).collect();
    assert_eq!(messages.len(), sent.len());
    assert!(
        messages.is_subset(&sent),
        "changed: {:?}",
        messages.difference(&sent).map(String::len)
    );
    let flow = console.get(A, "flows/hostile").await;
    assert_eq!(flow.json().unwrap()["records"].as_array().unwrap().len(), texts.len());
}

#[tokio::test]
async fn the_delivery_adds_up_what_a_collector_shared() {
    let database = Database::fresh().await.unwrap();
    let console = Console::start(&database).await;
    let none = console.json(ALL, "delivery").await;
    assert_eq!((&none["boots"], &none["sums"]["boots"]), (&json!([]), &json!(0)));
    let collector = Collector::start(&database, CollectorOptions::default()).await.unwrap();
    let mut records = SampleRecords::default();
    let body = records.body(100).unwrap();
    let headers: &[(&str, &[u8])] = &[("content-type", b"application/x-ndjson")];
    let client = Client::default();
    let posted = client.send(collector.address(), Method::POST, "/v1/records", headers, body).await;
    assert_eq!(posted.unwrap().status, 202);
    let told = eventually("the account is shared", stored::PATIENCE, async || {
        let told = console.json(ALL, "delivery").await;
        anyhow::ensure!(told["sums"]["stored"] == 100, "{told:#}");
        Ok(told)
    });
    let told = told.await.unwrap();
    assert_eq!((&told["sums"]["missing"], &told["complete"]), (&json!(0), &json!(true)));
    let [boot] = &told["boots"].as_array().unwrap()[..] else { panic!("{told:#}") };
    assert_eq!((&boot["gateway"], &boot["stored"]), (&json!("edge-7"), &json!(100)));
    let other = console.json(ALL, "delivery?gateway=edge-8").await;
    assert_eq!(other["boots"], json!([]));
    assert_eq!(console.get(A, "delivery").await.status, 403);
}

#[tokio::test]
async fn a_database_that_hangs_is_told_in_time_and_the_console_answers_on() {
    let mut server = DatabaseServer::start().await.unwrap();
    let database = Database::on(&server.uri(), "gatelog").await.unwrap();
    crate::fixture::fill(&database, &[record("INFO", 1, &json!({}))]).await;
    let settings = [("GATELOG_CONSOLE_QUERY_TIME", "500ms")];
    let console = Console::with(&database, &settings).await;
    assert_eq!(console.get(ALL, &format!("search?{SPAN}")).await.status, 200);
    server.freeze().unwrap();
    let begun = std::time::Instant::now();
    let reply = console.get(ALL, &format!("search?{SPAN}")).await;
    assert_eq!(reply.status, 503, "{}", reply.text());
    assert_eq!(reply.header("retry-after"), "5");
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    assert_eq!(console.get(ALL, "session").await.status, 200);
    server.thaw().unwrap();
}
