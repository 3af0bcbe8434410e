//! A query within a scope: as conditions for MongoDB, and as a test of one record.

mod condition;
mod evaluate;
mod record;

use gatelog_record::{Decoded, Level};
use mongodb::bson::{Bson, Document, doc};

use crate::query::field::{Field, ORGANIZATION};
use crate::query::{Node, Query, Want};
use crate::scope::Scope;
use condition::Folded;

pub(crate) use condition::uuid;

/// What a caller finds with a query. Only a [`Scope`] makes one, so nothing is searched without it.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    scope: Scope,
    query: Query,
}

impl Scope {
    /// What this caller finds with a query.
    pub fn select(&self, query: Query) -> Selection {
        Selection { scope: self.clone(), query }
    }
}

impl Selection {
    /// The query.
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// The filter for documents in the collection of a level; `None` if no document there can match.
    pub fn filter(&self, level: Level) -> Option<Document> {
        let conditions = self.conditions(level)?;
        Some(if conditions.is_empty() {
            Document::new()
        } else {
            doc! { "$and": conditions }
        })
    }

    /// The conditions for documents in the collection of a level, all of which must hold; `None` if
    /// no document there can match.
    pub(crate) fn conditions(&self, level: Level) -> Option<Vec<Document>> {
        let mut conditions = self.scope_conditions();
        match condition::folded(&self.query.root, level) {
            Folded::Never => return None,
            Folded::Always => {}
            Folded::When(condition) => conditions.push(condition),
        }
        Some(conditions)
    }

    /// The condition that the scope adds, for documents in any collection.
    pub(crate) fn scope_conditions(&self) -> Vec<Document> {
        self.in_scope().map(|names| doc! { ORGANIZATION: names }).into_iter().collect()
    }

    /// Whether a record is one of those.
    pub fn matches(&self, record: &Decoded) -> bool {
        let organization = record.body.get("context").and_then(|it| it.get("organization_id"));
        self.scope.admits(organization.and_then(|it| it.as_str()))
            && evaluate::matches(&self.query.root, record)
    }

    /// The values that this key must have, one of them, for whatever matches; `None` if it may have
    /// any. An index on it finds them.
    pub(crate) fn pinned(&self, key: &str) -> Option<Bson> {
        let asked = match &self.query.root {
            Node::And(nodes) => nodes.iter().find_map(|node| exact(node, key)),
            node => exact(node, key),
        };
        if let Some(text) = asked {
            return Some(text.into());
        }
        self.in_scope().filter(|_| key == ORGANIZATION)
    }

    /// What an organization must be within the scope; `None` if it may be any, or none.
    fn in_scope(&self) -> Option<Bson> {
        let names = self.scope.names()?;
        let mut all = names.clone();
        match (all.next(), all.next()) {
            // The plain form, which every implementation's planner understands.
            (Some(only), None) => Some(only.into()),
            _ => Some(doc! { "$in": names.collect::<Vec<_>>() }.into()),
        }
    }
}

/// The text that a condition on this key demands.
fn exact<'a>(node: &'a Node, key: &str) -> Option<&'a str> {
    let Node::Term(term) = node else { return None };
    let (Field::Named(named), Want::Text(pattern)) = (&term.field, &term.want) else { return None };
    (named.keys == [key]).then(|| pattern.exact()).flatten()
}

#[cfg(test)]
mod tests;
