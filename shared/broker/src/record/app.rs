//! Apps: a client's key and secret at a vendor (RFC 6749 section 2), given once and named by links and instances.
//!
//! The app's record has them, sealed. An instance that was made with an app holds the app's id and no copy, so that a new
//! secret counts for all at once.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::json;
use vendors::client::request::Client;
use vendors::descriptor::Element;

use crate::clock::Timestamp;
use crate::error::Error;
use crate::id::{AppId, UserId};
use crate::record::settings::{CLIENT_ID, CLIENT_SECRET};
use crate::seal::keyring::Keyring;
use crate::store::StoreError;
use crate::store::records::{self, Key, Registry};

/// How long a key and secret that were read are used again, in seconds.
const CACHE_TTL: Timestamp = 300;

/// The records of one user begin so.
pub(crate) const PREFIX: &str = "app#";

/// The record of an app. What is secret in it is sealed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct App {
    /// Its id.
    pub id: AppId,
    /// The user who owns it.
    pub user: UserId,
    /// The element's key.
    pub element: String,
    /// The name that its owner gave it, cleaned.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// The client's id at the vendor, sealed with the connect key: the function that opens links needs no more.
    pub client: String,
    /// The client's key and secret, sealed.
    pub credentials: String,
}

impl App {
    /// Seals the client's id, for the app with that id.
    pub(crate) fn seal_client(keyring: &Keyring, id: &AppId, client_id: &str) -> String {
        keyring.seal(&[&id.0, "client"], client_id)
    }

    /// Opens the client's id. It does not open when the connect key has changed: its owner gives key and secret again.
    pub fn client_id(&self, keyring: &Keyring) -> Result<String, Error> {
        let opened = keyring.open(&[&self.id.0, "client"], &self.client);
        opened.ok_or_else(|| Error::AppIncomplete(self.id.clone()))
    }

    /// Seals the client's key and secret, for the app with that id.
    pub(crate) fn seal_credentials(keyring: &Keyring, id: &AppId, pair: &ClientCredentials) -> String {
        keyring.seal(&credentials_place(id), pair.to_text().expose_secret())
    }

    /// Opens the client's key and secret.
    pub fn credentials(&self, keyring: &Keyring) -> Result<ClientCredentials, Error> {
        let opened = keyring.open(&credentials_place(&self.id), &self.credentials);
        let pair = opened.and_then(|text| ClientCredentials::from_text(&text.into()));
        pair.ok_or_else(|| Error::AppIncomplete(self.id.clone()))
    }
}

/// A client's key and secret.
pub struct ClientCredentials {
    /// `oauth.api.key`.
    pub key: SecretString,
    /// `oauth.api.secret`.
    pub secret: SecretString,
}

impl ClientCredentials {
    /// Writes them as text, to be sealed.
    fn to_text(&self) -> SecretString {
        json!({CLIENT_ID: self.key.expose_secret(), CLIENT_SECRET: self.secret.expose_secret()})
            .to_string()
            .into()
    }

    /// Reads them back.
    fn from_text(text: &SecretString) -> Option<Self> {
        let mut pair: BTreeMap<String, SecretString> = serde_json::from_str(text.expose_secret()).ok()?;
        Some(Self { key: pair.remove(CLIENT_ID)?, secret: pair.remove(CLIENT_SECRET)? })
    }

    /// Gives them to the client that speaks to vendors.
    pub(crate) fn client(&self) -> Client<'_> {
        Client { id: self.key.expose_secret(), secret: &self.secret }
    }

    /// Tells whether they are the same.
    pub(crate) fn is(&self, other: &Self) -> bool {
        let same = |a: &SecretString, b: &SecretString| a.expose_secret() == b.expose_secret();
        same(&self.key, &other.key) && same(&self.secret, &other.secret)
    }
}

/// The keys and secrets of apps that were read in the last five minutes.
#[derive(Default)]
pub struct ClientCache(Mutex<HashMap<AppId, (Timestamp, Arc<ClientCredentials>)>>);

impl ClientCache {
    /// Gives what was read of an app.
    pub(crate) fn fresh(&self, id: &AppId, now: Timestamp) -> Option<Arc<ClientCredentials>> {
        let cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cached
            .get(id)
            .filter(|(read, _)| (0..CACHE_TTL).contains(&(now - read)))
            .map(|(_, pair)| Arc::clone(pair))
    }

    /// Keeps what was read of an app now.
    pub(crate) fn keep(&self, id: &AppId, now: Timestamp, pair: &Arc<ClientCredentials>) {
        let mut cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cached.retain(|_, (read, _)| (0..CACHE_TTL).contains(&(now - *read)));
        cached.insert(id.clone(), (now, Arc::clone(pair)));
    }
}

/// The place that the key and secret of an app are bound to.
pub(crate) fn credentials_place(id: &AppId) -> [String; 2] {
    [id.0.clone(), "credentials".into()]
}

/// Names the item of a user's app.
pub(crate) fn key(user: UserId, id: &AppId) -> Key {
    Key::new(partition(user), format!("{PREFIX}{id}"))
}

fn partition(user: UserId) -> String {
    format!("user#{user}")
}

/// The error of an app that is not there, or another user's, or another element's.
pub fn unknown(id: impl std::fmt::Display) -> Error {
    Error::NotFound(format!("No app found with ID {}", id.to_string().chars().take(100).collect::<String>()))
}

/// Finds a user's app by its id.
pub(crate) async fn read(
    registry: &dyn Registry,
    user: UserId,
    id: &AppId,
) -> Result<Option<App>, StoreError> {
    registry.get(&key(user, id)).await?.map(records::from_item).transpose()
}

/// Finds a user's app for an element.
pub async fn find(
    registry: &dyn Registry,
    user: UserId,
    element: &Element,
    id: &AppId,
) -> Result<App, Error> {
    let app = read(registry, user, id).await?;
    app.filter(|app| app.element == element.identity.key).ok_or_else(|| unknown(id))
}

/// Lists at most `limit` of a user's apps for an element, the oldest first, after the one with the id `after`,
/// and tells whether there are more.
pub async fn list(
    registry: &dyn Registry,
    user: UserId,
    element: Option<&Element>,
    after: Option<&AppId>,
    limit: usize,
) -> Result<(Vec<App>, bool), StoreError> {
    let place = (PREFIX, after.map(|id| format!("{PREFIX}{id}")));
    let wanted = |app: &App| element.is_none_or(|element| element.identity.key == app.element);
    records::records(registry, &partition(user), place, limit, limit + 1, wanted).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::key::Key as Secret;

    #[test]
    fn an_app_whose_connect_key_has_changed_asks_for_its_key_and_secret_again() {
        let [old, new] =
            ["old", "new"].map(|master| Keyring::new(&Secret::derive(master.as_bytes(), "client")));
        let id = AppId("a".repeat(40));
        let client = App::seal_client(&old, &id, "planted-id");
        let pair = ClientCredentials { key: "planted-id".into(), secret: "planted-secret".into() };
        let credentials = App::seal_credentials(&old, &id, &pair);
        let app = App {
            id,
            user: UserId(1),
            element: "e".into(),
            name: "n".into(),
            created: 0,
            client,
            credentials,
        };
        assert!(!serde_json::to_string(&app).unwrap().contains("planted"));
        assert_eq!(app.client_id(&old).unwrap(), "planted-id");
        assert_eq!(app.credentials(&old).unwrap().secret.expose_secret(), "planted-secret");
        let error = app.client_id(&new).unwrap_err();
        assert!(matches!(error, Error::AppIncomplete(_)) && !error.is_fault(), "{error}");
    }
}
