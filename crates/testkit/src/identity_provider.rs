//! An identity provider: the tokens that it signs, and the keys that verify them.

use axum::{Json, Router};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use anyhow::Result;

use crate::SampleService;

/// The key that signs the tokens of tests, and nothing else.
const KEY: &[u8] = b"a key for tests, known to everybody";

/// Publishes its keys over HTTP, whatever the path.
#[derive(Debug)]
pub struct IdentityProvider {
    service: SampleService,
}

impl IdentityProvider {
    /// Starts one on a free port.
    pub async fn start() -> Result<Self> {
        let published = Router::new().fallback(async || Json(Self::keys()));
        Ok(Self { service: SampleService::serve(published).await? })
    }

    /// The address that it listens on.
    pub fn address(&self) -> std::net::SocketAddr {
        self.service.address()
    }

    /// Its key set (RFC 7517).
    pub fn keys() -> Value {
        let key = json!({"kty": "oct", "alg": "HS256", "kid": "test", "k": base64url(KEY)});
        json!({ "keys": [key] })
    }

    /// A token of `https://identity.example.com` for this audience, valid until the year 2100, with these
    /// further claims as JSON text, for example `"sub":"ann"`.
    pub fn token(audience: &str, claims: &str) -> Result<String> {
        let header = base64url(br#"{"alg":"HS256","kid":"test","typ":"JWT"}"#);
        let payload = format!(
            r#"{{"iss":"https://identity.example.com","aud":"{audience}","exp":4102444800,{claims}}}"#
        );
        let signed = format!("{header}.{}", base64url(payload.as_bytes()));
        let mut mac = Hmac::<Sha256>::new_from_slice(KEY)?;
        mac.update(signed.as_bytes());
        Ok(format!("{signed}.{}", base64url(&mac.finalize().into_bytes())))
    }
}

/// Base 64 for URLs, without padding (RFC 4648 §5).
pub fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let groups = bytes.chunks(3).flat_map(|chunk| {
        let at = |place| u32::from(chunk.get(place).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        (0..=chunk.len()).map(move |place| (bits >> (18 - 6 * place)) as usize & 63)
    });
    groups.filter_map(|index| ALPHABET.get(index).copied()).map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_64_is_that_of_the_rfc() {
        for (bytes, text) in
            [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg")]
        {
            assert_eq!(base64url(bytes.as_bytes()), text);
        }
        assert_eq!(base64url(&[0xfb, 0xff]), "-_8");
    }
}
