//! Links: what visitors open to connect an account.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A link, without its secrets. It has no `Debug`, since whoever has its id or URL can open it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// The link's id. Whoever has it can open the link.
    pub id: String,
    /// What visitors open.
    pub url: String,
    /// When it stops working, RFC 3339 in UTC.
    pub expires_at: String,
    /// When it was made, RFC 3339 in UTC.
    pub created_date: String,
    /// `open`, `used` or `expired`.
    pub status: String,
    /// The element that accounts are connected to.
    pub element: ElementKey,
    /// The name of the instance that it makes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The tags of the instance that it makes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// Whether it makes an instance each time, until it expires.
    pub reusable: bool,
    /// The configuration of the instance that it makes; `********` stands for a secret.
    pub configuration: BTreeMap<String, Option<String>>,
    /// The scope that is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The maker's own value, which comes back at the return URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Where the browser is sent in the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_url: Option<String>,
    /// The instance that it authenticates again, or has made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<u64>,
    /// The app whose client it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_id: Option<String>,
}

/// An element, by its key.
#[derive(Debug, Serialize, Deserialize)]
pub struct ElementKey {
    /// The key.
    pub key: String,
}
