//! Sealing: a secret that has to be kept outside the vault is encrypted and bound to its place
//! (XChaCha20-Poly1305): those of a link until it expires, and on one machine the vault's own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

use crate::random;
use crate::seal::keyring::Key;

/// The length of a nonce, in bytes: long enough to be drawn at random for ever.
const NONCE: usize = 24;

/// Seals texts with one key, and opens what was sealed with that or an older one.
#[derive(Clone)]
pub struct Seal {
    key: XChaCha20Poly1305,
    older: Vec<XChaCha20Poly1305>,
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal([redacted])")
    }
}

impl Seal {
    /// Takes the only key.
    pub fn new(key: &Key) -> Self {
        Self { key: XChaCha20Poly1305::new(key.bytes().into()), older: Vec::new() }
    }

    /// Takes all keys that there have been, the oldest first; `None` when there is none.
    pub fn of(keys: &[Key]) -> Option<Self> {
        let (key, older) = keys.split_last()?;
        let older = older.iter().map(|key| XChaCha20Poly1305::new(key.bytes().into())).collect();
        Some(Self { older, ..Self::new(key) })
    }

    /// Seals a text for one place, whose parts hold no NUL: a nonce, then the ciphertext with its tag.
    ///
    /// # Panics
    /// When the text is longer than 256 GiB, which no caller's is.
    #[expect(clippy::expect_used, reason = "see Panics")]
    pub fn close(&self, place: [&str; 2], text: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE] = random::bytes();
        let payload = Payload { msg: text, aad: &bound(place) };
        let sealed = self.key.encrypt(&XNonce::from(nonce), payload).expect("the text is short");
        [nonce.as_slice(), &sealed].concat()
    }

    /// Opens what was sealed for that place; `None` when it was not, or was changed.
    pub fn open(&self, place: [&str; 2], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
        let aad = &bound(place);
        let mut keys = std::iter::once(&self.key).chain(&self.older);
        keys.find_map(|key| key.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad }).ok())
    }

    /// Seals a text for one place, as text.
    pub fn close_text(&self, place: [&str; 2], text: &str) -> String {
        STANDARD.encode(self.close(place, text.as_bytes()))
    }

    /// Opens what was sealed as text for that place.
    pub fn open_text(&self, place: [&str; 2], sealed: &str) -> Option<String> {
        String::from_utf8(self.open(place, &STANDARD.decode(sealed).ok()?)?).ok()
    }
}

fn bound(place: [&str; 2]) -> Vec<u8> {
    place.join("\0").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_key_opens_what_older_ones_have_sealed() {
        let [old, new] = ["old", "new"].map(|master| Key::derive(master.as_bytes(), "link"));
        let both = Seal::of(&[old.clone(), new.clone()]).unwrap();
        let sealed = Seal::new(&old).close(["s", "v"], b"planted");
        assert_eq!(both.open(["s", "v"], &sealed).as_deref(), Some(&b"planted"[..]));
        let sealed = both.close(["s", "v"], b"planted");
        assert!(Seal::new(&old).open(["s", "v"], &sealed).is_none());
        assert!(Seal::new(&new).open(["s", "v"], &sealed).is_some() && Seal::of(&[]).is_none());
    }

    #[test]
    fn a_sealed_text_opens_only_whole_in_its_place_and_with_its_key() {
        let seal = Seal::new(&Key::derive(b"master", "vault"));
        let mut sealed = seal.close(["s", "v"], b"planted");
        assert_eq!(seal.open(["s", "v"], &sealed).as_deref(), Some(&b"planted"[..]));
        assert!(!sealed.windows(7).any(|window| window == b"planted"));
        assert!(seal.open(["s", "w"], &sealed).is_none() && seal.open(["t", "v"], &sealed).is_none());
        assert!(Seal::new(&Key::derive(b"other", "vault")).open(["s", "v"], &sealed).is_none());
        assert!(seal.open(["s", "v"], &sealed[..10]).is_none());
        *sealed.last_mut().unwrap() ^= 1;
        assert!(seal.open(["s", "v"], &sealed).is_none());
    }
}
