//! Whose client asks a vendor: an app's, or an instance's own.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::SecretString;
use vendors::VendorError;

use crate::Broker;
use crate::error::Error;
use crate::id::AppId;
use crate::record::app::ClientCredentials;
use crate::record::settings::{CLIENT_ID, CLIENT_SECRET};

/// Where the key and secret of the client that asks a vendor come from.
#[derive(Clone, Copy)]
pub(crate) struct CredentialSource<'a> {
    /// The app's id; it counts as long as there is no key and secret of the instance's own.
    pub(crate) app: Option<&'a AppId>,
    /// The instance's secrets.
    pub(crate) secrets: &'a BTreeMap<String, SecretString>,
}

impl CredentialSource<'_> {
    fn app(&self) -> Option<&AppId> {
        self.app.filter(|_| !self.secrets.contains_key(CLIENT_SECRET))
    }

    /// Gives the client's key and secret.
    pub(crate) async fn pair(&self, broker: &Broker) -> Result<Arc<ClientCredentials>, Error> {
        let Some(id) = self.app() else {
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
            None => read(broker, id).await,
        }
    }

    /// Gives another key and secret when a vendor has refused those of an app, and the app has been given others
    /// since they were read.
    pub(crate) async fn instead(
        &self,
        broker: &Broker,
        refused: &ClientCredentials,
        error: &VendorError,
    ) -> Option<Arc<ClientCredentials>> {
        let id = self.app().filter(|_| error.refuses_client())?;
        let read = read(broker, id).await.ok()?;
        (!read.is(refused)).then_some(read)
    }
}

async fn read(broker: &Broker, id: &AppId) -> Result<Arc<ClientCredentials>, Error> {
    let found = broker.apps.latest(&id.0).await?;
    let pair = found.and_then(|(_, text)| ClientCredentials::from_text(&text));
    let pair = Arc::new(pair.ok_or_else(|| Error::AppIncomplete(id.clone()))?);
    broker.clients.keep(id, broker.clock.now(), &pair);
    Ok(pair)
}
