//! The vault: Secrets Manager, where tokens rest, one secret an instance, each with versions.

use std::sync::Arc;

use async_trait::async_trait;
use secrecy::SecretString;

use crate::store::error::StoreError;

/// Where tokens rest, once nothing is under way with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenStore {
    /// Sealed in the grant's record.
    Table,
    /// In Secrets Manager; the record has them until they are there.
    SecretsManager,
}

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

/// Keeps secrets.
///
/// A version is written once. Its id is chosen by the writer (32 to 64 characters, the `ClientRequestToken`), so that a
/// write whose reply was lost can be repeated, and what a process that died has written can be found. The last hundred
/// versions are kept. An implementation passes the suite in `tests/src/suites/vault.rs`.
#[async_trait]
pub trait Vault: Send + Sync {
    /// Makes a secret with its first version. Repeating it with the same version and text is no error.
    async fn create(&self, secret: &str, version: &str, text: &SecretString) -> Result<(), PutError>;

    /// Adds a version to a secret. Repeating it with the same version and text is no error.
    async fn put(&self, secret: &str, version: &str, text: &SecretString) -> Result<(), PutError>;

    /// Reads one version; `None` when the secret or the version is not there.
    async fn get(&self, secret: &str, version: &str) -> Result<Option<SecretString>, StoreError>;

    /// Removes a secret with all its versions; no error when it is not there.
    async fn remove(&self, secret: &str) -> Result<(), StoreError>;

    /// Lists the names of all secrets. It may lag behind.
    async fn secrets(&self) -> Result<Vec<String>, StoreError>;

    /// Lists the ids of the versions of a secret that is there. It may lag behind.
    async fn versions(&self, secret: &str) -> Result<Vec<String>, StoreError>;
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

    async fn remove(&self, secret: &str) -> Result<(), StoreError> {
        (**self).remove(secret).await
    }

    async fn secrets(&self) -> Result<Vec<String>, StoreError> {
        (**self).secrets().await
    }

    async fn versions(&self, secret: &str) -> Result<Vec<String>, StoreError> {
        (**self).versions(secret).await
    }
}
