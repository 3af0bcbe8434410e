//! The viewers' tokens, reloaded from their file without a restart.
//!
//! ```text
//! # token  name=…  all | organizations=…,…  [expires=TIME]
//! 8f3c…  name=on-call  all
//! b1d0…  name=acme-support  organizations=acme,acme-eu  expires=2027-01-01T00:00:00Z
//! ```

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use gatelog_collector::http::tokens_file;
use gatelog_record::Timestamp;
use subtle::ConstantTimeEq;

use super::{Fingerprint, KnownBy, Role, Viewer, fingerprint};

/// Minimum length of a token: shorter ones can be guessed.
const TOKEN_BYTES_MIN: usize = 16;
/// Maximum length of a name.
const NAME_BYTES: usize = 128;
/// Maximum tokens: each is compared at every request.
const TOKENS: usize = 10_000;

/// The viewers' tokens.
pub struct Tokens {
    file: PathBuf,
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    viewers: Vec<(Fingerprint, Arc<Viewer>)>,
    content: Vec<u8>,
}

/// An unusable token file. No text contains a part of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokensError {
    /// It cannot be read.
    Unreadable(String),
    /// A line is not a token and what it may see.
    Line {
        /// The line's number, from 1.
        line: usize,
        /// What is wrong with it.
        fault: String,
    },
    /// It contains no token.
    Empty,
    /// It contains too many.
    TooMany,
}

impl fmt::Display for TokensError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TokensError::Unreadable(text) => write!(f, "cannot be read: {text}"),
            TokensError::Line { line, fault } => write!(f, "line {line}: {fault}"),
            TokensError::Empty => f.write_str("holds no token: put one on a line"),
            TokensError::TooMany => write!(f, "holds more than {TOKENS} tokens"),
        }
    }
}

impl std::error::Error for TokensError {}

impl Tokens {
    /// Reads the file.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is not a file of tokens.
    pub fn from_file(file: &Path) -> Result<Self, TokensError> {
        let state = parse(read(file)?)?;
        Ok(Self { file: file.to_owned(), state: RwLock::new(state) })
    }

    /// Reloads the file if its content changed. On an error the current tokens stay in force.
    /// Returns whether new ones are in force.
    ///
    /// # Errors
    ///
    /// The same as at first.
    pub fn reread(&self) -> Result<bool, TokensError> {
        // Compares the content itself: length and modification time may stay the same.
        let content = read(&self.file)?;
        if content == self.state.read().unwrap_or_else(PoisonError::into_inner).content {
            return Ok(false);
        }
        let state = parse(content)?;
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = state;
        Ok(true)
    }

    /// Whose token this is, also one that has expired. Every token is compared in full, so timing
    /// reveals nothing about how much of one was right.
    pub(super) fn find(&self, token: &Fingerprint) -> Option<Arc<Viewer>> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.viewers.iter().fold(None, |found, (own, viewer)| {
            if bool::from(own.ct_eq(token)) { Some(Arc::clone(viewer)) } else { found }
        })
    }
}

fn read(file: &Path) -> Result<Vec<u8>, TokensError> {
    tokens_file::read(file).map_err(|error| TokensError::Unreadable(error.to_string()))
}

fn parse(content: Vec<u8>) -> Result<State, TokensError> {
    let mut viewers = Vec::new();
    for (index, line) in content.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).enumerate() {
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        if viewers.len() == TOKENS {
            return Err(TokensError::TooMany);
        }
        let fault = |fault| TokensError::Line { line: index.saturating_add(1), fault };
        let text = std::str::from_utf8(line).map_err(|_| fault("is not UTF-8".to_owned()))?;
        let (token, viewer) = viewer(text).map_err(fault)?;
        viewers.push((token, Arc::new(viewer)));
    }
    if viewers.is_empty() { Err(TokensError::Empty) } else { Ok(State { viewers, content }) }
}

/// Reads one line. What is wrong is told without the text: it may be a part of a token.
fn viewer(line: &str) -> Result<(Fingerprint, Viewer), String> {
    const SHAPE: &str = "behind a token stand name=NAME, all or organizations=NAME,NAME, and \
                         optionally expires=TIME, separated by blanks";
    let mut words = line.split_ascii_whitespace();
    let token = words.next().unwrap_or_default();
    if token.len() < TOKEN_BYTES_MIN {
        return Err(format!(
            "a token must have at least {TOKEN_BYTES_MIN} characters, such as the output of \
             `openssl rand -hex 32`"
        ));
    }
    let (mut name, mut role, mut expires) = (None, None, None);
    for word in words {
        let new = match word.split_once('=') {
            None if word == "all" => role.replace(Role::All).is_none(),
            Some(("name", text)) if !text.is_empty() && text.len() <= NAME_BYTES => {
                name.replace(text.to_owned()).is_none()
            }
            Some(("organizations", list)) => {
                let names: Vec<_> = list.split(',').map(str::to_owned).collect();
                if names.iter().any(String::is_empty) {
                    return Err("organizations= has an empty name".to_owned());
                }
                role.replace(Role::Organizations(names)).is_none()
            }
            Some(("expires", time)) => {
                let time = Timestamp::parse(time);
                let time =
                    time.map_err(|_| "expires= must be a time, such as 2027-01-01T00:00:00Z");
                expires.replace(time?).is_none()
            }
            _ => return Err(SHAPE.to_owned()),
        };
        if !new {
            return Err("says the same thing twice, or both all and organizations=".to_owned());
        }
    }
    let (Some(name), Some(role)) = (name, role) else { return Err(SHAPE.to_owned()) };
    let viewer =
        Viewer::new(KnownBy::Token, name, role, expires).map_err(|error| error.to_string())?;
    Ok((fingerprint(token.as_bytes()), viewer))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const TOKEN: &str = "0123456789abcdef";

    fn of(line: &str) -> Result<Viewer, String> {
        let state = parse(format!("# viewers\n\n{line}\r\n").into_bytes());
        let state = state.map_err(|error| error.to_string())?;
        let [(token, viewer)] = &state.viewers[..] else { panic!("{line}") };
        assert_eq!(*token, fingerprint(TOKEN.as_bytes()));
        Ok(viewer.as_ref().clone())
    }

    #[test]
    fn a_line_is_a_token_a_name_and_what_it_may_see() {
        let all = of(&format!("{TOKEN} name=on-call all")).unwrap();
        assert_eq!((all.name.as_str(), &all.role, all.expires), ("on-call", &Role::All, None));
        let line = format!("{TOKEN}\texpires=2027-01-01T00:00:00Z organizations=a,b  name=x");
        let some = of(&line).unwrap();
        assert_eq!(some.role, Role::Organizations(vec!["a".into(), "b".into()]));
        assert!(some.expires.is_some());
    }

    #[test]
    fn what_is_wrong_with_a_line_is_told_without_a_part_of_a_token() {
        for (line, told) in [
            ("short name=x all".to_owned(), "line 3: a token must have at least 16 characters"),
            (TOKEN.to_owned(), "line 3: behind a token stand name=NAME"),
            (format!("{TOKEN} all"), "line 3: behind a token"),
            (format!("{TOKEN} name=x"), "line 3: behind a token"),
            (format!("{TOKEN} name=x {TOKEN} all"), "line 3: behind a token"),
            (format!("{TOKEN} name=x organizations="), "line 3: organizations= has an empty"),
            (format!("{TOKEN} name=x organizations=a,,b"), "line 3: organizations= has an empty"),
            (format!("{TOKEN} name=x all organizations=a"), "line 3: says the same thing twice"),
            (format!("{TOKEN} name=x name=y all"), "line 3: says the same thing twice"),
            (format!("{TOKEN} name=x all expires=soon"), "line 3: expires= must be a time"),
        ] {
            let error = of(&line).unwrap_err();
            assert!(error.starts_with(told), "{line}: {error}");
            assert!(!error.contains(TOKEN), "{error}");
        }
        assert_eq!(parse(b"# none\n".to_vec()).unwrap_err(), TokensError::Empty);
    }

    #[test]
    fn a_changed_file_is_reread_and_a_bad_one_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("tokens");
        fs::write(&file, format!("{TOKEN} name=x all")).unwrap();
        let tokens = Tokens::from_file(&file).unwrap();
        let known = |token: &str| tokens.find(&fingerprint(token.as_bytes())).is_some();
        assert_eq!(tokens.reread(), Ok(false));
        fs::write(&file, "fedcba9876543210 name=x all").unwrap();
        assert_eq!(tokens.reread(), Ok(true));
        assert!(known("fedcba9876543210") && !known(TOKEN));
        fs::write(&file, "short").unwrap();
        assert!(matches!(tokens.reread(), Err(TokensError::Line { line: 1, .. })));
        fs::write(&file, "x".repeat(tokens_file::FILE_BYTES_MAX + 1)).unwrap();
        assert!(matches!(tokens.reread(), Err(TokensError::Unreadable(_))));
        fs::remove_file(&file).unwrap();
        assert!(matches!(tokens.reread(), Err(TokensError::Unreadable(_))));
        assert!(known("fedcba9876543210"));
    }
}
