//! Apps: clients that are registered at a vendor.

use serde::{Deserialize, Serialize};

use crate::links::ElementKey;

/// An app, without its secrets.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct App {
    /// The app's id.
    pub id: String,
    /// The name that its owner gave it.
    pub name: String,
    /// When it was made, RFC 3339 in UTC.
    pub created_date: String,
    /// The element that it is for.
    pub element: ElementKey,
    /// Its key and secret, both masked.
    pub configuration: MaskedClient,
}

/// A client's key and secret, masked.
#[derive(Debug, Serialize, Deserialize)]
pub struct MaskedClient {
    /// `********`.
    #[serde(rename = "oauth.api.key")]
    pub key: String,
    /// `********`.
    #[serde(rename = "oauth.api.secret")]
    pub secret: String,
}
