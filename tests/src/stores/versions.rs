//! What a vault was given to keep.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use broker::record::grant::Grant;
use broker::store::StoreError;
use secrecy::{ExposeSecret, SecretString};

use super::{Hook, Operation, Reply};

/// The versions that a vault has stored, removed ones among them.
#[derive(Clone, Default)]
pub struct Versions(Arc<Mutex<Vec<Version>>>);

/// A version of a secret.
#[derive(Clone)]
pub struct Version {
    /// The secret.
    pub secret: String,
    /// The version's id.
    pub id: String,
    /// What was stored.
    pub text: SecretString,
}

impl Version {
    /// Gives the refresh token of the grant that was stored, if it was one that has a refresh token.
    pub fn refresh_token(&self) -> Option<String> {
        let grant = Grant::from_text(&self.text).ok()?;
        Some(grant.tokens.refresh_token?.expose_secret().to_owned())
    }
}

impl Versions {
    /// Gives every version, in the order in which they were stored.
    pub fn all(&self) -> Vec<Version> {
        self.0.lock().unwrap().clone()
    }
}

#[async_trait]
impl Hook for Versions {
    type Note = ();

    async fn before(&self, _: &Operation<'_>) -> Result<(), StoreError> {
        Ok(())
    }

    async fn after(&self, operation: &Operation<'_>, (): (), ok: bool) -> Result<Reply, StoreError> {
        if let Some((id, text)) = operation.version.filter(|_| ok) {
            let (secret, id, text) = (operation.of.to_owned(), id.to_owned(), text.clone());
            self.0.lock().unwrap().push(Version { secret, id, text });
        }
        Ok(Reply::Arrives)
    }
}
