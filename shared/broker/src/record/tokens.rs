//! The tokens that a vendor gave, and what is kept beside them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};

use vendors::client::lifetime;
use vendors::tokens::Lifetime;

use crate::clock::Timestamp;
use crate::id::InstanceId;
use crate::record::settings::Given;
use crate::store::StoreError;

/// The tokens that a vendor answered with (RFC 6749 section 5.1).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Tokens {
    /// The access token.
    #[serde(serialize_with = "expose")]
    pub access_token: SecretString,
    /// Its type, as the vendor wrote it; always a bearer token.
    pub token_type: String,
    /// When it was issued.
    pub issued: Timestamp,
    /// When it expires; `None`: it does not.
    pub expires: Option<Timestamp>,
    /// The refresh token.
    #[serde(serialize_with = "expose_option")]
    pub refresh_token: Option<SecretString>,
    /// When the refresh token expires, unless it is used before; `None`: it does not, or nobody says.
    #[serde(default)]
    pub refresh_expires: Option<Timestamp>,
    /// The scope that was granted.
    pub scope: Option<String>,
}

impl Tokens {
    /// Takes a refresh token that a caller brought. There is no access token yet: it counts as expired.
    pub(crate) fn of_refresh_token(refresh_token: SecretString, now: Timestamp) -> Self {
        Self {
            access_token: SecretString::default(),
            token_type: "bearer".into(),
            issued: now,
            expires: Some(now),
            refresh_token: Some(refresh_token),
            refresh_expires: None,
            scope: None,
        }
    }

    /// Keeps what an answer to a refresh may leave out: the refresh token (RFC 6749 section 6), its end, and the scope; and
    /// the access token, when the answer has none that could be used.
    pub(crate) fn after(self, old: &Self) -> Self {
        let known = old.refresh_expires.filter(|end| *end > self.issued);
        let access = if self.access_token.expose_secret().is_empty() { old } else { &self };
        let (access_token, token_type) = (access.access_token.clone(), access.token_type.clone());
        let (issued, expires) = (access.issued, access.expires);
        Self {
            access_token,
            token_type,
            issued,
            expires,
            refresh_token: self.refresh_token.or_else(|| old.refresh_token.clone()),
            refresh_expires: self.refresh_expires.or(known),
            scope: self.scope.or_else(|| old.scope.clone()),
        }
    }
}

/// The lifetime that is assumed when the vendor's cannot be read, in seconds.
const ASSUMED: Timestamp = 3_600;

/// What a vendor granted, and when.
#[derive(Debug, Clone)]
pub struct Granted {
    /// The tokens.
    pub tokens: Tokens,
    /// The further members of the answer that the descriptor keeps, by configuration key.
    pub extra: BTreeMap<String, String>,
    /// Why the answer has no access token that could be used, although it has a refresh token.
    pub odd: Option<String>,
    /// Whether it says how long the access token lives in a way that cannot be read, or cannot be true.
    pub is_unclear: bool,
}

impl Granted {
    /// Takes what a vendor's answer held that came at `now`.
    pub fn at(now: Timestamp, granted: vendors::tokens::Granted) -> Self {
        let (tokens, mut is_unclear) = (granted.tokens, false);
        let tokens = Tokens {
            access_token: tokens.access_token,
            token_type: tokens.token_type,
            issued: now,
            expires: match tokens.lifetime {
                None => None,
                Some(Lifetime::Seconds(seconds)) => Some(now + seconds),
                Some(Lifetime::Until(end)) if end <= now + lifetime::LONGEST => Some(end.max(now)),
                Some(Lifetime::Until(_) | Lifetime::Unclear) => {
                    is_unclear = true;
                    Some(now + ASSUMED)
                }
            },
            refresh_token: tokens.refresh_token,
            refresh_expires: tokens.refresh_expires_in.map(|seconds| now + seconds),
            scope: tokens.scope,
        };
        Self { tokens, extra: granted.extra, odd: granted.odd, is_unclear }
    }

    /// Keeps what an answer to a refresh may leave out, such as how long an access token lives: as long as the last one.
    pub(crate) fn after(mut self, old: &Tokens) -> Self {
        let last = old.expires.map(|expires| expires - old.issued).filter(|seconds| *seconds > 0);
        if self.is_unclear || self.tokens.expires.is_none() {
            let known = last.map(|seconds| self.tokens.issued + seconds);
            self.tokens.expires = known.or(self.tokens.expires);
        }
        Self { tokens: self.tokens.after(old), ..self }
    }
}

/// What is kept of one answer of a vendor: one number of a grant.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TokenSet {
    /// The tokens.
    pub tokens: Tokens,
    /// What the vendor said with them that its URLs may depend on, by configuration key.
    #[serde(default, skip_serializing_if = "Given::is_empty")]
    pub told: Given,
    /// The number of the settings that they were asked for with.
    pub settings: u64,
}

impl TokenSet {
    /// Writes it as text, to be sealed.
    pub(crate) fn to_text(&self) -> Result<SecretString, StoreError> {
        let text = serde_json::to_string(self).map(SecretString::from);
        text.map_err(|error| StoreError::Damaged(format!("tokens cannot be written: {error}")))
    }

    /// Reads it back.
    pub fn from_text(text: &SecretString) -> Result<Self, StoreError> {
        let damaged = |error| StoreError::Damaged(format!("tokens cannot be read: {error}"));
        serde_json::from_str(text.expose_secret()).map_err(damaged)
    }
}

/// How long tokens that were read from Secrets Manager are used again, in seconds.
const CACHE_TTL: Timestamp = 300;

/// How many grants' tokens are kept at most.
const CACHE_SIZE: usize = 1_000;

/// A version of a grant's tokens: its instance, its family and its number. It never changes.
type Version = (InstanceId, u64, u64);

/// The tokens that were read from Secrets Manager in the last five minutes. A version never changes, and the record says
/// which one is current; secrets are overwritten when they go.
#[derive(Default)]
pub struct TokenCache(Mutex<HashMap<Version, (Timestamp, TokenSet)>>);

impl TokenCache {
    /// Gives what was read of a version.
    pub(crate) fn fresh(&self, version: Version, now: Timestamp) -> Option<TokenSet> {
        let cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (read, set) = cached.get(&version)?;
        (0..CACHE_TTL).contains(&(now - read)).then(|| set.clone())
    }

    /// Keeps what was read of a version now.
    pub(crate) fn keep(&self, version: Version, now: Timestamp, set: &TokenSet) {
        let mut cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if cached.len() >= CACHE_SIZE {
            cached.retain(|_, (read, _)| (0..CACHE_TTL).contains(&(now - *read)));
        }
        if cached.len() < CACHE_SIZE {
            cached.insert(version, (now, set.clone()));
        }
    }
}

fn expose<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    secret.expose_secret().serialize(serializer)
}

#[expect(clippy::ref_option, reason = "the signature that serde calls")]
fn expose_option<S: Serializer>(secret: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(SecretString::expose_secret).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_written_and_read_back_and_never_printed() {
        let tokens = Tokens {
            access_token: "planted-access".to_owned().into(),
            ..Tokens::of_refresh_token("planted-refresh".to_owned().into(), 1)
        };
        let set = TokenSet { tokens, told: Given::new(), settings: 3 };
        let back = TokenSet::from_text(&set.to_text().unwrap()).unwrap();
        assert_eq!(back.settings, 3);
        assert_eq!(back.tokens.access_token.expose_secret(), "planted-access");
        assert_eq!(back.tokens.refresh_token.as_ref().unwrap().expose_secret(), "planted-refresh");
        assert!(!format!("{back:?}").contains("planted"));
    }

    #[test]
    fn an_answer_to_a_refresh_keeps_what_it_leaves_out() {
        let old = Tokens {
            refresh_expires: Some(50),
            scope: Some("full".into()),
            ..Tokens::of_refresh_token("first".to_owned().into(), 1)
        };
        let bare = || Tokens { refresh_token: None, ..Tokens::of_refresh_token(SecretString::default(), 10) };
        let kept = bare().after(&old);
        assert_eq!(kept.refresh_token.as_ref().unwrap().expose_secret(), "first");
        assert_eq!((kept.refresh_expires, kept.scope.as_deref()), (Some(50), Some("full")));
        let outlived = Tokens { issued: 60, ..bare() }.after(&old);
        assert_eq!(outlived.refresh_expires, None, "an end that has passed was not the end");
    }

    #[test]
    fn tokens_are_remembered_for_five_minutes_and_a_thousand_grants() {
        let tokens = || Tokens::of_refresh_token("planted".to_owned().into(), 1);
        let set = TokenSet { tokens: tokens(), told: Given::new(), settings: 1 };
        let cache = TokenCache::default();
        for id in 0..1_200 {
            cache.keep((InstanceId(id), 1, 0), 10, &set);
        }
        let is_there = |id, now| cache.fresh((InstanceId(id), 1, 0), now).is_some();
        assert!(is_there(999, 309) && !is_there(999, 310) && !is_there(999, 9) && !is_there(1_000, 10));
        cache.keep((InstanceId(1_000), 1, 0), 310, &set);
        assert!(is_there(1_000, 310), "old ones make room");
    }
}
