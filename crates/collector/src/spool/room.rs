//! Disk space that batches may not take, so that waiting rows can always be settled.
//!
//! To delete a row, SQLite writes pages to the log, and the log must be copied into the file before
//! it can be reset, which makes the file grow. On a full disk neither would succeed, and waiting
//! rows would wait forever, even with MongoDB back. So a file of zeros, `spool.reserve`, reserves
//! the space for both. If settling finds the disk full, whatever has filled it, it uses the
//! reserve; batches are accepted again once the reserve has been recreated.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, StatVfs, fallocate, statvfs};
use rustix::io::Errno;

use super::error::{SpoolError, full};

/// The reserve's name in the spool's directory.
pub const RESERVE: &str = "spool.reserve";

/// What the reserve holds in addition to two of the largest batches: a full log
/// (`LOG_BYTES`), a group of batches that was committed on top of
/// it, and the pages of accounts.
pub const RESERVE_BYTES: u64 = 16 << 20;

/// In addition to the reserve, batches leave this fraction of its size free: for what is written
/// before a batch is refused, and for the commands.
const MARGIN: u64 = 8;

/// Dead letters take at most this fraction of a disk, whatever their bound is: on a small disk they
/// would leave no room for batches.
const LETTERS: u64 = 8;

/// The reserve of one spool.
#[derive(Debug)]
pub(super) struct Room {
    dir: PathBuf,
    bytes: u64,
}

impl Room {
    /// The reserve in this directory, with this many bytes; 0 means no reserve.
    pub(super) fn new(dir: &Path, bytes: u64) -> Self {
        Self { dir: dir.to_owned(), bytes }
    }

    /// Whether the reserve exists and takes up its full size on disk.
    pub(super) fn held(&self) -> bool {
        self.bytes == 0
            || fs::metadata(self.path()).is_ok_and(|file| {
                file.len() >= self.bytes && file.blocks().saturating_mul(512) >= self.bytes
            })
    }

    /// Ensures room for batches: the reserve, and a margin in addition.
    ///
    /// # Errors
    ///
    /// There is less.
    pub(super) fn ensure(&self) -> Result<(), SpoolError> {
        let margin = self.bytes / MARGIN;
        let held = self.held();
        let keep = if held { margin } else { self.bytes.saturating_add(margin) };
        let free = self.free()?;
        if free < keep {
            return Err(SpoolError::NoRoom { free, keep });
        }
        if held { Ok(()) } else { self.hold() }
    }

    /// Releases the reserve for what must be written.
    pub(super) fn give_up(&self) {
        // If the disk refuses even this, no space can be freed.
        let _ = fs::remove_file(self.path());
    }

    /// Maximum bytes of dead letters on this disk.
    pub(super) fn letters(&self, bound: u64) -> u64 {
        self.disk()
            .map_or(bound, |disk| bound.min(disk.f_blocks.saturating_mul(disk.f_frsize) / LETTERS))
    }

    fn hold(&self) -> Result<(), SpoolError> {
        let file = OpenOptions::new().create(true).truncate(true).write(true).open(self.path())?;
        let result = match fallocate(&file, FallocateFlags::empty(), 0, self.bytes) {
            Err(Errno::OPNOTSUPP) => fill(&file, self.bytes),
            result => result.map_err(Into::into),
        };
        if result.is_err() {
            self.give_up();
        }
        match result {
            Err(error) if full(error.kind()) => {
                Err(SpoolError::NoRoom { free: self.free()?, keep: self.bytes })
            }
            result => Ok(result?),
        }
    }

    fn free(&self) -> Result<u64, SpoolError> {
        let disk = self.disk()?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    fn disk(&self) -> Result<StatVfs, SpoolError> {
        Ok(statvfs(&self.dir).map_err(std::io::Error::from)?)
    }

    fn path(&self) -> PathBuf {
        self.dir.join(RESERVE)
    }
}

/// For file systems that cannot preallocate: writes zeros.
fn fill(mut file: &File, bytes: u64) -> std::io::Result<()> {
    let piece = vec![0; 64 << 10];
    let mut left = bytes;
    while left > 0 {
        let some = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
        file.write_all(piece.get(..some).unwrap_or_default())?;
        left = left.saturating_sub(u64::try_from(some).unwrap_or(u64::MAX));
    }
    Ok(())
}
