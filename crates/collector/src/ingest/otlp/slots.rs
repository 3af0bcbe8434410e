//! Attributes that have a place of their own in the record, by name.

use std::collections::HashMap;
use std::fmt;

use super::model::{AnyValue, KeyValue};

/// A place of its own in the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Slot {
    /// `context.request_id`
    RequestId,
    /// `context.correlation_id`
    CorrelationId,
    /// `context.organization_id`
    OrganizationId,
    /// `context.user_id`
    UserId,
    /// `context.conversation_id`
    ConversationId,
    /// `function_name`
    FunctionName,
    /// `line_number`
    LineNumber,
    /// `error.type`
    ErrorType,
    /// `error.message`
    ErrorMessage,
    /// `error.stack_trace`
    StackTrace,
}

/// The five ids, in the record's order, and the attributes that they are taken from by default.
pub const IDS: [(Slot, &str, &[&str]); 5] = [
    (Slot::RequestId, "request_id", &["request_id", "request.id", "requestId"]),
    (Slot::CorrelationId, "correlation_id", &["correlation_id", "correlation.id", "correlationId"]),
    (
        Slot::OrganizationId,
        "organization_id",
        &["organization_id", "organization.id", "organizationId"],
    ),
    (Slot::UserId, "user_id", &["user_id", "user.id", "userId", "enduser.id"]),
    (
        Slot::ConversationId,
        "conversation_id",
        &["conversation_id", "conversation.id", "conversationId", "gen_ai.conversation.id"],
    ),
];

/// The other places, and their attributes in OpenTelemetry's semantic conventions, today's name
/// first.
const CONVENTIONS: [(Slot, &[&str]); 5] = [
    (Slot::FunctionName, &["code.function.name", "code.function"]),
    (Slot::LineNumber, &["code.line.number", "code.lineno"]),
    (Slot::ErrorType, &["exception.type"]),
    (Slot::ErrorMessage, &["exception.message"]),
    (Slot::StackTrace, &["exception.stacktrace"]),
];

/// Places in all.
const SLOTS: usize = IDS.len() + CONVENTIONS.len();

/// Which attribute goes where.
#[derive(Clone, Debug)]
pub struct Slots {
    by_name: HashMap<String, (Slot, usize)>,
}

impl Default for Slots {
    fn default() -> Self {
        Self::new(&[])
    }
}

/// A setting that does not say where ids come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseIdsError(String);

impl fmt::Display for ParseIdsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\": must be an id and an attribute, ", self.0.escape_debug())?;
        f.write_str("for example user_id=enduser.id; the ids are ")?;
        f.write_str(&IDS.map(|(_, id, _)| id).join(", "))
    }
}

impl std::error::Error for ParseIdsError {}

impl Slots {
    /// The defaults, with other attributes for some of the ids.
    fn new(given: &[(Slot, &str)]) -> Self {
        let ids = IDS.iter().map(|(slot, _, names)| {
            let own: Vec<_> =
                given.iter().filter(|(of, _)| of == slot).map(|(_, name)| *name).collect();
            (*slot, if own.is_empty() { names.to_vec() } else { own })
        });
        let conventions = CONVENTIONS.iter().map(|(slot, names)| (*slot, names.to_vec()));
        let mut by_name = HashMap::new();
        for (slot, names) in ids.chain(conventions) {
            for (rank, name) in names.into_iter().enumerate() {
                by_name.entry(name.to_owned()).or_insert((slot, rank));
            }
        }
        Self { by_name }
    }

    /// Reads `user_id=enduser.id,organization_id=tenant`: where the ids come from, the first
    /// attribute of an id before the next. An id that is not named keeps its defaults.
    ///
    /// # Errors
    ///
    /// A part is not an id and an attribute.
    pub fn parse(text: &str) -> Result<Self, ParseIdsError> {
        let mut given = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let wrong = || ParseIdsError(part.chars().take(64).collect());
            let (id, name) = part.split_once('=').ok_or_else(wrong)?;
            let (id, name) = (id.trim(), name.trim());
            let known = IDS.iter().find(|(_, known, _)| *known == id);
            let (slot, ..) = known.filter(|_| !name.is_empty()).ok_or_else(wrong)?;
            given.push((*slot, name));
        }
        Ok(Self::new(&given))
    }
}

/// Where an attribute stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    Record,
    Scope,
    Resource,
}

/// An attribute that was chosen for a place.
#[derive(Clone, Debug)]
struct Choice<'a> {
    owner: Owner,
    rank: usize,
    index: usize,
    value: AnyValue<'a>,
}

/// The attributes that were chosen for the places: of several for one, that of the record before
/// that of the scope, that of the scope before that of the resource, and then by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Chosen<'a> {
    choices: HashMap<Slot, Choice<'a>>,
}

impl<'a> Chosen<'a> {
    /// Takes what was chosen elsewhere for places that are still empty.
    pub(super) fn fill(&mut self, others: &Self) {
        for (slot, choice) in &others.choices {
            self.choices.entry(*slot).or_insert_with(|| choice.clone());
        }
    }

    /// Chooses among more attributes: first the record's, then the scope's, then the resource's.
    pub(super) fn choose(
        &mut self,
        slots: &Slots,
        owner: Owner,
        attributes: impl Iterator<Item = KeyValue<'a>>,
    ) {
        for (index, pair) in attributes.enumerate() {
            let Some((slot, rank)) = slots.by_name.get(&*pair.key).copied() else { continue };
            let better = self
                .choices
                .get(&slot)
                .is_none_or(|choice| choice.owner == owner && rank < choice.rank);
            if better && slot.takes(owner, &pair.value) {
                self.choices.insert(slot, Choice { owner, rank, index, value: pair.value });
            }
        }
    }

    /// Whether this attribute was chosen.
    pub(super) fn has(&self, owner: Owner, index: usize) -> bool {
        debug_assert!(self.choices.len() <= SLOTS);
        self.choices.values().any(|choice| choice.owner == owner && choice.index == index)
    }

    /// The value that was chosen.
    pub(super) fn value(&self, slot: Slot) -> Option<&AnyValue<'a>> {
        self.choices.get(&slot).map(|choice| &choice.value)
    }
}

impl Slot {
    /// Whether the value has the place's type.
    fn takes(self, owner: Owner, value: &AnyValue<'_>) -> bool {
        match (self, value) {
            (
                Slot::RequestId
                | Slot::CorrelationId
                | Slot::OrganizationId
                | Slot::UserId
                | Slot::ConversationId,
                value,
            ) => match value {
                AnyValue::Text(text) => !text.is_empty(),
                AnyValue::Int(_) => true,
                _ => false,
            },
            (Slot::LineNumber, AnyValue::Int(_)) => owner == Owner::Record,
            (Slot::LineNumber, _) => false,
            (_, AnyValue::Text(_)) => owner == Owner::Record,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_replaces_the_attributes_of_the_ids_that_it_names() {
        let slots =
            Slots::parse(" user_id=enduser.id , user_id=who,organization_id=tenant,").unwrap();
        for (name, expected) in [
            ("enduser.id", Some((Slot::UserId, 0))),
            ("who", Some((Slot::UserId, 1))),
            ("user_id", None),
            ("tenant", Some((Slot::OrganizationId, 0))),
            ("request.id", Some((Slot::RequestId, 1))),
            ("code.function", Some((Slot::FunctionName, 1))),
        ] {
            assert_eq!(slots.by_name.get(name).copied(), expected, "{name}");
        }
        for text in ["user_id", "user_id=", "who=x", "=x"] {
            let error = Slots::parse(text).unwrap_err().to_string();
            assert!(error.contains(&format!("{text:?}: must be an id")), "{error}");
        }
    }
}
