//! The grant: what the vault keeps of an instance, and the only thing that holds secrets.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};

use crate::clock::Timestamp;
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

/// What a vendor granted, and when.
#[derive(Debug, Clone)]
pub struct Granted {
    /// The tokens.
    pub tokens: Tokens,
    /// The further members of the answer that the descriptor keeps, by configuration key.
    pub extra: BTreeMap<String, String>,
}

impl Granted {
    /// Takes what a vendor's answer held that came at `now`.
    pub fn at(now: Timestamp, granted: vendors::tokens::Granted) -> Self {
        let tokens = granted.tokens;
        let tokens = Tokens {
            access_token: tokens.access_token,
            token_type: tokens.token_type,
            issued: now,
            expires: tokens.expires_in.map(|seconds| now + seconds),
            refresh_token: tokens.refresh_token,
            refresh_expires: tokens.refresh_expires_in.map(|seconds| now + seconds),
            scope: tokens.scope,
        };
        Self { tokens, extra: granted.extra }
    }
}

/// One version of an instance's secret: whole, so that it can be used without anything else.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Grant {
    /// Counts the grant's versions; the registry's record names the one that is current.
    pub generation: u64,
    /// The tokens.
    pub tokens: Tokens,
    /// The configuration values that are masked in answers: the client's key and secret among them.
    #[serde(serialize_with = "expose_map")]
    pub secrets: BTreeMap<String, SecretString>,
    /// The open configuration that came with this version, such as the tenant: the record has it too, unless its
    /// writer died before it could say so.
    #[serde(default, skip_serializing_if = "Given::is_empty")]
    pub open: Given,
    /// Whether the vendor has made it anew, so that nobody else has its refresh token: not so of one that was
    /// brought along and kept its own.
    #[serde(default)]
    pub ours: bool,
}

impl Grant {
    /// Writes the grant as the text that the vault keeps.
    pub fn to_text(&self) -> Result<SecretString, serde_json::Error> {
        serde_json::to_string(self).map(SecretString::from)
    }

    /// Reads what the vault kept.
    pub fn from_text(text: &SecretString) -> Result<Self, StoreError> {
        let damaged = |error| StoreError::Damaged(format!("a grant cannot be read: {error}"));
        serde_json::from_str(text.expose_secret()).map_err(damaged)
    }

    /// Gives a masked configuration value, or nothing.
    pub fn secret(&self, key: &str) -> Option<&str> {
        self.secrets.get(key).map(SecretString::expose_secret)
    }
}

fn expose<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    secret.expose_secret().serialize(serializer)
}

#[expect(clippy::ref_option, reason = "the signature that serde calls")]
fn expose_option<S: Serializer>(secret: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(SecretString::expose_secret).serialize(serializer)
}

fn expose_map<S: Serializer>(
    secrets: &BTreeMap<String, SecretString>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(secrets.iter().map(|(key, secret)| (key, secret.expose_secret())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_survives_the_vault_and_is_not_printed() {
        let grant = Grant {
            generation: 3,
            tokens: Tokens {
                access_token: "planted-access".to_owned().into(),
                token_type: "bearer".into(),
                issued: 1,
                expires: Some(2),
                refresh_token: Some("planted-refresh".to_owned().into()),
                refresh_expires: None,
                scope: None,
            },
            secrets: BTreeMap::from([("oauth.api.secret".into(), "planted-secret".to_owned().into())]),
            open: Given::new(),
            ours: true,
        };
        let back = Grant::from_text(&grant.to_text().unwrap()).unwrap();
        assert_eq!(back.generation, 3);
        assert_eq!(back.tokens.access_token.expose_secret(), "planted-access");
        assert_eq!(back.tokens.refresh_token.as_ref().unwrap().expose_secret(), "planted-refresh");
        assert_eq!(back.secret("oauth.api.secret"), Some("planted-secret"));
        assert!(!format!("{back:?}").contains("planted"));
    }
}
