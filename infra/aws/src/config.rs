//! The environment that the template gives a function: the only place that reads it.

use std::path::Path;
use std::sync::Arc;

use valetkey::catalogue::{Catalogue, read_folder};
use valetkey::keys::Key;

use crate::StartError;

/// The table of the registry.
pub const TABLE: &str = "VALETKEY_TABLE";
/// What the names of the vault's secrets begin with.
pub const SECRET_PREFIX: &str = "VALETKEY_SECRET_PREFIX";
/// The key that the vault's secrets are encrypted with; without it, the account's own.
pub const KMS_KEY: &str = "VALETKEY_KMS_KEY";
/// The secret that element tokens are made with, by name or ARN.
pub const TOKEN_KEY_SECRET: &str = "VALETKEY_TOKEN_KEY_SECRET";
/// The first user's secret, by name or ARN.
pub const USER_SECRET: &str = "VALETKEY_USER_SECRET";
/// The organization's secret, by name or ARN.
pub const ORGANIZATION_SECRET: &str = "VALETKEY_ORGANIZATION_SECRET";
/// The key that code verifiers are made with, itself: a function without the SDK needs it.
pub const PKCE_KEY: &str = "VALETKEY_PKCE_KEY";
/// The namespace of the metrics.
pub const METRICS: &str = "VALETKEY_METRICS";
/// A folder of further elements, such as a layer's; optional.
pub const ELEMENTS: &str = "VALETKEY_ELEMENTS";

/// Reads a variable that the template must have set.
pub fn required(name: &'static str) -> Result<String, StartError> {
    optional(name).ok_or(StartError::Unset(name))
}

/// Reads a variable that the template may have set.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn optional(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// What every function reads of its environment.
pub struct Config;

impl Config {
    /// Opens the catalogue: the built-in elements and those of a folder.
    pub fn catalogue() -> Result<Arc<Catalogue>, StartError> {
        let further = match optional(ELEMENTS) {
            Some(folder) => read_folder(Path::new(&folder))?,
            None => Vec::new(),
        };
        Ok(Arc::new(Catalogue::built_in().with(further)))
    }

    /// Reads the key that code verifiers are made with.
    pub fn pkce_key() -> Result<Key, StartError> {
        Ok(Key::derive(required(PKCE_KEY)?.as_bytes(), "pkce"))
    }
}
