//! A code that signs in once, for whoever can read its file: the person who started the console.
//!
//! A link carries it in its fragment, which no browser sends to a server or to another page.

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use subtle::ConstantTimeEq;

use super::{Fingerprint, KnownBy, Role, Viewer, fingerprint, random};

/// What somebody is called who came by a link.
const NAME: &str = "link";

/// The code.
pub struct Code {
    file: PathBuf,
    viewer: Arc<Viewer>,
    /// None, if none could be written.
    current: Mutex<Option<Fingerprint>>,
}

/// The code could not be written.
#[derive(Debug)]
pub struct CodeError(io::Error);

impl fmt::Display for CodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot be written: {}", self.0)
    }
}

impl std::error::Error for CodeError {}

impl Code {
    /// Writes a code into this file, readable by its owner only.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn to_file(file: &Path) -> Result<Self, CodeError> {
        let viewer = Viewer::new(KnownBy::Code, NAME.to_owned(), Role::All, None);
        let viewer = viewer.map_err(|error| CodeError(io::Error::other(error)))?;
        let code = Self {
            file: file.to_owned(),
            viewer: Arc::new(viewer),
            current: Mutex::new(Some(written(file)?)),
        };
        Ok(code)
    }

    /// Who came by this code. The file then has another one.
    pub(super) fn take(&self, code: &str) -> Option<Arc<Viewer>> {
        let given = fingerprint(code.trim().as_bytes());
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let right = current.as_ref().is_some_and(|own| bool::from(own.ct_eq(&given)));
        if !right {
            return None;
        }
        *current = match written(&self.file) {
            Ok(next) => Some(next),
            Err(error) => {
                let file = self.file.display();
                tracing::error!(%error, %file, "GATELOG_CONSOLE_CODE_FILE: no further code signs in");
                None
            }
        };
        Some(Arc::clone(&self.viewer))
    }
}

/// Replaces the file with a new code.
fn written(file: &Path) -> Result<Fingerprint, CodeError> {
    let code = random().map_err(|error| CodeError(io::Error::other(error.to_string())))?;
    let mut name = file.as_os_str().to_owned();
    name.push(".new");
    let temporary = Path::new(&name);
    let write = || {
        // One that is left over may have other permissions.
        let _ = fs::remove_file(temporary);
        let mut options = fs::OpenOptions::new();
        let mut target = options.write(true).create_new(true).mode(0o600).open(temporary)?;
        writeln!(target, "{code}")?;
        fs::rename(temporary, file)
    };
    write().map_err(CodeError)?;
    Ok(fingerprint(code.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_code_signs_in_once_and_only_its_owner_can_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("code");
        let code = Code::to_file(&file).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let first = fs::read_to_string(&file).unwrap();
        assert_eq!(first.trim().len(), 64);
        assert!(code.take("").is_none() && code.take(first.get(..63).unwrap()).is_none());
        assert_eq!(code.take(&first).unwrap().role, Role::All);
        assert!(code.take(&first).is_none());
        let second = fs::read_to_string(&file).unwrap();
        assert_ne!(first, second);
        assert!(code.take(&second).is_some());
    }

    #[test]
    fn without_its_file_no_further_code_signs_in() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("code");
        let code = Code::to_file(&file).unwrap();
        let first = fs::read_to_string(&file).unwrap();
        drop(dir);
        assert!(code.take(&first).is_some() && code.take(&first).is_none());
    }
}
