//! `/elements/{keyOrId}/links`: what visitors open to connect an account.

use lambda_http::{Body, Response};
use serde_json::{Map, Value};
use valetkey::app::App;
use valetkey::body::{given, object, tags, text, truth};
use valetkey::clean::{self, line};
use valetkey::client;
use valetkey::clock::Timestamp;
use valetkey::configuration::{self, CLIENT_ID, CLIENT_SECRET, Given, REDIRECT_URI, Split};
use valetkey::connect;
use valetkey::element::Element;
use valetkey::error::{Error, StoreError};
use valetkey::http::{self, Call};
use valetkey::instance::{self, Instance};
use valetkey::link::{self, Link};
use valetkey::session::{self, Ended};
use valetkey::user::User;
use valetkey::wire::LinkBody;

use crate::draft;

/// How long a link works when its maker does not say, and at most, in seconds: a day, and ninety.
const USUAL: Timestamp = 86_400;
const LONGEST: Timestamp = 90 * 86_400;

/// The longest scope or state, in bytes.
const LONGEST_WORD: usize = 2_000;

pub(crate) async fn create(app: &App, call: &Call) -> Result<Response<Body>, Error> {
    let user = app.user(call).await?;
    let element = app.catalogue.element(call.parameter("keyOrId"))?;
    let sent = call.object()?;
    let again = instance_of(app, &user, element, &sent).await?;
    let reusable = truth(&sent, "reusable")?.unwrap_or_default();
    if again.is_some() && reusable {
        return Err(Error::Invalid("A link with `instanceId` works once: leave `reusable` out".into()));
    }
    let mut given = given(element, &object(&sent, "configuration")?)?;
    given.retain(|_, value| value.as_deref() != Some(configuration::MASK));
    let client = client(app, &user, element, &sent, &given, again.as_ref()).await?;
    let split = configured(app, call, element, given, &client, again.as_ref())?;
    let (seal, now) = (&app.connect()?.seal, app.clock.now());
    let (id, until) = (link::id(user.id, now), now + expires_in(&sent)?);
    let link = Link {
        client: Link::seal_client(seal, &id, &client.id),
        sealed: Link::seal_secrets(app.connect()?.secrets()?, &id, &split.secrets)?,
        id,
        user: user.id,
        element: element.identity.key.clone(),
        name: line(sent.get("name"), "name")?,
        tags: tags(sent.get("tags"))?,
        configuration: split.open,
        app: client.app,
        instance: again.map(|instance| instance.id),
        scope: word(&sent, "scope")?,
        state: word(&sent, "state")?,
        return_url: return_url(app, &user, &sent)?,
        reusable,
        created: now,
        until,
        expires: Link::kept(until),
        taken_by: None,
    };
    link::add(&*app.registry, &link).await?;
    http::json(&body(app, call, &link)?)
}

pub(crate) async fn list(app: &App, call: &Call) -> Result<Response<Body>, Error> {
    let user = app.user(call).await?;
    let element = app.catalogue.element(call.parameter("keyOrId"))?;
    let (after, limit) = (call.query("nextPage"), call.page_size()?);
    let key = &element.identity.key;
    let (links, more) = link::list(&*app.registry, user.id, key, after, limit).await?;
    let bodies = links.iter().map(|link| body(app, call, link)).collect::<Result<Vec<_>, _>>()?;
    let next = links.last().filter(|_| more).map(|last| last.id.as_str());
    http::list(&bodies, next)
}

pub(crate) async fn show(app: &App, call: &Call) -> Result<Response<Body>, Error> {
    let link = named(app, call).await?;
    let made = made_by(app, &link).await?;
    http::json(&LinkBody::new(&link, url(app, call, &link)?, app.clock.now(), made))
}

pub(crate) async fn delete(app: &App, call: &Call) -> Result<Response<Body>, Error> {
    link::remove(&*app.registry, &named(app, call).await?).await?;
    Ok(http::empty())
}

/// Finds the instance that came of a link.
async fn made_by(app: &App, link: &Link) -> Result<Option<u64>, StoreError> {
    let registry = &*app.registry;
    let Some(session) = &link.taken_by else { return Ok(None) };
    let made = match session::find(registry, session).await?.map(|found| found.outcome(app.clock.now())) {
        Some(Some(Ended::Connected(id))) => Some(id),
        // Whoever was at it has died; the sweep may have completed it.
        Some(Some(Ended::Unknown)) | None => {
            instance::made_with(registry, link.user, "link", &link.id).await?
        }
        Some(_) => None,
    };
    let Some(id) = made else { return Ok(None) };
    Ok(instance::find(registry, link.user, id).await?.map(|instance| instance.id))
}

fn url(app: &App, call: &Call, link: &Link) -> Result<String, Error> {
    app.connect()?.url(call, &format!("/connect/{}", link.id))
}

fn body<'a>(app: &App, call: &Call, link: &'a Link) -> Result<LinkBody<'a>, Error> {
    Ok(LinkBody::new(link, url(app, call, link)?, app.clock.now(), None))
}

/// Finds the link that a request is about, of those that the user made for this element.
async fn named(app: &App, call: &Call) -> Result<Link, Error> {
    let user = app.user(call).await?;
    let element = app.catalogue.element(call.parameter("keyOrId"))?;
    let id = call.parameter("id");
    let link = link::find(&*app.registry, id).await?;
    let link = link.filter(|link| link.user == user.id && link.element == element.identity.key);
    link.ok_or_else(|| {
        Error::NotFound(format!("No link found with ID {}", id.chars().take(100).collect::<String>()))
    })
}

/// Finds the instance that is to be authenticated again.
async fn instance_of(
    app: &App,
    user: &User,
    element: &Element,
    sent: &Map<String, Value>,
) -> Result<Option<Instance>, Error> {
    let Some(given) = text(sent.get("instanceId")).filter(|given| !given.is_empty()) else { return Ok(None) };
    let id = given
        .parse()
        .map_err(|_| Error::Invalid(format!("`instanceId` must be a number, not {:?}", shown(&given))))?;
    let instance = instance::find(&*app.registry, user.id, id).await?;
    let instance = instance.filter(|instance| instance.element == element.identity.key);
    instance.map(Some).ok_or_else(|| instance::unknown(id))
}

/// Whose client a link's flows are for.
struct Client {
    /// The client's id at the vendor.
    id: String,
    /// The app that has its secret; `None`: the configuration or the instance has it.
    app: Option<String>,
}

/// Finds the client: an app that is named, the configuration's, or the instance's.
async fn client(
    app: &App,
    user: &User,
    element: &Element,
    sent: &Map<String, Value>,
    given: &Given,
    again: Option<&Instance>,
) -> Result<Client, Error> {
    let own = Some(configuration::text(given, CLIENT_ID)).filter(|own| !own.is_empty());
    let named = draft::app_id(sent, given)?;
    match (named, own, again) {
        (Some(_), _, Some(_)) => Err(Error::Invalid(
            "`appId` cannot be given with `instanceId`: the link uses the instance's own client".into(),
        )),
        (Some(id), _, None) => of_app(app, user, element, id).await,
        (None, Some(own), _) => Ok(Client { id: own.to_owned(), app: None }),
        (None, None, Some(instance)) => match &instance.app {
            Some(id) => of_app(app, user, element, id.clone()).await,
            None => of_instance(app, instance).await,
        },
        (None, None, None) => Err(Error::Invalid(
            "Name the client: `appId`, or oauth.api.key and oauth.api.secret in `configuration`".into(),
        )),
    }
}

async fn of_app(app: &App, user: &User, element: &Element, id: String) -> Result<Client, Error> {
    let registered = client::find(&*app.registry, user.id, element, &id).await?;
    Ok(Client { id: registered.client_id(&app.connect()?.seal)?, app: Some(id) })
}

async fn of_instance(app: &App, instance: &Instance) -> Result<Client, Error> {
    let grant = app.grant(instance).await?;
    let id = grant.as_ref().and_then(|grant| grant.secret(CLIENT_ID));
    let lost = || StoreError::Damaged(format!("the vault has no client of instance {}", instance.id));
    Ok(Client { id: id.ok_or_else(lost)?.to_owned(), app: None })
}

/// Reads the configuration, with our redirect URI. What the visitor can fill in may be missing.
fn configured(
    app: &App,
    call: &Call,
    element: &Element,
    mut given: Given,
    client: &Client,
    again: Option<&Instance>,
) -> Result<Split, Error> {
    let oauth2 = element.oauth2()?;
    let path = connect::callback_path(oauth2, &element.identity.key);
    let ours = app.connect()?.url(call, &path)?;
    let theirs = configuration::text(&given, REDIRECT_URI);
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
    let whole = configuration::with_defaults(element, given);
    let has_client = client.app.is_some();
    let missing = configuration::missing(element, &whole).into_iter();
    let missing: Vec<_> = missing
        .filter(|key| !(has_client && [CLIENT_ID, CLIENT_SECRET].contains(key)))
        .filter(|key| !configuration::is_asked(element, key))
        .collect();
    if !missing.is_empty() {
        return Err(Error::Invalid(format!("Missing configuration: {}", missing.join(", "))));
    }
    let mut split = configuration::split(element, whole)?;
    if has_client {
        split.mask_client();
    }
    Ok(split)
}

/// Reads what is to change of an instance that is there.
fn changes(element: &Element, given: Given) -> Result<Split, Error> {
    let named: Vec<_> = given.keys().cloned().collect();
    let mut split = configuration::split(element, given)?;
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
fn word(sent: &Map<String, Value>, field: &str) -> Result<Option<String>, Error> {
    let refuse = |why: String| Err(Error::Invalid(format!("`{field}` must {why}")));
    match text(sent.get(field)).filter(|word| !word.is_empty()) {
        Some(word) if word.len() > LONGEST_WORD => refuse(format!("be at most {LONGEST_WORD} bytes long")),
        Some(word) if word.chars().any(char::is_control) => refuse("hold no control character".into()),
        word => Ok(word),
    }
}

fn return_url(app: &App, user: &User, sent: &Map<String, Value>) -> Result<Option<String>, Error> {
    let Some(url) = text(sent.get("returnUrl")).filter(|url| !url.is_empty()) else { return Ok(None) };
    clean::return_url("`returnUrl`", &url)?;
    if !app.connect()?.allows(user, &url) {
        return Err(Error::Invalid(format!(
            "`returnUrl` must be one of the return URLs that an admin has allowed with PUT /users/{}/return-urls, \
             letter by letter: {url:?}",
            user.id
        )));
    }
    Ok(Some(url))
}
