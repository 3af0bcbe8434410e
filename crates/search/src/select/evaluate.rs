//! Tests one record, with the same result as MongoDB on its document.

use std::cmp::Ordering;

use gatelog_record::Decoded;
use serde_json::Value;

use super::condition::millis;
use super::record::any;
use crate::parse::flag;
use crate::query::field::Field;
use crate::query::pattern::contains_part;
use crate::query::{Compare, Node, Number, Term, Want};

pub(super) fn matches(node: &Node, record: &Decoded) -> bool {
    match node {
        Node::And(nodes) => nodes.iter().all(|node| matches(node, record)),
        Node::Or(nodes) => nodes.iter().any(|node| matches(node, record)),
        Node::Not(inner) => !matches(inner, record),
        Node::Term(term) => holds(term, record),
    }
}

fn holds(term: &Term, record: &Decoded) -> bool {
    match &term.want {
        Want::Level(compare, level) => return compare.holds(record.level.cmp(level)),
        Want::Uuid(id) => return record.id == *id,
        Want::Present if is_id(&term.field) => return true,
        _ => {}
    }
    let test = |value: &Value| fits(&term.field, &term.want, value);
    let found = term.field.keys().iter().any(|key| any(&record.body, key, &test));
    // Absent is false.
    if term.want == Want::Flag(false) { !found } else { found }
}

/// The document's `_id`, which a record has under another name.
fn is_id(field: &Field) -> bool {
    matches!(field, Field::Named(named) if named.keys == ["_id"])
}

fn fits(field: &Field, want: &Want, value: &Value) -> bool {
    match want {
        Want::Present => matches!(field, Field::Extra(_)) || !value.is_null(),
        Want::Text(pattern) => value.as_str().is_some_and(|text| pattern.matches(text)),
        Want::Part(part) => value.as_str().is_some_and(|text| contains_part(text, part)),
        Want::Number(compare, number) => compared(*compare, value, *number),
        Want::Class(digit) => {
            value.as_i64().is_some_and(|status| status.div_euclid(100) == i64::from(*digit))
        }
        Want::Micros(compare, micros) => {
            compared(*compare, value, Number::Fraction(millis(*micros)))
        }
        Want::Flag(_) => *value == Value::Bool(true),
        Want::Loose(text) => match value {
            Value::String(own) => own == text,
            Value::Bool(own) => flag(text) == Some(*own),
            Value::Number(_) => {
                Number::parse(text).is_some_and(|number| compared(Compare::Equal, value, number))
            }
            _ => false,
        },
        Want::Level(..) | Want::Uuid(_) => false,
    }
}

fn compared(compare: Compare, value: &Value, with: Number) -> bool {
    order(value, with).is_some_and(|order| compare.holds(order))
}

/// How a number compares with one of a query, whatever the type of either. A query's numbers are
/// small enough for a double to hold; a record's that are not are larger than any of them.
#[expect(clippy::cast_precision_loss, reason = "a query's numbers are exact as doubles")]
fn order(value: &Value, with: Number) -> Option<Ordering> {
    match (value.as_i64(), with) {
        (Some(own), Number::Whole(with)) => Some(own.cmp(&with)),
        (_, Number::Whole(with)) => value.as_f64()?.partial_cmp(&(with as f64)),
        (_, Number::Fraction(with)) => value.as_f64()?.partial_cmp(&with),
    }
}
