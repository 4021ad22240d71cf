//! The catalogue's elements.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::settings::Setting;

/// An element as an instance shows it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "the platform's shape")]
pub struct Element {
    /// The number that stands for the key.
    pub id: u32,
    /// The name that people read.
    pub name: String,
    /// The vendor's name.
    pub hook_name: String,
    /// The key in paths and bodies.
    pub key: String,
    /// One or two sentences for people.
    pub description: String,
    /// Where the logo is.
    pub image: String,
    /// Whether the catalogue has it.
    pub active: bool,
    /// Whether the catalogue has lost it and instances of it remain.
    pub deleted: bool,
    /// Always false.
    pub type_oauth: bool,
    /// Always false.
    pub trial_account: bool,
    /// Always false.
    pub bulk_download_enabled: bool,
    /// Always false.
    pub bulk_upload_enabled: bool,
    /// Always true.
    pub cloneable: bool,
    /// Always true.
    pub extendable: bool,
    /// Always false.
    pub beta: bool,
    /// How its instances authenticate.
    pub authentication: Authentication,
    /// Always false.
    pub extended: bool,
    /// The kind of product: `crm`, `marketing`, `erp` and others.
    pub hub: String,
    /// Always `http`.
    pub protocol_type: String,
    /// Always empty.
    pub parameters: Vec<Value>,
}

/// How an element's instances authenticate.
#[derive(Debug, Serialize, Deserialize)]
pub struct Authentication {
    /// `oauth2`, or `custom` for an element without OAuth 2.0.
    #[serde(rename = "type")]
    pub kind: String,
}

/// An element as the catalogue shows it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CatalogueElement {
    /// What an instance shows of it too.
    #[serde(flatten)]
    pub element: Element,
    /// The logo's short name.
    pub logo: String,
    /// What an instance is configured with, in display order.
    pub configuration: Vec<Setting>,
    /// Always empty.
    pub resources: Vec<Value>,
    /// Always empty.
    pub objects: Vec<Value>,
    /// Always empty.
    pub models: Vec<Value>,
    /// Always true.
    pub transformations_enabled: bool,
    /// Always empty.
    pub hooks: Vec<Value>,
    /// Always true.
    pub use_models_for_metadata: bool,
    /// Always false.
    pub private: bool,
}

/// What an element can do, beyond its configuration.
#[derive(Debug, Serialize, Deserialize)]
pub struct ElementMetadata {
    /// The number that stands for the key.
    pub id: u32,
    /// The key in paths and bodies.
    pub key: String,
    /// The name that people read.
    pub name: String,
    /// One or two sentences for people.
    pub description: String,
    /// The kind of product.
    pub hub: String,
    /// The vendor's events, which are not passed on.
    pub events: Events,
    /// How its instances authenticate.
    pub authentication: Authentication,
}

/// A vendor's events.
#[derive(Debug, Serialize, Deserialize)]
pub struct Events {
    /// Always false.
    pub supported: bool,
    /// Always empty.
    pub methods: Vec<Value>,
}
