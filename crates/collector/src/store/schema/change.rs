//! What was changed, or could not be changed, in a collection's indexes: as data, and as a log line
//! that names the remedy.

use std::fmt;

use super::retention::Period;
use crate::store::{LogCollection, StoreError};

/// What was changed, or could not be changed, in a collection.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The collection.
    pub collection: LogCollection,
    /// The index's name; `None` if it concerns the whole collection.
    pub index: Option<String>,
    /// What was changed, or what prevented it.
    pub action: Action,
}

/// The kind of a [`Change`].
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// The index was created.
    Created,
    /// An index of an earlier version was dropped because another one replaces it.
    Removed {
        /// The name of its replacement.
        replaced_by: String,
    },
    /// The index was dropped because its look-up is switched off.
    SwitchedOff,
    /// The retention of the collection was changed, for existing records too.
    Retention {
        /// The previous period; `None` if there was no expiry.
        from: Option<Period>,
        /// The new period.
        to: Period,
    },
    /// The expiry index was rebuilt with other options.
    Rebuilt {
        /// How long records are kept after the index's date.
        period: Period,
    },
    /// An index or view that does not belong to the collector conflicts, and was left alone.
    Clash {
        /// What conflicts.
        found: String,
        /// What an administrator can run to resolve the conflict.
        command: String,
    },
    /// The user lacks a right.
    Denied {
        /// MongoDB's name for the right.
        right: &'static str,
        /// What an administrator can run instead.
        command: String,
    },
    /// The call failed for another reason and will be retried.
    Failed(StoreError),
}

impl Change {
    /// Whether it requires action by an administrator.
    pub const fn needs_action(&self) -> bool {
        matches!(self.action, Action::Clash { .. } | Action::Denied { .. })
    }

    /// Whether the collection is not yet in its intended state.
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
            Action::SwitchedOff => write!(f, "{index} dropped: its look-up is switched off"),
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
