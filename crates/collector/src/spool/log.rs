//! Inspects the write-ahead log before SQLite opens it.
//!
//! SQLite reads a log up to the first frame with a wrong checksum, and silently ignores the rest.
//! That is right for an interrupted transaction, but wrong for a damaged log in which committed
//! transactions follow. Those cannot be restored, but they can be noticed and kept.
//!
//! Source: SQLite, "Database File Format", section 4, "The Write-Ahead Log".

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use super::error::SpoolError;

/// Size of the log's header and of a frame's header, in bytes.
const HEADER: usize = 32;
const FRAME: usize = 24;
/// SQLite's maximum page size; a header with any other size is invalid.
const PAGE_MAX: usize = 64 << 10;
/// A log's first four bytes: the last bit indicates whether checksums are big-endian.
const MAGIC: u32 = 0x377f_0682;

/// What is wrong with the log; `None` if SQLite reads everything committed to it.
pub(super) fn damage(log: &Path, db: &Path) -> Result<Option<String>, SpoolError> {
    let Ok(file) = File::open(log) else { return Ok(None) };
    let length = file.metadata()?.len();
    if length == 0 {
        return Ok(None);
    }
    if std::fs::metadata(db).map_or(0, |db| db.len()) == 0 {
        return Ok(Some(format!("a log of {length} bytes without its file")));
    }
    let mut reader = BufReader::new(file);
    let mut header = [0; HEADER];
    if reader.read_exact(&mut header).is_err() {
        return Ok(Some(format!("a log of {length} bytes, shorter than its header")));
    }
    let Some(mut chain) = Chain::of(&header) else {
        return Ok(Some("the log's header does not check".into()));
    };
    let mut frame = vec![0; FRAME.saturating_add(chain.page)];
    let (mut number, mut broken) = (0_u64, None);
    while reader.read_exact(&mut frame).is_ok() {
        number = number.saturating_add(1);
        let sound = broken.is_none() && chain.follows(&frame);
        if !sound && broken.is_none() {
            broken = Some(number);
        }
        // A commit of this log after an invalid frame: the log had once been complete.
        if let Some(first) = broken.filter(|_| chain.commits(&frame)) {
            return Ok(Some(format!(
                "frame {first} of the log does not check, and a commit follows it at frame {number}"
            )));
        }
    }
    Ok(None)
}

/// The running checksums of a log, each covering everything before it.
struct Chain {
    big_endian: bool,
    page: usize,
    salts: [u8; 8],
    sums: (u32, u32),
}

impl Chain {
    fn of(header: &[u8; HEADER]) -> Option<Self> {
        let magic = word(header, 0)?;
        let big_endian = magic & 1 == 1;
        let page = usize::try_from(word(header, 8)?).ok()?;
        let salts = header.get(16..24)?.try_into().ok()?;
        let mut chain = Self { big_endian, page, salts, sums: (0, 0) };
        chain.add(header.get(..24)?);
        let sound = magic & !1 == MAGIC
            && page.is_power_of_two()
            && (512..=PAGE_MAX).contains(&page)
            && chain.sums == (word(header, 24)?, word(header, 28)?);
        sound.then_some(chain)
    }

    /// Whether a frame is the next valid one.
    fn follows(&mut self, frame: &[u8]) -> bool {
        let (Some(head), Some(page)) = (frame.get(..8), frame.get(FRAME..)) else { return false };
        self.add(head);
        self.add(page);
        self.is_of_this_log(frame)
            && (word(frame, 16), word(frame, 20)) == (Some(self.sums.0), Some(self.sums.1))
    }

    /// Whether a frame ends a transaction of this log, whatever its checksum.
    fn commits(&self, frame: &[u8]) -> bool {
        self.is_of_this_log(frame) && word(frame, 4).is_some_and(|pages| pages > 0)
    }

    fn is_of_this_log(&self, frame: &[u8]) -> bool {
        frame.get(8..16).is_some_and(|salts| salts == self.salts)
    }

    fn add(&mut self, bytes: &[u8]) {
        for pair in bytes.chunks_exact(8) {
            let (first, second) = (self.number(pair, 0), self.number(pair, 4));
            let (s0, s1) = self.sums;
            let s0 = s0.wrapping_add(first).wrapping_add(s1);
            self.sums = (s0, s1.wrapping_add(second).wrapping_add(s0));
        }
    }

    fn number(&self, bytes: &[u8], at: usize) -> u32 {
        let number = word(bytes, at).unwrap_or_default();
        if self.big_endian { number } else { number.swap_bytes() }
    }
}

/// The big-endian number at an offset.
fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at.saturating_add(4))?;
    Some(u32::from_be_bytes(word.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rusqlite::Connection;
    use tempfile::TempDir;

    use super::*;

    /// A file and its log, as a killed process leaves them.
    fn killed(dir: &Path) -> (std::path::PathBuf, std::path::PathBuf) {
        let db = Connection::open(dir.join("live.db")).unwrap();
        db.pragma_update(None, "journal_mode", "WAL").unwrap();
        db.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
        db.execute_batch("CREATE TABLE t (v BLOB)").unwrap();
        for _ in 0..20 {
            db.execute("INSERT INTO t VALUES (randomblob(9000))", []).unwrap();
        }
        let (file, log) = (dir.join("copy.db"), dir.join("copy.db-wal"));
        fs::copy(dir.join("live.db"), &file).unwrap();
        fs::copy(dir.join("live.db-wal"), &log).unwrap();
        (log, file)
    }

    #[test]
    fn a_whole_log_and_one_that_was_cut_off_are_sound() {
        let dir = TempDir::new().unwrap();
        let (log, db) = killed(dir.path());
        assert_eq!(damage(&log, &db).unwrap(), None);
        let whole = fs::read(&log).unwrap();
        for length in [whole.len() - 1, whole.len() - 5_000, whole.len() / 2, HEADER] {
            fs::write(&log, &whole[..length]).unwrap();
            assert_eq!(damage(&log, &db).unwrap(), None, "{length}");
        }
        fs::remove_file(&log).unwrap();
        assert_eq!(damage(&log, &db).unwrap(), None);
    }

    #[test]
    fn a_bit_that_flips_before_a_commit_is_noticed_wherever_it_is() {
        let dir = TempDir::new().unwrap();
        let (log, db) = killed(dir.path());
        let whole = fs::read(&log).unwrap();
        for at in (0..whole.len() / 2).step_by(997) {
            let mut bent = whole.clone();
            bent[at] ^= 4;
            fs::write(&log, &bent).unwrap();
            assert!(damage(&log, &db).unwrap().is_some(), "{at}");
        }
    }

    #[test]
    fn a_log_without_its_file_is_noticed() {
        let dir = TempDir::new().unwrap();
        let (log, db) = killed(dir.path());
        fs::write(&db, b"").unwrap();
        assert!(damage(&log, &db).unwrap().is_some());
        fs::remove_file(&db).unwrap();
        assert!(damage(&log, &db).unwrap().is_some());
    }
}
