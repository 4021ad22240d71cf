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
use crate::store::secrets::PutError;

/// The links that one request withdraws at most.
const LINKS: usize = 500;

/// Registers an app. Its record comes first, so that a death after it leaves nothing that nobody can find.
pub async fn register(
    broker: &Broker,
    user: UserId,
    element: &Element,
    name: String,
    pair: &ClientCredentials,
) -> Result<App, Error> {
    let now = broker.clock.now();
    let element = element.identity.key.clone();
    let id = AppId(random::dated(now));
    let registered = App { id, user, element, name, created: now, client: None };
    broker.registry.insert(&app::key(user, &registered.id), records::to_item(&registered)?).await?;
    replace(broker, &registered, None, pair).await
}

/// Gives an app another secret, and another name when there is one. What was made with it goes on with these. Its
/// key stays: refresh tokens were given to that client (RFC 6749 section 10.4), and visitors are on their way with it.
pub async fn replace(
    broker: &Broker,
    registered: &App,
    name: Option<String>,
    pair: &ClientCredentials,
) -> Result<App, Error> {
    let (id, version) = (registered.id.0.as_str(), random::id());
    let old = broker.apps.latest(id).await?.and_then(|(_, text)| ClientCredentials::from_text(&text));
    if old.is_some_and(|old| old.key.expose_secret() != pair.key.expose_secret()) {
        return Err(Error::Conflict(format!(
            "The oauth.api.key of the app {id} stays, only oauth.api.secret can be changed: register another app for \
             another key"
        )));
    }
    let text = pair.to_text();
    let put = match registered.client {
        Some(_) => broker.apps.put(id, &version, &text).await,
        None => broker.apps.create(id, &version, &text).await,
    };
    let put = match put {
        // A request that died between the vault and the record, or the other way round.
        Err(PutError::Gone) => broker.apps.create(id, &version, &text).await,
        Err(PutError::Taken) => broker.apps.put(id, &version, &text).await,
        put => put,
    };
    match put {
        Ok(()) => {}
        Err(PutError::Store(cause)) => return Err(cause.into()),
        Err(cause) => return Err(Error::Internal(cause.to_string())),
    }
    let client = broker.connect()?.seal.close_text([id, "client"], pair.key.expose_secret());
    let mut change = Change::default().set("client", client);
    if let Some(name) = name {
        change = change.set("name", name);
    }
    match broker.registry.update(&app::key(registered.user, &registered.id), change).await? {
        Written::Done(item) => Ok(records::from_item(item)?),
        Written::Refused(_) => {
            // It was removed meanwhile.
            broker.apps.remove(id).await?;
            Err(app::unknown(id))
        }
    }
}

/// Removes an app that no instance was made with, and withdraws its links: visitors who are under way end without
/// a grant.
pub async fn remove(broker: &Broker, registered: &App) -> Result<(), Error> {
    is_unused(broker, registered).await?;
    if link::remove_some_of_app(&*broker.registry, registered.user, &registered.id, LINKS).await? {
        return Err(Error::Unfinished(format!(
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
    broker.apps.remove(&registered.id.0).await?;
    broker.registry.remove(&app::key(registered.user, &registered.id), vec![]).await?;
    Ok(())
}
