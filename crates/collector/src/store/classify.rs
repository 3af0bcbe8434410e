//! What an error of the server says about a document: whose fault it is, and whether to try again.
//!
//! Source of the codes: MongoDB's list of error codes (`src/mongo/base/error_codes.yml`), and for
//! those that a later attempt may pass, its categories and the drivers' retryable-writes
//! specification. The list is open, so the rule for what it does not name matters most:
//!
//! | error | verdict |
//! |---|---|
//! | of one document: one of [`document_fault`]'s codes | refused, by kind |
//! | of one document: duplicate key on `_id` | stored already |
//! | of one document: duplicate key on another unique index | refused as `unique_index` |
//! | of one document: a code below 10000, or named in [`PASSING`] | retry: a condition of the server |
//! | of one document: any other code, an assertion's number | refused as `server_refused`: it is about this document |
//! | of the whole call: the message itself is malformed or too large | halve the batch until the one document is found |
//! | of the whole call: anything else | retry |
//! | of the write concern | retry: what is there already will be a duplicate |

use mongodb::error::{CommandError, Error, ErrorKind, WriteConcernError};

use super::error::{Answer, StoreError};
use super::selection;

/// What becomes of one document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Duplicate,
    Refused(&'static str),
    Retry,
}

/// A document that some other unique index already holds a key of.
pub(super) const UNIQUE_INDEX: &str = "unique_index";

/// Conditions of the server whose numbers are 10000 and above.
const PASSING: [i32; 18] = [
    10058,      // LegacyNotPrimary
    10107,      // NotWritablePrimary
    11600,      // InterruptedAtShutdown
    11601,      // Interrupted
    11602,      // InterruptedDueToReplStateChange
    12586,      // BackgroundOperationInProgressForDatabase
    12587,      // BackgroundOperationInProgressForNamespace
    13297,      // DatabaseDifferCase
    13388,      // StaleConfig
    13435,      // NotPrimaryNoSecondaryOk
    13436,      // NotPrimaryOrSecondary
    14031,      // OutOfDiskSpace
    46841,      // ClientMarkedKilled
    50768,      // NotARetryableWriteCommand
    50915,      // BackupCursorOpenConflictWithCheckpoint
    56846,      // ConfigServerUnreachable
    91331,      // RetriableRemoteCommandFailure
    10_045_600, // InterruptedDueToFCVChange
];

/// The kind of a fault that lies in the document and will not pass.
fn document_fault(code: i32) -> Option<&'static str> {
    Some(match code {
        121 => "validator",
        // BSONObjectTooLarge, DocTooLargeForCapped, and two assertions on the size.
        10334 | 116 | 17419 | 17420 => "too_large",
        // Overflow: nested too deep.
        15 => "too_deep",
        // BadValue, FailedToParse, TypeMismatch, InvalidLength, InvalidBSON, PathNotViable,
        // DollarPrefixedFieldName, InvalidIdField, NotSingleValueField, InvalidDBRef,
        // EmptyFieldName, DottedFieldName, ShardKeyNotFound, InvalidBSONType, NonConformantBSON.
        2 | 9 | 14 | 16 | 22 | 28 | 52 | 53 | 54 | 55 | 56 | 57 | 61 | 357 | 378 => "bad_document",
        // CannotIndexParallelArrays, CannotBuildIndexKeys, KeyTooLong.
        171 | 201 | 17280 => "not_indexable",
        _ => return None,
    })
}

/// An error that the server gave for one document.
pub(super) fn of_document(code: i32) -> Verdict {
    match code {
        // DuplicateKey, and its older numbers.
        11000 | 11001 | 12582 => Verdict::Duplicate,
        _ => match document_fault(code) {
            Some(kind) => Verdict::Refused(kind),
            None if code < 10_000 || PASSING.contains(&code) => Verdict::Retry,
            None => Verdict::Refused("server_refused"),
        },
    }
}

/// Of an error of a whole insert: the kind, when a document in it is the likely cause. Narrower
/// than for one document: of a whole call, `BadValue` and the like speak of its options.
pub(super) fn poisoned(error: &Error) -> Option<&'static str> {
    match error.kind.as_ref() {
        ErrorKind::Command(CommandError { code: 22 | 357 | 378, .. }) | ErrorKind::Bson(_) => {
            Some("bad_document")
        }
        // The driver checks sizes against what the server announced.
        ErrorKind::Command(CommandError { code: 10334, .. })
        | ErrorKind::InvalidArgument { .. } => Some("too_large"),
        _ => None,
    }
}

/// A call that failed as a whole.
pub(super) fn of_call(error: &Error) -> StoreError {
    match error.kind.as_ref() {
        ErrorKind::Command(command) => of_command(command),
        ErrorKind::Authentication { message, .. } => {
            StoreError::Denied(Answer { code: 18, name: String::new(), message: message.clone() })
        }
        ErrorKind::ServerSelection { message, .. } => StoreError::Away(selection::brief(message)),
        ErrorKind::Io(_) | ErrorKind::ConnectionPoolCleared { .. } => {
            StoreError::Away(error.kind.to_string())
        }
        ErrorKind::DnsResolve { message, .. } => StoreError::Lookup(message.clone()),
        ErrorKind::InvalidTlsConfig { message, .. } => StoreError::Options(message.clone()),
        other => StoreError::Driver(other.to_string()),
    }
}

fn of_command(command: &CommandError) -> StoreError {
    let answer = Answer {
        code: command.code,
        name: command.code_name.clone(),
        message: command.message.clone(),
    };
    match command.code {
        // Unauthorized, AuthenticationFailed, ReauthenticationRequired; Atlas answers 8000.
        13 | 18 | 391 => StoreError::Denied(answer),
        _ => StoreError::Server(answer),
    }
}

/// A write that is done, but not known to be on a majority of the members.
pub(super) fn of_concern(concern: &WriteConcernError) -> StoreError {
    StoreError::NotDurable(Answer {
        code: concern.code,
        name: concern.code_name.clone(),
        message: concern.message.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_s_own_fault_is_refused_by_kind() {
        for (code, kind) in [
            (121, "validator"),
            (10_334, "too_large"),
            (15, "too_deep"),
            (2, "bad_document"),
            (22, "bad_document"),
            (57, "bad_document"),
            (171, "not_indexable"),
            (17_280, "not_indexable"),
            (16_755, "server_refused"),
            (5_999_999, "server_refused"),
        ] {
            assert_eq!(of_document(code), Verdict::Refused(kind), "{code}");
        }
    }

    #[test]
    fn a_condition_of_the_server_is_no_document_s_fault() {
        for code in [1, 6, 13, 50, 64, 89, 91, 112, 189, 262, 371, 402, 449, 8_000, 9_001] {
            assert_eq!(of_document(code), Verdict::Retry, "{code}");
        }
        for code in PASSING {
            assert_eq!(of_document(code), Verdict::Retry, "{code}");
        }
    }

    #[test]
    fn a_duplicate_is_told_by_its_own_codes_only() {
        for code in [11_000, 11_001, 12_582] {
            assert_eq!(of_document(code), Verdict::Duplicate);
        }
    }
}
