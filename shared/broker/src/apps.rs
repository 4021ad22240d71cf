//! Registered clients: an app is registered, given another secret, and removed.

use secrecy::ExposeSecret;
use vendors::descriptor::Element;

use crate::Broker;
use crate::error::Error;
use crate::id::{AppId, UserId};
use crate::random;
use crate::record::app::{self, App, ClientCredentials};
use crate::record::{instance, link};
use crate::store::records::{self, Change, Written};

/// The links that one request withdraws at most.
const LINKS: usize = 500;

/// Registers an app.
pub async fn register(
    broker: &Broker,
    user: UserId,
    element: &Element,
    name: String,
    pair: &ClientCredentials,
) -> Result<App, Error> {
    let now = broker.clock.now();
    let id = AppId(random::dated(now));
    let registered = App {
        client: App::seal_client(&broker.connect()?.keyring, &id, pair.key.expose_secret()),
        credentials: App::seal_credentials(&broker.keys.ring(), &id, pair),
        element: element.identity.key.clone(),
        id,
        user,
        name,
        created: now,
    };
    // The id is random: whatever is found there is this app.
    broker.registry.insert(&app::key(user, &registered.id), records::to_item(&registered)?).await?;
    Ok(registered)
}

/// Gives an app another secret, and another name when there is one. What was made with it goes on with these. Its
/// key stays: refresh tokens were given to that client (RFC 6749 section 10.4), and visitors are on their way with it.
pub async fn replace(
    broker: &Broker,
    registered: &App,
    name: Option<String>,
    pair: &ClientCredentials,
) -> Result<App, Error> {
    let id = &registered.id;
    // Credentials that do not open any more are replaced by any.
    let keys = broker.keys.to_open(&registered.credentials, broker.clock.now()).await?;
    let old = registered.credentials(&keys).ok();
    if old.is_some_and(|old| old.key.expose_secret() != pair.key.expose_secret()) {
        return Err(Error::Conflict(format!(
            "The oauth.api.key of the app {id} stays, only oauth.api.secret can be changed: register another app for \
             another key"
        )));
    }
    let mut change = Change::default()
        .set("client", App::seal_client(&broker.connect()?.keyring, id, pair.key.expose_secret()))
        .set("credentials", App::seal_credentials(&keys, id, pair));
    if let Some(name) = name {
        change = change.set("name", name);
    }
    match broker.registry.update(&app::key(registered.user, id), change).await? {
        Written::Done(item) => Ok(records::from_item(item)?),
        Written::Refused(_) => Err(app::unknown(id)),
    }
}

/// Removes an app that no instance was made with, and withdraws its links: visitors who are under way end without
/// a grant.
pub async fn remove(broker: &Broker, registered: &App) -> Result<(), Error> {
    is_unused(broker, registered).await?;
    if link::remove_some_of_app(&*broker.registry, registered.user, &registered.id, LINKS).await? {
        return Err(Error::Incomplete(format!(
            "The app {} has more links than can be withdrawn at once; repeat the request for the rest",
            registered.id
        )));
    }
    // A visitor may have come through meanwhile.
    is_unused(broker, registered).await?;
    forget(broker, registered).await
}

async fn is_unused(broker: &Broker, registered: &App) -> Result<(), Error> {
    if let Some(id) = instance::made_with(&*broker.registry, registered.user, "app", &registered.id.0).await?
    {
        return Err(Error::Conflict(format!(
            "Instances use the app {}, instance {id} among them: delete them first, or give them a key and secret of \
             their own with PATCH /instances/{id}",
            registered.id
        )));
    }
    Ok(())
}

/// Removes an app, whoever uses it.
pub async fn forget(broker: &Broker, registered: &App) -> Result<(), Error> {
    broker.registry.remove(&app::key(registered.user, &registered.id), vec![]).await?;
    Ok(())
}
