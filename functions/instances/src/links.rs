//! `/elements/{keyOrId}/links`: what visitors open to connect an account.

use broker::Broker;
use broker::client;
use broker::clock::Timestamp;
use broker::hosted_connect;
use broker::id::{AppId, InstanceId, LinkId};
use broker::record::app;
use broker::record::instance::{self, Instance};
use broker::record::link::{self, Link};
use broker::record::session::{self, Ended};
use broker::record::settings::{self, CLIENT_ID, CLIENT_SECRET, Given, REDIRECT_URI, Split};
use broker::record::user::User;
use broker::{Error, store::StoreError};
use secrecy::ExposeSecret;
use serde_json::{Map, Value};
use vendors::descriptor::Element;
use web::body::{given, object, tags, text, truth};
use web::clean::{self, line};
use web::show;
use web::visitor::public_url;
use web::{Answer, Call, answer};

use crate::draft;

/// How long a link works when its maker does not say, and at most, in seconds: a day, and ninety.
const USUAL: Timestamp = 86_400;
const LONGEST: Timestamp = 90 * 86_400;

/// The longest scope or state, in bytes.
const LONGEST_WORD: usize = 2_000;

pub(crate) async fn create(broker: &Broker, call: &Call) -> Answer {
    let user = broker.user(&call.credentials()?).await?;
    let element = broker.catalogue.element(call.parameter("keyOrId"))?;
    let sent = call.object()?;
    let again = instance_of(broker, &user, element, &sent).await?;
    let reusable = truth(&sent, "reusable")?.unwrap_or_default();
    if again.is_some() && reusable {
        return Err(Error::Invalid("A link with `instanceId` works once: leave `reusable` out".into()).into());
    }
    let mut given = given(element, &object(&sent, "configuration")?)?;
    given.retain(|_, value| value.as_deref() != Some(settings::MASK));
    let client = client(broker, &user, element, &sent, &given, again.as_ref()).await?;
    let split = configured(broker, call, element, given, &client, again.as_ref())?;
    let (keyring, now) = (&broker.connect()?.keyring, broker.clock.now());
    let (id, until) = (link::id(user.id, now), now + expires_in(&sent)?);
    let link = Link {
        client: Link::seal_client(keyring, &id, &client.id),
        sealed: Link::seal_secrets(broker.connect()?.secrets()?, &id, &split.secrets)?,
        id,
        user: user.id,
        element: element.identity.key.clone(),
        name: line(sent.get("name"), "name")?,
        tags: tags(sent.get("tags"))?,
        configuration: split.open,
        app: client.app,
        instance: again.map(|instance| instance.id),
        scope: clean::scope(sent.get("scope"))?.map(|scope| word("scope", scope)).transpose()?,
        state: text(sent.get("state"))
            .filter(|word| !word.is_empty())
            .map(|state| word("state", state))
            .transpose()?,
        return_url: return_url(broker, &user, &sent)?,
        reusable,
        created: now,
        until,
        expires: Link::kept(until),
        taken_by: None,
    };
    link::add(&*broker.registry, &link).await?;
    answer::json(&body(broker, call, &link)?)
}

pub(crate) async fn list(broker: &Broker, call: &Call) -> Answer {
    let user = broker.user(&call.credentials()?).await?;
    let element = broker.catalogue.element(call.parameter("keyOrId"))?;
    let (after, limit) = (call.query("nextPage").and_then(LinkId::parse), call.page_size()?);
    let key = &element.identity.key;
    let (links, more) = link::list(&*broker.registry, user.id, key, after.as_ref(), limit).await?;
    let bodies = links.iter().map(|link| body(broker, call, link)).collect::<Result<Vec<_>, _>>()?;
    let next = links.last().filter(|_| more).map(|last| last.id.0.as_str());
    answer::list(&bodies, next)
}

pub(crate) async fn show(broker: &Broker, call: &Call) -> Answer {
    let link = named(broker, call).await?;
    let made = made_by(broker, &link).await?;
    answer::json(&show::link::link(&link, url(broker, call, &link)?, broker.clock.now(), made))
}

pub(crate) async fn delete(broker: &Broker, call: &Call) -> Answer {
    link::remove(&*broker.registry, &named(broker, call).await?).await?;
    Ok(answer::empty())
}

/// Finds the instance that came of a link.
async fn made_by(broker: &Broker, link: &Link) -> Result<Option<InstanceId>, StoreError> {
    let registry = &*broker.registry;
    let Some(session) = &link.taken_by else { return Ok(None) };
    let made = match session::find(registry, session).await?.map(|found| found.outcome(broker.clock.now())) {
        Some(Some(Ended::Connected(id))) => Some(id),
        // Whoever was at it has died; the sweep may have completed it.
        Some(Some(Ended::Unknown)) | None => {
            instance::made_with(registry, link.user, "link", &link.id.0).await?
        }
        Some(_) => None,
    };
    let Some(id) = made else { return Ok(None) };
    Ok(instance::find(registry, link.user, id).await?.map(|instance| instance.id))
}

fn url(broker: &Broker, call: &Call, link: &Link) -> Result<String, Error> {
    public_url(broker.connect()?, call, &format!("/connect/{}", link.id))
}

fn body(broker: &Broker, call: &Call, link: &Link) -> Result<payloads::links::Link, Error> {
    Ok(show::link::link(link, url(broker, call, link)?, broker.clock.now(), None))
}

/// Finds the link that a request is about, of those that the user made for this element.
async fn named(broker: &Broker, call: &Call) -> Result<Link, Error> {
    let user = broker.user(&call.credentials()?).await?;
    let element = broker.catalogue.element(call.parameter("keyOrId"))?;
    let id = call.parameter("id");
    let link = match LinkId::parse(id) {
        Some(id) => link::find(&*broker.registry, &id).await?,
        None => None,
    };
    let link = link.filter(|link| link.user == user.id && link.element == element.identity.key);
    link.ok_or_else(|| {
        Error::NotFound(format!("No link found with ID {}", id.chars().take(100).collect::<String>()))
    })
}

/// Finds the instance that is to be authenticated again.
async fn instance_of(
    broker: &Broker,
    user: &User,
    element: &Element,
    sent: &Map<String, Value>,
) -> Result<Option<Instance>, Error> {
    let Some(given) = text(sent.get("instanceId")).filter(|given| !given.is_empty()) else { return Ok(None) };
    let refuse = || Error::Invalid(format!("`instanceId` must be a number, not {:?}", shown(&given)));
    let id = InstanceId::parse(&given).ok_or_else(refuse)?;
    let instance = instance::find(&*broker.registry, user.id, id).await?;
    let instance = instance.filter(|instance| instance.element == element.identity.key);
    instance.map(Some).ok_or_else(|| instance::unknown(id))
}

/// Whose client a link's flows are for.
struct Client {
    /// The client's id at the vendor.
    id: String,
    /// The app that has its secret; `None`: the configuration or the instance has it.
    app: Option<AppId>,
}

/// Finds the client: an app that is named, the configuration's, or the instance's.
async fn client(
    broker: &Broker,
    user: &User,
    element: &Element,
    sent: &Map<String, Value>,
    given: &Given,
    again: Option<&Instance>,
) -> Result<Client, Error> {
    let own = Some(settings::value(given, CLIENT_ID)).filter(|own| !own.is_empty());
    let named = draft::app_id(sent, given)?;
    match (named, own, again) {
        (Some(_), _, Some(_)) => Err(Error::Invalid(
            "`appId` cannot be given with `instanceId`: the link uses the instance's own client".into(),
        )),
        (Some(id), _, None) => of_app(broker, user, element, id).await,
        (None, Some(own), _) => Ok(Client { id: own.to_owned(), app: None }),
        (None, None, Some(instance)) => match &instance.app {
            Some(id) => of_app(broker, user, element, id.clone()).await,
            None => of_instance(broker, instance).await,
        },
        (None, None, None) => Err(Error::Invalid(
            "Name the client: `appId`, or oauth.api.key and oauth.api.secret in `configuration`".into(),
        )),
    }
}

async fn of_app(broker: &Broker, user: &User, element: &Element, id: AppId) -> Result<Client, Error> {
    let registered = app::find(&*broker.registry, user.id, element, &id).await?;
    Ok(Client { id: registered.client_id(&broker.connect()?.keyring)?, app: Some(id) })
}

async fn of_instance(broker: &Broker, instance: &Instance) -> Result<Client, Error> {
    let secrets = client::secrets(broker, instance).await?;
    let lost = || StoreError::Damaged(format!("instance {} has no client", instance.id));
    Ok(Client { id: secrets.get(CLIENT_ID).ok_or_else(lost)?.expose_secret().to_owned(), app: None })
}

/// Reads the configuration, with our redirect URI. What the visitor can fill in may be missing.
fn configured(
    broker: &Broker,
    call: &Call,
    element: &Element,
    mut given: Given,
    client: &Client,
    again: Option<&Instance>,
) -> Result<Split, Error> {
    let oauth2 = element.oauth2()?;
    let path = hosted_connect::callback_path(oauth2, &element.identity.key);
    let ours = public_url(broker.connect()?, call, &path)?;
    let theirs = settings::value(&given, REDIRECT_URI);
    if !theirs.is_empty() && theirs != ours {
        return Err(Error::Invalid(format!(
            "oauth.callback.url of a link is {ours}: register that at the vendor and leave it out here"
        )));
    }
    given.insert(REDIRECT_URI.to_owned(), Some(ours));
    // Of an instance that is there nothing is missing, and nothing is set back to a default.
    if again.is_some() {
        return changes(element, given);
    }
    let whole = settings::with_defaults(element, given);
    let has_client = client.app.is_some();
    let missing = settings::missing(element, &whole).into_iter();
    let missing: Vec<_> = missing
        .filter(|key| !(has_client && [CLIENT_ID, CLIENT_SECRET].contains(key)))
        .filter(|key| !settings::is_asked(element, key))
        .collect();
    if !missing.is_empty() {
        return Err(Error::Invalid(format!("Missing configuration: {}", missing.join(", "))));
    }
    let mut split = settings::split(element, whole)?;
    if has_client {
        split.mask_client();
    }
    Ok(split)
}

/// Reads what is to change of an instance that is there.
fn changes(element: &Element, given: Given) -> Result<Split, Error> {
    let named: Vec<_> = given.keys().cloned().collect();
    let mut split = settings::split(element, given)?;
    split.open.retain(|key, _| named.contains(key));
    if split.secrets.contains_key(CLIENT_ID) != split.secrets.contains_key(CLIENT_SECRET) {
        return Err(Error::Invalid("Give both oauth.api.key and oauth.api.secret, or neither".into()));
    }
    Ok(split)
}

/// Cuts what a caller has written to what can be read in an error.
fn shown(given: &str) -> String {
    given.chars().take(100).collect()
}

fn expires_in(sent: &Map<String, Value>) -> Result<Timestamp, Error> {
    let Some(given) = text(sent.get("expiresIn")) else { return Ok(USUAL) };
    let refuse = || {
        Error::Invalid(format!(
            "`expiresIn` must be a number of seconds from 1 to {LONGEST}, not {:?}",
            shown(&given)
        ))
    };
    given.parse().ok().filter(|seconds| (1..=LONGEST).contains(seconds)).ok_or_else(refuse)
}

/// Reads a word that is passed on as it is.
fn word(field: &str, word: String) -> Result<String, Error> {
    let refuse = |why: String| Err(Error::Invalid(format!("`{field}` must {why}")));
    if word.len() > LONGEST_WORD {
        return refuse(format!("be at most {LONGEST_WORD} bytes long"));
    }
    if word.chars().any(char::is_control) {
        return refuse("hold no control character".into());
    }
    Ok(word)
}

fn return_url(broker: &Broker, user: &User, sent: &Map<String, Value>) -> Result<Option<String>, Error> {
    let Some(url) = text(sent.get("returnUrl")).filter(|url| !url.is_empty()) else { return Ok(None) };
    clean::return_url("`returnUrl`", &url)?;
    if !broker.connect()?.allows(user, &url) {
        return Err(Error::Invalid(format!(
            "`returnUrl` must be one of the return URLs that an admin has allowed with PUT /users/{}/return-urls, \
             letter by letter: {url:?}",
            user.id
        )));
    }
    Ok(Some(url))
}
