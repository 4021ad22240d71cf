//! The vault in SQLite: one row a version, sealed.

use async_trait::async_trait;
use broker::seal::envelope::Seal;
use broker::store::StoreError;
use broker::store::secrets::{PutError, Vault};
use rusqlite::{OptionalExtension, Transaction, params};
use secrecy::{ExposeSecret, SecretString};

use super::{Database, WorkError};

/// The versions of a secret that are kept: as many as in Secrets Manager.
const KEPT: i64 = 100;

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
            let sealed = seal.close([&secret, &version], text.expose_secret().as_bytes());
            let mut insert = transaction.prepare_cached(
                "INSERT INTO secrets (secret, version, sealed, number)
                 SELECT ?1, ?2, ?3, coalesce(max(number), 0) + 1 FROM secrets WHERE secret = ?1 RETURNING number",
            )?;
            let number: i64 = insert.query_row(params![secret, version, sealed], |row| row.get(0))?;
            let mut old =
                transaction.prepare_cached("DELETE FROM secrets WHERE secret = ?1 AND number <= ?2")?;
            old.execute(params![secret, number - KEPT])?;
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

    async fn latest(&self, secret: &str) -> Result<Option<(String, SecretString)>, StoreError> {
        let (seal, secret) = (self.seal.clone(), secret.to_owned());
        let work = move |transaction: &Transaction<'_>| {
            let mut select = transaction.prepare_cached(
                "SELECT version, sealed FROM secrets WHERE secret = ?1 ORDER BY number DESC LIMIT 1",
            )?;
            let found: Option<(String, Vec<u8>)> =
                select.query_row([&secret], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
            let opened = found.map(|(version, sealed)| {
                let text = open(&seal, &secret, &version, &sealed)?;
                Ok::<_, StoreError>((version, text))
            });
            Ok(opened.transpose()?)
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
    let opened = seal.open([secret, version], sealed).and_then(|bytes| String::from_utf8(bytes).ok());
    opened
        .map(SecretString::from)
        .ok_or_else(|| StoreError::Damaged(format!("the version {version} of a secret does not open")))
}
