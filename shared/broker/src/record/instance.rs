//! Instances: the registry's record of one, and how it is found.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::clock::Timestamp;
use crate::error::Error;
use crate::id::{AppId, InstanceId, LinkId, UserId};
use crate::random;
use crate::record::grant::{Copy, Grant, certainly_ended};
use crate::record::settings::Given;
use crate::seal::element_token::KeyNumber;
use crate::seal::key;
use crate::seal::keyring::Keyring;
use crate::store::StoreError;
use crate::store::records::{self, Change, Condition, Item, Key, Page, Registry, Written};

/// Where an instance stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Being made: its code may be spent, its grant may be there. Invisible.
    Pending,
    /// Made and visible.
    Live,
    /// Being deleted: its grant is being revoked and removed. Invisible.
    Deleting,
}

/// The record of an instance: what its owner says of it. Its secrets are sealed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Instance {
    /// A small, growing number.
    pub id: InstanceId,
    /// The user who owns it.
    pub user: UserId,
    /// Where it stands. What anybody sees of it is decided here alone.
    pub state: State,
    /// Whether its owner has switched it off.
    pub disabled: bool,
    /// The element's key.
    pub element: String,
    /// The element's id, should the catalogue lose the element.
    pub element_id: u32,
    /// The name that its owner gave it.
    pub name: String,
    /// Its owner's tags.
    pub tags: Vec<String>,
    /// Its configuration, with a mask in the place of every secret.
    pub configuration: Given,
    /// The secrets of its configuration, sealed.
    pub sealed: String,
    /// Counts the changes of the configuration, from 1.
    pub number: u64,
    /// Whether its first grant was brought along, and not made of a code.
    #[serde(default)]
    pub imported: bool,
    /// The app whose client it was made with; `None`: its own key and secret are in its configuration.
    pub app: Option<AppId>,
    /// The fingerprint of its client's id.
    pub client: String,
    /// The link that it was made by.
    pub link: Option<LinkId>,
    /// When it was made.
    pub created: Timestamp,
    /// The salt of its element token.
    pub salt: String,
    /// The key of its element token.
    pub token_key: KeyNumber,
    /// The last number that a consent was given.
    pub consents: u64,
    /// Who has that number: a name that is drawn for each attempt.
    pub consent_owner: String,
    /// Since when; 0: whoever it was has ended.
    pub consent_since: Timestamp,
    /// The name of the marker of what it was made of.
    pub marker: String,
    /// The names of the markers of tokens that were brought along for later consents, the latest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub brought: Vec<String>,
    /// What lists know of its grant.
    pub copy: Copy,
    /// Since when nobody knows whether the vendor has made a grant of its code.
    pub in_doubt: Option<Timestamp>,
    /// When its deletion began.
    pub deleted: Option<Timestamp>,
    /// Whether it goes because its vendor certainly did nothing: what it was made of can be used again.
    #[serde(default)]
    pub taken_back: bool,
    /// The agenda that it is on, as long as it is due.
    pub agenda: Option<String>,
    /// When the sweep looks at it: only while it is pending or being deleted.
    pub due: Option<Timestamp>,
}

impl Instance {
    /// Names its item.
    pub fn key(&self) -> Key {
        key(self.user, self.id)
    }

    /// Tells whether its grant is alive, as far as this record knows.
    pub fn is_valid(&self) -> bool {
        self.copy.is_valid(self.number)
    }

    /// Tells whether its client has this id.
    pub fn has_client(&self, id: &str) -> bool {
        self.client == key::fingerprint(id)
    }

    /// Seals the secrets of its configuration, for the settings with that number.
    pub(crate) fn seal(
        keyring: &Keyring,
        id: InstanceId,
        number: u64,
        secrets: &BTreeMap<String, SecretString>,
    ) -> Result<String, StoreError> {
        let exposed: BTreeMap<_, _> =
            secrets.iter().map(|(key, secret)| (key, secret.expose_secret())).collect();
        let text = serde_json::to_string(&exposed)
            .map_err(|error| StoreError::Damaged(format!("settings cannot be written: {error}")))?;
        Ok(keyring.seal(&settings_place(id, number), &text))
    }

    /// Opens the secrets of its configuration.
    pub fn secrets(&self, keyring: &Keyring) -> Result<BTreeMap<String, SecretString>, StoreError> {
        let text = keyring.open(&settings_place(self.id, self.number), &self.sealed);
        text.and_then(|text| serde_json::from_str(&text).ok()).ok_or_else(|| {
            StoreError::Damaged(format!(
                "the settings of instance {} do not open with the keys here",
                self.id
            ))
        })
    }

    /// Gives the names of the markers of tokens that were brought along once another is, the latest that fit.
    pub(crate) fn with_brought(&self, name: &str) -> Vec<String> {
        const REMEMBERED: usize = 20;
        let before = &self.brought[self.brought.len().saturating_sub(REMEMBERED - 1)..];
        before.iter().cloned().chain([name.to_owned()]).collect()
    }

    /// Tells whether its owner has brought a token along, and may have it elsewhere.
    pub(crate) fn was_brought(&self) -> bool {
        self.imported || !self.brought.is_empty()
    }

    /// Tells whether a consent other than the first is under way.
    pub(crate) fn consent_runs(&self, grant: &Grant, now: Timestamp) -> bool {
        self.consents > grant.family && certainly_ended(self.consent_since) > now
    }

    /// It is live.
    pub(crate) fn is_live() -> Condition {
        Condition::Equals("state", json!(State::Live))
    }

    /// It is being made.
    pub(crate) fn is_pending() -> Condition {
        Condition::Equals("state", json!(State::Pending))
    }

    /// Its settings are those that were read.
    pub(crate) fn settings_as_read(&self) -> Condition {
        Condition::Equals("number", self.number.into())
    }

    /// The last consent is the one that was read.
    pub(crate) fn consents_as_read(&self) -> Condition {
        Condition::Equals("consents", self.consents.into())
    }
}

/// The place that the secrets of a configuration are bound to.
pub(crate) fn settings_place(id: InstanceId, number: u64) -> [String; 3] {
    ["settings".into(), id.to_string(), number.to_string()]
}

/// Which instances of a user to list.
#[derive(Debug, Default)]
pub struct Filter {
    /// Tags that an instance must all have.
    pub tags: Vec<String>,
    /// A part of its name, in any case.
    pub search: Option<String>,
    /// The key of its element.
    pub element: Option<String>,
}

impl Filter {
    fn is_none(&self) -> bool {
        self.tags.is_empty() && self.search.is_none() && self.element.is_none()
    }

    fn admits(&self, instance: &Instance) -> bool {
        let named = |text: &String| instance.name.to_lowercase().contains(&text.to_lowercase());
        instance.state == State::Live
            && self.tags.iter().all(|tag| instance.tags.contains(tag))
            && self.search.as_ref().is_none_or(named)
            && self.element.as_ref().is_none_or(|key| *key == instance.element)
    }
}

/// The items that one read of a list asks for: a filter may pass over most of them.
const READ: usize = 250;

/// The records of one user begin so.
pub(crate) const PREFIX: &str = "instance#";

/// Names the item of a user's instance. Its owner is part of the name: another user's instance cannot
/// even be asked for.
pub fn key(user: UserId, id: InstanceId) -> Key {
    Key::new(partition(user), sort(id))
}

fn partition(user: UserId) -> String {
    format!("user#{user}")
}

fn sort(id: InstanceId) -> String {
    format!("{PREFIX}{:016}", id.0)
}

/// What is answered for an instance that is not there, or another user's.
pub fn unknown(id: impl std::fmt::Display) -> Error {
    Error::NotFound(format!("No element instance found with ID {id}"))
}

/// Finds a user's live instance.
pub async fn find(
    registry: &dyn Registry,
    user: UserId,
    id: InstanceId,
) -> Result<Option<Instance>, StoreError> {
    let item = registry.get(&key(user, id)).await?;
    let instance: Option<Instance> = item.map(records::from_item).transpose()?;
    Ok(instance.filter(|instance| instance.state == State::Live))
}

/// Changes a live instance. Doing it twice is no harm.
async fn change(registry: &dyn Registry, instance: &Instance, change: Change) -> Result<Instance, Error> {
    let change = change.and(Instance::is_live());
    match registry.update(&key(instance.user, instance.id), change).await? {
        Written::Done(item) => Ok(records::from_item(item)?),
        Written::Refused(_) => Err(unknown(instance.id)),
    }
}

/// Switches an instance on or off.
pub async fn switch(registry: &dyn Registry, instance: &Instance, on: bool) -> Result<Instance, Error> {
    change(registry, instance, Change::default().set("disabled", !on)).await
}

/// Gives an instance another element token, and with it the current token key; the old token is dead.
pub async fn renew_token(
    registry: &dyn Registry,
    instance: &Instance,
    number: KeyNumber,
) -> Result<Instance, Error> {
    let renewed = Change::default().set("salt", random::id()).set("token_key", number);
    change(registry, instance, renewed).await
}

/// Gives some of a user's records, whatever state they are in: none when the user owns nothing.
pub async fn some(registry: &dyn Registry, user: UserId) -> Result<Vec<Instance>, StoreError> {
    let page = registry.list(&partition(user), PREFIX, None, READ).await?;
    page.items.into_iter().map(|(_, item)| records::from_item(item)).collect()
}

/// Finds one of a user's instances that was made with that `app` or `link`, and is not being deleted. It may read all of
/// them.
pub async fn made_with(
    registry: &dyn Registry,
    user: UserId,
    what: &str,
    id: &str,
) -> Result<Option<InstanceId>, StoreError> {
    let mut last = None::<String>;
    loop {
        let Page { items, more } = registry.list(&partition(user), PREFIX, last.as_deref(), READ).await?;
        last = items.last().map(|(sort, _)| sort.clone());
        let stays = |item: &Item| item.get("state") != Some(&json!(State::Deleting));
        let made = items.iter().find(|(_, item)| item.get(what) == Some(&json!(id)) && stays(item));
        if let Some(id) = made.and_then(|(_, item)| item.get("id")?.as_u64()) {
            return Ok(Some(InstanceId(id)));
        }
        if !more {
            return Ok(None);
        }
    }
}

/// Counts a user's live instances, by element. It reads all of them.
pub async fn count(registry: &dyn Registry, user: UserId) -> Result<BTreeMap<String, u64>, StoreError> {
    let (mut counts, mut last) = (BTreeMap::new(), None::<String>);
    loop {
        let Page { items, more } = registry.list(&partition(user), PREFIX, last.as_deref(), READ).await?;
        last = items.last().map(|(sort, _)| sort.clone());
        let live = items.iter().filter(|(_, item)| item.get("state") == Some(&json!(State::Live)));
        for key in live.filter_map(|(_, item)| item.get("element")?.as_str()) {
            *counts.entry(key.to_owned()).or_default() += 1;
        }
        if !more {
            return Ok(counts);
        }
    }
}

/// Lists at most `limit` of a user's live instances by id, after the one with the id `after`, and
/// tells whether there are more.
pub async fn list(
    registry: &dyn Registry,
    user: UserId,
    filter: &Filter,
    after: Option<InstanceId>,
    limit: usize,
) -> Result<(Vec<Instance>, bool), StoreError> {
    // A filter may pass over most of what is read; without one nearly all is wanted.
    let read = if filter.is_none() { READ.min(limit + 1) } else { READ };
    let place = (PREFIX, after.map(sort));
    let wanted = |instance: &Instance| filter.admits(instance);
    records::records(registry, &partition(user), place, limit, read, wanted).await
}
