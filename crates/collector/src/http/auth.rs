//! Bearer tokens and their roles: any number of them, reloaded from their file without a restart.
//!
//! One token per line, followed by its roles:
//!
//! ```text
//! # may send everything, and read the accounting, like every line without roles
//! 3f7a…
//! 91bc…  send
//! d04e…  send=billing,billing-jobs
//! 77aa…  read
//! ```

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use subtle::ConstantTimeEq;

use super::tokens_file;
use crate::spool::Append;

/// Minimum length of a token: shorter ones can be guessed.
const TOKEN_BYTES_MIN: usize = 16;

/// The tokens and their roles.
pub struct Auth {
    file: Option<PathBuf>,
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    tokens: Vec<(Vec<u8>, Arc<Grant>)>,
    content: Vec<u8>,
}

/// What a token may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Whose records it may send; `None` if it may send none.
    send: Option<Sources>,
    /// Whether it may read the accounting.
    pub read: bool,
}

/// Whose records may be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sources {
    /// Records from any source.
    Any,
    /// Records that name one of these as their source, and those that name none.
    Named(Vec<String>),
}

impl Grant {
    const ALL: Self = Self { send: Some(Sources::Any), read: true };
    const NONE: Self = Self { send: None, read: false };

    /// Whose records may be sent, if any may.
    pub const fn send(&self) -> Option<&Sources> {
        self.send.as_ref()
    }
}

impl Sources {
    /// The first source in a batch that may not be sent.
    pub fn forbids<'a>(&self, batch: &'a Append) -> Option<&'a str> {
        let Sources::Named(names) = self else { return None };
        let boots = batch.seqs.iter().chain(batch.quarantined.iter()).map(|(boot, _)| boot);
        let boots = boots.chain(batch.totals.as_ref().map(|(boot, _)| boot));
        boots.map(|boot| boot.gateway.as_str()).find(|source| !names.iter().any(|it| it == source))
    }
}

/// An unusable token file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokensError {
    /// It cannot be read.
    Unreadable(String),
    /// A token is too short to be a secret.
    Short {
        /// The line's number, from 1.
        line: usize,
    },
    /// The text after a token is not a role.
    Role {
        /// The line's number, from 1.
        line: usize,
    },
    /// It contains no token.
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
            // Omits the text: it may contain part of a token.
            TokensError::Role { line } => write!(
                f,
                "line {line}: behind a token stand its roles, separated by blanks: send, \
                 send=NAME,NAME or read"
            ),
            TokensError::Empty => f.write_str("holds no token: put one on a line"),
        }
    }
}

impl std::error::Error for TokensError {}

impl Auth {
    /// Every client may do everything.
    pub fn open() -> Self {
        Self { file: None, state: RwLock::default() }
    }

    /// Only clients with one of the file's tokens may act, within that token's roles. One token per
    /// line; blank lines and `#` lines are ignored.
    pub fn from_file(file: &Path) -> Result<Self, TokensError> {
        let state = parse(read(file)?)?;
        Ok(Self { file: Some(file.to_owned()), state: RwLock::new(state) })
    }

    /// Whether every client may do everything.
    pub fn is_open(&self) -> bool {
        self.file.is_none()
    }

    /// Reloads the file if its content changed. On an error the current tokens stay in force.
    /// Returns whether new ones are in force.
    pub fn reread(&self) -> Result<bool, TokensError> {
        let Some(file) = &self.file else { return Ok(false) };
        // Compares the content itself: length and modification time may stay the same.
        let content = read(file)?;
        if content == self.state.read().unwrap_or_else(PoisonError::into_inner).content {
            return Ok(false);
        }
        let state = parse(content)?;
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = state;
        Ok(true)
    }

    /// What a request with these headers may do; `None` without a known token. Every token is
    /// compared in full, so timing reveals nothing about how much of one was right.
    pub fn grant(&self, headers: &HeaderMap) -> Option<Arc<Grant>> {
        if self.file.is_none() {
            return Some(Arc::new(Grant::ALL));
        }
        let given = bearer(headers.get(AUTHORIZATION)?.as_bytes())?;
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.tokens.iter().fold(None, |found, (token, grant)| {
            if bool::from(token.as_slice().ct_eq(given)) { Some(Arc::clone(grant)) } else { found }
        })
    }
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

fn read(file: &Path) -> Result<Vec<u8>, TokensError> {
    tokens_file::read(file).map_err(|error| TokensError::Unreadable(error.to_string()))
}

fn parse(content: Vec<u8>) -> Result<State, TokensError> {
    let mut tokens = Vec::new();
    for (index, line) in content.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).enumerate() {
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let number = index.saturating_add(1);
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let token = words.next().unwrap_or_default();
        if token.len() < TOKEN_BYTES_MIN {
            return Err(TokensError::Short { line: number });
        }
        let roles = roles(words).ok_or(TokensError::Role { line: number })?;
        tokens.push((token.to_vec(), Arc::new(roles)));
    }
    if tokens.is_empty() { Err(TokensError::Empty) } else { Ok(State { tokens, content }) }
}

/// Without roles, a token may do everything.
fn roles<'a>(words: impl Iterator<Item = &'a [u8]>) -> Option<Grant> {
    let mut words = words.peekable();
    if words.peek().is_none() {
        return Some(Grant::ALL);
    }
    let mut grant = Grant::NONE;
    for word in words {
        match std::str::from_utf8(word).ok()? {
            "read" => grant.read = true,
            "send" => grant.send = Some(Sources::Any),
            role => {
                let names = role.strip_prefix("send=")?.split(',').map(str::to_owned);
                let names: Vec<_> = names.collect();
                if names.iter().any(String::is_empty) {
                    return None;
                }
                grant.send = Some(Sources::Named(names));
            }
        }
    }
    Some(grant)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use std::fs::File;

    use gatelog_record::Uuid;

    use super::*;
    use crate::accounting::Seqs;

    const ONE: &str = "one-0123456789abcdef";
    const TWO: &str = "two-0123456789abcdef";

    fn asks(auth: &Auth, value: &str) -> Option<Arc<Grant>> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, value.parse().unwrap());
        auth.grant(&headers)
    }

    fn of(text: &str) -> Result<State, TokensError> {
        parse(text.as_bytes().to_vec())
    }

    #[test]
    fn any_of_several_tokens_is_allowed_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("tokens");
        fs::write(&file, format!("# gateways\n{ONE}\n\n  {TWO}\r\n")).unwrap();
        let auth = Auth::from_file(&file).unwrap();
        for right in [format!("Bearer {ONE}"), format!("bearer  {TWO}")] {
            assert_eq!(asks(&auth, &right).as_deref(), Some(&Grant::ALL));
        }
        for wrong in ["Bearer", "Bearer ", "Basic b25l", ONE, "Bearer one-0123456789abcdeF"] {
            assert_eq!(asks(&auth, wrong), None, "{wrong}");
        }
        assert_eq!(asks(&auth, &format!("Bearer {ONE}x")), None);
        assert_eq!(auth.grant(&HeaderMap::new()), None);
    }

    #[test]
    fn the_roles_behind_a_token_are_all_it_may_do() {
        let named =
            |names: &[&str]| Sources::Named(names.iter().map(|&it| it.to_owned()).collect());
        for (roles, send, read) in [
            ("", Some(Sources::Any), true),
            ("send", Some(Sources::Any), false),
            ("read", None, true),
            ("send\tread", Some(Sources::Any), true),
            ("read  send=a,b-1", Some(named(&["a", "b-1"])), true),
            ("send=a", Some(named(&["a"])), false),
        ] {
            let state = of(&format!("{ONE} {roles}\n")).unwrap();
            let [(token, grant)] = &state.tokens[..] else { panic!("{roles}") };
            assert_eq!(token, ONE.as_bytes());
            assert_eq!(**grant, Grant { send, read }, "{roles}");
        }
        for roles in ["write", "send=", "send=a,,b", "send,read", TWO] {
            let error = of(&format!("# one\n{ONE} {roles}")).err();
            assert_eq!(error, Some(TokensError::Role { line: 2 }), "{roles}");
            assert!(!error.unwrap().to_string().contains(TWO));
        }
    }

    #[test]
    fn a_token_bound_to_sources_sends_no_other_s_numbers() {
        let bound = Sources::Named(vec!["billing".into()]);
        let of = |gateway: &str| {
            let mut seqs = Seqs::default();
            seqs.add(gateway, Uuid::nil(), 1);
            seqs
        };
        let sent = |seqs, quarantined| Append { seqs, quarantined, ..Append::default() };
        assert_eq!(bound.forbids(&Append::default()), None, "no source at all");
        assert_eq!(bound.forbids(&sent(of("billing"), of("billing"))), None);
        assert_eq!(bound.forbids(&sent(of("edge"), Seqs::default())), Some("edge"));
        assert_eq!(bound.forbids(&sent(of("billing"), of("edge"))), Some("edge"));
        assert_eq!(Sources::Any.forbids(&sent(of("edge"), Seqs::default())), None);
    }

    #[test]
    fn a_changed_file_is_reread_and_a_bad_one_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("tokens");
        fs::write(&file, ONE).unwrap();
        let auth = Auth::from_file(&file).unwrap();
        let may = |token: &str| asks(&auth, &format!("Bearer {token}")).is_some();
        assert_eq!(auth.reread(), Ok(false));
        // With the same length and modification time.
        let time = fs::metadata(&file).unwrap().modified().unwrap();
        fs::write(&file, TWO).unwrap();
        File::options().write(true).open(&file).unwrap().set_modified(time).unwrap();
        assert_eq!(auth.reread(), Ok(true));
        assert!(may(TWO) && !may(ONE));
        fs::write(&file, "short\n").unwrap();
        assert_eq!(auth.reread(), Err(TokensError::Short { line: 1 }));
        fs::write(&file, "x".repeat(tokens_file::FILE_BYTES_MAX + 1)).unwrap();
        assert!(matches!(auth.reread(), Err(TokensError::Unreadable(_))));
        fs::remove_file(&file).unwrap();
        assert!(matches!(auth.reread(), Err(TokensError::Unreadable(_))));
        assert!(may(TWO));
    }

    #[test]
    fn without_a_file_anyone_may_do_everything() {
        assert_eq!(Auth::open().grant(&HeaderMap::new()).as_deref(), Some(&Grant::ALL));
    }
}
