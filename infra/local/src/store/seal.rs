//! Sealing: what the vault keeps is encrypted and bound to its place (XChaCha20-Poly1305).

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use valetkey::keys::Key;
use valetkey::random;

/// The length of a nonce, in bytes: long enough to be drawn at random for ever.
const NONCE: usize = 24;

/// Seals and opens texts with one key.
#[derive(Clone)]
pub struct Seal(XChaCha20Poly1305);

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal([redacted])")
    }
}

impl Seal {
    /// Takes a key.
    pub fn new(key: &Key) -> Self {
        Self(XChaCha20Poly1305::new(key.bytes().into()))
    }

    /// Seals a text for one version of one secret: a nonce, then the ciphertext with its tag.
    ///
    /// # Panics
    /// When the text is longer than 256 GiB, which no caller's is.
    #[expect(clippy::expect_used, reason = "see Panics")]
    pub fn close(&self, secret: &str, version: &str, text: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE] = random::bytes();
        let payload = Payload { msg: text, aad: &place(secret, version) };
        let sealed = self.0.encrypt(&XNonce::from(nonce), payload).expect("the text is short");
        [nonce.as_slice(), &sealed].concat()
    }

    /// Opens what was sealed for that version of that secret; `None` when it was not, or was changed.
    pub fn open(&self, secret: &str, version: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
        let payload = Payload { msg: sealed, aad: &place(secret, version) };
        self.0.decrypt(&XNonce::from(*nonce), payload).ok()
    }
}

/// Names a place so that no two read alike: neither part holds a NUL.
fn place(secret: &str, version: &str) -> Vec<u8> {
    [secret.as_bytes(), b"\0", version.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_text_opens_only_whole_in_its_place_and_with_its_key() {
        let seal = Seal::new(&Key::derive(b"master", "vault"));
        let mut sealed = seal.close("s", "v", b"planted");
        assert_eq!(seal.open("s", "v", &sealed).as_deref(), Some(&b"planted"[..]));
        assert!(!sealed.windows(7).any(|window| window == b"planted"));
        assert!(seal.open("s", "w", &sealed).is_none() && seal.open("t", "v", &sealed).is_none());
        assert!(Seal::new(&Key::derive(b"other", "vault")).open("s", "v", &sealed).is_none());
        assert!(seal.open("s", "v", &sealed[..10]).is_none());
        *sealed.last_mut().unwrap() ^= 1;
        assert!(seal.open("s", "v", &sealed).is_none());
    }
}
