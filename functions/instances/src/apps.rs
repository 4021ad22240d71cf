//! `/elements/{keyOrId}/apps`: a client's key and secret at a vendor, given once.

use lambda_http::{Body, Response};
use serde_json::{Map, Value};
use valetkey::app::App;
use valetkey::body;
use valetkey::clean::line;
use valetkey::client::{self, Pair};
use valetkey::configuration::{self, CLIENT_ID, CLIENT_SECRET};
use valetkey::error::Error;
use valetkey::http::{self, Call};
use valetkey::wire::AppBody;

pub(crate) async fn create(app: &App, call: &Call) -> Result<Response<Body>, Error> {
    let user = app.user(call).await?;
    let element = app.catalogue.element(call.parameter("keyOrId"))?;
    element.oauth2()?;
    let sent = call.object()?;
    let name = line(sent.get("name"), "name")?.unwrap_or_else(|| element.identity.name.clone());
    let registered = client::register(app, user.id, element, name, &pair(&sent)?).await?;
    http::json(&AppBody::new(&registered))
}

pub(crate) async fn list(app: &App, call: &Call) -> Result<Response<Body>, Error> {
    let user = app.user(call).await?;
    let element = app.catalogue.element(call.parameter("keyOrId"))?;
    let (after, limit) = (call.query("nextPage"), call.page_size()?);
    let (apps, more) = client::list(&*app.registry, user.id, Some(element), after, limit).await?;
    let next = apps.last().filter(|_| more).map(|last| last.id.as_str());
    http::list(&apps.iter().map(AppBody::new).collect::<Vec<_>>(), next)
}

pub(crate) async fn show(app: &App, call: &Call) -> Result<Response<Body>, Error> {
    http::json(&AppBody::new(&named(app, call).await?))
}

/// Replaces key and secret, which what was made with the app goes on with.
pub(crate) async fn replace(app: &App, call: &Call) -> Result<Response<Body>, Error> {
    let registered = named(app, call).await?;
    let sent = call.object()?;
    let name = line(sent.get("name"), "name")?;
    http::json(&AppBody::new(&client::replace(app, &registered, name, &pair(&sent)?).await?))
}

pub(crate) async fn delete(app: &App, call: &Call) -> Result<Response<Body>, Error> {
    client::remove(app, &named(app, call).await?).await?;
    Ok(http::empty())
}

async fn named(app: &App, call: &Call) -> Result<client::Registered, Error> {
    let user = app.user(call).await?;
    let element = app.catalogue.element(call.parameter("keyOrId"))?;
    client::find(&*app.registry, user.id, element, call.parameter("id")).await
}

/// Reads the key and secret out of `configuration`, as everywhere else.
fn pair(sent: &Map<String, Value>) -> Result<Pair, Error> {
    let given = body::object(sent, "configuration")?;
    let value = |key: &str| body::text(given.get(key)).map(|value| value.trim().to_owned());
    let real = |value: &String| !value.is_empty() && value != configuration::MASK;
    let (key, secret) = (value(CLIENT_ID).filter(real), value(CLIENT_SECRET).filter(real));
    match (key, secret) {
        (Some(key), Some(secret)) if key.len() + secret.len() <= LONGEST => {
            Ok(Pair { key: key.into(), secret: secret.into() })
        }
        (Some(_), Some(_)) => Err(Error::Invalid(format!(
            "oauth.api.key and oauth.api.secret must be at most {LONGEST} bytes long together"
        ))),
        (key, secret) => {
            let missing = [(CLIENT_ID, key.is_none()), (CLIENT_SECRET, secret.is_none())];
            let missing: Vec<_> = missing.into_iter().filter(|(_, gone)| *gone).map(|(key, _)| key).collect();
            Err(Error::Invalid(format!("Missing configuration: {}", missing.join(", "))))
        }
    }
}

/// The longest key and secret, in bytes.
const LONGEST: usize = 16_384;
