//! Reads a file of tokens within a bound. It is read again every few seconds.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Maximum size of the file in bytes: tens of thousands of tokens are more than any deployment needs.
pub const FILE_BYTES_MAX: usize = 1 << 20;

/// The content of a file of tokens. No more than the bound is read of it.
///
/// # Errors
///
/// It cannot be read, or is larger than [`FILE_BYTES_MAX`].
pub fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let past = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    File::open(file)?.take(past).read_to_end(&mut content)?;
    if content.len() > FILE_BYTES_MAX {
        return Err(io::Error::other(format!("has more than {FILE_BYTES_MAX} bytes")));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_bound() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("tokens");
        std::fs::write(&file, vec![b'#'; FILE_BYTES_MAX]).unwrap();
        assert_eq!(read(&file).unwrap().len(), FILE_BYTES_MAX);
        std::fs::write(&file, vec![b'#'; FILE_BYTES_MAX + 1]).unwrap();
        assert_eq!(read(&file).unwrap_err().to_string(), "has more than 1048576 bytes");
        // Endless, as a pipe or a device may be.
        assert!(read(Path::new("/dev/zero")).is_err());
    }
}
