//! Conditions for MongoDB. Every text of a query becomes a value, never a key or an operator, and
//! where it is looked for as a part, every character of it is escaped.

use gatelog_record::{Level, Uuid};
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, Document, doc};

use crate::parse::flag;
use crate::query::field::Field;
use crate::query::pattern::{Pattern, part_regex};
use crate::query::{Compare, Node, Number, Term, Want};

/// A query for one collection, in which the level of every document is known.
#[derive(Debug, PartialEq)]
pub(super) enum Folded {
    Always,
    Never,
    When(Document),
}

impl Folded {
    fn of(holds: bool) -> Self {
        if holds { Folded::Always } else { Folded::Never }
    }
}

pub(super) fn folded(node: &Node, level: Level) -> Folded {
    match node {
        Node::And(nodes) => {
            let mut all = Vec::new();
            for node in nodes {
                match folded(node, level) {
                    Folded::Never => return Folded::Never,
                    Folded::Always => {}
                    Folded::When(condition) => all.push(condition),
                }
            }
            joined("$and", all).map_or(Folded::Always, Folded::When)
        }
        Node::Or(nodes) => {
            let mut some = Vec::new();
            for node in nodes {
                match folded(node, level) {
                    Folded::Always => return Folded::Always,
                    Folded::Never => {}
                    Folded::When(condition) => some.push(condition),
                }
            }
            joined("$or", some).map_or(Folded::Never, Folded::When)
        }
        Node::Not(inner) => match folded(inner, level) {
            Folded::Always => Folded::Never,
            Folded::Never => Folded::Always,
            Folded::When(condition) => Folded::When(doc! { "$nor": [condition] }),
        },
        Node::Term(term) => of_term(term, level),
    }
}

/// One condition of several; `None` of none.
fn joined(operator: &str, mut conditions: Vec<Document>) -> Option<Document> {
    match conditions.len() {
        0 | 1 => conditions.pop(),
        _ => Some(doc! { operator: conditions }),
    }
}

fn of_term(term: &Term, level: Level) -> Folded {
    if let Want::Level(compare, wanted) = term.want {
        return Folded::of(compare.holds(level.cmp(&wanted)));
    }
    let condition = condition(&term.field, &term.want);
    let keys = term.field.keys().into_iter().map(|key| doc! { key: condition.clone() });
    joined("$or", keys.collect()).map_or(Folded::Never, Folded::When)
}

/// What the value of a key must be.
fn condition(field: &Field, want: &Want) -> Bson {
    match want {
        // Under `extra`, null is a value like any other.
        Want::Present if matches!(field, Field::Extra(_)) => doc! { "$exists": true }.into(),
        Want::Present => doc! { "$ne": Bson::Null }.into(),
        Want::Level(_, level) => level.as_str().into(),
        Want::Text(Pattern::Exact(text)) => text.into(),
        Want::Text(pattern) => regex(pattern.regex()),
        Want::Part(part) => regex(part_regex(part)),
        Want::Number(compare, number) => compared(*compare, number.to_bson()),
        Want::Class(digit) => {
            let from = i32::from(*digit).saturating_mul(100);
            doc! { "$gte": from, "$lt": from.saturating_add(100) }.into()
        }
        Want::Micros(compare, micros) => compared(*compare, millis(*micros).into()),
        Want::Flag(true) => true.into(),
        Want::Flag(false) => doc! { "$ne": true }.into(),
        Want::Uuid(id) => uuid(*id),
        Want::Loose(text) => {
            let number = Number::parse(text).map(Number::to_bson);
            let others = number.into_iter().chain(flag(text).map(Bson::from));
            let any: Vec<_> = [text.into()].into_iter().chain(others).collect();
            doc! { "$in": any }.into()
        }
    }
}

fn compared(compare: Compare, value: Bson) -> Bson {
    let operator = match compare {
        Compare::Equal => "$eq",
        Compare::Less => "$lt",
        Compare::LessOrEqual => "$lte",
        Compare::Greater => "$gt",
        Compare::GreaterOrEqual => "$gte",
    };
    doc! { operator: value }.into()
}

impl Number {
    fn to_bson(self) -> Bson {
        match self {
            Number::Whole(number) => number.into(),
            Number::Fraction(number) => number.into(),
        }
    }
}

/// A regular expression without flags. No text of a query has U+0000, which it could not hold.
fn regex(pattern: String) -> Bson {
    doc! { "$regex": pattern }.into()
}

/// Microseconds as milliseconds, the same double as a record's own.
#[expect(clippy::cast_precision_loss, reason = "exact up to 285 years")]
pub(super) fn millis(micros: u64) -> f64 {
    micros as f64 / 1_000.0
}

/// An `_id`.
pub(crate) fn uuid(id: Uuid) -> Bson {
    Bson::Binary(Binary { subtype: BinarySubtype::Uuid, bytes: id.as_bytes().to_vec() })
}
