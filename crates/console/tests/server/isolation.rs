//! Two organizations, two viewers: every endpoint tried for the other's records.

use std::time::Duration;

use axum::http::Method;
use gatelog_record::{Decoded, Level};
use gatelog_testkit::{Collector, CollectorOptions, Database, Reply, eventually};
use serde_json::{Value, json};

use crate::fixture::{A, ALL, B, Console, Live, encoded, filled, post, record};

const PATIENCE: Duration = Duration::from_mins(1);
/// A minute that has all records.
const SPAN: &str = "since=2096-01-26T02:00:00Z&until=2096-01-26T02:01:00Z";

/// What only records of an organization have in them, in every field.
fn mark(organization: &str) -> String {
    format!("secret-{organization}")
}

/// Ten records of an organization: eight in a flow of its own, two in one that both share.
fn of(organization: &str, from: u32) -> Vec<Decoded> {
    let mark = mark(organization);
    let one = |number: u32| {
        let shared = number.is_multiple_of(5);
        let correlation = if shared { "shared".to_owned() } else { format!("corr-{mark}") };
        let failed = number.is_multiple_of(2);
        let change = json!({
            "message": format!("said by {mark}"),
            "logger_name": format!("gateway.{mark}"),
            "context": {
                "organization_id": organization, "user_id": format!("user-{mark}"),
                "request_id": format!("req-{mark}-{number}"), "correlation_id": correlation,
                "conversation_id": format!("conv-{mark}"),
            },
            "trace": {
                "execution_time_ms": 20.5, "status": if failed { "error" } else { "success" },
                "trace_id": format!("trace-{mark}"),
            },
            "http": {"method": "GET", "path": format!("/{mark}"), "status": 200, "route": mark},
            "extra": {"owner": mark},
        });
        record(if failed { "ERROR" } else { "INFO" }, from + number, &change)
    };
    (0..10).map(one).collect()
}

struct Place {
    console: Console,
    collector: Collector,
    _database: Database,
    /// The records of the organizations a and b.
    a: Vec<Decoded>,
    b: Vec<Decoded>,
}

async fn place() -> Place {
    // In turn, so that every page and every window has both.
    let (a, b) = (of("a", 0), of("b", 5));
    let nobodys = record(
        "INFO",
        3,
        &json!({"message": "said by secret-nobody", "context": {"correlation_id": "shared"}}),
    );
    let all: Vec<_> = a.iter().chain(&b).chain([&nobodys]).cloned().collect();
    let database = filled(&all).await;
    crate::overview::count(&database).await;
    let collector = Collector::start(&database, CollectorOptions::default()).await.unwrap();
    let url = format!("http://{}", collector.address());
    let settings = [
        ("GATELOG_CONSOLE_TAIL", url.as_str()),
        ("GATELOG_CONSOLE_MAX_TAILS", "15"),
        ("GATELOG_CONSOLE_VIEWER_TAILS", "15"),
    ];
    let console = Console::with(&database, &settings).await;
    Place { console, collector, _database: database, a, b }
}

/// Queries that a viewer of `a` might get at the records of `b` with.
fn tricks(b: &[Decoded]) -> Vec<String> {
    let mut queries: Vec<String> = [
        "",
        "org:b",
        "organization:b",
        "organization:\"b\"",
        "-org:a",
        "NOT org:a",
        "-(org:a)",
        "-(-org:b)",
        "org:*",
        "-org:*",
        "org:b*",
        "org:*b",
        "org:a OR org:b",
        "(org:b OR level:INFO) OR level:ERROR",
        "org:a -org:a",
        "level:ERROR OR -level:ERROR",
        "secret",
        "\"said by secret\"",
        "service:gateway.secret*",
        "user:user-secret-b OR user:*",
        "request:req-secret-b-1",
        "correlation:shared",
        "correlation:corr-secret-b OR correlation:*",
        "conversation:conv-secret-b",
        "trace:trace-secret-b",
        "path:/secret-b OR path:*",
        "extra.owner:*",
        "extra.owner:secret-b OR extra.owner:*",
        "status:2xx duration:>1ms",
        "$where:1",
        "\"{$ne: null}\"",
    ]
    .map(str::to_owned)
    .into();
    queries.extend(b.iter().take(2).map(|record| format!("id:{}", record.id.hyphenated())));
    queries
}

/// Nothing in an answer is of anybody but this organization.
fn clean(reply: &Reply, own: &str, what: &str) {
    for other in ["a", "b", "nobody"].iter().filter(|other| **other != own) {
        assert!(!reply.text().contains(&mark(other)), "{what}: {}", reply.text());
    }
}

/// The tricks of the viewer of this organization.
fn tricks_of(own: &str, theirs: &[Decoded]) -> Vec<String> {
    let swap = |query: String| {
        if own == "a" {
            return query;
        }
        query
            .replace("org:a", "org:#")
            .replace("org:b", "org:a")
            .replace("org:#", "org:b")
            .replace("secret-b", "secret-a")
            .replace("organization:b", "organization:a")
            .replace("organization:\"b\"", "organization:\"a\"")
    };
    tricks(theirs).into_iter().map(swap).collect()
}

/// Every trick as the query of a live tail, while the records of all arrive.
async fn try_tails(place: &Place, token: &str, own: &str) {
    let Place { console, collector, a, b, .. } = place;
    let (mine, theirs) = if own == "a" { (a, b) } else { (b, a) };
    // The last that arrives: who has it has had all before it. Outside of the minute of the others.
    let end = json!({"message": "the end", "context": {"organization_id": own}});
    let end = record("INFO", 3_000, &end);
    let nobodys = record("INFO", 3_001, &json!({"message": "said by secret-nobody"}));
    let all: Vec<_> = theirs.iter().chain(mine).chain([&nobodys, &end]).cloned().collect();
    for queries in tricks_of(own, theirs).chunks(12) {
        let mut tails = Vec::new();
        for query in queries {
            let query =
                if query.is_empty() { String::new() } else { format!("({query}) OR \"the end\"") };
            tails.push((Live::following(console, token, &query, 1).await, query));
        }
        post(collector.address(), &all).await;
        for (mut tail, query) in tails {
            tail.brings("the end", 1).await;
            for other in ["a", "b", "nobody"].iter().filter(|other| **other != own) {
                let Some((_, records)) = tail.text.split_once("event: record") else { continue };
                assert!(!records.contains(&mark(other)), "{query}: {records}");
            }
            if query.is_empty() {
                assert_eq!(tail.text.matches("event: record").count(), mine.len() + 1);
            }
        }
        eventually("the tails are closed", PATIENCE, async || {
            let metrics = console.send(Method::GET, "/metrics", &[], "").await.text();
            anyhow::ensure!(metrics.contains("gatelog_console_tails 0"), "{metrics}");
            Ok(())
        })
        .await
        .unwrap();
    }
}

async fn try_everything(place: &Place, token: &str, own: &str) {
    let Place { console, a, b, .. } = place;
    let (mine, theirs) = if own == "a" { (a, b) } else { (b, a) };
    // A cursor that names another's record, and one of a search that saw everything.
    let foreign = theirs[7].id.hyphenated();
    let all = console.json(ALL, &format!("search?{SPAN}&limit=3")).await;
    let cursors = [
        String::new(),
        format!("2096-01-26T02:00:12.500000+00:00/{foreign}"),
        all["next"].as_str().unwrap().to_owned(),
    ];
    for query in tricks_of(own, theirs) {
        let text = encoded(&query);
        for endpoint in ["search", "histogram", "export", "export?format=csv&"] {
            let joint = if endpoint.contains('?') { "" } else { "?" };
            for reach in ["flows", "everything"] {
                let path = format!("{endpoint}{joint}{SPAN}&query={text}&reach={reach}");
                let reply = console.get(token, &path).await;
                assert_eq!(reply.status, 200, "{path}: {}", reply.text());
                clean(&reply, own, &path);
            }
        }
        for cursor in &cursors {
            let path = format!("search?{SPAN}&query={text}&limit=2&after={}", encoded(cursor));
            clean(&console.get(token, &path).await, own, &path);
        }
    }
    // The tricks find something, and all of one's own.
    let own_records = console.json(token, &format!("search?{SPAN}&limit=100")).await;
    assert_eq!(own_records["records"].as_array().unwrap().len(), mine.len());
    let histogram = console.json(token, &format!("histogram?{SPAN}")).await;
    assert_eq!(histogram["facets"]["organization"], json!([[own, mine.len()]]));
    assert_eq!(histogram["records"], mine.len());
    for query in ["", "&since=&until=", "&step=1"] {
        let path = format!("overview?{SPAN}{query}");
        clean(&console.get(token, &path).await, own, &path);
    }
    let overview = console.json(token, &format!("overview?{SPAN}")).await;
    assert_eq!(overview["organizations"]["rows"][0]["organization"], own);
    assert!(overview["totals"]["count"].as_u64().unwrap() > 0, "{overview:#}");

    for path in [
        format!("search?{SPAN}&organization=b"),
        format!("search?{SPAN}&scope=all"),
        format!("overview?{SPAN}&organization=b"),
        format!("overview?{SPAN}&query=org:b"),
        format!("search?{SPAN}&query=&query=org:b"),
        format!("search?{SPAN}&query=context.organization_id:b"),
        "records/info/00000000-0000-0000-0000-000000000000?organization=b".to_owned(),
        "flows/shared?organization=b".to_owned(),
        "tail?org=b".to_owned(),
        "tail?organization=b".to_owned(),
        "tail?query=&query=org:b".to_owned(),
        "tail?query=context.organization_id:b".to_owned(),
    ] {
        let reply = console.get(token, &path).await;
        assert_eq!(reply.status, 400, "{path}");
        clean(&reply, own, &path);
    }
    assert_eq!(console.get(token, "delivery").await.status, 403);
}

#[tokio::test]
async fn no_query_and_no_cursor_finds_a_record_of_another_organization() {
    let place = place().await;
    try_everything(&place, A, "a").await;
    try_everything(&place, B, "b").await;
    let all = place.console.json(ALL, &format!("search?{SPAN}&limit=100")).await;
    assert_eq!(all["records"].as_array().unwrap().len(), 21);
}

#[tokio::test]
async fn no_live_tail_brings_a_record_of_another_organization() {
    let place = place().await;
    try_tails(&place, A, "a").await;
    try_tails(&place, B, "b").await;
    let mut all = Live::following(&place.console, ALL, "", 1).await;
    post(place.collector.address(), &place.b).await;
    all.brings("event: record", place.b.len()).await;
}

#[tokio::test]
async fn a_record_of_another_organization_is_as_unknown_as_one_that_does_not_exist() {
    let place = place().await;
    let Place { console, a, b, .. } = &place;
    let nothing = console.get(A, "records/info/00000000-0000-0000-0000-000000000000").await;
    assert_eq!(nothing.status, 404);
    for record in b {
        for level in Level::ALL {
            let path = format!("records/{}/{}", level.as_str(), record.id.hyphenated());
            let reply = console.get(A, &path).await;
            assert_eq!((reply.status, reply.body), (nothing.status, nothing.body.clone()));
        }
    }
    for own in a {
        let path = format!("records/{}/{}", own.level.as_str(), own.id.hyphenated());
        let found = console.json(A, &path).await;
        assert_eq!(found["record"]["id"], own.id.hyphenated().to_string());
    }
    for path in ["records/x/y", "records/info/x", "records/%24where/x"] {
        let reply = console.get(A, path).await;
        assert_eq!((reply.status, reply.body), (nothing.status, nothing.body.clone()));
    }
}

#[tokio::test]
async fn a_flow_shows_own_records_only_and_that_there_are_others_without_their_number() {
    let place = place().await;
    let Place { console, .. } = &place;
    let nothing = console.get(A, "flows/none").await;
    for id in ["corr-secret-b", "req-secret-b-1", "req-secret-b-0", "trace-secret-b"] {
        let reply = console.get(A, &format!("flows/{id}")).await;
        assert_eq!((reply.status, reply.body), (nothing.status, nothing.body.clone()), "{id}");
    }
    let reply = console.get(A, "flows/shared").await;
    clean(&reply, "a", "flows/shared");
    let shared: Value = reply.json().unwrap();
    assert_eq!((&shared["hidden"], &shared["complete"]), (&json!(true), &json!(true)));
    let records = shared["records"].as_array().unwrap();
    assert_eq!(
        records.iter().filter(|record| record["title"] == "GET /secret-a").count(),
        records.len()
    );
    assert!(records.len() >= 2, "{shared:#}");
    let own = console.json(A, "flows/corr-secret-a").await;
    assert_eq!((&own["hidden"], &own["complete"]), (&json!(false), &json!(true)));
    let all = console.json(ALL, "flows/shared").await;
    assert_eq!(all["hidden"], false);
    assert!(all["records"].as_array().unwrap().len() > records.len());
}
