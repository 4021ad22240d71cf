//! Instances.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::elements::Element;

/// An instance, with its element token and without its secrets. It has no `Debug`, since the token is a secret.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "the platform's shape")]
pub struct Instance {
    /// A small, growing number.
    pub id: u64,
    /// The name that its owner gave it.
    pub name: String,
    /// When it was made, RFC 3339 in UTC.
    pub created_date: String,
    /// The element token: `Element` in the `Authorization` header.
    pub token: String,
    /// The element.
    pub element: Element,
    /// The element's number.
    pub element_id: u32,
    /// Its owner's tags.
    pub tags: Vec<String>,
    /// Always empty.
    pub provision_interactions: Vec<Value>,
    /// Whether the grant is alive.
    pub valid: bool,
    /// Whether its owner has switched it off.
    pub disabled: bool,
    /// Always 0.
    pub max_cache_size: u32,
    /// Always 0.
    pub cache_time_to_live: u32,
    /// The configuration; `********` stands for a secret.
    pub configuration: BTreeMap<String, Option<String>>,
    /// Always false.
    pub events_enabled: bool,
    /// Always false.
    pub trace_logging_enabled: bool,
    /// Always false.
    pub caching_enabled: bool,
    /// `initial` where the grant was imported, else `none`.
    pub external_authentication: String,
    /// The app that it was made with; not the platform's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_id: Option<String>,
    /// Its owner.
    pub user: Owner,
}

/// The user who owns an instance.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    /// The user's number.
    pub id: u64,
    /// How people know the user.
    pub email_address: String,
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
}

/// How many instances a user has.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceCount {
    /// All of them.
    pub total_instances: u64,
    /// Those of each element.
    pub element_instances: Vec<ElementCount>,
}

/// How many instances a user has of one element.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ElementCount {
    /// The element's number; null when the catalogue does not have the element.
    pub element_id: Option<u32>,
    /// The element's key.
    pub element_key: String,
    /// The element's name.
    pub element_name: String,
    /// How many there are.
    pub total_instances: u64,
}
