//! A change of an instance: its name, tags and configuration, and a new consent in the place of the old.
//!
//! What is open is changed in the record alone. What is secret, and a new code, goes through the lease: the
//! next version is stored in the vault under the holder's id, and then the record names it. A death between
//! the two leaves the lease, and whoever takes it over finds the version.

use std::collections::BTreeMap;

use serde_json::json;
use vendors::descriptor::Element;

use crate::Broker;
use crate::clock::{Stopwatch, Timestamp};
use crate::error::Error;
use crate::events;
use crate::grant::lease::{self, Lease};
use crate::grant::obtain::{self, Proof, redeem};
use crate::grant::revoke::revoke_grant;
use crate::record::grant::{Grant, Granted};
use crate::record::instance::{self, Instance, State};
use crate::record::settings::{self, CLIENT_ID, CLIENT_SECRET, Given, MASK, Split};
use crate::store::StoreError;
use crate::store::records::{self, Change, DUE, Written};

/// How often a change of the record is tried again when the record has changed meanwhile.
const ATTEMPTS: usize = 5;

/// What is to change; what is `None` stays. It holds secrets and is not to be printed.
#[derive(Default)]
pub struct Revision {
    /// The name, cleaned.
    pub name: Option<String>,
    /// All tags, cleaned.
    pub tags: Option<Vec<String>>,
    /// Configuration; a value that is the mask means unchanged.
    pub configuration: Option<Given>,
    /// Whether `configuration` is the whole: what it lacks goes, except what an instance cannot be without.
    pub whole: bool,
    /// What a new grant is made of.
    pub proof: Option<Proof>,
    /// What the vendor's callback carried besides the code, by configuration key.
    pub told: BTreeMap<String, String>,
}

/// Changes an instance, for a request that came when `watch` was started.
pub async fn revise(
    broker: &Broker,
    instance: Instance,
    revision: &Revision,
    watch: Stopwatch,
) -> Result<Instance, Error> {
    let element = broker.catalogue.element(&instance.element)?;
    let (mut instance, mut attempts) = (instance, ATTEMPTS);
    loop {
        let split = merged(element, &instance, revision)?;
        if revision.proof.is_some() || !split.secrets.is_empty() || loses_secret(element, &instance, &split) {
            return under_lease(broker, element, &instance, revision, watch).await;
        }
        let change = described(element, &instance, revision, &split, broker.clock.now());
        let key = instance::key(instance.user, instance.id);
        match broker.registry.update(&key, change).await? {
            Written::Done(item) => return Ok(records::from_item(item)?),
            Written::Refused(_) if attempts == 0 => return Err(Error::Leased(1)),
            Written::Refused(_) => attempts -= 1,
        }
        let (user, id) = (instance.user, instance.id);
        let found = instance::find(&*broker.registry, user, id).await?;
        instance = found.ok_or_else(|| instance::unknown(id))?;
    }
}

/// Lays what is given over what is there. Of the result `secrets` holds those that are new.
fn merged(element: &Element, instance: &Instance, revision: &Revision) -> Result<Split, Error> {
    let mut configuration = instance.configuration.clone();
    if let Some(given) = &revision.configuration {
        if revision.whole {
            configuration.retain(|key, _| given.contains_key(key) || settings::is_kept(element, key));
        }
        let said = given.iter().filter(|(_, value)| value.as_deref() != Some(MASK));
        configuration.extend(said.map(|(key, value)| (key.clone(), value.clone())));
    }
    let mut missing = settings::missing(element, &configuration);
    if instance.imported && revision.proof.is_none() {
        missing.retain(|key| *key != settings::REDIRECT_URI);
    }
    if !missing.is_empty() {
        return Err(Error::Invalid(format!("Missing configuration: {}", missing.join(", "))));
    }
    let mut split = settings::split(element, configuration)?;
    split.secrets.retain(|_, secret| !settings::is_mask(secret));
    settings::check_length(&split.open, &split.secrets)?;
    let given = [CLIENT_ID, CLIENT_SECRET].map(|key| split.secrets.contains_key(key));
    if let (Some(app), true) = (&instance.app, given[0] != given[1]) {
        return Err(Error::Invalid(format!(
            "The instance uses the app {app}: change that with PUT /elements/{}/apps/{app}, or give both oauth.api.key \
             and oauth.api.secret",
            instance.element
        )));
    }
    Ok(split)
}

/// Gives the id of the client of its own that a change gives an instance: with a secret, or, where it has one
/// already, alone.
fn own_client<'a>(revision: &'a Revision, seen: &Instance) -> Option<&'a str> {
    let given = |key| {
        let given = revision.configuration.as_ref().map_or("", |given| settings::value(given, key));
        Some(given).filter(|given| !given.is_empty() && *given != MASK)
    };
    given(CLIENT_ID).filter(|_| seen.app.is_none() || given(CLIENT_SECRET).is_some())
}

fn loses_secret(element: &Element, instance: &Instance, split: &Split) -> bool {
    let has = |given: &Given, key: &str| given.get(key).is_some_and(Option::is_some);
    let secret = |key: &&String| settings::is_secret(element, key) && has(&instance.configuration, key);
    instance.configuration.keys().filter(secret).any(|key| !has(&split.open, key))
}

/// Tells whether a change may mend what the vendor refused: another client or another tenant. Then it is
/// asked once more.
fn corrects(element: &Element, revision: &Revision) -> bool {
    let tenant = |key: &str| {
        let mut placeholders = element.oauth2.iter().flat_map(|oauth2| oauth2.placeholders.values());
        placeholders.any(|placeholder| placeholder.configuration == key)
    };
    let given = revision.configuration.iter().flatten();
    given
        .filter(|(_, value)| value.as_deref() != Some(MASK))
        .any(|(key, _)| key == CLIENT_ID || key == CLIENT_SECRET || tenant(key))
}

/// The change of what is open, of an instance as it was seen. What may have mended the grant puts it back on the
/// sweep's agenda; whether it has, the next refresh finds out.
fn described(
    element: &Element,
    seen: &Instance,
    revision: &Revision,
    split: &Split,
    now: Timestamp,
) -> Change {
    let mut change = Change::when("state", json!(State::Live));
    if corrects(element, revision) {
        change = change.set("valid", true).remove("not_before").set(DUE, now);
    }
    if let Some(id) = own_client(revision, seen) {
        change = instance::own_client(change, id);
    }
    if let Some(name) = &revision.name {
        change = change.set("name", name.clone());
    }
    if let Some(tags) = &revision.tags {
        change = change.set("tags", json!(tags));
    }
    if revision.configuration.is_some() || revision.proof.is_some() {
        change = instance::edited(change.set("configuration", json!(split.open)), seen);
    }
    change
}

async fn under_lease(
    broker: &Broker,
    element: &Element,
    instance: &Instance,
    revision: &Revision,
    watch: Stopwatch,
) -> Result<Instance, Error> {
    let mut lease = lease::take(broker, instance).await?;
    let (grant, granted) = match next(broker, element, &mut lease, revision, watch).await {
        Ok(next) => next,
        Err(error) => {
            lease.release(broker).await;
            return Err(error);
        }
    };
    let change = |seen: &Instance| {
        let split = merged(element, seen, revision)?;
        let change = described(element, seen, revision, &split, broker.clock.now());
        Ok(match &granted {
            Some(granted) => {
                let open = obtain::told(split.open, granted, &revision.told);
                instance::issued(change, &granted.tokens).set("configuration", json!(open))
            }
            None => change,
        })
    };
    match lease.keep(broker, &grant, change, watch).await {
        Err(cause) if revision.proof.is_some() => Err(lost(broker, &lease.instance, &grant, cause).await),
        Ok(kept) => {
            if revision.proof.is_some() {
                events::reauthenticated(&kept);
            }
            Ok(kept)
        }
        error => error,
    }
}

/// What to do with a new grant that is not kept: when the instance was deleted meanwhile it is revoked, so
/// that nothing is left at the vendor; else it may yet be found under the lease, and is only told of.
pub(crate) async fn lost(broker: &Broker, instance: &Instance, grant: &Grant, cause: Error) -> Error {
    match cause {
        Error::NotFound(_) => {
            if let Err(cause) = revoke_grant(broker, instance, grant).await {
                events::unrevoked(instance, &cause);
            }
            cause
        }
        cause => {
            events::unkept(instance, &cause);
            match cause {
                Error::Store(cause) => Error::Unkept(cause),
                cause => cause,
            }
        }
    }
}

/// Makes the next version of the grant; with what the vendor granted, when it was asked.
async fn next(
    broker: &Broker,
    element: &Element,
    lease: &mut Lease,
    revision: &Revision,
    watch: Stopwatch,
) -> Result<(Grant, Option<Granted>), Error> {
    let old = lease.grant(broker).await?;
    let instance = &lease.instance;
    let Some(old) = old else {
        return Err(StoreError::Damaged(format!("the vault has no grant of instance {}", instance.id)).into());
    };
    let mut split = merged(element, instance, revision)?;
    let mut secrets = old.secrets;
    secrets.retain(|key, _| split.open.get(key).is_some_and(Option::is_some));
    secrets.append(&mut split.secrets);
    split.secrets = secrets;
    settings::check_length(&split.open, &split.secrets)?;
    let granted = match &revision.proof {
        Some(proof) => {
            let client = instance.app.as_ref();
            Some(redeem(broker, element, &split, client, proof, watch).await?)
        }
        None => None,
    };
    let tokens = granted.as_ref().map_or(old.tokens, |granted| granted.tokens.clone());
    let open = match &granted {
        Some(granted) => obtain::told(split.open, granted, &revision.told),
        None => split.open,
    };
    let open = settings::changed(&instance.configuration, open);
    let generation = instance.generation + 1;
    Ok((
        Grant { generation, tokens, secrets: split.secrets, open, ours: old.ours || granted.is_some() },
        granted,
    ))
}
