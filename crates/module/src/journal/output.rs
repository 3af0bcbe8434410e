//! Standard output, in whole lines.
//!
//! Others may write to it: Envoy's access loggers, or another process. A file is opened for appending, as
//! Envoy opens it, so each write is one piece of it. A pipe keeps no more than [`PIPE_BUF`] bytes
//! together, so it gets as many whole lines as fit into these at a time.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::thread;
use std::time::Duration;

use memchr::{memchr, memchr_iter, memrchr};

/// What Linux writes to a pipe in one piece (`pipe(7)`).
const PIPE_BUF: usize = 4096;

/// How long to wait where standard output does not block, and is full.
const FULL: Duration = Duration::from_millis(1);

/// Where the journal goes.
#[derive(Debug)]
pub(super) struct Output {
    file: File,
    /// Bytes of one write, unless a line is longer.
    piece: usize,
    /// Whether the last line was written in part: then a line feed comes first.
    torn: bool,
}

/// What became of lines.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Lines that were written.
    pub(super) written: u64,
    /// Lines that were not, or not whole.
    pub(super) failed: u64,
    /// Why not: the first reason.
    pub(super) error: Option<io::Error>,
}

/// How many lines these are; the last may be without its line feed.
pub(super) fn lines(bytes: &[u8]) -> u64 {
    let feeds = memchr_iter(b'\n', bytes).count() as u64;
    feeds.saturating_add(u64::from(bytes.last().is_some_and(|last| *last != b'\n')))
}

impl Output {
    /// This process's standard output.
    pub(super) fn stdout() -> io::Result<Self> {
        // A socket (journald's) cannot be opened by its path.
        let opened = File::options().append(true).open("/dev/stdout");
        let same = || io::stdout().as_fd().try_clone_to_owned().map(File::from);
        Self::to(opened.or_else(|_| same())?)
    }

    /// An open file.
    pub(super) fn to(file: File) -> io::Result<Self> {
        let pipe = file.metadata()?.file_type().is_fifo();
        Ok(Self { file, piece: if pipe { PIPE_BUF } else { usize::MAX }, torn: false })
    }

    /// Writes whole lines, each with its line feed.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Outcome {
        let mut outcome = Outcome::default();
        let mut rest = bytes;
        while !rest.is_empty() {
            // A line feed before a torn line's successor must fit too.
            let (piece, after) = split(rest, self.piece.saturating_sub(usize::from(self.torn)));
            rest = after;
            match self.write_piece(piece) {
                Ok(()) => outcome.written = outcome.written.saturating_add(lines(piece)),
                Err((unwritten, error)) => {
                    let lost = lines(unwritten);
                    let written = lines(piece).saturating_sub(lost);
                    outcome.written = outcome.written.saturating_add(written);
                    outcome.failed = outcome.failed.saturating_add(lost);
                    outcome.error.get_or_insert(error);
                }
            }
        }
        outcome
    }

    /// Writes one piece; on an error also returns what was not written of it.
    fn write_piece<'a>(&mut self, piece: &'a [u8]) -> Result<(), (&'a [u8], io::Error)> {
        let ended = if self.torn { [b"\n", piece].concat() } else { Vec::new() };
        let mut rest = if self.torn { &ended } else { piece };
        while !rest.is_empty() {
            let error = match self.file.write(rest) {
                Ok(0) => ErrorKind::WriteZero.into(),
                Ok(written) => {
                    rest = rest.get(written..).unwrap_or_default();
                    self.torn = !rest.is_empty() && !starts_line(piece, rest);
                    continue;
                }
                Err(error) => error,
            };
            match error.kind() {
                ErrorKind::Interrupted => {}
                ErrorKind::WouldBlock => thread::sleep(FULL),
                _ => {
                    let from = piece.len().saturating_sub(rest.len());
                    return Err((piece.get(from..).unwrap_or_default(), error));
                }
            }
        }
        self.torn = false;
        Ok(())
    }
}

/// Whether `rest`, the end of `piece`, begins a line.
fn starts_line(piece: &[u8], rest: &[u8]) -> bool {
    let before = piece.len().checked_sub(rest.len()).and_then(|length| length.checked_sub(1));
    before.is_none_or(|before| piece.get(before) == Some(&b'\n'))
}

/// Splits after the last line that ends within `most` bytes, or after the first if it is longer.
fn split(bytes: &[u8], most: usize) -> (&[u8], &[u8]) {
    if bytes.len() <= most {
        return (bytes, &[]);
    }
    let (within, beyond) = bytes.split_at_checked(most).unwrap_or((bytes, &[]));
    let feed = memrchr(b'\n', within).unwrap_or_else(|| {
        let feed = memchr(b'\n', beyond).unwrap_or(beyond.len());
        within.len().saturating_add(feed)
    });
    bytes.split_at_checked(feed.saturating_add(1)).unwrap_or((bytes, &[]))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, pipe};
    use std::os::fd::OwnedFd;

    use super::*;

    #[test]
    fn pieces_are_whole_lines_within_the_bound_or_one_longer_line() {
        let text = b"one\ntwo\nthree-is-longer\nfour\n";
        let mut pieces = Vec::new();
        let mut rest = &text[..];
        while !rest.is_empty() {
            let (piece, after) = split(rest, 9);
            pieces.push(std::str::from_utf8(piece).unwrap());
            rest = after;
        }
        assert_eq!(pieces, ["one\ntwo\n", "three-is-longer\n", "four\n"]);
        assert_eq!(split(b"no feed", 3), (&b"no feed"[..], &b""[..]));
    }

    #[test]
    fn a_full_disk_fails_lines_and_counts_them() {
        let full = File::options().append(true).open("/dev/full").unwrap();
        let outcome = Output::to(full).unwrap().write(b"one\ntwo\n");
        assert_eq!((outcome.written, outcome.failed), (0, 2));
        assert_eq!(outcome.error.unwrap().kind(), ErrorKind::StorageFull);
    }

    #[test]
    fn after_a_torn_line_the_next_begins_with_a_line_feed() {
        let (mut reader, writer) = pipe().unwrap();
        let mut output = Output::to(File::from(OwnedFd::from(writer))).unwrap();
        output.torn = true;
        assert_eq!(output.write(b"next\nafter\n").written, 2);
        assert!(!output.torn);
        drop(output);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "\nnext\nafter\n");
    }

    #[test]
    fn a_line_is_torn_when_it_was_written_in_part() {
        assert!(starts_line(b"a\nb\n", b"b\n") && starts_line(b"a\n", b"a\n"));
        assert!(!starts_line(b"ab\n", b"b\n"));
    }

    #[test]
    fn lines_are_counted_with_and_without_the_last_feed() {
        assert_eq!([lines(b""), lines(b"a"), lines(b"a\n"), lines(b"a\nb")], [0, 1, 1, 2]);
    }
}
