//! A query's filter finds in the database what its test finds among the records.

use std::collections::BTreeSet;

use gatelog_record::{DecodeLimits, Decoded, Level, Uuid, decode_record};
use gatelog_search::{Query, Scope, Selection};
use mongodb::bson::{RawDocumentBuf, doc};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::fixture::{Fixture, all_stored};

const RECORDS: usize = 80;
const QUERIES: usize = 400;

/// Texts that mean something to a regular expression, a terminal or a query.
const TEXTS: [&str; 14] = [
    "a", "A", "ab", "a.b", "a\nb", "ab\n", "/api/v1", "(a|b)*", "[a]{2}^$", "\\d+", "éa", "É",
    "$where", "7",
];

fn text() -> impl Strategy<Value = Value> {
    prop_oneof![4 => select(&TEXTS[..]).prop_map(Value::from), 1 => Just(Value::Null)]
}

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        text(),
        any::<bool>().prop_map(Value::from),
        select(vec![json!(7), json!(7.0), json!(7.5), json!(-1), json!(i64::MAX), json!(1e300)]),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(select(vec!["a", "b"]), inner, 0..3)
                .prop_map(|all| json!(all)),
        ]
    })
}

fn record() -> impl Strategy<Value = Value> {
    let context = (text(), text(), text());
    let http = (text(), text(), select(vec![json!(null), json!(200), json!(404), json!(503)]));
    let error = (text(), prop::collection::vec(select(&TEXTS[..]), 0..3));
    let took = select(vec![json!(null), json!(0), json!(45.23), json!(1000.0), json!(2500)]);
    let level = select(Level::ALL.map(Level::as_str).to_vec());
    (context, http, error, took, (level, select(&TEXTS[..]), any::<bool>(), anything())).prop_map(
        |(context, http, error, took, (level, message, audit, extra))| {
            json!({
                "timestamp": "2096-01-26T02:11:57Z", "level": level, "message": message,
                "context": {"organization_id": context.0, "user_id": context.1,
                    "correlation_id": context.2},
                "http": {"method": http.0, "path": http.1, "status": http.2},
                "error": {"details": error.0, "flags": error.1},
                "trace": {"execution_time_ms": took}, "audit": audit,
                "extra": {"a": extra},
            })
        },
    )
}

/// A text as a query has it: in quotes, or as it is if it can be.
fn value() -> impl Strategy<Value = String> {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let pattern = select(vec!["a*", "*a", "*a*", "a*b", "/api*", "*b*", "*.b", "*", "é*", "[a*"]);
    prop_oneof![
        select(&TEXTS[..]).prop_map(quoted),
        pattern.prop_map(str::to_owned),
        select(vec!["a", "7", "7.5", "true", "A"]).prop_map(str::to_owned),
    ]
}

fn term() -> impl Strategy<Value = String> {
    let texts = vec!["org", "user", "correlation", "path", "method", "extra.a", "extra.a.b"];
    let compare = select(vec!["", ">", ">=", "<", "<="]);
    let numbers = (
        select(vec!["attempts", "status", "extra.a", "extra.a.b"]),
        compare.clone(),
        select(vec!["7", "7.5", "200", "503", "-1", "0"]),
    );
    let levels = (compare, select(Level::ALL.map(Level::as_str).to_vec()));
    let others = vec![
        "duration:>0us",
        "duration:>=45.23ms",
        "duration:<1s",
        "duration:<=1s",
        "status:5xx",
        "status:*",
        "audit:true",
        "audit:false",
        "error:*",
        "-status:4xx",
        "extra.a.a:*",
        "id:*",
    ];
    prop_oneof![
        4 => (select(texts), value()).prop_map(|(field, value)| format!("{field}:{value}")),
        2 => (select(vec!["", "error:", "message:"]), select(&TEXTS[..])).prop_map(|(field, part)| {
            format!("{field}\"{}\"", part.replace('\\', "\\\\"))
        }),
        2 => numbers.prop_map(|(field, compare, number)| format!("{field}:{compare}{number}")),
        1 => levels.prop_map(|(compare, level)| format!("level:{compare}{level}")),
        2 => select(others).prop_map(str::to_owned),
    ]
}

fn query() -> impl Strategy<Value = String> {
    term().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..3).prop_map(|all| all.join(" ")),
            prop::collection::vec(inner.clone(), 2..3)
                .prop_map(|all| format!("({})", all.join(" OR "))),
            inner.prop_map(|inner| format!("-({inner})")),
        ]
    })
}

async fn found(fixture: &Fixture, selection: &Selection) -> BTreeSet<Uuid> {
    let mut ids = BTreeSet::new();
    for level in Level::ALL {
        let Some(filter) = selection.filter(level) else { continue };
        let name = format!("{}_logs", level.as_str().to_lowercase());
        let target = fixture.database.collection(&name).clone_with_type::<RawDocumentBuf>();
        let mut cursor = target.find(filter).projection(doc! { "_id": 1 }).await.unwrap();
        while cursor.advance().await.unwrap() {
            let id = cursor.current().get_binary("_id").unwrap();
            ids.insert(Uuid::from_slice(id.bytes).unwrap());
        }
    }
    ids
}

#[tokio::test]
async fn the_database_and_the_evaluator_find_the_same_records() {
    let fixture = Fixture::new().await;
    let mut runner = TestRunner::deterministic();
    let mut records: Vec<Decoded> = Vec::new();
    while records.len() < RECORDS {
        let line = record().new_tree(&mut runner).unwrap().current().to_string();
        records.push(
            decode_record(line.as_bytes(), &DecodeLimits::default(), Uuid::new_v4()).unwrap(),
        );
    }
    assert_eq!(fixture.store.insert(&records).await, all_stored(RECORDS));
    let some = Scope::organizations(["a".to_owned(), "7".to_owned()]).unwrap();
    let (mut matched, mut partial) = (0, 0);
    for number in 0..QUERIES {
        let text = query().new_tree(&mut runner).unwrap().current();
        // Some are refused: `user:>7`.
        let Ok(query) = text.parse::<Query>() else { continue };
        let scope = if number % 4 == 0 { &some } else { &Scope::ALL };
        let selection = scope.select(query);
        let tested = records.iter().filter(|record| selection.matches(record));
        let tested: BTreeSet<_> = tested.map(|record| record.id).collect();
        let stored = found(&fixture, &selection).await;
        let differ = tested.symmetric_difference(&stored).next();
        let differ = differ.and_then(|id| records.iter().find(|record| record.id == *id));
        assert_eq!(differ.map(|record| Value::from(record.body.clone())), None, "{text}");
        matched += usize::from(!tested.is_empty());
        partial += usize::from(!tested.is_empty() && tested.len() < RECORDS);
    }
    assert!(matched > QUERIES / 3 && partial > QUERIES / 4, "{matched} {partial}");
}
