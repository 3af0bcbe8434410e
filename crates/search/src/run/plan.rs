//! Where to look: which collections, and by which index.

use gatelog_record::Level;
use mongodb::bson::{Document, doc};

use super::axis::Axis;
use super::indexes::Indexes;
use super::{FLOWS, Reach, collection_of};
use crate::query::field::ORGANIZATION;
use crate::select::Selection;

/// The ids that have an index in `trace_logs`, the rarest first.
const FLOW_IDS: [&str; 5] = [
    "context.request_id",
    "context.correlation_id",
    "context.conversation_id",
    "context.user_id",
    ORGANIZATION,
];

/// The ids that may have an index in the collection of a level.
const LEVEL_IDS: [&str; 2] = ["context.conversation_id", ORGANIZATION];

/// Where to look.
#[derive(Debug, PartialEq)]
pub(super) struct Plan {
    pub(super) levels: Vec<OfLevel>,
    pub(super) flows: Option<OfFlows>,
}

/// The collection of a level, read in order of time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct OfLevel {
    pub(super) level: Level,
    pub(super) axis: Axis,
    /// An id that an index begins with.
    pub(super) pin: Document,
    pub(super) conditions: Vec<Document>,
}

/// Documents of `trace_logs` with an id, whose full records are in the collections of these levels.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct OfFlows {
    pub(super) pin: Document,
    /// The scope's condition.
    pub(super) scope: Vec<Document>,
    /// The conditions for each level's records.
    pub(super) levels: Vec<(Level, Vec<Document>)>,
}

impl Plan {
    pub(super) fn new(selection: &Selection, indexes: &Indexes, reach: Reach) -> Self {
        let pin = |collection, ids: &[&str]| {
            let usable = |id: &&str| indexes.has(collection, id);
            let pin = |id: &str| Some((id.to_owned(), selection.pinned(id)?));
            ids.iter().copied().filter(usable).find_map(pin)
        };
        let flow_pin = pin(FLOWS, &FLOW_IDS).filter(|_| reach == Reach::Flows);
        let mut plan = Plan { levels: Vec::new(), flows: None };
        let mut of_flows = Vec::new();
        for level in Level::ALL {
            let Some(conditions) = selection.conditions(level) else { continue };
            let own = pin(collection_of(level), &LEVEL_IDS);
            match (own, &flow_pin) {
                (None, Some(_)) => of_flows.push((level, conditions)),
                (own, _) => plan.levels.push(OfLevel {
                    level,
                    axis: if own.is_some() { Axis::Text } else { Axis::Date },
                    pin: own.into_iter().collect::<Document>(),
                    conditions,
                }),
            }
        }
        if let (Some(pin), false) = (flow_pin, of_flows.is_empty()) {
            plan.flows = Some(OfFlows {
                pin: [pin].into_iter().collect::<Document>(),
                scope: selection.scope_conditions(),
                levels: of_flows,
            });
        }
        plan
    }
}

/// The stages that find documents with these keys, for which there is an index, and of these those
/// that meet the conditions. MongoDB makes one of the two; there are servers that use an index only
/// if nothing stands beside it.
pub(super) fn matching(keys: [&Document; 2], conditions: &[Document]) -> Vec<Document> {
    let keys = keys.into_iter().flatten().map(|(key, value)| (key.clone(), value.clone()));
    let mut stages = vec![doc! { "$match": keys.collect::<Document>() }];
    if !conditions.is_empty() {
        stages.push(doc! { "$match": { "$and": conditions } });
    }
    stages
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Query, Scope};

    fn plan(scope: &Scope, text: &str, reach: Reach) -> Plan {
        let indexes = Indexes::of(&[
            (FLOWS, "context.user_id"),
            (FLOWS, "context.request_id"),
            (FLOWS, ORGANIZATION),
            ("info_logs", "context.conversation_id"),
            ("error_logs", ORGANIZATION),
        ]);
        Plan::new(&scope.select(text.parse::<Query>().unwrap()), &indexes, reach)
    }

    fn axes(plan: &Plan) -> Vec<(Level, Axis)> {
        plan.levels.iter().map(|it| (it.level, it.axis)).collect()
    }

    #[test]
    fn without_an_id_every_level_is_read_by_date() {
        for (text, reach) in [
            ("status:500", Reach::Flows),
            ("correlation:c", Reach::Flows),
            ("user:1 OR user:2", Reach::Flows),
            ("user:1", Reach::Everything),
        ] {
            let plan = plan(&Scope::ALL, text, reach);
            assert_eq!(axes(&plan), Level::ALL.map(|level| (level, Axis::Date)), "{text}");
            assert_eq!(plan.flows, None, "{text}");
        }
    }

    #[test]
    fn an_id_is_looked_up_in_a_levels_own_index_or_else_in_trace_logs() {
        let found = plan(&Scope::ALL, "org:a user:1 status:500", Reach::Flows);
        assert_eq!(axes(&found), [(Level::Error, Axis::Text)]);
        assert_eq!(found.levels[0].pin, doc! { ORGANIZATION: "a" });
        let flows = found.flows.unwrap();
        assert_eq!(flows.pin, doc! { "context.user_id": "1" }, "rarer than an organization");
        assert_eq!(flows.levels.len(), 4);
        let rarest = plan(&Scope::ALL, "user:1 request:r", Reach::Flows).flows.unwrap();
        assert_eq!(rarest.pin, doc! { "context.request_id": "r" });
    }

    #[test]
    fn a_scope_is_looked_up_too_and_is_in_every_source() {
        let scope = Scope::organizations(["a".to_owned()]).unwrap();
        let found = plan(&scope, "", Reach::Flows);
        let condition = doc! { ORGANIZATION: "a" };
        let flows = found.flows.unwrap();
        assert_eq!(flows.pin, doc! { ORGANIZATION: "a" });
        assert_eq!(flows.scope, std::slice::from_ref(&condition));
        for (_, conditions) in &flows.levels {
            assert_eq!(conditions[0], condition);
        }
        assert_eq!(found.levels[0].conditions[0], condition);
    }
}
