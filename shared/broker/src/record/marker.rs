//! Markers: a code, or a token that was brought along, becomes one instance, however often it is sent.
//!
//! A vendor that sees a code twice may revoke what it gave for the first (RFC 6749 section 10.5). So a marker is written
//! before a code is sent, under a name that is made of it and that it cannot be found by.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::clock::Timestamp;
use crate::id::{InstanceId, UserId};
use crate::store::StoreError;
use crate::store::records::{self, Condition, Item, Key, Registry, Written};

/// How long the marker of a code stays, in seconds: longer than any vendor's codes live.
const KEPT: Timestamp = 86_400;

/// How often a marker is written while another comes and goes.
const ATTEMPTS: usize = 5;

/// The record of a code that is being exchanged, or was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// What it becomes a grant of.
    pub instance: InstanceId,
    /// The number of the consent there.
    pub consent: u64,
    /// Whose it is.
    pub user: UserId,
    /// When that began.
    pub since: Timestamp,
    /// Who began it: a name that is drawn for each attempt.
    pub owner: String,
    /// When the record goes; a token that was brought along is remembered for ever.
    pub expires: Option<Timestamp>,
}

impl Marker {
    /// Names the time when the marker of a code goes.
    pub(crate) fn code_expires(now: Timestamp) -> Timestamp {
        now + KEPT
    }
}

fn key(name: &str) -> Key {
    Key::new(format!("marker#{name}"), "marker")
}

/// Writes a marker, unless there is one. Gives the one that was there.
pub(crate) async fn put(
    registry: &dyn Registry,
    name: &str,
    marker: &Marker,
) -> Result<Option<Marker>, StoreError> {
    let owner = json!(marker.owner);
    for _ in 0..ATTEMPTS {
        match registry.insert(&key(name), records::to_item(marker)?).await? {
            Written::Refused(Some(found)) if found.get("owner") != Some(&owner) => {
                return read(found).map(Some);
            }
            // The one that was in the way has gone since.
            Written::Refused(None) => {}
            Written::Done(_) | Written::Refused(Some(_)) => return Ok(None),
        }
    }
    Err(StoreError::Unavailable("a marker comes and goes".into()))
}

/// Finds the marker of a name.
pub(crate) async fn find(registry: &dyn Registry, name: &str) -> Result<Option<Marker>, StoreError> {
    registry.get(&key(name)).await?.map(read).transpose()
}

/// Takes the marker away that this one has written, so that its code can be sent again: it certainly was not acted on.
pub(crate) async fn free(registry: &dyn Registry, name: &str, owner: &str) -> Result<bool, StoreError> {
    registry.remove(&key(name), vec![Condition::Equals("owner", owner.into())]).await
}

/// Takes the marker of an instance away that is being removed.
pub(crate) async fn remove(
    registry: &dyn Registry,
    name: &str,
    instance: InstanceId,
) -> Result<bool, StoreError> {
    registry.remove(&key(name), vec![Condition::Equals("instance", instance.0.into())]).await
}

fn read(item: Item) -> Result<Marker, StoreError> {
    records::from_item(item)
}
