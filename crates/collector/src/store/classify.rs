//! What an error is about: a document, a collection, the server, or something unknown. This decides
//! what waits for what, and it is data: one table, by code, never by text.
//!
//! Source of the codes: MongoDB's list of error codes (`src/mongo/base/error_codes.yml`), and for
//! those where a later attempt may succeed, its categories and the drivers' retryable-writes
//! specification. The list is open-ended, so the rule for codes not on it matters most: they are
//! [`Cause::Unclear`], which loses nothing and holds up nothing else.
//!
//! | cause | for one document | for the whole call |
//! |---|---|---|
//! | [`Document`](Cause::Document) | permanently refused, by kind | halved until the refused document is alone; it is suspected |
//! | [`Unclear`](Cause::Unclear) | suspected | halved, as above |
//! | [`Collection`](Cause::Collection) | the collection is shut: its documents are parked | the same |
//! | [`Server`](Cause::Server) | retried | retried |
//!
//! A suspected record is parked and retried alone: if it is refused three times over a minute while
//! its collection accepts others, it becomes a dead letter (see the writer). A duplicate key on
//! `_id` means that the record was stored before; on another unique index it is a refusal of kind
//! [`UNIQUE_INDEX`]. A failed write concern means a retry: whatever is there by then is a
//! duplicate.

use mongodb::error::{CommandError, Error, ErrorKind, WriteConcernError};

use super::error::{Answer, StoreError};
use super::selection;

/// What an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// A document that will never be accepted, with the kind under which dead letters are filed.
    Document(&'static str),
    /// A document or something else.
    Unclear,
    /// One collection, or the rights on it.
    Collection,
    /// The server, the connection to it, or all of its collections.
    Server,
}

use Cause::{Collection, Document, Server};

/// What the server reports about one document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DocumentError {
    Duplicate,
    Other(Cause),
}

/// The kind of a document whose key already exists in another unique index.
pub(super) const UNIQUE_INDEX: &str = "unique_index";

/// The kind of a document refused with a code that is not in [`CODES`].
pub(super) const SERVER_REFUSED: &str = "server_refused";

const BAD_DOCUMENT: Cause = Document("bad_document");
const NOT_INDEXABLE: Cause = Document("not_indexable");
const TOO_LARGE: Cause = Document("too_large");

/// All known codes, in ascending order.
const CODES: [(i32, Cause); 74] = [
    (2, BAD_DOCUMENT),            // BadValue
    (6, Server),                  // HostUnreachable
    (7, Server),                  // HostNotFound
    (9, BAD_DOCUMENT),            // FailedToParse
    (13, Collection),             // Unauthorized
    (14, BAD_DOCUMENT),           // TypeMismatch
    (15, Document("too_deep")),   // Overflow
    (16, BAD_DOCUMENT),           // InvalidLength
    (18, Server),                 // AuthenticationFailed
    (22, BAD_DOCUMENT),           // InvalidBSON
    (24, Server),                 // LockTimeout
    (26, Collection),             // NamespaceNotFound
    (28, BAD_DOCUMENT),           // PathNotViable
    (46, Server),                 // LockBusy
    (48, Collection),             // NamespaceExists
    (50, Server),                 // MaxTimeMSExpired
    (52, BAD_DOCUMENT),           // DollarPrefixedFieldName
    (53, BAD_DOCUMENT),           // InvalidIdField
    (54, BAD_DOCUMENT),           // NotSingleValueField
    (55, BAD_DOCUMENT),           // InvalidDBRef
    (56, BAD_DOCUMENT),           // EmptyFieldName
    (57, BAD_DOCUMENT),           // DottedFieldName
    (61, BAD_DOCUMENT),           // ShardKeyNotFound
    (63, Server),                 // StaleShardVersion
    (64, Server),                 // WriteConcernFailed
    (73, Collection),             // InvalidNamespace
    (79, Server),                 // UnknownReplWriteConcern
    (89, Server),                 // NetworkTimeout
    (91, Server),                 // ShutdownInProgress
    (100, Server),                // UnsatisfiableWriteConcern
    (112, Server),                // WriteConflict
    (116, TOO_LARGE),             // DocTooLargeForCapped
    (117, Collection),            // ConflictingOperationInProgress
    (121, Document("validator")), // DocumentValidationFailure
    (133, Server),                // FailedToSatisfyReadPreference
    (134, Server),                // ReadConcernMajorityNotAvailableYet
    (146, Server),                // ExceededMemoryLimit
    (150, Server),                // StaleEpoch
    (166, Collection),            // CommandNotSupportedOnView
    (167, Collection),            // OptionNotSupportedOnView
    (171, NOT_INDEXABLE),         // CannotIndexParallelArrays
    (189, Server),                // PrimarySteppedDown
    (201, NOT_INDEXABLE),         // CannotBuildIndexKeys
    (202, Server),                // NetworkInterfaceExceededTimeLimit
    (215, Server),                // DatabaseDropPending
    (246, Server),                // SnapshotUnavailable
    (262, Server),                // ExceededTimeLimit
    (317, Server),                // ConnectionPoolExpired
    (357, BAD_DOCUMENT),          // InvalidBSONType
    (371, Server),                // UserWritesBlocked
    (378, BAD_DOCUMENT),          // NonConformantBSON
    (391, Server),                // ReauthenticationRequired
    (402, Server),                // ResourceExhausted
    (449, Server),                // a write shed by an overloaded server
    (462, Server),                // the same, at admission
    (8_000, Server),              // Atlas: over its quota, and other conditions
    (9_001, Server),              // SocketException
    (10_058, Server),             // LegacyNotPrimary
    (10_107, Server),             // NotWritablePrimary
    (10_334, TOO_LARGE),          // BSONObjectTooLarge
    (11_600, Server),             // InterruptedAtShutdown
    (11_601, Server),             // Interrupted
    (11_602, Server),             // InterruptedDueToReplStateChange
    (12_586, Server),             // BackgroundOperationInProgressForDatabase
    (12_587, Collection),         // BackgroundOperationInProgressForNamespace
    (13_388, Server),             // StaleConfig
    (13_435, Server),             // NotPrimaryNoSecondaryOk
    (13_436, Server),             // NotPrimaryOrSecondary
    (14_031, Server),             // OutOfDiskSpace
    (17_280, NOT_INDEXABLE),      // KeyTooLong
    (17_419, TOO_LARGE),          // an assertion on the size
    (17_420, TOO_LARGE),          // another one
    (50_915, Server),             // BackupCursorOpenConflictWithCheckpoint
    (91_331, Server),             // RetriableRemoteCommandFailure
];

/// What an error with this code is about.
pub(super) fn cause(code: i32) -> Cause {
    CODES
        .binary_search_by_key(&code, |(known, _)| *known)
        .ok()
        .and_then(|index| CODES.get(index))
        .map_or(Cause::Unclear, |(_, cause)| *cause)
}

/// Classifies an error that the server returned for one document.
pub(super) fn of_document(code: i32) -> DocumentError {
    match code {
        // DuplicateKey, and its older numbers.
        11_000 | 11_001 | 12_582 => DocumentError::Duplicate,
        _ => DocumentError::Other(cause(code)),
    }
}

/// Classifies the error of a whole call.
pub(super) fn of_whole(error: &Error) -> Cause {
    match error.kind.as_ref() {
        ErrorKind::Command(command) => cause(command.code),
        ErrorKind::Bson(_) => BAD_DOCUMENT,
        // The driver checks sizes against what the server announced.
        ErrorKind::InvalidArgument { .. } => TOO_LARGE,
        ErrorKind::Authentication { .. }
        | ErrorKind::Io(_)
        | ErrorKind::ConnectionPoolCleared { .. }
        | ErrorKind::ServerSelection { .. }
        | ErrorKind::DnsResolve { .. }
        | ErrorKind::InvalidTlsConfig { .. }
        | ErrorKind::Shutdown => Server,
        _ => Cause::Unclear,
    }
}

/// Converts the error of a call that failed as a whole.
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
    StoreError::of_answer(Answer {
        code: command.code,
        name: command.code_name.clone(),
        message: command.message.clone(),
    })
}

/// Converts a write concern error: the write was executed, but may not be on a majority of the
/// members.
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
    fn the_table_ascends_so_that_every_code_in_it_is_found() {
        assert!(CODES.is_sorted_by(|(one, _), (other, _)| one < other));
        for (code, expected) in CODES {
            assert_eq!(cause(code), expected, "{code}");
        }
    }

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
        ] {
            assert_eq!(of_document(code), DocumentError::Other(Document(kind)), "{code}");
        }
    }

    #[test]
    fn a_condition_of_server_collection_or_rights_is_never_blamed_on_a_document() {
        for code in [6, 50, 64, 89, 91, 112, 189, 262, 371, 402, 449, 8_000, 9_001, 14_031] {
            assert_eq!(of_document(code), DocumentError::Other(Server), "{code}");
        }
        for code in [13, 26, 73, 166, 12_587] {
            assert_eq!(of_document(code), DocumentError::Other(Collection), "{code}");
        }
    }

    #[test]
    fn a_code_that_nobody_knows_is_nobody_s_fault_yet() {
        for code in [i32::MIN, -1, 0, 1, 8, 9_999, 16_755, 5_999_999, i32::MAX] {
            assert_eq!(of_document(code), DocumentError::Other(Cause::Unclear), "{code}");
        }
    }

    #[test]
    fn a_duplicate_is_told_by_its_own_codes_only() {
        for code in [11_000, 11_001, 12_582] {
            assert_eq!(of_document(code), DocumentError::Duplicate);
        }
    }
}
