//! Whose client asks a vendor: an app's, or an instance's own.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::SecretString;
use vendors::VendorError;

use crate::Broker;
use crate::error::Error;
use crate::id::{AppId, UserId};
use crate::record::app::{self, ClientCredentials};
use crate::record::instance::Instance;
use crate::record::settings::{CLIENT_ID, CLIENT_SECRET, Given};
use crate::store::StoreError;

/// The settings that a vendor is asked with: an instance's, or those that it is to have. They hold secrets and are not to
/// be printed.
#[derive(Clone)]
pub(crate) struct Settings {
    /// The user who owns them.
    pub(crate) user: UserId,
    /// The configuration, with a mask in the place of every secret.
    pub(crate) open: Given,
    /// Its secrets.
    pub(crate) secrets: BTreeMap<String, SecretString>,
    /// The app whose client asks, when the configuration has none.
    pub(crate) app: Option<AppId>,
    /// The fingerprint of the client's id.
    pub(crate) client: String,
}

impl Settings {
    /// Opens an instance's.
    pub(crate) async fn of(broker: &Broker, instance: &Instance) -> Result<Self, StoreError> {
        let secrets = secrets(broker, instance).await?;
        let Instance { user, configuration: open, app, client, .. } = instance.clone();
        Ok(Self { user, open, secrets, app, client })
    }

    /// Says whose client asks.
    pub(crate) fn credential_source(&self) -> CredentialSource<'_> {
        CredentialSource { user: self.user, app: self.app.as_ref(), secrets: &self.secrets }
    }
}

/// Opens the secrets of an instance's configuration.
pub async fn secrets(
    broker: &Broker,
    instance: &Instance,
) -> Result<BTreeMap<String, SecretString>, StoreError> {
    instance.secrets(&*broker.keys.to_open(&instance.sealed, broker.clock.now()).await?)
}

/// Where the key and secret of the client that asks a vendor come from.
#[derive(Clone, Copy)]
pub(crate) struct CredentialSource<'a> {
    /// The user who owns the app.
    pub(crate) user: UserId,
    /// The app's id; `None`: the secrets have the client's key and secret.
    pub(crate) app: Option<&'a AppId>,
    /// The instance's secrets.
    pub(crate) secrets: &'a BTreeMap<String, SecretString>,
}

impl CredentialSource<'_> {
    /// Gives the client's key and secret.
    pub(crate) async fn pair(&self, broker: &Broker) -> Result<Arc<ClientCredentials>, Error> {
        let Some(id) = self.app else {
            let secret = |key: &str| {
                self.secrets.get(key).cloned().ok_or_else(|| Error::Internal(format!("{key} is not kept")))
            };
            return Ok(Arc::new(ClientCredentials {
                key: secret(CLIENT_ID)?,
                secret: secret(CLIENT_SECRET)?,
            }));
        };
        match broker.clients.fresh(id, broker.clock.now()) {
            Some(pair) => Ok(pair),
            None => read(broker, self.user, id).await,
        }
    }

    /// Gives another key and secret when a vendor has refused those of an app, and the app has been given others
    /// since they were read.
    pub(crate) async fn reload_if_rotated(
        &self,
        broker: &Broker,
        refused: &ClientCredentials,
        error: &VendorError,
    ) -> Option<Arc<ClientCredentials>> {
        let id = self.app.filter(|_| error.refuses_client())?;
        let read = read(broker, self.user, id).await.ok()?;
        (!read.is(refused)).then_some(read)
    }
}

async fn read(broker: &Broker, user: UserId, id: &AppId) -> Result<Arc<ClientCredentials>, Error> {
    let found = app::read(&*broker.registry, user, id).await?;
    let found = found.ok_or_else(|| Error::AppIncomplete(id.clone()))?;
    let now = broker.clock.now();
    let pair = Arc::new(found.credentials(&*broker.keys.to_open(&found.credentials, now).await?)?);
    broker.clients.keep(id, now, &pair);
    Ok(pair)
}
