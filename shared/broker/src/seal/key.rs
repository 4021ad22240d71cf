//! The deployment's keys.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::random;

/// The shortest secret that keys are made of, or that lets a caller in, in bytes.
const SHORTEST_SECRET: usize = 32;

/// Why a deployment does not start with a secret. It does not hold the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakSecret {
    /// Somebody could find it out by trying.
    #[error("it is shorter than {SHORTEST_SECRET} bytes")]
    Short,
    /// It is the same in every deployment of the template, which everybody can read.
    #[error("it is a reference that nothing has resolved")]
    Unresolved,
}

/// Refuses a secret that others could know; of several, which white space separates, each must be good.
pub fn check_secret(secrets: &str) -> Result<(), WeakSecret> {
    if is_reference(secrets) {
        return Err(WeakSecret::Unresolved);
    }
    let mut parts = secrets.split_whitespace().peekable();
    if parts.peek().is_none() || parts.any(|secret| secret.len() < SHORTEST_SECRET) {
        return Err(WeakSecret::Short);
    }
    Ok(())
}

/// Tells whether a text still holds a reference of the template: `{{resolve:…}}` or `${…}`.
pub fn is_reference(text: &str) -> bool {
    let holds = |from: &str, to: &str| text.split_once(from).is_some_and(|(_, rest)| rest.contains(to));
    holds("{{resolve:", "}}") || holds("${", "}")
}

/// A key of the deployment; never printed.
#[derive(Clone)]
pub struct Key([u8; 32]);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key([redacted])")
    }
}

impl Key {
    /// Derives a key for one purpose from the deployment's master secret (HKDF-SHA-256, RFC 5869).
    ///
    /// # Panics
    /// Never: 32 bytes are a length that HKDF gives.
    #[expect(clippy::expect_used, reason = "see Panics")]
    pub fn derive(master: &[u8], purpose: &str) -> Self {
        let mut key = [0; 32];
        let derived = Hkdf::<Sha256>::new(Some(b"valetkey"), master).expand(purpose.as_bytes(), &mut key);
        derived.expect("32 bytes are not too many");
        Self(key)
    }

    /// Derives a key from each of the master secrets, which white space separates, the oldest first.
    pub fn derive_all(masters: &str, purpose: &str) -> Vec<Self> {
        masters.split_whitespace().map(|master| Self::derive(master.as_bytes(), purpose)).collect()
    }

    /// Gives the key's bytes to a cipher.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Hashes a secret of high entropy, to be stored or looked up in its place.
pub fn fingerprint(secret: &str) -> String {
    random::hex(&Sha256::digest(secret))
}

/// Names a secret that must not be kept itself and could be tried out, such as a code: the same for the same parts
/// (HMAC-SHA-256, in hex).
pub fn name(key: &Key, parts: &[&str]) -> String {
    let parts: Vec<_> = parts.iter().map(|part| part.as_bytes()).collect();
    random::hex(&mac(key.bytes(), &parts))
}

/// Compares two fingerprints in constant time.
pub fn same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

/// HMAC-SHA-256 over parts, each preceded by its length, so that no two lists of parts read alike.
pub(super) fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length (RFC 2104)")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any key will do");
    for part in parts {
        mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_others_could_know_is_refused() {
        let good = "a".repeat(SHORTEST_SECRET);
        for secrets in [&good, &format!("{good}\n"), &format!("{good} {good}"), &format!("$a{{}}{good}")] {
            assert_eq!(check_secret(secrets), Ok(()), "{secrets}");
        }
        for secrets in ["", " ", "x", &good[1..], &format!("{} ", &good[1..]), &format!("{good} x")] {
            assert_eq!(check_secret(secrets), Err(WeakSecret::Short), "{secrets}");
        }
        for secrets in [
            "{{resolve:secretsmanager:arn:aws:secretsmanager:eu-west-1:1:secret:pkce-key:SecretString}}",
            "${PkceKey}",
            &format!("{good} ${{TokenKey}}"),
            &format!("{good}-{{{{resolve:ssm:key}}}}"),
        ] {
            assert_eq!(check_secret(secrets), Err(WeakSecret::Unresolved), "{secrets}");
        }
    }

    #[test]
    fn parts_of_a_name_are_kept_apart() {
        let key = Key::derive(b"master", "marker");
        assert_eq!(name(&key, &["a", "b"]), name(&key, &["a", "b"]));
        assert_ne!(name(&key, &["a", "b"]), name(&key, &["ab", ""]));
    }

    #[test]
    fn a_key_is_not_printed() {
        assert_eq!(format!("{:?}", Key::derive(b"master", "x")), "Key([redacted])");
    }
}
