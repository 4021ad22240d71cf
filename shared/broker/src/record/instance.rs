//! Instances: the registry's record of one, and how it is found.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::clock::Timestamp;
use crate::error::Error;
use crate::id::{AppId, InstanceId, LinkId, UserId};
use crate::random;
use crate::record::grant::Tokens;
use crate::seal::element_token::KeyNumber;
use crate::seal::keyring;
use crate::store::StoreError;
use crate::store::records::{self, Change, Condition, Key, Page, Registry, Written};

/// Where an instance stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Being made: its code may be spent, its tokens may be in the vault. Invisible.
    Pending,
    /// Made and visible.
    Live,
    /// Being deleted: its grant is being revoked, its secret removed. Invisible.
    Deleting,
}

/// The registry's record of an instance. It holds no secret; attribute names are the registry's.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Instance {
    /// A small, growing number.
    pub id: InstanceId,
    /// The user who owns it.
    pub user: UserId,
    /// Where it stands.
    pub state: State,
    /// The element's key.
    pub element: String,
    /// The element's id, should the catalogue lose the element.
    pub element_id: u32,
    /// The name that its owner gave it.
    pub name: String,
    /// Its owner's tags.
    pub tags: Vec<String>,
    /// Its configuration, with a mask in the place of every secret.
    pub configuration: BTreeMap<String, Option<String>>,
    /// Whether its first grant was brought along, and not made of a code.
    #[serde(default)]
    pub imported: bool,
    /// The app whose client it was made with; `None`: its own key and secret are in the vault.
    pub app: Option<AppId>,
    /// The fingerprint of its own client's id; `None`: it has an app's.
    pub client: Option<String>,
    /// The link that it was made by; its visitor was never given it by a caller who could ask again.
    pub link: Option<LinkId>,
    /// Counts the changes of `configuration`, so that none is laid over another unseen.
    #[serde(default, skip_serializing_if = "is_none")]
    pub edits: u64,
    /// When the versions of its secret will have aged enough for a new one not to be one too many.
    pub versions_until: Option<Timestamp>,
    /// When it was made.
    pub created: Timestamp,
    /// Whether the grant is alive.
    pub valid: bool,
    /// Whether its owner has switched it off.
    pub disabled: bool,
    /// The salt of its element token.
    pub salt: String,
    /// The key of its element token.
    pub token_key: KeyNumber,
    /// The name of its secret in the vault: random, so that it never meets one that is being deleted.
    pub secret: String,
    /// Who may write to the vault now; also the id of the version that this owner stores.
    pub lease_owner: Option<String>,
    /// When that right ends.
    pub lease_until: Option<Timestamp>,
    /// The owners whose lease was taken over, and who may have stored a version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub predecessors: Vec<String>,
    /// The versions that were current last, so that a writer whose reply was lost knows that it has written.
    #[serde(default)]
    pub committed: Vec<String>,
    /// The vault's version that is current.
    pub version: Option<String>,
    /// The generation of that version.
    pub generation: u64,
    /// When the current access token was issued.
    pub access_issued: Option<Timestamp>,
    /// When the current access token expires; `None`: it does not.
    pub access_expires: Option<Timestamp>,
    /// When the refresh token ends, unless it is used before; `None`: it does not, or nobody says.
    pub refresh_expires: Option<Timestamp>,
    /// Whether there is a refresh token.
    #[serde(default = "unknown_yet")]
    pub refreshable: bool,
    /// When a refresh was sent that nobody knows the outcome of.
    pub in_doubt: Option<Timestamp>,
    /// Until when the vendor is left alone.
    pub not_before: Option<Timestamp>,
    /// The end of the grant that its owner was warned of.
    pub warned: Option<Timestamp>,
    /// When the sweep looks at it next; `None`: never.
    pub due: Option<Timestamp>,
}

impl Instance {
    /// Tells whether its own client has this id, as far as the record says.
    pub fn has_client(&self, id: &str) -> bool {
        self.client.as_ref().is_none_or(|client| *client == keyring::fingerprint(id))
    }
}

/// Adds to a change that the instance has a client of its own, with this id.
pub(crate) fn own_client(change: Change, id: &str) -> Change {
    change.remove("app").set("client", keyring::fingerprint(id))
}

/// A record that does not say is taken for one with a refresh token: asking finds out.
fn unknown_yet() -> bool {
    true
}

/// Absent is none, and so a condition on it can be the same for all records.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
fn is_none(edits: &u64) -> bool {
    *edits == 0
}

/// Adds to a change that it is made only when the configuration is as it was seen, and counts it.
pub(crate) fn edited(change: Change, seen: &Instance) -> Change {
    unedited(change, seen).set("edits", seen.edits + 1)
}

/// Adds to a change that it is made only when the configuration is as it was seen.
pub(crate) fn unedited(change: Change, seen: &Instance) -> Change {
    change.and(match seen.edits {
        0 => Condition::Absent("edits"),
        edits => Condition::Equals("edits", edits.into()),
    })
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
const PREFIX: &str = "instance#";

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

/// Adds to a change what the record knows of the current tokens.
pub(crate) fn issued(change: Change, tokens: &Tokens) -> Change {
    let change = change
        .set("access_issued", tokens.issued)
        .set("refreshable", tokens.refresh_token.is_some())
        .set("valid", true)
        .remove("in_doubt")
        .remove("not_before");
    let change = match tokens.expires {
        Some(expires) => change.set("access_expires", expires),
        None => change.remove("access_expires"),
    };
    match tokens.refresh_expires {
        Some(expires) => change.set("refresh_expires", expires),
        None => change.remove("refresh_expires"),
    }
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
    let change = change.and(Condition::Equals("state", json!(State::Live)));
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

/// Finds one of a user's instances that was made with that `app` or `link`, whatever state it is in. It may read all
/// of them.
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
        let made = items.iter().find(|(_, item)| item.get(what) == Some(&json!(id)));
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
