//! The key of the hashes in tombstones. Without it, nobody can test which value a hash is of.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::Field;

/// Bytes of a key, and of a hash.
const BYTES: usize = 32;

/// Bytes of a block of SHA-256.
const BLOCK: usize = 64;

/// The keyed hash of a field's value: HMAC-SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; BYTES]);

impl Hash {
    /// Reads 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; BYTES];
        if text.len() != bytes.len().saturating_mul(2) {
            return None;
        }
        for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).ok()?;
            *byte = u8::from_str_radix(digits, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// 256 random bits, shared by all collectors of a database.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; BYTES]);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    /// A new one; `None` if the system gives no random bits.
    pub fn generate() -> Option<Self> {
        let mut bytes = [0; BYTES];
        let random = rustls::crypto::ring::default_provider().secure_random;
        random.fill(&mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// The key with these bytes; `None` if it has another length.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        Some(Self(bytes.try_into().ok()?))
    }

    /// Its bytes, to be stored.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Names the key without revealing it: a tombstone says by which key it was made.
    pub fn id(&self) -> String {
        let digest = Sha256::new().chain_update(b"gatelog erase key\0").chain_update(self.0);
        let mut text = Hash(digest.finalize().into()).to_string();
        text.truncate(16);
        text
    }

    /// The hash of a field's value. The same value of another field has another hash.
    pub fn hash(&self, field: Field, value: &str) -> Hash {
        // HMAC fills a key up to the block of its hash with zeros.
        let mut block = [0; BLOCK];
        block.iter_mut().zip(self.0).for_each(|(to, from)| *to = from);
        let mut mac = <Hmac<Sha256> as KeyInit>::new(&block.into());
        mac.update(field.as_str().as_bytes());
        mac.update(&[0]);
        mac.update(value.as_bytes());
        Hash(mac.finalize().into_bytes().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_depends_on_key_field_and_every_byte_of_the_value() {
        let (one, other) = (Key::of(&[1; 32]).unwrap(), Key::generate().unwrap());
        assert_ne!(one.id(), other.id());
        let hash = one.hash(Field::User, "user_7");
        assert_eq!(hash, one.hash(Field::User, "user_7"));
        for different in [
            other.hash(Field::User, "user_7"),
            one.hash(Field::Organization, "user_7"),
            one.hash(Field::User, "User_7"),
            one.hash(Field::User, "user_7 "),
            one.hash(Field::User, ""),
        ] {
            assert_ne!(hash, different);
        }
    }

    #[test]
    fn the_hash_is_the_one_that_other_programs_compute() {
        // printf 'user\0user_7' | openssl dgst -sha256 -mac HMAC -macopt hexkey:0101…01
        let hash = Key::of(&[1; 32]).unwrap().hash(Field::User, "user_7").to_string();
        assert_eq!(hash, "bb2988a1d70aa7599fd7e96cb4aeccf7375440e523f2edebbe84465c84bff9d0");
        assert_eq!(Hash::parse(&hash).unwrap().to_string(), hash);
        assert_eq!(Hash::parse("00"), None);
        assert_eq!(Hash::parse(&"é".repeat(32)), None);
    }

    #[test]
    fn a_key_is_not_shown() {
        let key = Key::of(&[0xab; 32]).unwrap();
        assert!(!format!("{key:?}").contains("171") && !key.id().contains("abab"));
        assert!(Key::of(&[1; 31]).is_none());
    }
}
