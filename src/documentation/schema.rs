//! `docs/configuration.schema.json` against the code that reads a configuration.

use std::collections::BTreeSet;
use std::time::Duration;

use boon::{Compiler, SchemaIndex, Schemas};
use gatelog_record::units::{parse_duration, show_duration};
use serde_json::{Map, Value, json};

use crate::config::Config;

const SCHEMA: &str = include_str!("../../docs/configuration.schema.json");

/// A key of the configuration. List elements are written `[]`.
pub(super) struct Key {
    pub(super) path: String,
    /// The key's own node: description, default, examples.
    pub(super) node: Value,
    /// The keys of an object; none for a value.
    keys: Option<BTreeSet<String>>,
}

impl Key {
    pub(super) fn is_section(&self) -> bool {
        self.keys.is_some()
    }

    pub(super) fn default(&self) -> Option<&Value> {
        self.node.get("default")
    }

    pub(super) fn example(&self) -> Option<&Value> {
        self.node.pointer("/examples/0")
    }

    /// Minimum and maximum, for ordered types.
    pub(super) fn range(&self) -> Option<(Value, Value)> {
        let own = self.node.get("x-range").map(|range| (range[0].clone(), range[1].clone()));
        let ends = || Some((self.node.get("minimum")?.clone(), self.node.get("maximum")?.clone()));
        own.or_else(ends)
    }
}

pub(super) fn schema() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

/// Every key, objects included, the root as an empty path first.
pub(super) fn keys() -> Vec<Key> {
    let schema = schema();
    let mut found = Vec::new();
    walk(&schema, &schema, "", &mut found);
    found
}

fn walk(schema: &Value, node: &Value, path: &str, found: &mut Vec<Key>) {
    let resolved = |node: &Value| match node.get("$ref").and_then(Value::as_str) {
        Some(place) => schema.pointer(place.trim_start_matches('#')).unwrap().clone(),
        None => node.clone(),
    };
    let shape = resolved(node);
    let properties = shape.get("properties").and_then(Value::as_object);
    found.push(Key {
        path: path.to_owned(),
        node: node.clone(),
        keys: properties.map(|keys| keys.keys().cloned().collect()),
    });
    for (key, node) in properties.into_iter().flatten() {
        let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        walk(schema, node, &below, found);
    }
    if let Some(items) = shape.get("items").map(resolved)
        && items.get("properties").is_some()
    {
        walk(schema, &items, &format!("{path}[]"), found);
    }
}

/// A valid configuration with one value at one place.
pub(super) fn configuration(path: &str, value: Option<Value>) -> Value {
    let (list, key) = match path.rsplit_once("[].") {
        Some((list, key)) => (Some(list), key),
        None => (None, path),
    };
    let mut object = Map::new();
    if list.is_some_and(|list| list.starts_with("tenant."))
        && !["header", "jwt_claim", "path", "value"].contains(&key)
    {
        object.insert("jwt_claim".into(), "sub".into());
    }
    if list == Some("rules") {
        // A rule sets something; not the key in question, so that its value makes a difference.
        object.insert(if key == "audit" { "drop" } else { "audit" }.into(), true.into());
    }
    if let Some(value) = value {
        let mut inner = value;
        let mut steps: Vec<&str> = key.split('.').collect();
        let outermost = steps.remove(0);
        for step in steps.into_iter().rev() {
            inner = json!({ step: inner });
        }
        object.insert(outermost.into(), inner);
    }
    let Some(list) = list else { return object.into() };
    list.split('.').rev().fold(json!([object]), |inner, step| json!({ step: inner }))
}

fn environment(name: &str) -> Option<String> {
    ["REGION", "GATELOG_TOKEN", "GATELOG_SALT"].contains(&name).then(|| "given".to_owned())
}

pub(super) fn compile(configuration: &Value) -> Result<Config, String> {
    Config::parse(configuration.to_string().as_bytes(), &environment)
        .map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

/// The schema, ready to judge.
pub(super) struct Judge {
    schemas: Schemas,
    root: SchemaIndex,
}

impl Judge {
    pub(super) fn new() -> Self {
        let mut schemas = Schemas::new();
        let mut compiler = Compiler::new();
        compiler.add_resource("file:///configuration.schema.json", schema()).unwrap();
        let root = compiler.compile("file:///configuration.schema.json", &mut schemas).unwrap();
        Self { schemas, root }
    }

    pub(super) fn takes(&self, configuration: &Value) -> bool {
        self.schemas.validate(configuration, self.root).is_ok()
    }
}

#[test]
fn the_schema_knows_just_the_keys_that_the_code_asks_for() {
    for key in keys().iter().filter(|key| key.is_section()) {
        let unknown = if key.path.is_empty() { "?".to_owned() } else { format!("{}.?", key.path) };
        let configuration = configuration(&unknown, Some(json!(0)));
        let faults = Config::parse(configuration.to_string().as_bytes(), &environment).unwrap_err();
        let name = unknown.replace("[]", "[0]");
        let fault = faults.iter().find(|fault| fault.name == name);
        let remedy = &fault.unwrap_or_else(|| panic!("no fault {name} in {faults:?}")).remedy;
        let asked = remedy.strip_prefix("unknown key: must be one of ").unwrap();
        let asked: BTreeSet<String> = asked.split(", ").map(str::to_owned).collect();
        assert_eq!(Some(asked), key.keys, "keys of \"{}\"", key.path);
    }
}

#[test]
fn every_object_of_the_schema_refuses_unknown_keys() {
    fn check(node: &Value) {
        if node.get("properties").is_some_and(Value::is_object) && node.get("type").is_some() {
            assert_eq!(node["additionalProperties"], false, "{node}");
        }
        let below: Vec<&Value> = match node {
            Value::Object(object) => object.values().collect(),
            Value::Array(values) => values.iter().collect(),
            _ => vec![],
        };
        below.into_iter().for_each(check);
    }
    check(&schema());
}

#[test]
fn every_default_compiles_to_what_its_absence_does() {
    let mut checked = 0;
    for key in keys() {
        let Some(default) = key.default() else { continue };
        let without = compile(&configuration(&key.path, None)).unwrap();
        let with = compile(&configuration(&key.path, Some(default.clone()))).unwrap();
        assert_eq!(with, without, "{} = {default}", key.path);
        checked += 1;
    }
    assert!(checked > 50, "{checked}");
}

#[test]
fn null_counts_as_absent_everywhere() {
    for key in keys().iter().filter(|key| !key.path.is_empty() && !key.path.ends_with("[]")) {
        if key.path.starts_with("tenant.") && key.path.contains("[].") {
            continue; // A source needs one of its keys.
        }
        let without = compile(&configuration(&key.path, None)).unwrap();
        let with = compile(&configuration(&key.path, Some(Value::Null))).unwrap();
        assert_eq!(with, without, "{}", key.path);
    }
}

#[test]
fn every_example_is_taken_by_both_and_changes_something() {
    let judge = Judge::new();
    for key in keys() {
        let Some(example) = key.example() else {
            assert!(key.is_section(), "{} has no example", key.path);
            continue;
        };
        // The template of a source names the source's own field.
        let field = key.path.strip_prefix("tenant.").and_then(|path| path.strip_suffix("[].path"));
        let example = match (field, example.as_str()) {
            (Some(field), Some(text)) => {
                text.replace("conversation_id}", &format!("{field}}}")).into()
            }
            _ => example.clone(),
        };
        let configuration = configuration(&key.path, Some(example));
        assert!(judge.takes(&configuration), "{configuration}");
        let compiled = compile(&configuration).unwrap();
        let without = compile(&self::configuration(&key.path, None));
        assert_ne!(Ok(compiled), without, "{configuration}");
    }
}

#[test]
fn every_range_ends_where_the_code_says() {
    // With these settings no other bound interferes.
    let around = json!({
        "batch_max_bytes": 1024, "queue_max_bytes": 1 << 30,
        "retry": {"initial": "10ms", "max": "1h"},
    });
    let compile_at = |path: &str, value: Value| {
        let mut configuration = configuration(path, Some(value));
        if let Some(section) = configuration.get_mut("delivery").and_then(Value::as_object_mut) {
            for (key, value) in around.as_object().unwrap() {
                match (section.get_mut(key), value) {
                    (Some(Value::Object(own)), Value::Object(more)) => {
                        for (key, value) in more {
                            own.entry(key).or_insert(value.clone());
                        }
                    }
                    (Some(_), _) => {}
                    (None, _) => drop(section.insert(key.clone(), value.clone())),
                }
            }
        }
        compile(&configuration)
    };
    let moved = |value: &Value, up: bool| -> Option<Value> {
        if let Some(text) = value.as_str() {
            let nanos = u64::try_from(parse_duration(text).unwrap().as_nanos()).unwrap();
            let nanos = if up { nanos + 1_000 } else { nanos.checked_sub(1_000)? };
            return Some(show_duration(Duration::from_nanos(nanos)).into());
        }
        if let Some(number) = value.as_u64().filter(|number| *number > 1) {
            return Some(if up { number + 1 } else { number - 1 }.into());
        }
        let number = value.as_f64().unwrap();
        Some(json!(if up { number + 0.5 } else { number - 0.5 }))
    };
    let mut checked = 0;
    for key in keys() {
        let Some((least, most)) = key.range() else { continue };
        for (end, up) in [(&least, false), (&most, true)] {
            compile_at(&key.path, end.clone()).unwrap();
            if let Some(beyond) = moved(end, up) {
                let beyond = compile_at(&key.path, beyond);
                assert!(beyond.is_err(), "{} beyond {end}", key.path);
                checked += 1;
            }
        }
    }
    assert!(checked > 20, "{checked}");
}
