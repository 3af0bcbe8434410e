//! The overview: what is counted, for whom, and whether that is all.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::ensure;
use axum::http::Method;
use gatelog_collector::rollup::Period;
use gatelog_record::{Timestamp, Uuid};
use gatelog_testkit::{Client, Collector, CollectorOptions, Database, eventually, stored};
use mongodb::bson::{DateTime, Document, doc};
use serde_json::{Value, json};

use crate::fixture::{A, ALL, B, Console};

/// The minute that has all counts: 2096-01-26T02:00.
const MINUTE: i64 = 3_978_381_600_000;
const SPAN: &str = "since=2096-01-26T02:00:00Z&until=2096-01-26T02:01:00Z";

/// A part of a value in a minute and its hour.
fn part(family: &str, file: &str, dimension: &Document, requests: i64) -> [Document; 2] {
    let at = |resolution: &str, text: &str| {
        let period = Period::containing(resolution, MINUTE).unwrap();
        let names: Vec<_> =
            dimension.values().map(|it| it.clone().into_relaxed_extjson()).collect();
        doc! {
            "_id": format!("{resolution}:{family}:{text}:{file}:0:{}", json!(names)),
            "expires_at": DateTime::from_millis(period.expiry(0)),
            "start": DateTime::from_millis(MINUTE), "dimension": dimension,
            "records": requests, "requests": requests * 1_000_000, "errors": 0_i64,
            "sum_us": requests * 1_000, "max_us": 1_000_i64,
            "histogram": { "scale": 5, "zero": 0_i64, "buckets": [318], "counts": [requests * 1_000_000] },
        }
    };
    [at("minute", "2096-01-26T02:00"), at("hour", "2096-01-26T02")]
}

/// Counts of every family that only the organizations `a` and `b`, or nobody, have.
pub(crate) async fn count(database: &Database) {
    let mut documents = Vec::new();
    for (organization, requests) in [(Some("a"), 7), (Some("b"), 11), (None, 13)] {
        let mark = format!("secret-{}", organization.unwrap_or("nobody"));
        let tenant = doc! { "organization": organization, "level": "INFO", "class": "2xx" };
        let route = doc! {
            "logger": &mark, "route": &mark, "method": "GET", "status": "2xx", "level": "INFO",
        };
        let service = doc! { "logger": &mark, "level": "INFO" };
        let error = doc! { "fingerprint": "0f", "logger": &mark, "function": &mark, "kind": &mark };
        for file in ["one", "other"] {
            documents.extend(part("tenant", file, &tenant, requests));
            documents.extend(part("route", file, &route, requests));
            documents.extend(part("service", file, &service, requests));
            documents.extend(part("fingerprint", file, &error, requests));
        }
    }
    let state = doc! {
        "_id": "collector:secret-nobody", "at": DateTime::now(), "waiting": 4_711_i64,
        "held": null, "counted_to": DateTime::from_millis(0), "stopped": false,
    };
    documents.push(state);
    database.collection("gatelog_rollups").insert_many(documents).await.unwrap();
}

#[tokio::test]
async fn a_viewer_of_an_organization_is_shown_its_own_counts_and_nothing_of_others() {
    let database = Database::fresh().await.unwrap();
    count(&database).await;
    let console = Console::start(&database).await;
    for (token, own, requests) in [(A, "a", 14), (B, "b", 22)] {
        let shown = console.json(token, &format!("overview?{SPAN}")).await;
        assert_eq!(shown["totals"]["count"], requests);
        let [row] = &shown["organizations"]["rows"].as_array().unwrap()[..] else {
            panic!("{shown:#}")
        };
        assert_eq!((&row["organization"], &row["count"]), (&json!(own), &json!(requests)));
        assert_eq!(shown["organizations"]["others"]["count"], 0, "nothing of those without a name");
        for table in ["routes", "loggers", "errors"] {
            assert_eq!(shown[table], Value::Null, "{table}");
        }
        let text = shown.to_string();
        assert!(!text.contains("secret") && !text.contains("4711"), "{text}");
        // Only that it is not complete, not whose fault it is.
        let reasons = json!([{"why": "future"}, {"why": "waiting"}, {"why": "unnamed"}]);
        assert_eq!(shown["reasons"], reasons);
        for trick in
            ["organization=b", "organizations=a,b", "query=org:b", "scope=all", "family=route"]
        {
            let reply = console.get(token, &format!("overview?{SPAN}&{trick}")).await;
            assert_eq!(reply.status, 400, "{trick}: {}", reply.text());
        }
    }
    let all = console.json(ALL, &format!("overview?{SPAN}")).await;
    assert_eq!(all["totals"]["count"], 62);
    assert_eq!(all["organizations"]["names"], 2);
    assert_eq!(all["organizations"]["others"]["count"], 26);
    assert_eq!(all["routes"]["rows"][0]["route"], "secret-nobody");
    assert_eq!(all["reasons"][1]["waiting"], 4_711);
    assert_eq!(all["series"].as_array().unwrap().len(), 1);
}

/// An exchange of this second's end, or an application's record if it has no status.
fn line(number: u64, status: Option<u16>, organization: &str, took_ms: f64) -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let time = Timestamp::from_unix_nanos(u64::try_from(since.as_nanos()).unwrap());
    let mut record = json!({
        "timestamp": time.to_string(), "level": "INFO", "logger_name": "app.orders", "message": "m",
        "function_name": format!("route_{}", number % 3), "id": Uuid::now_v7().hyphenated().to_string(),
        "context": {"organization_id": organization},
    });
    if let Some(status) = status {
        record["level"] = if status >= 500 { "ERROR" } else { "INFO" }.into();
        record["logger_name"] = "gateway.edge".into();
        record["http"] = json!({"method": "GET", "status": status});
        record["trace"] = json!({"execution_time_ms": took_ms});
    }
    format!("{record}\n")
}

#[tokio::test]
async fn what_was_posted_is_counted_in_every_way_that_is_shown() {
    let database = Database::fresh().await.unwrap();
    let environment = vec![("GATELOG_ROLLUPS".to_owned(), "on".to_owned())];
    let mut collector =
        Collector::start(&database, CollectorOptions { environment }).await.unwrap();
    let console = Console::start(&database).await;
    // 60 exchanges, of which 6 failed, and 15 records of an application.
    let exchanges = (0..60).map(|number| {
        let status = if number % 10 == 0 { 503 } else { 200 };
        let organization = if number % 4 == 0 { "b" } else { "a" };
        line(
            number,
            Some(status),
            organization,
            1.0 + 0.5 * f64::from(u8::try_from(number).unwrap()),
        )
    });
    let records = (0..15).map(|number| line(number, None, "a", 0.0));
    let body: String = exchanges.chain(records).collect();
    let headers: &[(&str, &[u8])] = &[("content-type", b"application/x-ndjson")];
    let client = Client::default();
    let posted = client.send(collector.address(), Method::POST, "/v1/records", headers, body).await;
    assert_eq!(posted.unwrap().status, 202);
    let all = eventually("everything is counted", stored::PATIENCE, async || {
        let shown = console.json(ALL, "overview?since=5m").await;
        ensure!(shown["totals"]["count"] == 60, "{shown:#}");
        Ok(shown)
    });
    let all = all.await.unwrap();
    let totals = &all["totals"];
    assert_eq!((&totals["errors"], &totals["classes"]), (&json!(6), &json!({"2xx": 54, "5xx": 6})));
    assert_eq!((&totals["max_us"], &totals["mean_us"]), (&json!(30_500), &json!(15_750.0)));
    for (key, exact) in [("p50_us", 15_500.0), ("p90_us", 27_500.0), ("p99_us", 30_500.0)] {
        let found = totals[key].as_f64().unwrap();
        assert!((found - exact).abs() <= exact * 0.011, "{key} {found}");
    }
    let points = all["series"].as_array().unwrap();
    let sum = |key: &str| points.iter().filter_map(|point| point[key].as_u64()).sum::<u64>();
    assert_eq!((sum("count"), sum("errors")), (60, 6));
    assert!(points.len() >= 5 && points.iter().all(|point| point["count"].is_u64()), "{points:?}");
    let heat = points.iter().flat_map(|point| point["heat"].as_array().unwrap());
    assert_eq!(heat.map(|cell| cell[1].as_u64().unwrap()).sum::<u64>(), 60);
    let counts = |shown: &Value, table: &str, key: &str| -> Vec<Value> {
        let rows = shown[table]["rows"].as_array().unwrap();
        let mut rows: Vec<_> =
            rows.iter().map(|row| json!([row[key], row["count"], row["errors"]])).collect();
        rows.sort_by_key(Value::to_string);
        rows
    };
    let routes = [json!(["route_0", 20, 2]), json!(["route_1", 20, 2]), json!(["route_2", 20, 2])];
    assert_eq!(counts(&all, "routes", "route"), routes);
    let organizations = [json!(["a", 45, 3]), json!(["b", 15, 3])];
    assert_eq!(counts(&all, "organizations", "organization"), organizations);
    assert_eq!(counts(&all, "loggers", "logger"), [json!(["app.orders", 15, 0])]);
    assert_eq!(counts(&all, "errors", "kind").len(), 3, "one for each route");
    assert_eq!(all["errors"]["rows"][0]["kind"], "5xx");
    let own = console.json(B, "overview?since=5m").await;
    assert_eq!((&own["totals"]["count"], &own["totals"]["errors"]), (&json!(15), &json!(3)));
    // By the hour the sums are the same.
    let hours = console.json(ALL, "overview?since=2d").await;
    assert_eq!((&hours["resolution"], &hours["totals"]["count"]), (&json!("hour"), &json!(60)));
    assert_eq!((&all["counting"], &all["explanation"]), (&json!(true), &Value::Null));
    // Counting has only begun.
    assert!(hours["reasons"].to_string().contains("uncounted"), "{}", hours["reasons"]);
    // One that ended in order lacks nothing.
    collector.stop().unwrap();
    let ended = console.json(ALL, "overview?since=1m").await;
    let reasons = ended["reasons"].as_array().unwrap();
    // The minute before may belong to an hour in which nobody counted.
    assert!(reasons.iter().all(|reason| reason["why"] == "uncounted"), "{reasons:?}");
}

#[tokio::test]
async fn without_counts_it_says_that_nobody_counts_and_how_to_begin() {
    let database = Database::fresh().await.unwrap();
    let console = Console::start(&database).await;
    for token in [ALL, A] {
        let shown = console.json(token, "overview").await;
        assert_eq!((&shown["counting"], &shown["complete"]), (&json!(false), &json!(false)));
        assert!(shown["explanation"].as_str().unwrap().contains("GATELOG_ROLLUPS=on"));
        assert_eq!(
            (&shown["totals"]["count"], &shown["totals"]["before"]),
            (&json!(0), &Value::Null)
        );
    }
}
