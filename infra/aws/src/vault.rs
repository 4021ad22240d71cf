//! The vault on Secrets Manager: one secret an instance, versions by `ClientRequestToken`.
//!
//! Versions are read by their ids and not by stage labels, since a read by label can be stale after the
//! label has moved (the API is eventually consistent). The label tells which one was put last.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType, Tag};
use broker::store::StoreError;
use broker::store::secrets::{PutError, Vault};
use secrecy::{ExposeSecret, SecretString};

use crate::failure::{is, store};

/// The name is taken (`CreateSecret`), or the version's id is, by another text (`PutSecretValue`).
const EXISTS: &str = "ResourceExistsException";
/// There is no such secret or version.
const NOT_FOUND: &str = "ResourceNotFoundException";
/// The secret is being deleted.
const DELETED: &str = "InvalidRequestException";

/// When to look again for what is not there: a version that was just written may be found late.
const AGAIN: [Duration; 3] =
    [Duration::from_millis(200), Duration::from_millis(600), Duration::from_millis(1_200)];

/// Keeps secrets in Secrets Manager.
#[derive(Debug, Clone)]
pub struct SecretsManagerVault {
    client: Client,
    prefix: String,
    kms_key: Option<String>,
}

impl SecretsManagerVault {
    /// Keeps secrets below this name prefix, encrypted with this key: its id, alias or ARN; without one,
    /// with the account's own for Secrets Manager.
    pub fn new(client: Client, prefix: impl Into<String>, kms_key: Option<String>) -> Self {
        Self { client, prefix: prefix.into(), kms_key }
    }

    async fn read(&self, secret: &str, version: &str) -> Result<Option<SecretString>, StoreError> {
        let request = self.client.get_secret_value().secret_id(self.name(secret)).version_id(version);
        match request.send().await {
            Ok(found) => Ok(found.secret_string.map(SecretString::from)),
            Err(error) if is(&error, NOT_FOUND) || is(&error, DELETED) => Ok(None),
            Err(error) => Err(store("GetSecretValue", &error)),
        }
    }

    fn name(&self, secret: &str) -> String {
        format!("{}{secret}", self.prefix)
    }

    /// Tells whether a write that was refused is one that had been made before: its reply was lost.
    async fn settle(&self, secret: &str, version: &str, text: &SecretString) -> Result<(), PutError> {
        match self.get(secret, version).await? {
            Some(kept) if kept.expose_secret() == text.expose_secret() => Ok(()),
            _ => Err(PutError::Taken),
        }
    }
}

#[async_trait]
impl Vault for SecretsManagerVault {
    async fn create(&self, secret: &str, version: &str, text: &SecretString) -> Result<(), PutError> {
        // The name's part before the secret's own says what it is of: an instance or an app.
        let kind = self.prefix.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        let tag = Tag::builder().key("valetkey").value(kind).build();
        let created = self
            .client
            .create_secret()
            .name(self.name(secret))
            .client_request_token(version)
            .secret_string(text.expose_secret())
            .set_kms_key_id(self.kms_key.clone())
            .tags(tag)
            .send()
            .await;
        match created {
            Ok(_) => Ok(()),
            Err(error) if is(&error, EXISTS) => self.settle(secret, version, text).await,
            Err(error) => Err(store("CreateSecret", &error).into()),
        }
    }

    async fn put(&self, secret: &str, version: &str, text: &SecretString) -> Result<(), PutError> {
        let put = self
            .client
            .put_secret_value()
            .secret_id(self.name(secret))
            .client_request_token(version)
            .secret_string(text.expose_secret())
            .send()
            .await;
        match put {
            Ok(_) => Ok(()),
            Err(error) if is(&error, EXISTS) => self.settle(secret, version, text).await,
            Err(error) if is(&error, NOT_FOUND) || is(&error, DELETED) => Err(PutError::Gone),
            Err(error) => Err(store("PutSecretValue", &error).into()),
        }
    }

    async fn get(&self, secret: &str, version: &str) -> Result<Option<SecretString>, StoreError> {
        for wait in AGAIN {
            if let found @ Some(_) = self.read(secret, version).await? {
                return Ok(found);
            }
            tokio::time::sleep(wait).await;
        }
        self.read(secret, version).await
    }

    async fn remove(&self, secret: &str) -> Result<(), StoreError> {
        let request = self.client.delete_secret().secret_id(self.name(secret));
        match request.force_delete_without_recovery(true).send().await {
            Ok(_) => Ok(()),
            Err(error) if is(&error, NOT_FOUND) => Ok(()),
            Err(error) => Err(store("DeleteSecret", &error)),
        }
    }

    async fn secrets(&self) -> Result<Vec<String>, StoreError> {
        let ours = Filter::builder().key(FilterNameStringType::Name).values(&self.prefix).build();
        let mut pages = self.client.list_secrets().filters(ours).into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.try_next().await.map_err(|error| store("ListSecrets", &error))? {
            let names = page.secret_list.into_iter().flatten().filter_map(|secret| secret.name);
            // The filter takes no notice of upper case.
            found.extend(names.filter_map(|name| name.strip_prefix(&self.prefix).map(str::to_owned)));
        }
        Ok(found)
    }

    async fn versions(&self, secret: &str) -> Result<Vec<String>, StoreError> {
        let listing = self.client.list_secret_version_ids().secret_id(self.name(secret));
        let mut pages = listing.include_deprecated(true).into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) =
            pages.try_next().await.map_err(|error| store("ListSecretVersionIds", &error))?
        {
            found.extend(page.versions.into_iter().flatten().filter_map(|version| version.version_id));
        }
        Ok(found)
    }
}
