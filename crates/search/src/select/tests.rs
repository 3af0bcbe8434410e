use gatelog_record::{DecodeLimits, Decoded, Level, Uuid, decode_record};
use mongodb::bson::{Bson, doc};
use serde_json::{Value, json};

use crate::{Query, Scope, Selection};

fn select(text: &str) -> Selection {
    Scope::ALL.select(text.parse::<Query>().unwrap())
}

fn only(names: &[&str], text: &str) -> Selection {
    let scope = Scope::organizations(names.iter().map(|&name| name.to_owned())).unwrap();
    scope.select(text.parse::<Query>().unwrap())
}

fn record(change: &Value) -> Decoded {
    let mut record =
        json!({"timestamp": "2026-01-26T02:11:57Z", "level": "ERROR", "message": "No route"});
    record.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    decode_record(record.to_string().as_bytes(), &DecodeLimits::default(), Uuid::nil()).unwrap()
}

#[test]
fn values_of_a_query_are_values_and_never_operators() {
    for (text, expected) in [
        ("", vec![]),
        ("user:\"$where\"", vec![doc! { "context.user_id": "$where" }]),
        ("path:/a.b*", vec![doc! { "http.path": { "$regex": r"^\/a\.b" } }]),
        ("-status:404", vec![doc! { "$nor": [{ "http.status": { "$eq": 404_i64 } }] }]),
        ("status:5xx", vec![doc! { "http.status": { "$gte": 500, "$lt": 600 } }]),
        ("duration:>1s", vec![doc! { "trace.execution_time_ms": { "$gt": 1_000.0 } }]),
        ("user:*", vec![doc! { "context.user_id": { "$ne": Bson::Null } }]),
        ("extra.sku:7", vec![doc! { "extra.sku": { "$in": ["7", 7_i64] } }]),
        ("extra.on:true", vec![doc! { "extra.on": { "$in": ["true", true] } }]),
        ("audit:false", vec![doc! { "audit": { "$ne": true } }]),
        (
            "user:1 (service:a OR route:b)",
            vec![doc! { "$and": [
                { "context.user_id": "1" },
                { "$or": [{ "logger_name": "a" }, { "http.route": "b" }] },
            ] }],
        ),
        ("message:\"a.$\"", vec![doc! { "message": { "$regex": r"[aA]\.\$" } }]),
    ] {
        assert_eq!(select(text).conditions(Level::Info), Some(expected), "{text}");
    }
}

#[test]
fn a_level_decides_which_collections_are_searched() {
    for (text, levels) in [
        ("", &Level::ALL[..]),
        ("level:ERROR", &[Level::Error]),
        ("level:>=ERROR", &[Level::Error, Level::Critical]),
        ("-level:>INFO", &[Level::Debug, Level::Info]),
        ("level:ERROR level:INFO", &[]),
        ("level:DEBUG OR status:500", &Level::ALL),
    ] {
        let found =
            Level::ALL.into_iter().filter(|level| select(text).conditions(*level).is_some());
        assert_eq!(found.collect::<Vec<_>>(), levels, "{text}");
    }
    let either = select("level:DEBUG OR status:500");
    assert_eq!(either.conditions(Level::Debug), Some(vec![]));
    assert_eq!(either.conditions(Level::Info).unwrap().len(), 1);
}

#[test]
fn a_scope_is_in_every_condition_whatever_the_query_says() {
    let scoped = doc! { "context.organization_id": { "$in": ["a", "b"] } };
    for text in ["", "org:c", "-org:a", "level:INFO OR org:*"] {
        let conditions = only(&["b", "a"], text).conditions(Level::Info).unwrap();
        assert_eq!(conditions.first(), Some(&scoped), "{text}");
    }
    let one = only(&["a"], "-org:a").conditions(Level::Info).unwrap();
    assert_eq!(one[0], doc! { "context.organization_id": "a" });
    let none = only(&[], "").conditions(Level::Info).unwrap();
    assert_eq!(none, [doc! { "context.organization_id": { "$in": [] } }]);
    for (names, org, seen) in [
        (&["a"][..], json!("a"), true),
        (&["a"], json!("b"), false),
        (&["a"], json!(null), false),
        (&[], json!("a"), false),
        (&[], json!(null), false),
    ] {
        let record = record(&json!({"context": {"organization_id": org}}));
        assert_eq!(only(names, "org:* OR -org:*").matches(&record), seen, "{names:?} {org}");
    }
}

#[test]
fn an_index_can_serve_what_every_match_must_have() {
    let user = "context.user_id";
    assert_eq!(select("level:INFO user:17").pinned(user), Some("17".into()));
    for text in ["user:1*", "user:1 OR user:2", "-user:1", "user:*", "org:1", ""] {
        assert_eq!(select(text).pinned(user), None, "{text}");
    }
    let org = "context.organization_id";
    assert_eq!(only(&["a"], "user:17").pinned(org), Some("a".into()));
    assert_eq!(only(&["a", "b"], "").pinned(org), Some(doc! { "$in": ["a", "b"] }.into()));
    assert_eq!(only(&["a", "b"], "org:c").pinned(org), Some("c".into()));
    assert_eq!(select("").pinned(org), None);
}

#[test]
fn a_record_is_tested_field_by_field() {
    let record = record(&json!({
        "logger_name": "gateway.edge",
        "context": {"user_id": 17, "organization_id": "org_1"},
        "trace": {"execution_time_ms": 1000.5},
        "http": {"method": "GET", "path": "/api/v1", "status": 503, "attempts": 2},
        "error": {"flags": ["UF", "URX"], "details": "via_upstream"},
        "sku": "7", "list": [1, {"deep": "x"}, null],
    }));
    for text in [
        "",
        "level:>=WARNING",
        "-level:INFO",
        "user:17",
        "org:org_*",
        "service:gateway.*",
        "path:/api/*",
        "path:*v1",
        "path:/*1",
        "path:*api*",
        "status:5xx",
        "status:>=500",
        "status:<504",
        "-status:404",
        "duration:>1s",
        "duration:<=1000.5ms",
        "attempts:>1",
        "method:get",
        "error:uf",
        "error:VIA",
        "error:*",
        "\"no ROUTE\"",
        "upstream",
        "-audit:true",
        "audit:false",
        "-user:18",
        "conversation:* OR user:*",
        "-conversation:*",
        "extra.sku:7",
        "extra.sku:\"7\"",
        "extra.list:1",
        "extra.list:>0",
        "extra.list.deep:x",
        "extra.list:*",
        "id:00000000-0000-0000-0000-000000000000",
        "id:*",
        "-(level:INFO status:503)",
    ] {
        assert!(select(text).matches(&record), "{text}");
    }
    for text in [
        "level:<ERROR",
        "user:1",
        "user:\"1*\"",
        "path:/api",
        "path:/API/*",
        "status:4xx",
        "duration:>1000.5ms",
        "attempts:2.5",
        "method:\"get\"",
        "error:X1",
        "missing",
        "audit:true",
        "extra.sku:>6",
        "extra.sku:8",
        "extra.none:*",
        "extra.list.none:*",
        "route:*",
        "id:00000000-0000-0000-0000-000000000001",
        "-(level:ERROR status:503)",
    ] {
        assert!(!select(text).matches(&record), "{text}");
    }
}
