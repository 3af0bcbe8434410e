//! What was changed about a collection's indexes, or could not be: as data, and as the line of the
//! log that names the remedy.

use std::fmt;

use super::retention::Period;
use crate::store::{LogCollection, StoreError};

/// What was changed about a collection, or could not be.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Where.
    pub collection: LogCollection,
    /// The index's name; none where it is about the collection as a whole.
    pub index: Option<String>,
    /// What.
    pub action: Action,
}

/// The kind of a [`Change`].
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// The index was made.
    Created,
    /// The index, made by an earlier version, was removed: another one has taken its place.
    Removed {
        /// The name of the one that took its place.
        replaced_by: String,
    },
    /// Records are kept for another period from now on, those that are there included.
    Retention {
        /// The period until now; none when there was no expiry.
        from: Option<Period>,
        /// The period from now on.
        to: Period,
    },
    /// The index for expiry was made anew with other options.
    Rebuilt {
        /// How long after the index's date records are kept.
        period: Period,
    },
    /// Something that is not this program's own is in the way, and was left alone.
    Clash {
        /// What is in the way.
        found: String,
        /// What an administrator can run to make room.
        command: String,
    },
    /// The user lacks a right.
    Denied {
        /// MongoDB's name of the right.
        right: &'static str,
        /// What an administrator can run instead.
        command: String,
    },
    /// The call failed otherwise: to be tried again.
    Failed(StoreError),
}

impl Change {
    /// Whether somebody has to do something about it.
    pub const fn needs_action(&self) -> bool {
        matches!(self.action, Action::Clash { .. } | Action::Denied { .. })
    }

    /// Whether the collection is not yet as it should be.
    pub const fn is_open(&self) -> bool {
        self.needs_action() || matches!(self.action, Action::Failed(_))
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.collection.as_str())?;
        let index = self.index.as_ref().map_or("indexes".into(), |name| format!("index {name}"));
        match &self.action {
            Action::Created => write!(f, "{index} created"),
            Action::Removed { replaced_by } => {
                write!(f, "{index} removed: {replaced_by} takes its place")
            }
            Action::Retention { from: Some(from), to } => {
                write!(f, "records are kept for {to}, until now {from}")
            }
            Action::Retention { from: None, to } => {
                write!(f, "records are kept for {to}, until now indefinitely")
            }
            Action::Rebuilt { period } if period.seconds() == 0 => write!(f, "{index} rebuilt"),
            Action::Rebuilt { period } => write!(
                f,
                "{index} rebuilt, records are kept for {period}, those with a date of their own \
                 until then"
            ),
            Action::Clash { found, command } => {
                write!(f, "{index} cannot be created: {found}; to resolve this run {command}")
            }
            Action::Denied { right, command } => write!(
                f,
                "{index} cannot be set: the user lacks the right {right}; grant it, or run as an \
                 administrator {command}"
            ),
            Action::Failed(error) => write!(f, "{index} not checked: {error}"),
        }
    }
}
