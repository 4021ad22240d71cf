//! Element tokens: `Element` in the `Authorization` header.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;

use crate::id::InstanceId;
use crate::seal::key::{Key, mac};

/// The number of a key, so that tokens made with an old key stay valid beside a new one.
pub type KeyNumber = u8;

/// The keys that element tokens are made with, numbered from 1; new tokens take the last.
#[derive(Debug, Clone)]
pub struct TokenKeys(Vec<Key>);

impl TokenKeys {
    /// Takes the only key.
    pub fn new(key: Key) -> Self {
        Self(vec![key])
    }

    /// Derives a key from each of the master secrets, which white space separates, the oldest first. A
    /// new one is appended: tokens made with those before it stay valid. `None` when there is no secret
    /// or more than 255.
    pub fn derive(masters: &str, purpose: &str) -> Option<Self> {
        let keys = Key::derive_all(masters, purpose);
        KeyNumber::try_from(keys.len()).ok().filter(|count| *count > 0).map(|_| Self(keys))
    }

    /// Tells the number of the key that new instances take.
    pub fn current(&self) -> KeyNumber {
        KeyNumber::try_from(self.0.len()).unwrap_or(KeyNumber::MAX)
    }

    /// Makes an instance's token: base64 of 32 bytes, which are the key's number, the instance's id
    /// (7 bytes) and 24 bytes of HMAC-SHA-256 over both and the record's salt. `None` when the
    /// deployment no longer has that key.
    pub fn token(&self, number: KeyNumber, instance: InstanceId, salt: &str) -> Option<String> {
        let key = self.0.get(usize::from(number).checked_sub(1)?)?;
        let mut bytes = [0; 32];
        bytes[0] = number;
        bytes[1..8].copy_from_slice(&instance.0.to_be_bytes()[1..]);
        let proof = mac(key.bytes(), &[&bytes[..8], salt.as_bytes()]);
        bytes[8..].copy_from_slice(&proof[..24]);
        Some(STANDARD.encode(bytes))
    }
}

/// An element token as a client gave it: the instance it claims, unproven.
#[derive(Clone)]
pub struct ElementToken {
    text: String,
    instance: InstanceId,
}

impl std::fmt::Debug for ElementToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ElementToken").field("instance", &self.instance).finish_non_exhaustive()
    }
}

impl ElementToken {
    /// Reads a token; `None` when it cannot be one of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 32] = STANDARD.decode(text).ok()?.try_into().ok()?;
        let mut id = [0; 8];
        id[1..].copy_from_slice(&bytes[1..8]);
        Some(Self { text: text.into(), instance: InstanceId(u64::from_be_bytes(id)) })
    }

    /// Tells the instance that the token claims.
    pub fn instance(&self) -> InstanceId {
        self.instance
    }

    /// Compares with the token that the instance really has, in constant time.
    pub fn proves(&self, real: &str) -> bool {
        self.text.as_bytes().ct_eq(real.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INSTANCE: InstanceId = InstanceId(7);

    fn keys() -> TokenKeys {
        TokenKeys::new(Key::derive(b"master", "element-token"))
    }

    #[test]
    fn a_token_is_44_characters_and_names_its_instance() {
        let token = keys().token(1, InstanceId(12_345), "salt").unwrap();
        assert_eq!(token.len(), 44);
        let parsed = ElementToken::parse(&token).unwrap();
        assert_eq!(parsed.instance(), InstanceId(12_345));
        assert!(parsed.proves(&token));
    }

    #[test]
    fn another_salt_or_id_makes_another_token() {
        let token = keys().token(1, InstanceId(1), "salt").unwrap();
        let parsed = ElementToken::parse(&token).unwrap();
        assert!(!parsed.proves(&keys().token(1, InstanceId(1), "other").unwrap()));
        assert!(!parsed.proves(&keys().token(1, InstanceId(2), "salt").unwrap()));
        assert_eq!(keys().token(9, INSTANCE, "salt"), None, "a key that the deployment does not have");
    }

    #[test]
    fn a_key_is_appended_and_the_old_tokens_stay() {
        let old = TokenKeys::derive("first\n", "element-token").unwrap();
        let both = TokenKeys::derive("first second", "element-token").unwrap();
        assert_eq!((old.current(), both.current()), (1, 2));
        assert_eq!(old.token(1, INSTANCE, "salt"), both.token(1, INSTANCE, "salt"));
        assert_ne!(both.token(1, INSTANCE, "salt"), both.token(2, INSTANCE, "salt"));
        assert!(TokenKeys::derive(" ", "element-token").is_none());
        assert_eq!(both.token(0, INSTANCE, "salt"), None);
    }

    #[test]
    fn what_is_no_token_is_not_read() {
        for text in ["", "abc", "####", &"A".repeat(44), &STANDARD.encode([0; 31])] {
            assert!(ElementToken::parse(text).is_none(), "{text}");
        }
    }
}
