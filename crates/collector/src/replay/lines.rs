//! Lines of a journal: of bounded length, whatever the file holds.

use std::io::{self, BufRead};

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// A line within the bound is in the buffer.
    Whole,
    /// Of a longer one, as much as the bound lets is in the buffer.
    TooLong,
    /// There is none any more.
    End,
}

/// Reads the next line into `line`, without its line feed and no more than `most` bytes of it.
/// Adds the bytes read to `read`.
pub(super) fn next(
    from: &mut impl BufRead,
    most: usize,
    line: &mut Vec<u8>,
    read: &mut u64,
) -> io::Result<Read> {
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
        if !too_long {
            append(line, text);
            too_long = line.len() > most;
            line.truncate(most);
        }
        let taken = text.len().saturating_add(usize::from(end.is_some()));
        from.consume(taken);
        *read = read.saturating_add(u64::try_from(taken).unwrap_or(0));
        if end.is_some() {
            break;
        }
    }
    Ok(match (seen, too_long) {
        (false, _) => Read::End,
        (true, true) => Read::TooLong,
        (true, false) => Read::Whole,
    })
}

/// NULs in a row are kept as one. A disk that lost power leaves any number of them in the place
/// of what it lost, and what was written afterwards stands behind them on the same line.
fn append(line: &mut Vec<u8>, text: &[u8]) {
    if !text.contains(&0) {
        line.extend_from_slice(text);
        return;
    }
    for run in text.chunk_by(|one, next| (*one == 0) == (*next == 0)) {
        match run.first() {
            Some(0) if line.last() == Some(&0) => {}
            Some(0) => line.push(0),
            _ => line.extend_from_slice(run),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    #[test]
    fn lines_come_whole_or_cut_at_the_bound() {
        let text = b"one\n\nlonger than eight\ntwo\n\0\0\0\0\0\0\0\0\0\0after\n\0\nno end";
        // A small buffer: lines are put together from parts.
        let mut reader = BufReader::with_capacity(4, &text[..]);
        let (mut line, mut read, mut found) = (Vec::new(), 0, Vec::new());
        loop {
            let whole = match next(&mut reader, 8, &mut line, &mut read).unwrap() {
                Read::End => break,
                Read::TooLong => false,
                Read::Whole => true,
            };
            found.push((String::from_utf8(line.clone()).unwrap(), whole));
        }
        let expected = [
            ("one", true),
            ("", true),
            ("longer t", false),
            ("two", true),
            ("\0after", true),
            ("\0", true),
            ("no end", true),
        ];
        assert_eq!(found, expected.map(|(line, whole)| (line.to_owned(), whole)));
        assert_eq!(read, text.len() as u64);
    }
}
