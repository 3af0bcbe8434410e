//! Why an operation of the spool failed, and what follows from it.

use std::fmt;
use std::io::ErrorKind;

use rusqlite::{ErrorCode, ffi};

use gatelog_record::units::show_size;

/// What a failure means for the spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpoolErrorKind {
    /// Nothing was written and nothing was damaged: a retry may work. For example a read-only
    /// disk, or a lock held by another process.
    Passing,
    /// As [`Passing`](Self::Passing), because the disk is full: the reserve may help.
    Full,
    /// The kernel's data and the disk's may differ (fsync failed). Never retried
    /// in this process.
    Fatal,
    /// The disk cannot read a page of the file.
    Unreadable,
    /// The file is not a valid database.
    Corrupt,
}

/// Why an operation of the spool failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpoolError {
    /// The bound in bytes would be exceeded.
    Full {
        /// Bytes waiting.
        bytes: u64,
        /// The bound.
        limit: u64,
    },
    /// The disk has only the space that settling needs.
    NoRoom {
        /// Bytes left on the disk.
        free: u64,
        /// Bytes that batches may not take.
        keep: u64,
    },
    /// Too much work waits for the disk.
    Busy,
    /// The disk or the database refused.
    Disk {
        /// What follows from it.
        fault: SpoolErrorKind,
        /// The error message.
        text: String,
    },
    /// The spool was closed.
    Closed,
    /// The file was written by a different version.
    Version {
        /// The version found.
        found: i64,
        /// The version that this program writes.
        known: i64,
    },
    /// Another collector is running on the same directory.
    Locked(String),
}

impl SpoolError {
    /// What follows from it.
    pub fn kind(&self) -> SpoolErrorKind {
        match self {
            SpoolError::Disk { fault, .. } => *fault,
            SpoolError::Version { .. } | SpoolError::Locked(_) => SpoolErrorKind::Fatal,
            SpoolError::NoRoom { .. } => SpoolErrorKind::Full,
            SpoolError::Full { .. } | SpoolError::Busy | SpoolError::Closed => {
                SpoolErrorKind::Passing
            }
        }
    }

    /// Of a failure to open the file. The statements are fixed and have no fault of their own: one
    /// that fails for no reason that SQLite has a code for has met a header that is damaged.
    pub(super) fn at_opening(error: rusqlite::Error) -> Self {
        match error.sqlite_error() {
            Some(sqlite) if sqlite.extended_code == ffi::SQLITE_ERROR => {
                SpoolError::Disk { fault: SpoolErrorKind::Corrupt, text: error.to_string() }
            }
            _ => error.into(),
        }
    }
}

impl fmt::Display for SpoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SpoolError::Full { bytes, limit } => write!(
                f,
                "spool full: {bytes} bytes wait for MongoDB, limit is {}",
                show_size(*limit)
            ),
            SpoolError::NoRoom { free, keep } => write!(
                f,
                "spool disk nearly full: {free} bytes are left, {} are kept to settle what waits: \
                 free or enlarge it",
                show_size(*keep)
            ),
            SpoolError::Busy => f.write_str("too many batches wait for the disk"),
            SpoolError::Disk { text, .. } => write!(f, "spool disk: {text}"),
            SpoolError::Closed => f.write_str("the collector is stopping"),
            SpoolError::Version { found, known } if found < known => write!(
                f,
                "spool has schema version {found}, this program works on {known}: \
                 start `serve` of this version on it once, or use the version that wrote it"
            ),
            SpoolError::Version { found, known } => write!(
                f,
                "spool has schema version {found}, this program reads up to {known}: \
                 run the version that wrote it, or empty it first"
            ),
            SpoolError::Locked(dir) => {
                write!(f, "spool \"{dir}\" is in use by another collector: give each its own")
            }
        }
    }
}

impl std::error::Error for SpoolError {}

impl From<rusqlite::Error> for SpoolError {
    fn from(error: rusqlite::Error) -> Self {
        /// `SQLITE_IOERR_FSYNC` and `SQLITE_IOERR_DIR_FSYNC`.
        const FSYNC: [i32; 2] = [1_034, 1_290];
        const UNREADABLE: [i32; 4] = [
            ffi::SQLITE_IOERR_READ,
            ffi::SQLITE_IOERR_SHORT_READ,
            ffi::SQLITE_IOERR_DATA,
            ffi::SQLITE_IOERR_CORRUPTFS,
        ];
        const NO_ROOM: [i32; 3] =
            [ffi::SQLITE_FULL, ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_IOERR_SHMSIZE];
        let fault = match error.sqlite_error() {
            Some(sqlite) if FSYNC.contains(&sqlite.extended_code) => SpoolErrorKind::Fatal,
            // A quota is no `SQLITE_FULL`, but an error of the write.
            Some(sqlite) if NO_ROOM.contains(&sqlite.extended_code) => SpoolErrorKind::Full,
            Some(sqlite) if UNREADABLE.contains(&sqlite.extended_code) => {
                SpoolErrorKind::Unreadable
            }
            Some(sqlite) => match sqlite.code {
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => SpoolErrorKind::Corrupt,
                _ => SpoolErrorKind::Passing,
            },
            // A column that is not what the schema says: only damage puts it there.
            None => SpoolErrorKind::Corrupt,
        };
        SpoolError::Disk { fault, text: error.to_string() }
    }
}

impl From<std::io::Error> for SpoolError {
    fn from(error: std::io::Error) -> Self {
        let fault = if full(error.kind()) { SpoolErrorKind::Full } else { SpoolErrorKind::Passing };
        SpoolError::Disk { fault, text: error.to_string() }
    }
}

/// Whether an error says that the disk, or what this user may have of it, is full.
pub(super) fn full(kind: ErrorKind) -> bool {
    use ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(kind, StorageFull | QuotaExceeded | FileTooLarge)
}
