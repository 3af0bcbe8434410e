//! A journal as text, whatever a log rotation made of it.

use std::io::{self, BufRead, BufReader, Cursor, ErrorKind, Read};

use flate2::read::MultiGzDecoder;

/// How much of a journal is read at once.
const BUFFER_BYTES: usize = 256 << 10;

const GZIP: &[u8] = &[0x1f, 0x8b];
/// What compressed files begin with that are not read here, and the program that reads them.
const OTHERS: [(&[u8], &str); 3] = [
    (&[0x28, 0xb5, 0x2f, 0xfd], "zstd"),
    (&[0xfd, b'7', b'z', b'X', b'Z'], "xz"),
    (b"BZh", "bzip2"),
];

/// The text of a journal: gzip of one member or several is decompressed, by what it begins with
/// and not by its name.
///
/// # Errors
///
/// It cannot be read, or is compressed in another way.
pub(super) fn open(mut file: impl Read + Send + 'static) -> io::Result<Box<dyn BufRead + Send>> {
    let mut begin = Vec::new();
    file.by_ref().take(5).read_to_end(&mut begin)?;
    if let Some((_, program)) = OTHERS.iter().find(|(magic, _)| begin.starts_with(magic)) {
        let text = format!(
            "is compressed with {program}, which is not read here: {program} -dc FILE | \
             gatelog-collector replay -"
        );
        return Err(io::Error::new(ErrorKind::Unsupported, text));
    }
    let gzipped = begin.starts_with(GZIP);
    let whole = BufReader::with_capacity(BUFFER_BYTES, Cursor::new(begin).chain(file));
    Ok(if gzipped {
        Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(whole)))
    } else {
        Box::new(whole)
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn read(bytes: Vec<u8>) -> io::Result<String> {
        let mut text = String::new();
        open(Cursor::new(bytes))?.read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn gzip_of_several_members_and_plain_text_read_alike() {
        let members = [gzip("one\n"), gzip("two\n")].concat();
        assert_eq!(read(members).unwrap(), "one\ntwo\n");
        for text in ["one\ntwo\n", "", "x"] {
            assert_eq!(read(text.into()).unwrap(), text);
        }
    }

    #[test]
    fn what_cannot_be_decompressed_is_an_error_and_not_an_empty_journal() {
        let mut cut = gzip("a line that is cut off\n");
        cut.truncate(20);
        assert_eq!(read(cut).unwrap_err().kind(), ErrorKind::UnexpectedEof);
        for (magic, program) in OTHERS {
            let error = read([magic, b"rest"].concat()).unwrap_err().to_string();
            assert!(error.contains(&format!("{program} -dc FILE")), "{error}");
        }
    }
}
