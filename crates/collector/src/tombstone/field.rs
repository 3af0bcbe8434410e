//! The ids by which records can be erased.

use gatelog_record::Decoded;
use serde_json::Value;

/// An id of a record's context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// `context.user_id`
    User,
    /// `context.organization_id`
    Organization,
    /// `context.conversation_id`
    Conversation,
}

impl Field {
    /// All of them.
    pub const ALL: [Field; 3] = [Field::User, Field::Organization, Field::Conversation];

    /// Its name on the command line and in tombstones.
    pub const fn as_str(self) -> &'static str {
        match self {
            Field::User => "user",
            Field::Organization => "organization",
            Field::Conversation => "conversation",
        }
    }

    /// The key in a record's `context`.
    pub const fn key(self) -> &'static str {
        match self {
            Field::User => "user_id",
            Field::Organization => "organization_id",
            Field::Conversation => "conversation_id",
        }
    }

    /// The path in a document.
    pub const fn path(self) -> &'static str {
        match self {
            Field::User => "context.user_id",
            Field::Organization => "context.organization_id",
            Field::Conversation => "context.conversation_id",
        }
    }

    /// The field of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.as_str() == name)
    }

    /// The record's value as it is stored.
    pub fn of(self, record: &Decoded) -> Option<&str> {
        record.body.get("context")?.get(self.key()).and_then(Value::as_str)
    }
}
