//! Who asks, and whose records they may see.
//!
//! A caller is known by a token (as a bearer, or through a session that it began), by the code of a
//! link, or by the claims that a listed proxy has verified. Nothing else makes a [`Viewer`], and only
//! a viewer has a scope to search in.

mod attempts;
mod code;
mod identity;
mod sessions;
mod tokens;
mod viewer;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, COOKIE};
use gatelog_collector::clock;
use sha2::{Digest, Sha256};

pub use attempts::{Attempts, TooMany};
pub use code::{Code, CodeError};
use identity::Claimed;
pub use identity::{Identity, IdentityOptions};
pub use sessions::{Origin, Sessions};
pub use tokens::{Tokens, TokensError};
pub use viewer::{KnownBy, Role, Viewer};

/// The cookie of a session.
pub const COOKIE_NAME: &str = "gatelog_session";

/// A secret is kept, looked up and compared by its hash.
pub(crate) type Fingerprint = [u8; 32];

pub(crate) fn fingerprint(secret: &[u8]) -> Fingerprint {
    Sha256::digest(secret).into()
}

/// 256 random bits as hexadecimal digits.
pub(crate) fn random() -> Result<String, getrandom::Error> {
    use std::fmt::Write;
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

/// Why a caller is nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nobody {
    /// Nothing says who it is, or what says so is unknown or has ended.
    Unknown,
    /// Too many attempts failed: after this many seconds another may be made.
    TooMany(TooMany),
}

/// What somebody shows to sign in.
#[derive(Clone, Copy, Debug)]
pub enum Secret<'a> {
    /// A token of the file.
    Token(&'a str),
    /// The code of a link.
    Code(&'a str),
}

/// Everything that says who a caller is.
pub struct Who {
    tokens: Option<Tokens>,
    code: Option<Code>,
    identity: Option<Identity>,
    sessions: Sessions,
    attempts: Attempts,
}

impl Who {
    /// Nobody is known yet but those whom these know. Sessions end after this time without a request.
    pub fn new(
        tokens: Option<Tokens>,
        code: Option<Code>,
        identity: Option<Identity>,
        session_idle: Duration,
    ) -> Self {
        Self {
            tokens,
            code,
            identity,
            sessions: Sessions::new(session_idle),
            attempts: Attempts::default(),
        }
    }

    /// The tokens.
    pub fn tokens(&self) -> Option<&Tokens> {
        self.tokens.as_ref()
    }

    /// How many sessions are open.
    pub fn sessions(&self) -> usize {
        self.sessions.count()
    }

    /// Who sent a request with these headers from this address.
    ///
    /// # Errors
    ///
    /// Nobody known.
    pub fn viewer(&self, headers: &HeaderMap, from: IpAddr) -> Result<Arc<Viewer>, Nobody> {
        let claimed = self.identity.as_ref().map(|identity| identity.claimed(headers, from));
        match claimed.unwrap_or(Claimed::Nothing) {
            Claimed::By(viewer) => return Ok(Arc::new(viewer)),
            Claimed::Nobody => return Err(Nobody::Unknown),
            Claimed::Nothing => {}
        }
        if let Some(value) = headers.get(AUTHORIZATION) {
            let token = bearer(value.as_bytes()).ok_or(Nobody::Unknown)?;
            return self.guessing(from, || Some(self.by_token(token)?.1));
        }
        self.by_session(headers).ok_or(Nobody::Unknown)
    }

    /// Whether whoever sent these headers still is this viewer, with the same rights. It counts
    /// neither as a request of a session nor as an attempt.
    pub fn is_still(&self, viewer: &Viewer, headers: &HeaderMap, from: IpAddr) -> bool {
        if viewer.expires.is_some_and(|end| end <= clock::now()) {
            return false;
        }
        let claimed = self.identity.as_ref().map(|identity| identity.claimed(headers, from));
        let now = match claimed.unwrap_or(Claimed::Nothing) {
            Claimed::By(viewer) => Some(Arc::new(viewer)),
            Claimed::Nobody => None,
            Claimed::Nothing => match headers.get(AUTHORIZATION) {
                Some(value) => {
                    bearer(value.as_bytes()).and_then(|token| Some(self.by_token(token)?.1))
                }
                None => session_of(headers)
                    .and_then(|id| self.sessions.look(&fingerprint(id.as_bytes())))
                    .and_then(|origin| self.of(origin)),
            },
        };
        now.is_some_and(|now| *now == *viewer)
    }

    /// Begins a session; returns its cookie's value and who it is.
    ///
    /// # Errors
    ///
    /// The secret is unknown, used, or has ended; or there is no randomness for a session.
    pub fn sign_in(
        &self,
        secret: Secret<'_>,
        from: IpAddr,
    ) -> Result<(String, Arc<Viewer>), Nobody> {
        let (origin, viewer) = self.guessing(from, || match secret {
            Secret::Token(token) => {
                let (token, viewer) = self.by_token(token.trim().as_bytes())?;
                Some((Origin::Token(token), viewer))
            }
            Secret::Code(code) => {
                let viewer = self.code.as_ref()?.take(code)?;
                Some((Origin::Code(Arc::clone(&viewer)), viewer))
            }
        })?;
        let id = random().map_err(|_| Nobody::Unknown)?;
        self.sessions.begin(fingerprint(id.as_bytes()), origin);
        Ok((id, viewer))
    }

    /// Ends the session of these headers, if there is one.
    pub fn sign_out(&self, headers: &HeaderMap) {
        if let Some(id) = session_of(headers) {
            self.sessions.end(&fingerprint(id.as_bytes()));
        }
    }

    /// Counts an attempt that fails, and makes none once too many did.
    fn guessing<T>(&self, from: IpAddr, attempt: impl FnOnce() -> Option<T>) -> Result<T, Nobody> {
        self.attempts.allowed(from).map_err(Nobody::TooMany)?;
        attempt().ok_or_else(|| {
            self.attempts.failed(from);
            Nobody::Unknown
        })
    }

    fn by_token(&self, token: &[u8]) -> Option<(Fingerprint, Arc<Viewer>)> {
        let token = fingerprint(token);
        Some((token, self.valid(&token)?))
    }

    fn by_session(&self, headers: &HeaderMap) -> Option<Arc<Viewer>> {
        let id = fingerprint(session_of(headers)?.as_bytes());
        let viewer = self.of(self.sessions.find(&id)?);
        if viewer.is_none() {
            self.sessions.end(&id);
        }
        viewer
    }

    /// Whose session began with this, if that has not ended.
    fn of(&self, origin: Origin) -> Option<Arc<Viewer>> {
        match origin {
            Origin::Token(token) => self.valid(&token),
            Origin::Code(viewer) => Some(viewer),
        }
    }

    /// Whose token this is, if it has not ended.
    fn valid(&self, token: &Fingerprint) -> Option<Arc<Viewer>> {
        let viewer = self.tokens.as_ref()?.find(token)?;
        viewer.expires.is_none_or(|end| clock::now() < end).then_some(viewer)
    }
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

fn session_of(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|text| text.split(';')).filter_map(|it| it.split_once('='));
    pairs.find(|(name, _)| name.trim() == COOKIE_NAME).map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests;
