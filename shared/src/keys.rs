//! The deployment's keys, and what is made with them: element tokens and code verifiers.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
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

/// The number of a key, so that tokens made with an old key stay valid beside a new one.
pub type KeyNumber = u8;

/// A key of the deployment; never printed.
#[derive(Clone)]
pub struct Key([u8; 32]);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key([redacted])")
    }
}

impl Key {
    /// Derives a key for one purpose from the deployment's master secret.
    pub fn derive(master: &[u8], purpose: &str) -> Self {
        Self(mac(master, &[b"valetkey", purpose.as_bytes()]))
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
    pub fn token(&self, number: KeyNumber, instance: u64, salt: &str) -> Option<String> {
        let key = self.0.get(usize::from(number).checked_sub(1)?)?;
        let mut bytes = [0; 32];
        bytes[0] = number;
        bytes[1..8].copy_from_slice(&instance.to_be_bytes()[1..]);
        let proof = mac(key.bytes(), &[&bytes[..8], salt.as_bytes()]);
        bytes[8..].copy_from_slice(&proof[..24]);
        Some(STANDARD.encode(bytes))
    }
}

/// An element token as a client gave it: the instance it claims, unproven.
#[derive(Clone)]
pub struct ElementToken {
    text: String,
    instance: u64,
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
        Some(Self { text: text.into(), instance: u64::from_be_bytes(id) })
    }

    /// Tells the instance that the token claims.
    pub fn instance(&self) -> u64 {
        self.instance
    }

    /// Compares with the token that the instance really has, in constant time.
    pub fn proves(&self, real: &str) -> bool {
        self.text.as_bytes().ct_eq(real.as_bytes()).into()
    }
}

/// Makes the code verifier (RFC 7636) of a redirect URL that was asked for over the API. Nothing is
/// stored between that request and the exchange, so it follows from what both of them know.
pub fn code_verifier(key: &Key, element: &str, client_id: &str, redirect_uri: &str) -> String {
    let parts = [element.as_bytes(), client_id.as_bytes(), redirect_uri.as_bytes()];
    URL_SAFE_NO_PAD.encode(mac(key.bytes(), &parts))
}

/// Makes the code verifier (RFC 7636) of a session of hosted connect: what is stored of the session does not
/// tell it, since of its state a fingerprint alone is stored.
pub fn verifier(key: &Key, state: &str) -> String {
    URL_SAFE_NO_PAD.encode(mac(key.bytes(), &[state.as_bytes()]))
}

/// Makes the code challenge of a verifier, method S256 (RFC 7636 section 4.2).
pub fn code_challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}

/// Hashes a secret of high entropy, to be stored or looked up in its place.
pub fn fingerprint(secret: &str) -> String {
    random::hex(&Sha256::digest(secret))
}

/// Compares two fingerprints in constant time.
pub fn same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

/// HMAC-SHA-256 over parts, each preceded by its length, so that no two lists of parts read alike.
fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
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

    fn keys() -> TokenKeys {
        TokenKeys::new(Key::derive(b"master", "element-token"))
    }

    #[test]
    fn a_token_is_44_characters_and_names_its_instance() {
        let token = keys().token(1, 12_345, "salt").unwrap();
        assert_eq!(token.len(), 44);
        let parsed = ElementToken::parse(&token).unwrap();
        assert_eq!(parsed.instance(), 12_345);
        assert!(parsed.proves(&token));
    }

    #[test]
    fn another_salt_or_id_makes_another_token() {
        let token = keys().token(1, 1, "salt").unwrap();
        let parsed = ElementToken::parse(&token).unwrap();
        assert!(!parsed.proves(&keys().token(1, 1, "other").unwrap()));
        assert!(!parsed.proves(&keys().token(1, 2, "salt").unwrap()));
        assert_eq!(keys().token(9, 1, "salt"), None, "a key that the deployment does not have");
    }

    #[test]
    fn a_key_is_appended_and_the_old_tokens_stay() {
        let old = TokenKeys::derive("first\n", "element-token").unwrap();
        let both = TokenKeys::derive("first second", "element-token").unwrap();
        assert_eq!((old.current(), both.current()), (1, 2));
        assert_eq!(old.token(1, 7, "salt"), both.token(1, 7, "salt"));
        assert_ne!(both.token(1, 7, "salt"), both.token(2, 7, "salt"));
        assert!(TokenKeys::derive(" ", "element-token").is_none());
        assert_eq!(both.token(0, 7, "salt"), None);
    }

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
    fn what_is_no_token_is_not_read() {
        for text in ["", "abc", "####", &"A".repeat(44), &STANDARD.encode([0; 31])] {
            assert!(ElementToken::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn the_challenge_is_the_one_of_rfc_7636_appendix_b() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert_eq!(code_challenge(verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn parts_are_kept_apart() {
        let key = Key::derive(b"master", "pkce");
        assert_ne!(code_verifier(&key, "ab", "c", "d"), code_verifier(&key, "a", "bc", "d"));
        assert_eq!(code_verifier(&key, "a", "b", "c").len(), 43);
    }

    #[test]
    fn a_key_is_not_printed() {
        assert_eq!(format!("{:?}", Key::derive(b"master", "x")), "Key([redacted])");
    }
}
