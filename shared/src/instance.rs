//! Instances: the registry's record of one, and how it is found.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::keys::KeyNumber;
use crate::registry::{self, Key, Page, Registry};

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
pub struct Instance {
    /// A small, growing number.
    pub id: u64,
    /// The user who owns it.
    pub user: u64,
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
    /// The vault's version that is current.
    pub version: Option<String>,
    /// The generation of that version.
    pub generation: u64,
    /// When the current access token expires; `None`: it does not.
    pub access_expires: Option<Timestamp>,
}

/// Which instances of a user to list.
#[derive(Debug, Default)]
pub struct Filter {
    /// Tags that an instance must all have.
    pub tags: Vec<String>,
    /// A part of its name, in any case.
    pub search: Option<String>,
}

impl Filter {
    fn admits(&self, instance: &Instance) -> bool {
        let named = |text: &String| instance.name.to_lowercase().contains(&text.to_lowercase());
        instance.state == State::Live
            && self.tags.iter().all(|tag| instance.tags.contains(tag))
            && self.search.as_ref().is_none_or(named)
    }
}

/// The items that one read of a list asks for: a filter may pass over most of them.
const READ: usize = 250;

/// The records of one user begin so.
const PREFIX: &str = "instance#";

/// Names the item of a user's instance. Its owner is part of the name: another user's instance cannot
/// even be asked for.
pub fn key(user: u64, id: u64) -> Key {
    Key::new(partition(user), sort(id))
}

fn partition(user: u64) -> String {
    format!("user#{user}")
}

fn sort(id: u64) -> String {
    format!("{PREFIX}{id:016}")
}

/// Finds a user's live instance.
pub async fn find(registry: &dyn Registry, user: u64, id: u64) -> Result<Option<Instance>, StoreError> {
    let item = registry.get(&key(user, id)).await?;
    let instance: Option<Instance> = item.map(registry::from_item).transpose()?;
    Ok(instance.filter(|instance| instance.state == State::Live))
}

/// Lists at most `limit` of a user's live instances by id, after the one with the id `after`, and
/// tells whether there are more.
pub async fn list(
    registry: &dyn Registry,
    user: u64,
    filter: &Filter,
    after: Option<u64>,
    limit: usize,
) -> Result<(Vec<Instance>, bool), StoreError> {
    let mut found = Vec::new();
    let mut last = after.map(sort);
    loop {
        let Page { items, more } = registry.list(&partition(user), PREFIX, last.as_deref(), READ).await?;
        last = items.last().map(|(sort, _)| sort.clone());
        for (_, item) in items {
            let instance = registry::from_item(item)?;
            if !filter.admits(&instance) {
                continue;
            }
            if found.len() == limit {
                return Ok((found, true));
            }
            found.push(instance);
        }
        if !more {
            return Ok((found, false));
        }
    }
}
