//! A change of an instance's name, tags and configuration. It is one write of the instance alone: whoever refreshes at
//! that moment is not in the way, and goes on with the settings that it has read.

use std::collections::BTreeMap;

use secrecy::ExposeSecret;
use serde_json::json;
use vendors::descriptor::Element;

use crate::Broker;
use crate::client::{self, Settings};
use crate::error::Error;
use crate::grant::publish::hint;
use crate::id::AppId;
use crate::record::instance::{self, Instance};
use crate::record::settings::{self, CLIENT_ID, CLIENT_SECRET, Given, MASK};
use crate::seal::key;
use crate::store::StoreError;
use crate::store::records::{self, Change, Written};
use crate::store::retry::Deadline;

/// How often a change is tried when the record has changed meanwhile.
const ATTEMPTS: usize = 20;

/// What is to change; what is `None` stays. It holds secrets and is not to be printed.
#[derive(Default)]
pub struct Edit {
    /// The name, cleaned.
    pub name: Option<String>,
    /// All tags, cleaned.
    pub tags: Option<Vec<String>>,
    /// Configuration; a value that is the mask means unchanged.
    pub configuration: Option<Given>,
    /// Whether `configuration` is the whole: what it lacks goes, except what an instance cannot be without.
    pub whole: bool,
}

impl Edit {
    /// Tells whether nothing is to change.
    pub(crate) fn is_empty(&self) -> bool {
        self.name.is_none() && self.tags.is_none() && self.configuration.is_none()
    }
}

/// Changes an instance.
pub async fn change(
    broker: &Broker,
    instance: Instance,
    edit: &Edit,
    deadline: Deadline,
) -> Result<Instance, Error> {
    let mut instance = instance;
    if edit.is_empty() {
        return Ok(instance);
    }
    for _ in 0..ATTEMPTS {
        let settings = merged(broker, &instance, edit, false).await?;
        let change = described(broker, &instance, edit, settings.as_ref())?;
        match write(broker, &instance, change, deadline).await? {
            Some(changed) => return Ok(changed),
            None => instance = found(broker, &instance).await?,
        }
    }
    Err(Error::Incomplete("Others are changing this instance; try again".into()))
}

/// Writes a change of the settings, and has a dead grant tried once more. Gives nothing when they have changed since the
/// instance was read.
pub(crate) async fn write(
    broker: &Broker,
    seen: &Instance,
    change: Change,
    deadline: Deadline,
) -> Result<Option<Instance>, StoreError> {
    let (key, sealed) = (seen.key(), change.set.get("sealed").cloned());
    let update = || broker.registry.update(&key, change.clone());
    let changed: Instance = match deadline.persist(update).await? {
        Written::Done(item) => records::from_item(item)?,
        // The reply was lost: nobody else seals with the same nonce.
        Written::Refused(Some(item)) if sealed.is_some() && item.get("sealed") == sealed.as_ref() => {
            records::from_item(item)?
        }
        Written::Refused(_) => return Ok(None),
    };
    if changed.number > seen.number && changed.copy.refused.is_some() {
        // A death before this is mended by the next caller.
        hint(broker, &changed).await?;
    }
    Ok(Some(changed))
}

/// Reads an instance again.
pub(crate) async fn found(broker: &Broker, instance: &Instance) -> Result<Instance, Error> {
    let found = instance::find(&*broker.registry, instance.user, instance.id).await?;
    found.ok_or_else(|| instance::unknown(instance.id))
}

/// Has the settings say what a vendor has said, such as its address for this customer.
pub(crate) async fn tell(
    broker: &Broker,
    instance: &Instance,
    told: &Given,
    deadline: Deadline,
) -> Result<(), Error> {
    let edit = Edit { configuration: Some(told.clone()), ..Edit::default() };
    change(broker, instance.clone(), &edit, deadline).await.map(drop)
}

/// Lays what is given over what is there; nothing when the configuration stays as it is. With `is_consent` a vendor is
/// asked with it, which needs the redirect URI.
pub(crate) async fn merged(
    broker: &Broker,
    instance: &Instance,
    edit: &Edit,
    is_consent: bool,
) -> Result<Option<Settings>, Error> {
    let Some(given) = &edit.configuration else { return Ok(None) };
    let element = broker.catalogue.element(&instance.element)?;
    let mut configuration = instance.configuration.clone();
    if edit.whole {
        configuration.retain(|key, _| given.contains_key(key) || settings::is_kept(element, key));
    }
    let said = given.iter().filter(|(_, value)| value.as_deref() != Some(MASK));
    configuration.extend(said.map(|(key, value)| (key.clone(), value.clone())));
    check_complete(element, instance, &configuration, is_consent)?;
    let mut split = settings::split(element, configuration)?;
    split.secrets.retain(|_, secret| !settings::is_mask(secret));
    let own = [CLIENT_ID, CLIENT_SECRET].map(|key| split.secrets.contains_key(key));
    let app = match (&instance.app, own) {
        (Some(app), [id, secret]) if id != secret => return Err(half_a_client(instance, app)),
        (app, [false, false]) => app.clone(),
        _ => None,
    };
    let given = split.secrets.get(CLIENT_ID).map(|id| key::fingerprint(id.expose_secret()));
    let client = given.unwrap_or_else(|| instance.client.clone());
    let mut secrets = client::secrets(broker, instance).await?;
    secrets.retain(|key, _| split.open.get(key).is_some_and(Option::is_some));
    secrets.append(&mut split.secrets);
    settings::check_length(&split.open, &secrets)?;
    Ok(Some(Settings { user: instance.user, open: split.open, secrets, app, client }))
}

fn check_complete(
    element: &Element,
    instance: &Instance,
    configuration: &Given,
    is_consent: bool,
) -> Result<(), Error> {
    let mut missing = settings::missing(element, configuration);
    if instance.imported && !is_consent {
        missing.retain(|key| *key != settings::REDIRECT_URI);
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::Invalid(format!("Missing configuration: {}", missing.join(", "))))
}

fn half_a_client(instance: &Instance, app: &AppId) -> Error {
    Error::Invalid(format!(
        "The instance uses the app {app}: change that with PUT /elements/{}/apps/{app}, or give both oauth.api.key and \
         oauth.api.secret",
        instance.element
    ))
}

/// The change of an instance as it was read.
pub(crate) fn described(
    broker: &Broker,
    seen: &Instance,
    edit: &Edit,
    settings: Option<&Settings>,
) -> Result<Change, StoreError> {
    let mut change = Change::default().and(Instance::is_live());
    if let Some(name) = &edit.name {
        change = change.set("name", name.clone());
    }
    if let Some(tags) = &edit.tags {
        change = change.set("tags", json!(tags));
    }
    let Some(settings) = settings else { return Ok(change) };
    let number = seen.number + 1;
    change = change
        .and(seen.settings_as_read())
        .set("configuration", json!(settings.open))
        .set("sealed", Instance::seal(&broker.keys.ring(), seen.id, number, &settings.secrets)?)
        .set("client", settings.client.clone())
        .set("number", number);
    Ok(match &settings.app {
        Some(app) => change.set("app", app.0.clone()),
        None => change.remove("app"),
    })
}

/// What an edit and a vendor say, as one configuration.
pub(crate) fn with_told(edit: &Edit, told: &Given) -> Edit {
    let mut configuration = edit.configuration.clone();
    if !told.is_empty() {
        configuration.get_or_insert_with(BTreeMap::new).extend(told.clone());
    }
    Edit { name: edit.name.clone(), tags: edit.tags.clone(), configuration, whole: edit.whole }
}
