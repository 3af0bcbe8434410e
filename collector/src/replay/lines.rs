//! Lines of a journal: of bounded length, whatever the file holds.

use std::io::{self, BufRead};

/// One line of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A line within the bound is in the buffer.
    Whole,
    /// A longer one was passed over.
    TooLong,
    /// There is none any more.
    End,
}

/// Reads the next line into `line`, without its line feed; of one longer than `most` nothing.
/// Adds the bytes read to `read`.
pub(super) fn next(
    from: &mut impl BufRead,
    most: usize,
    line: &mut Vec<u8>,
    read: &mut u64,
) -> io::Result<Line> {
    line.clear();
    let (mut seen, mut too_long) = (false, false);
    loop {
        let part = from.fill_buf()?;
        if part.is_empty() {
            break;
        }
        seen = true;
        let end = part.iter().position(|byte| *byte == b'\n');
        let text = part.get(..end.unwrap_or(part.len())).unwrap_or_default();
        too_long |= line.len().saturating_add(text.len()) > most;
        if !too_long {
            line.extend_from_slice(text);
        }
        let taken = text.len().saturating_add(usize::from(end.is_some()));
        from.consume(taken);
        *read = read.saturating_add(u64::try_from(taken).unwrap_or(0));
        if end.is_some() {
            break;
        }
    }
    Ok(match (seen, too_long) {
        (false, _) => Line::End,
        (true, true) => {
            line.clear();
            Line::TooLong
        }
        (true, false) => Line::Whole,
    })
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    #[test]
    fn lines_come_whole_or_not_at_all() {
        let text = b"one\n\nlonger than eight\ntwo\nno end";
        // A small buffer: lines are put together from parts.
        let mut reader = BufReader::with_capacity(4, &text[..]);
        let (mut line, mut read, mut found) = (Vec::new(), 0, Vec::new());
        loop {
            match next(&mut reader, 8, &mut line, &mut read).unwrap() {
                Line::End => break,
                Line::TooLong => found.push("<too long>".to_owned()),
                Line::Whole => found.push(String::from_utf8(line.clone()).unwrap()),
            }
        }
        assert_eq!(found, ["one", "", "<too long>", "two", "no end"]);
        assert_eq!(read, text.len() as u64);
    }
}
