//! The entries of a configuration: what an element asks for, and what an instance has.

use serde::{Deserialize, Serialize};

/// One entry of an element's configuration.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "the platform's shape")]
pub struct Setting {
    /// The entry's number, which stays.
    pub id: u64,
    /// The name that people read.
    pub name: String,
    /// The key in `configuration`.
    pub key: String,
    /// What it is for.
    pub description: String,
    /// The value when nobody gives one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_value: Option<String>,
    /// Always false.
    pub reseller_config: bool,
    /// Always false.
    pub company_config: bool,
    /// Always true.
    pub active: bool,
    /// Whether people do not see it.
    pub internal: bool,
    /// Always false.
    pub group_control: bool,
    /// Its place among the element's entries, from 1.
    pub display_order: usize,
    /// The field to show for it: `TEXTFIELD_32`, `TEXTFIELD_64`, `TEXTFIELD_128`, `TEXTFIELD_1000`, `TEXTAREA`,
    /// `PASSWORD`, `BOOLEAN` or `COMBO`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether people do not see it.
    pub hide_from_console: bool,
    /// Whether an instance cannot be made without it.
    pub required: bool,
}

/// One entry of an instance's configuration, with its value.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SettingValue {
    /// The entry's number; 0 for a key that the element does not know.
    pub id: u64,
    /// The key in `configuration`.
    pub key: String,
    /// The name that people read.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The field to show for it, as in [`Setting::kind`].
    #[serde(rename = "type")]
    pub kind: String,
    /// The value; `********` stands for a secret.
    pub property_value: Option<String>,
    /// Whether an instance cannot be made without it.
    pub required: bool,
    /// Always true.
    pub active: bool,
    /// Whether people do not see it.
    pub hide_from_console: bool,
}
