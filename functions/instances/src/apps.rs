//! `/elements/{keyOrId}/apps`: a client's key and secret at a vendor, given once.

use broker::Broker;
use broker::Error;
use broker::apps;
use broker::id::AppId;
use broker::record::app::{self, App, ClientCredentials};
use broker::record::settings::{self, CLIENT_ID, CLIENT_SECRET};
use serde_json::{Map, Value};
use web::body;
use web::clean::{self, line};
use web::show;
use web::{Answer, Call, answer};

pub(crate) async fn create(broker: &Broker, call: &Call) -> Answer {
    let user = broker.user(&call.credentials()?).await?;
    let element = broker.catalogue.element(call.parameter("keyOrId"))?;
    element.oauth2()?;
    let sent = call.object()?;
    let name = line(sent.get("name"), "name")?.unwrap_or_else(|| element.identity.name.clone());
    let registered = apps::register(broker, user.id, element, name, &pair(&sent)?).await?;
    answer::json(&show::link::app(&registered))
}

pub(crate) async fn list(broker: &Broker, call: &Call) -> Answer {
    let user = broker.user(&call.credentials()?).await?;
    let element = broker.catalogue.element(call.parameter("keyOrId"))?;
    let (after, limit) = (call.query("nextPage").and_then(AppId::parse), call.page_size()?);
    let (apps, more) = app::list(&*broker.registry, user.id, Some(element), after.as_ref(), limit).await?;
    let next = apps.last().filter(|_| more).map(|last| last.id.0.as_str());
    answer::list(&apps.iter().map(show::link::app).collect::<Vec<_>>(), next)
}

pub(crate) async fn show(broker: &Broker, call: &Call) -> Answer {
    answer::json(&show::link::app(&named(broker, call).await?))
}

/// Replaces key and secret, which what was made with the app goes on with.
pub(crate) async fn replace(broker: &Broker, call: &Call) -> Answer {
    let registered = named(broker, call).await?;
    let sent = call.object()?;
    let name = line(sent.get("name"), "name")?;
    answer::json(&show::link::app(&apps::replace(broker, &registered, name, &pair(&sent)?).await?))
}

pub(crate) async fn delete(broker: &Broker, call: &Call) -> Answer {
    apps::remove(broker, &named(broker, call).await?).await?;
    Ok(answer::empty())
}

async fn named(broker: &Broker, call: &Call) -> Result<App, Error> {
    let user = broker.user(&call.credentials()?).await?;
    let element = broker.catalogue.element(call.parameter("keyOrId"))?;
    let (id, unknown) = (call.parameter("id"), || app::unknown(call.parameter("id")));
    app::find(&*broker.registry, user.id, element, &AppId::parse(id).ok_or_else(unknown)?).await
}

/// Reads the key and secret out of `configuration`, as everywhere else.
fn pair(sent: &Map<String, Value>) -> Result<ClientCredentials, Error> {
    let given = body::object(sent, "configuration")?;
    let value = |key: &str| body::text(given.get(key)).map(|value| clean::pasted(&value).to_owned());
    let real = |value: &String| !value.is_empty() && value != settings::MASK;
    let (key, secret) = (value(CLIENT_ID).filter(real), value(CLIENT_SECRET).filter(real));
    match (key, secret) {
        (Some(key), Some(secret)) if key.len() + secret.len() <= LONGEST => {
            clean::client_id(CLIENT_ID, &key)?;
            Ok(ClientCredentials { key: key.into(), secret: secret.into() })
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
