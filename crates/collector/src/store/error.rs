//! What can go wrong with a call to the database.

use std::fmt;
use std::time::Duration;

use mongodb::error::{Error, ErrorKind};

/// A call that failed as a whole. No text contains a value from a record or a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// The connection string or an option in it is wrong.
    Options(String),
    /// The servers' names could not be resolved.
    Lookup(String),
    /// No server that can handle the call was found, or the connection to it broke.
    Away(String),
    /// The call was not answered in time. It may still take effect.
    Timeout {
        /// How long the call waited.
        after: Duration,
    },
    /// The server does not know the user, or denies the call.
    Denied(Answer),
    /// The server refused the call as a whole, for a reason that is not one document's fault.
    Server(Answer),
    /// The write was executed, but not confirmed by a majority of the members.
    NotDurable(Answer),
    /// The driver itself failed.
    Driver(String),
    /// The process is stopping.
    Stopped,
}

/// `Unauthorized`: the user is known but lacks the right.
const UNAUTHORIZED: i32 = 13;

/// An error as reported by the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The number in MongoDB's list of error codes.
    pub code: i32,
    /// The name in the same list; empty if the server sent none.
    pub name: String,
    /// The server's message.
    pub message: String,
}

impl StoreError {
    /// Whether the same call may succeed later, without a change of the configuration.
    pub const fn transient(&self) -> bool {
        !matches!(self, StoreError::Options(_))
    }

    /// Whether no call gets through: no server is reachable, or it rejects the login. So logging it
    /// once is enough.
    pub const fn is_away(&self) -> bool {
        match self {
            StoreError::Away(_) | StoreError::Lookup(_) => true,
            StoreError::Denied(answer) => answer.code != UNAUTHORIZED,
            _ => false,
        }
    }

    /// Whether the user lacks a right for this one call.
    pub const fn lacks_a_right(&self) -> bool {
        matches!(self, StoreError::Denied(answer) if answer.code == UNAUTHORIZED)
    }

    /// The name used in metrics and logs.
    pub const fn kind(&self) -> &'static str {
        match self {
            StoreError::Options(_) => "options",
            StoreError::Lookup(_) => "lookup",
            StoreError::Away(_) => "away",
            StoreError::Timeout { .. } => "timeout",
            StoreError::Denied(_) => "denied",
            StoreError::Server(_) => "server",
            StoreError::NotDurable(_) => "not_durable",
            StoreError::Driver(_) => "driver",
            StoreError::Stopped => "stopped",
        }
    }

    /// Converts an error that the server returned for a call or a document.
    pub(super) fn of_answer(answer: Answer) -> Self {
        match answer.code {
            // Unauthorized, AuthenticationFailed, ReauthenticationRequired.
            13 | 18 | 391 => StoreError::Denied(answer),
            _ => StoreError::Server(answer),
        }
    }

    /// Converts an error from parsing the connection string.
    pub(super) fn of_options(error: &Error) -> Self {
        match error.kind.as_ref() {
            ErrorKind::DnsResolve { message, .. } => StoreError::Lookup(message.clone()),
            ErrorKind::InvalidArgument { message, .. } => StoreError::Options(message.clone()),
            other => StoreError::Options(other.to_string()),
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Options(text) => write!(f, "connection string: {text}"),
            StoreError::Lookup(text) => write!(f, "cannot look up the database servers: {text}"),
            StoreError::Away(text) => write!(f, "no database server can take the call: {text}"),
            StoreError::Timeout { after } => {
                write!(f, "the database did not answer within {after:?}")
            }
            StoreError::Denied(answer) => write!(f, "the database denied the call: {answer}"),
            StoreError::Server(answer) => write!(f, "the database refused the call: {answer}"),
            StoreError::NotDurable(answer) => {
                write!(f, "written, but not known to be safe: {answer}")
            }
            StoreError::Driver(text) => write!(f, "database driver: {text}"),
            StoreError::Stopped => f.write_str("stopping"),
        }
    }
}

impl std::error::Error for StoreError {}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (code {}", self.message, self.code)?;
        if !self.name.is_empty() {
            write!(f, ", {}", self.name)?;
        }
        f.write_str(")")
    }
}
