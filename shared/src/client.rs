//! Apps: a client's key and secret at a vendor (RFC 6749 section 2), given once and named by links and instances.
//!
//! The vault keeps them below the app's id; an instance that was made with an app holds that id and no copy, so
//! that a new secret counts for all at once. What was read is kept for five minutes, and read again when a
//! vendor refuses it.

#[cfg(feature = "send")]
mod whose;

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::app::App;
use crate::clock::Timestamp;
use crate::configuration::{CLIENT_ID, CLIENT_SECRET};
use crate::element::Element;
use crate::error::{Error, StoreError};
use crate::instance;
use crate::link;
use crate::random;
use crate::registry::{self, Change, Condition, Key, Registry, Written};
use crate::seal::Seal;
use crate::vault::PutError;
#[cfg(feature = "send")]
pub use whose::Cache;
#[cfg(feature = "send")]
pub(crate) use whose::Whose;

/// The registry's record of an app. It holds no secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Registered {
    /// Its name in the vault too.
    pub id: String,
    /// The user who owns it.
    pub user: u64,
    /// The element's key.
    pub element: String,
    /// What its owner calls it, cleaned.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// The client's id at the vendor, sealed; absent until the vault has it.
    pub client: Option<String>,
}

/// A client's key and secret.
pub struct Pair {
    /// `oauth.api.key`.
    pub key: SecretString,
    /// `oauth.api.secret`.
    pub secret: SecretString,
}

impl Pair {
    fn to_text(&self) -> SecretString {
        json!({CLIENT_ID: self.key.expose_secret(), CLIENT_SECRET: self.secret.expose_secret()})
            .to_string()
            .into()
    }

    fn from_text(text: &SecretString) -> Option<Self> {
        let mut pair: BTreeMap<String, SecretString> = serde_json::from_str(text.expose_secret()).ok()?;
        Some(Self { key: pair.remove(CLIENT_ID)?, secret: pair.remove(CLIENT_SECRET)? })
    }
}

fn key(user: u64, id: &str) -> Key {
    Key::new(partition(user), format!("{PREFIX}{id}"))
}

/// The links that one request withdraws at most.
const LINKS: usize = 500;

fn is_id(id: &str) -> bool {
    id.len() == 40 && id.bytes().all(|c| c.is_ascii_hexdigit())
}

/// The records of one user begin so.
const PREFIX: &str = "app#";

fn partition(user: u64) -> String {
    format!("user#{user}")
}

/// Answers for an app that is not there, or another user's, or another element's.
pub fn unknown(id: &str) -> Error {
    Error::NotFound(format!("No app found with ID {}", id.chars().take(100).collect::<String>()))
}

/// Finds a user's app for an element.
pub async fn find(
    registry: &dyn Registry,
    user: u64,
    element: &Element,
    id: &str,
) -> Result<Registered, Error> {
    let found = if is_id(id) { registry.get(&key(user, id)).await? } else { None };
    let app: Option<Registered> = found.map(registry::from_item).transpose()?;
    app.filter(|app| app.element == element.identity.key).ok_or_else(|| unknown(id))
}

impl Registered {
    /// Opens the client's id.
    pub fn client_id(&self, seal: &Seal) -> Result<String, Error> {
        let Some(sealed) = &self.client else {
            let id = &self.id;
            return Err(Error::Conflict(format!(
                "The app {id} has no key and secret: give them with PUT /elements/{}/apps/{id}",
                self.element
            )));
        };
        let damaged = || StoreError::Damaged("what is sealed in an app does not open".into());
        Ok(seal.open_text([&self.id, "client"], sealed).ok_or_else(damaged)?)
    }
}

/// Registers an app. Its record comes first, so that a death after it leaves nothing that nobody can find.
pub async fn register(
    app: &App,
    user: u64,
    element: &Element,
    name: String,
    pair: &Pair,
) -> Result<Registered, Error> {
    let now = app.clock.now();
    let element = element.identity.key.clone();
    let registered = Registered { id: random::dated(now), user, element, name, created: now, client: None };
    app.registry.insert(&key(user, &registered.id), registry::to_item(&registered)?).await?;
    replace(app, &registered, None, pair).await
}

/// Gives an app another secret, and another name when there is one. What was made with it goes on with these. Its
/// key stays: refresh tokens were given to that client (RFC 6749 section 10.4), and visitors are on their way with it.
pub async fn replace(
    app: &App,
    registered: &Registered,
    name: Option<String>,
    pair: &Pair,
) -> Result<Registered, Error> {
    let (id, version) = (&registered.id, random::id());
    let old = app.apps.latest(id).await?.and_then(|(_, text)| Pair::from_text(&text));
    if old.is_some_and(|old| old.key.expose_secret() != pair.key.expose_secret()) {
        return Err(Error::Conflict(format!(
            "The oauth.api.key of the app {id} stays, only oauth.api.secret can be changed: register another app for \
             another key"
        )));
    }
    let text = pair.to_text();
    let put = match registered.client {
        Some(_) => app.apps.put(id, &version, &text).await,
        None => app.apps.create(id, &version, &text).await,
    };
    let put = match put {
        // A request that died between the vault and the record, or the other way round.
        Err(PutError::Gone) => app.apps.create(id, &version, &text).await,
        Err(PutError::Taken) => app.apps.put(id, &version, &text).await,
        put => put,
    };
    match put {
        Ok(()) => {}
        Err(PutError::Store(cause)) => return Err(cause.into()),
        Err(cause) => return Err(Error::Internal(cause.to_string())),
    }
    let client = app.connect()?.seal.close_text([id, "client"], pair.key.expose_secret());
    let mut change = Change::default().set("client", client);
    if let Some(name) = name {
        change = change.set("name", name);
    }
    match app.registry.update(&key(registered.user, id), change).await? {
        Written::Done(item) => Ok(registry::from_item(item)?),
        Written::Refused(_) => {
            // It was removed meanwhile.
            app.apps.remove(id).await?;
            Err(unknown(id))
        }
    }
}

/// Lists at most `limit` of a user's apps for an element, the oldest first, after the one with the id `after`,
/// and tells whether there are more.
pub async fn list(
    registry: &dyn Registry,
    user: u64,
    element: Option<&Element>,
    after: Option<&str>,
    limit: usize,
) -> Result<(Vec<Registered>, bool), StoreError> {
    let place = (PREFIX, after.filter(|id| is_id(id)).map(|id| format!("{PREFIX}{id}")));
    let wanted = |app: &Registered| element.is_none_or(|element| element.identity.key == app.element);
    registry::records(registry, &partition(user), place, limit, limit + 1, wanted).await
}

/// Removes an app that no instance was made with, and withdraws its links: visitors who are under way end without
/// a grant.
pub async fn remove(app: &App, registered: &Registered) -> Result<(), Error> {
    is_unused(app, registered).await?;
    if link::remove_some_of_app(&*app.registry, registered.user, &registered.id, LINKS).await? {
        return Err(Error::Unfinished(format!(
            "The app {} has more links than can be withdrawn at once; repeat the request for the rest",
            registered.id
        )));
    }
    // A visitor may have come through meanwhile.
    is_unused(app, registered).await?;
    forget(app, registered).await
}

async fn is_unused(app: &App, registered: &Registered) -> Result<(), Error> {
    if let Some(id) = instance::made_with(&*app.registry, registered.user, "app", &registered.id).await? {
        return Err(Error::Conflict(format!(
            "Instances use the app {}, instance {id} among them: delete them first, or give them a key and secret of \
             their own with PATCH /instances/{id}",
            registered.id
        )));
    }
    Ok(())
}

/// Removes an app, whoever uses it.
pub async fn forget(app: &App, registered: &Registered) -> Result<(), Error> {
    app.apps.remove(&registered.id).await?;
    app.registry.remove(&key(registered.user, &registered.id), Vec::<Condition>::new()).await?;
    Ok(())
}
