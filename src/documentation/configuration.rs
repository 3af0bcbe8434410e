//! `docs/configuration.md` against the schema and the code.

use std::collections::BTreeMap;

use gatelog_record::sensitive::json::NAMING_KEYS;
use serde_json::Value;

use super::page::{blocks, code, rows};
use super::schema::{Judge, Key, compile, keys, schema};
use crate::compose::redaction::names::{
    CODE_QUALIFIERS, HEADER_PART_ENDS, HEADER_PART_STARTS, HEADER_PREFIXES, HOST_HEADERS,
    KEY_QUALIFIERS, PLAIN_HEADERS, SENSITIVE_HEADERS, SENSITIVE_PARAMETERS, SENSITIVE_PARTS,
    SENSITIVE_WORDS, URL_HEADERS,
};
use crate::compose::tenancy::Field;

const PAGE: &str = include_str!("../../docs/configuration.md");
const TABLE: [&str; 6] = ["key", "type", "default", "range", "meaning", "example"];

/// The page documents the sources of all fields once.
fn name_on_page(path: &str) -> String {
    Field::ALL.into_iter().fold(path.to_owned(), |path, field| {
        path.replace(&format!("tenant.{}[].", field.as_str()), "tenant.<field>[].")
    })
}

fn json(cell: &str) -> Option<Value> {
    code(cell).map(|text| serde_json::from_str(text).unwrap_or_else(|_| panic!("JSON: {cell}")))
}

#[test]
fn the_tables_say_what_the_schema_says() {
    let values: BTreeMap<String, Key> = keys()
        .into_iter()
        .filter(|key| !key.is_section())
        .map(|key| (name_on_page(&key.path), key))
        .collect();
    let mut names = Vec::new();
    for row in rows(PAGE, &TABLE) {
        let [name, kind, default, range, meaning, example] = row.as_slice() else { panic!() };
        let name = code(name).unwrap().to_owned();
        let key = values.get(&name).unwrap_or_else(|| panic!("{name} is not a key"));
        assert!(!kind.is_empty(), "{name}");
        assert_eq!(json(default).as_ref(), key.default(), "default of {name}");
        assert_eq!(json(example).as_ref(), key.example(), "example of {name}");
        assert_eq!(Some(meaning.as_str()), key.node["description"].as_str(), "{name}");
        if let Some((least, most)) = key.range() {
            let shown = |end: Value| end.as_str().map_or(end.to_string(), str::to_owned);
            assert_eq!(range, &format!("{} to {}", shown(least), shown(most)), "range of {name}");
        }
        names.push(name);
    }
    names.sort();
    assert_eq!(names, values.into_keys().collect::<Vec<_>>());
}

#[test]
fn the_examples_are_taken_by_both() {
    let judge = Judge::new();
    let examples = blocks(PAGE, "json");
    assert!(!examples.is_empty());
    for example in examples {
        let example: Value = serde_json::from_str(example).unwrap();
        assert!(judge.takes(&example), "{example}");
        compile(&example).unwrap();
    }
}

#[test]
fn the_faults_shown_are_the_codes_own() {
    let shown: Vec<&str> = blocks(PAGE, "text")[0].lines().collect();
    let faults = compile(
        &serde_json::json!({"servce": "edge", "record": {"slow_ms": -1}, "delivery": {"flush_interval": "0s"}}),
    )
    .unwrap_err();
    let logged: Vec<String> = faults.lines().map(|fault| format!("gatelog: {fault}")).collect();
    assert_eq!(logged, shown);
}

#[test]
fn the_default_lists_of_redaction_are_whole() {
    let listed = |what: &str| -> Vec<String> {
        let rows = rows(PAGE, &["what", "treatment"]);
        let row = rows.iter().find(|row| row[0].starts_with(what)).unwrap();
        let names = row[0].split('`').skip(1).step_by(2);
        names.filter(|name| !name.contains([';', '{'])).map(str::to_owned).collect()
    };
    assert_eq!(listed("headers `auth"), SENSITIVE_HEADERS);
    let refused = "/$defs/header_name/anyOf/0/allOf/1/not/enum";
    assert_eq!(schema().pointer(refused), Some(&serde_json::json!(SENSITIVE_HEADERS)));
    assert_eq!(listed("JSON objects"), NAMING_KEYS);
    assert_eq!(listed("headers whose name contains"), SENSITIVE_WORDS);
    assert_eq!(listed("headers `referer"), URL_HEADERS);
    assert_eq!(listed("headers with a part that begins with"), HEADER_PART_STARTS);
    assert_eq!(listed("headers with a part that ends with"), HEADER_PART_ENDS);
    assert_eq!(listed("headers that begin with"), HEADER_PREFIXES);
    assert_eq!(listed("but not"), PLAIN_HEADERS);
    assert_eq!(listed("headers `host"), HOST_HEADERS);
    assert_eq!(listed("query parameters"), SENSITIVE_PARAMETERS);
    assert_eq!(listed("parameters with a part"), SENSITIVE_PARTS);
    assert_eq!(listed("parameters whose name ends with key"), KEY_QUALIFIERS);
    assert_eq!(listed("parameters whose name ends with code"), CODE_QUALIFIERS);
}
