//! A vault in memory, with the promises of Secrets Manager: for what is about what stands around it.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use broker::store::StoreError;
use broker::store::secrets::{PutError, Vault};
use secrecy::{ExposeSecret, SecretString};

/// Secrets by name, each with its versions by id.
#[derive(Default)]
pub struct MemoryVault(Mutex<BTreeMap<String, BTreeMap<String, SecretString>>>);

fn add(versions: &mut BTreeMap<String, SecretString>, id: &str, text: &SecretString) -> Result<(), PutError> {
    match versions.get(id) {
        Some(kept) if kept.expose_secret() != text.expose_secret() => Err(PutError::Taken),
        _ => {
            versions.insert(id.to_owned(), text.clone());
            Ok(())
        }
    }
}

#[async_trait]
impl Vault for MemoryVault {
    async fn create(&self, secret: &str, version: &str, text: &SecretString) -> Result<(), PutError> {
        let mut secrets = self.0.lock().unwrap();
        match secrets.get(secret) {
            Some(versions) if !versions.contains_key(version) => Err(PutError::Taken),
            _ => add(secrets.entry(secret.to_owned()).or_default(), version, text),
        }
    }

    async fn put(&self, secret: &str, version: &str, text: &SecretString) -> Result<(), PutError> {
        let mut secrets = self.0.lock().unwrap();
        add(secrets.get_mut(secret).ok_or(PutError::Gone)?, version, text)
    }

    async fn get(&self, secret: &str, version: &str) -> Result<Option<SecretString>, StoreError> {
        Ok(self.0.lock().unwrap().get(secret).and_then(|versions| versions.get(version)).cloned())
    }

    async fn remove(&self, secret: &str) -> Result<(), StoreError> {
        self.0.lock().unwrap().remove(secret);
        Ok(())
    }

    async fn secrets(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.0.lock().unwrap().keys().cloned().collect())
    }

    async fn versions(&self, secret: &str) -> Result<Vec<String>, StoreError> {
        let secrets = self.0.lock().unwrap();
        Ok(secrets.get(secret).into_iter().flat_map(BTreeMap::keys).cloned().collect())
    }
}
