//! The vault: where secrets are kept, one secret an instance, each with versions.

use std::sync::Arc;

use async_trait::async_trait;
use secrecy::SecretString;

use crate::store::error::StoreError;

/// Why a version was not stored.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// The version's id was used before, for another text, which stays as it is.
    #[error("that version exists with other content")]
    Taken,
    /// There is no such secret to add a version to: it was removed meanwhile.
    #[error("the secret is gone")]
    Gone,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Keeps secrets: on AWS in Secrets Manager, on one machine in SQLite, sealed.
///
/// A version is written once. Its id is chosen by the writer (32 to 64 characters, on AWS the
/// `ClientRequestToken`), so that a write whose reply was lost can be repeated and a write of a process
/// that died can be found. The last hundred versions are kept. All implementations pass the suite in `tests/src/suites/vault.rs`.
#[async_trait]
pub trait Vault: Send + Sync {
    /// Makes a secret with its first version. Repeating it with the same version and text is no error.
    async fn create(&self, secret: &str, version: &str, text: &SecretString) -> Result<(), PutError>;

    /// Adds a version to a secret. Repeating it with the same version and text is no error.
    async fn put(&self, secret: &str, version: &str, text: &SecretString) -> Result<(), PutError>;

    /// Reads one version; `None` when the secret or the version is not there.
    async fn get(&self, secret: &str, version: &str) -> Result<Option<SecretString>, StoreError>;

    /// Reads the version that was put last, with its id; `None` when the secret is not there. It may lag behind,
    /// so whoever knows the id of a version reads that.
    async fn latest(&self, secret: &str) -> Result<Option<(String, SecretString)>, StoreError>;

    /// Removes a secret with all its versions; no error when it is not there.
    async fn remove(&self, secret: &str) -> Result<(), StoreError>;
}

#[async_trait]
impl<V: Vault + ?Sized> Vault for Arc<V> {
    async fn create(&self, secret: &str, version: &str, text: &SecretString) -> Result<(), PutError> {
        (**self).create(secret, version, text).await
    }

    async fn put(&self, secret: &str, version: &str, text: &SecretString) -> Result<(), PutError> {
        (**self).put(secret, version, text).await
    }

    async fn get(&self, secret: &str, version: &str) -> Result<Option<SecretString>, StoreError> {
        (**self).get(secret, version).await
    }

    async fn latest(&self, secret: &str) -> Result<Option<(String, SecretString)>, StoreError> {
        (**self).latest(secret).await
    }

    async fn remove(&self, secret: &str) -> Result<(), StoreError> {
        (**self).remove(secret).await
    }
}
