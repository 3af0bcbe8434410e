//! Bearer tokens: several at once, reread from their file without a restart.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};
use std::time::SystemTime;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use subtle::{Choice, ConstantTimeEq};

/// Least length of a token: shorter ones can be guessed.
const TOKEN_BYTES_MIN: usize = 16;

/// Who may post.
pub struct Auth {
    file: Option<PathBuf>,
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    tokens: Vec<Vec<u8>>,
    stamp: Option<Stamp>,
}

type Stamp = (SystemTime, u64);

/// A file that holds no tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokensError {
    /// It cannot be read.
    Unreadable(String),
    /// A line is too short to be a secret.
    Short {
        /// Its number, from 1.
        line: usize,
    },
    /// There is no token in it.
    Empty,
}

impl fmt::Display for TokensError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TokensError::Unreadable(text) => write!(f, "cannot be read: {text}"),
            TokensError::Short { line } => write!(
                f,
                "line {line}: a token must have at least {TOKEN_BYTES_MIN} characters, such as \
                 the output of `openssl rand -hex 32`"
            ),
            TokensError::Empty => f.write_str("holds no token: put one on a line"),
        }
    }
}

impl std::error::Error for TokensError {}

impl Auth {
    /// Anyone may post.
    pub fn open() -> Self {
        Self { file: None, state: RwLock::default() }
    }

    /// Only who has one of the file's tokens may: one a line, blank lines and `#` lines apart.
    pub fn from_file(file: &Path) -> Result<Self, TokensError> {
        let state = load(file)?;
        Ok(Self { file: Some(file.to_owned()), state: RwLock::new(state) })
    }

    /// Whether anyone may post.
    pub fn is_open(&self) -> bool {
        self.file.is_none()
    }

    /// Rereads the file when it changed; with `force`, whether it did or not. On an error the
    /// tokens stay what they were. Says whether new ones are in force.
    pub fn reread(&self, force: bool) -> Result<bool, TokensError> {
        let Some(file) = &self.file else { return Ok(false) };
        let known = self.state.read().unwrap_or_else(PoisonError::into_inner).stamp;
        if !force && stamp(file) == known {
            return Ok(false);
        }
        let state = load(file)?;
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = state;
        Ok(true)
    }

    /// Whether a request with these headers may post. Every token is compared, whole, so the
    /// time says nothing about how much of one was right.
    pub fn allows(&self, headers: &HeaderMap) -> bool {
        if self.file.is_none() {
            return true;
        }
        let Some(given) = headers.get(AUTHORIZATION).and_then(|value| bearer(value.as_bytes()))
        else {
            return false;
        };
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let found = state
            .tokens
            .iter()
            .fold(Choice::from(0), |found, token| found | token.as_slice().ct_eq(given));
        found.into()
    }
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

fn load(file: &Path) -> Result<State, TokensError> {
    // Taken before the content: a change in between is seen the next time.
    let stamp = stamp(file);
    let text = fs::read(file).map_err(|error| TokensError::Unreadable(error.to_string()))?;
    let mut tokens = Vec::new();
    for (index, line) in text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).enumerate() {
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        if line.len() < TOKEN_BYTES_MIN {
            return Err(TokensError::Short { line: index.saturating_add(1) });
        }
        tokens.push(line.to_vec());
    }
    if tokens.is_empty() { Err(TokensError::Empty) } else { Ok(State { tokens, stamp }) }
}

fn stamp(file: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(file).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "one-0123456789abcdef";
    const TWO: &str = "two-0123456789abcdef";

    fn asks(auth: &Auth, value: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, value.parse().unwrap());
        auth.allows(&headers)
    }

    #[test]
    fn any_of_several_tokens_is_allowed_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("tokens");
        fs::write(&file, format!("# gateways\n{ONE}\n\n  {TWO}\r\n")).unwrap();
        let auth = Auth::from_file(&file).unwrap();
        assert!(asks(&auth, &format!("Bearer {ONE}")));
        assert!(asks(&auth, &format!("bearer  {TWO}")));
        for wrong in ["Bearer", "Bearer ", "Basic b25l", ONE, "Bearer one-0123456789abcdeF"] {
            assert!(!asks(&auth, wrong), "{wrong}");
        }
        assert!(!asks(&auth, &format!("Bearer {ONE}x")));
        assert!(!auth.allows(&HeaderMap::new()));
    }

    #[test]
    fn a_changed_file_is_reread_and_a_bad_one_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("tokens");
        fs::write(&file, ONE).unwrap();
        let auth = Auth::from_file(&file).unwrap();
        assert_eq!(auth.reread(false), Ok(false));
        fs::write(&file, format!("{TWO}\n")).unwrap();
        assert_eq!(auth.reread(false), Ok(true));
        assert!(asks(&auth, &format!("Bearer {TWO}")) && !asks(&auth, &format!("Bearer {ONE}")));
        fs::write(&file, "short\n").unwrap();
        assert_eq!(auth.reread(false), Err(TokensError::Short { line: 1 }));
        fs::remove_file(&file).unwrap();
        assert!(matches!(auth.reread(true), Err(TokensError::Unreadable(_))));
        assert!(asks(&auth, &format!("Bearer {TWO}")));
    }

    #[test]
    fn without_a_file_anyone_may_post() {
        assert!(Auth::open().allows(&HeaderMap::new()));
    }
}
