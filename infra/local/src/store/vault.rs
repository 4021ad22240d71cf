//! The vault in SQLite: one row a version, sealed.

use async_trait::async_trait;
use rusqlite::{OptionalExtension, Transaction, params};
use secrecy::{ExposeSecret, SecretString};
use valetkey::error::StoreError;
use valetkey::vault::{PutError, Vault};

use super::{Database, Seal, WorkError};

/// Keeps secrets in SQLite, sealed with the key file's key.
#[derive(Debug, Clone)]
pub struct SqliteVault {
    database: Database,
    seal: Seal,
}

impl SqliteVault {
    /// Keeps secrets in this database, sealed so.
    pub fn new(database: Database, seal: Seal) -> Self {
        Self { database, seal }
    }

    async fn write(
        &self,
        secret: &str,
        version: &str,
        text: &SecretString,
        new: bool,
    ) -> Result<(), PutError> {
        let (seal, secret, version, text) =
            (self.seal.clone(), secret.to_owned(), version.to_owned(), text.clone());
        let outcome = self.database.run(move |transaction| {
            if let Some(sealed) = read(transaction, &secret, &version)? {
                let same = open(&seal, &secret, &version, &sealed)?.expose_secret() == text.expose_secret();
                return Ok(if same { Ok(()) } else { Err(PutError::Taken) });
            }
            match (new, exists(transaction, &secret)?) {
                (true, true) => return Ok(Err(PutError::Taken)),
                (false, false) => return Ok(Err(PutError::Gone)),
                _ => {}
            }
            let sealed = seal.close(&secret, &version, text.expose_secret().as_bytes());
            let mut insert = transaction.prepare_cached("INSERT INTO secrets VALUES (?1, ?2, ?3)")?;
            insert.execute(params![secret, version, sealed])?;
            Ok(Ok(()))
        });
        outcome.await?
    }
}

#[async_trait]
impl Vault for SqliteVault {
    async fn create(&self, secret: &str, version: &str, text: &SecretString) -> Result<(), PutError> {
        self.write(secret, version, text, true).await
    }

    async fn put(&self, secret: &str, version: &str, text: &SecretString) -> Result<(), PutError> {
        self.write(secret, version, text, false).await
    }

    async fn get(&self, secret: &str, version: &str) -> Result<Option<SecretString>, StoreError> {
        let (seal, secret, version) = (self.seal.clone(), secret.to_owned(), version.to_owned());
        let work = move |transaction: &Transaction<'_>| {
            let sealed = read(transaction, &secret, &version)?;
            Ok(sealed.map(|sealed| open(&seal, &secret, &version, &sealed)).transpose()?)
        };
        self.database.run(work).await
    }

    async fn remove(&self, secret: &str) -> Result<(), StoreError> {
        let secret = secret.to_owned();
        let work = move |transaction: &Transaction<'_>| {
            transaction.execute("DELETE FROM secrets WHERE secret = ?1", [secret])?;
            Ok(())
        };
        self.database.run(work).await
    }
}

fn read(transaction: &Transaction<'_>, secret: &str, version: &str) -> Result<Option<Vec<u8>>, WorkError> {
    let mut select =
        transaction.prepare_cached("SELECT sealed FROM secrets WHERE secret = ?1 AND version = ?2")?;
    Ok(select.query_row([secret, version], |row| row.get(0)).optional()?)
}

fn exists(transaction: &Transaction<'_>, secret: &str) -> Result<bool, WorkError> {
    let mut select = transaction.prepare_cached("SELECT 1 FROM secrets WHERE secret = ?1")?;
    Ok(select.exists([secret])?)
}

fn open(seal: &Seal, secret: &str, version: &str, sealed: &[u8]) -> Result<SecretString, StoreError> {
    let opened = seal.open(secret, version, sealed).and_then(|bytes| String::from_utf8(bytes).ok());
    opened
        .map(SecretString::from)
        .ok_or_else(|| StoreError::Damaged(format!("the version {version} of a secret does not open")))
}
