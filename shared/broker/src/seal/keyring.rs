//! Sealing: what is secret is encrypted before it goes into a record, and bound to its place (XChaCha20-Poly1305,
//! RFC 8439 with an extended nonce).
//!
//! An envelope is base64 of the id of its key (4 bytes), a nonce (24 bytes), and the ciphertext with its tag.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

use crate::random;
use crate::seal::key::{Key, mac};

/// The length of a nonce, in bytes: long enough to be drawn at random for ever.
const NONCE: usize = 24;

/// The length of a key's id, in bytes.
const ID: usize = 4;

#[derive(Clone)]
struct Named {
    id: [u8; ID],
    cipher: XChaCha20Poly1305,
}

/// Keys for one purpose. It seals with the newest, and opens what any of them has sealed.
#[derive(Clone)]
pub struct Keyring {
    newest: Named,
    older: Vec<Named>,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keyring([redacted])")
    }
}

impl Named {
    fn new(key: &Key) -> Self {
        let mut id = [0; ID];
        id.copy_from_slice(&mac(key.bytes(), &[b"id"])[..ID]);
        Self { id, cipher: XChaCha20Poly1305::new(key.bytes().into()) }
    }
}

impl Keyring {
    /// Takes the only key.
    pub fn new(key: &Key) -> Self {
        Self { newest: Named::new(key), older: Vec::new() }
    }

    /// Takes all keys that there have been, the oldest first; `None` when there is none.
    pub fn of(keys: &[Key]) -> Option<Self> {
        let (newest, older) = keys.split_last()?;
        Some(Self { older: older.iter().map(Named::new).collect(), ..Self::new(newest) })
    }

    /// Seals a text for one place, whose parts hold no NUL.
    ///
    /// # Panics
    /// When the text is longer than 256 GiB, which no caller's is.
    #[expect(clippy::expect_used, reason = "see Panics")]
    pub fn seal(&self, place: &[impl AsRef<str>], text: &str) -> String {
        let nonce: [u8; NONCE] = random::bytes();
        let payload = Payload { msg: text.as_bytes(), aad: &associated_data(place) };
        let sealed = self.newest.cipher.encrypt(&XNonce::from(nonce), payload).expect("the text is short");
        STANDARD.encode([self.newest.id.as_slice(), &nonce, &sealed].concat())
    }

    /// Opens what was sealed for that place; `None` when it was not, was changed, or its key is not here.
    pub fn open(&self, place: &[impl AsRef<str>], sealed: &str) -> Option<String> {
        let bytes = STANDARD.decode(sealed).ok()?;
        let (id, rest) = bytes.split_first_chunk::<ID>()?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE>()?;
        let key = self.keys().find(|key| key.id == *id)?;
        let payload = Payload { msg: ciphertext, aad: &associated_data(place) };
        String::from_utf8(key.cipher.decrypt(&XNonce::from(*nonce), payload).ok()?).ok()
    }

    /// Seals a text again, with the newest key; `None` when it does not open.
    pub fn again(&self, place: &[impl AsRef<str>], sealed: &str) -> Option<String> {
        self.open(place, sealed).map(|text| self.seal(place, &text))
    }

    /// Names the newest key, for records and logs.
    pub fn newest(&self) -> String {
        random::hex(&self.newest.id)
    }

    /// Tells whether there are older keys than the newest.
    pub fn has_older(&self) -> bool {
        !self.older.is_empty()
    }

    /// Tells whether the key is here that has sealed a text. What nobody has sealed has no key.
    pub fn knows(&self, sealed: &str) -> bool {
        id_of(sealed).is_none_or(|id| self.keys().any(|key| key.id == id))
    }

    /// Tells whether the newest key has sealed a text.
    pub fn is_newest(&self, sealed: &str) -> bool {
        id_of(sealed) == Some(self.newest.id)
    }

    fn keys(&self) -> impl Iterator<Item = &Named> {
        std::iter::once(&self.newest).chain(&self.older)
    }
}

/// Reads the id of the key that has sealed a text: the first 4 bytes are in the first 8 characters.
fn id_of(sealed: &str) -> Option<[u8; ID]> {
    STANDARD.decode(sealed.get(..8)?).ok()?.first_chunk::<ID>().copied()
}

fn associated_data(place: &[impl AsRef<str>]) -> Vec<u8> {
    place.iter().map(AsRef::as_ref).collect::<Vec<_>>().join("\0").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_key_opens_what_older_ones_have_sealed() {
        let [old, new] = ["old", "new"].map(|master| Key::derive(master.as_bytes(), "link"));
        let both = Keyring::of(&[old.clone(), new.clone()]).unwrap();
        let sealed = Keyring::new(&old).seal(&["s", "v"], "planted");
        assert_eq!(both.open(&["s", "v"], &sealed).as_deref(), Some("planted"));
        assert!(both.knows(&sealed) && !both.is_newest(&sealed));
        let sealed = both.seal(&["s", "v"], "planted");
        assert!(
            Keyring::new(&old).open(&["s", "v"], &sealed).is_none() && !Keyring::new(&old).knows(&sealed)
        );
        assert!(both.is_newest(&sealed) && both.knows("no envelope"));
        assert!(Keyring::new(&new).open(&["s", "v"], &sealed).is_some() && Keyring::of(&[]).is_none());
    }

    #[test]
    fn a_sealed_text_opens_only_whole_in_its_place_and_with_its_key() {
        let seal = Keyring::new(&Key::derive(b"master", "grant"));
        let sealed = seal.seal(&["s", "v"], "planted");
        assert_eq!(seal.open(&["s", "v"], &sealed).as_deref(), Some("planted"));
        assert!(!STANDARD.decode(&sealed).unwrap().windows(7).any(|window| window == b"planted"));
        assert!(seal.open(&["s", "w"], &sealed).is_none() && seal.open(&["s"], &sealed).is_none());
        assert!(Keyring::new(&Key::derive(b"other", "grant")).open(&["s", "v"], &sealed).is_none());
        assert!(seal.open(&["s", "v"], &sealed[..16]).is_none());
        let mut bytes = STANDARD.decode(&sealed).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        assert!(seal.open(&["s", "v"], &STANDARD.encode(bytes)).is_none());
    }
}
