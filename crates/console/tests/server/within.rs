//! Answers that come soon, and are gone on with.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::fixture::{A, ALL, Console, encoded, filled, record};

const COUNT: u32 = 120;
/// The time that has them, so that the first windows have some and the others the rest.
const SPAN: &str = "since=2096-01-26T02:00:00Z&until=2096-01-26T02:01:21Z";

async fn console() -> (gatelog_testkit::Database, Console) {
    let records: Vec<_> = (0..COUNT)
        .map(|number| {
            let level = if number % 10 == 0 { "ERROR" } else { "INFO" };
            let context = json!({"organization_id": "a", "correlation_id": format!("c{number}")});
            let change = json!({
                "message": number.to_string(), "context": context, "http": {"status": number % 7},
            });
            // Some at the same instant.
            record(level, number / 3 * 2, &change)
        })
        .collect();
    let database = filled(&records).await;
    let console = Console::start(&database).await;
    (database, console)
}

/// All answers, each of which got on.
async fn all(console: &Console, token: &str, path: &str) -> Vec<Value> {
    let (mut answers, mut next, mut from) = (Vec::new(), String::new(), None);
    loop {
        let answer = console.json(token, &format!("{path}&after={next}")).await;
        let reached = answer["next"].as_str().map(str::to_owned);
        answers.push(answer);
        let Some(reached) = reached else { return answers };
        // Place by place back in time, so that whoever goes on comes to an end.
        let place = reached.splitn(3, '/').take(2).collect::<Vec<_>>().join("/");
        assert!(from.is_none_or(|from| place < from), "{path}: {place}");
        (from, next) = (Some(place), encoded(&reached));
    }
}

#[tokio::test]
async fn a_search_in_short_answers_finds_exactly_what_one_long_search_finds() {
    let (_database, console) = console().await;
    for (token, reach) in [(ALL, "everything"), (A, "flows")] {
        for query in ["", "level:ERROR", "message:7"] {
            let path = format!("search?{SPAN}&reach={reach}&query={query}&limit=1000");
            let ids = |answers: &[Value]| -> Vec<Value> {
                let records = answers.iter().flat_map(|it| it["records"].as_array().unwrap());
                records.map(|record| record["id"].clone()).collect()
            };
            let [whole] = &all(&console, token, &path).await[..] else { panic!("{path}") };
            let parts = all(&console, token, &format!("{path}&within=1ms")).await;
            assert!(parts.len() > 2, "{path}: {}", parts.len());
            assert!(parts.iter().any(|part| part["reach"]["reason"] == "time"), "{path}");
            assert_eq!(ids(&parts), ids(std::slice::from_ref(whole)), "{path}");
            assert_eq!(parts.last().unwrap()["reach"]["complete"], true, "{path}");
        }
    }
}

#[tokio::test]
async fn from_where_an_answer_says_that_it_looked_nothing_is_missing_even_if_its_page_ends_within_an_instant()
 {
    let (_database, console) = console().await;
    let path = format!("search?{SPAN}&limit=");
    let whole = console.json(ALL, &format!("{path}1000")).await;
    let whole = whole["records"].as_array().unwrap();
    let (mut found, mut within_an_instant) = (Vec::new(), 0);
    // Three records have the same time.
    for part in all(&console, ALL, &format!("{path}2")).await {
        let records = part["records"].as_array().unwrap();
        found.extend(records.iter().map(|record| record["id"].clone()));
        let time = |record: &Value| record["timestamp"].as_str().unwrap().to_owned();
        let from = part["reach"]["from"].as_str().unwrap();
        let missing =
            whole.iter().find(|it| time(it).as_str() >= from && !found.contains(&it["id"]));
        assert_eq!(missing, None, "{from}");
        within_an_instant +=
            usize::from(records.last().is_some_and(|last| time(last).as_str() < from));
    }
    assert_eq!(found.len(), whole.len());
    assert!(within_an_instant > 0);
}

#[tokio::test]
async fn a_histogram_in_short_answers_counts_exactly_what_one_long_one_counts() {
    let (_database, console) = console().await;
    let sums = |answers: &[Value]| {
        let mut sums: BTreeMap<String, u64> = BTreeMap::new();
        for answer in answers {
            let buckets = answer["buckets"].as_array().unwrap().iter().flat_map(|bucket| {
                let counts = bucket["counts"].as_object().unwrap().iter();
                counts.map(|(level, count)| (format!("{} {level}", bucket["start"]), count.clone()))
            });
            let facets = answer["facets"].as_object().unwrap().iter().flat_map(|(name, counts)| {
                let counts = counts.as_array().unwrap().iter();
                counts.map(move |pair| (format!("{name} {}", pair[0]), pair[1].clone()))
            });
            for (name, count) in buckets.chain(facets) {
                *sums.entry(name).or_default() += count.as_u64().unwrap();
            }
        }
        sums
    };
    for token in [ALL, A] {
        let path = format!("histogram?{SPAN}");
        let whole = all(&console, token, &path).await;
        assert_eq!((whole.len(), &whole[0]["records"]), (1, &json!(COUNT)));
        assert_eq!(whole[0]["facets"]["status"].as_array().unwrap().len(), 7);
        let parts = all(&console, token, &format!("{path}&within=1ms&limit=50&values=1000")).await;
        assert!(parts.len() > 2, "{}", parts.len());
        assert_eq!(sums(&parts), sums(&whole));
    }
}

#[tokio::test]
async fn a_time_that_is_none_is_refused_and_one_that_is_too_long_is_that_of_any_query() {
    let (_database, console) = console().await;
    for endpoint in ["search", "histogram"] {
        for within in ["0s", "soon", "-1s", "5"] {
            let reply = console.get(ALL, &format!("{endpoint}?{SPAN}&within={within}")).await;
            assert_eq!(reply.status, 400, "{within}");
            let text = reply.text();
            assert!(text.contains("within = ") && text.contains(within), "{text}");
        }
        let long = console.json(ALL, &format!("{endpoint}?{SPAN}&limit=1000&within=30d")).await;
        assert_eq!(long["reach"]["complete"], true);
    }
    for values in ["0", "1001", "x"] {
        let reply = console.get(ALL, &format!("histogram?{SPAN}&values={values}")).await;
        assert_eq!(reply.status, 400, "{values}");
    }
    let delivery = console.get(ALL, "delivery?within=1s").await;
    assert_eq!(delivery.status, 400, "a parameter of searches only");
}
