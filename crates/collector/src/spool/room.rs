//! Room on the disk that batches may not take, so that what waits can always be settled.
//!
//! To delete a row, SQLite writes pages to the log, and before the log can begin anew it is copied
//! into the file, which grows by that. On a disk that the spool itself has filled neither would
//! succeed, and what waits would wait for ever, though MongoDB is back.

use std::path::Path;

use super::error::SpoolError;

/// Most that the log can hold before it is copied (a full log and one more group of batches), and
/// as much again for what settling writes. On a disk smaller than this nothing is ever taken.
pub const KEEP_FREE_BYTES: u64 = 16 << 20;

/// An error when the disk under `dir` has less than `keep` bytes left for this user.
pub(super) fn ensure(dir: &Path, keep: u64) -> Result<(), SpoolError> {
    let disk = rustix::fs::statvfs(dir).map_err(std::io::Error::from)?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free < keep {
        return Err(SpoolError::NoRoom { free, keep });
    }
    Ok(())
}
