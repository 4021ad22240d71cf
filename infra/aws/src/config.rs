//! The environment that the template gives a function: the only place that reads it.

use std::path::Path;
use std::sync::Arc;

use broker::hosted_connect::{Branding, HostedConnect};
use broker::seal::key::{self, Key, WeakSecret};
use broker::store::secrets::TokenStore;
use secrecy::{ExposeSecret, SecretString};
use vendors::catalogue::{Catalogue, read_folder};
use web::clean::return_urls;

use crate::StartError;

/// The table of all records.
pub const TABLE: &str = "VALETKEY_TABLE";
/// After a restore, the table that was used before; optional.
pub const REPLACED_TABLE: &str = "VALETKEY_REPLACED_TABLE";
/// What the names of the secrets begin with where tokens rest.
pub const SECRET_PREFIX: &str = "VALETKEY_SECRET_PREFIX";
/// The KMS key that they are encrypted with; without it, the account's own.
pub const KMS_KEY: &str = "VALETKEY_KMS_KEY";
/// The secret that element tokens are made with, by name or ARN.
pub const TOKEN_KEY_SECRET: &str = "VALETKEY_TOKEN_KEY_SECRET";
/// The first user's secret, by name or ARN.
pub const USER_SECRET: &str = "VALETKEY_USER_SECRET";
/// The organization's secret, by name or ARN.
pub const ORGANIZATION_SECRET: &str = "VALETKEY_ORGANIZATION_SECRET";
/// The key that code verifiers are made with, itself: a function without the SDK needs it.
pub const PKCE_KEY: &str = "VALETKEY_PKCE_KEY";
/// The secret that the keys are made of which seal tokens and other secrets in the table, by name or ARN.
pub const GRANT_KEY_SECRET: &str = "VALETKEY_GRANT_KEY_SECRET";
/// Where tokens rest: `secrets-manager` or `table`.
pub const TOKEN_STORE: &str = "VALETKEY_TOKEN_STORE";
/// The secret that hosted connect's keys are made of, by name or ARN.
pub const CONNECT_KEY_SECRET: &str = "VALETKEY_CONNECT_KEY_SECRET";
/// The scheme and host that browsers reach, where the deployment has a domain of its own.
pub const PUBLIC_URL: &str = "VALETKEY_PUBLIC_URL";
/// The return URLs that every user's links may name, separated by white space.
pub const RETURN_URLS: &str = "VALETKEY_RETURN_URLS";
/// Whose pages visitors see.
pub const PAGE_TITLE: &str = "VALETKEY_PAGE_TITLE";
/// The colour of the pages' buttons, `#rrggbb`.
pub const PAGE_ACCENT: &str = "VALETKEY_PAGE_ACCENT";
/// The namespace of the metrics: the stack's name.
pub const METRICS: &str = "VALETKEY_METRICS";
/// A folder of further elements, such as a layer's; optional.
pub const ELEMENTS: &str = "VALETKEY_ELEMENTS";

/// Reads a variable that the template must have set, to a value.
pub fn required(name: &'static str) -> Result<String, StartError> {
    let value = optional(name).ok_or(StartError::Unset(name))?;
    if key::is_reference(&value) {
        return Err(StartError::Wrong(name, WeakSecret::Unresolved.to_string()));
    }
    Ok(value)
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

    /// Puts hosted connect together; a function is given the variables of what it does.
    pub fn connect(key: &SecretString) -> Result<HostedConnect, StartError> {
        let accent = optional(PAGE_ACCENT);
        let branding = Branding::new(optional(PAGE_TITLE), accent.as_deref());
        let branding = branding.ok_or(StartError::Wrong(PAGE_ACCENT, "it must be #rrggbb".into()))?;
        let return_urls = return_urls(&optional(RETURN_URLS).unwrap_or_default())
            .map_err(|error| StartError::Wrong(RETURN_URLS, error.to_string()))?;
        Ok(HostedConnect::new(key.expose_secret().as_bytes(), optional(PUBLIC_URL), return_urls, branding))
    }

    /// Reads where tokens rest.
    pub fn token_store() -> Result<TokenStore, StartError> {
        match required(TOKEN_STORE)?.as_str() {
            "secrets-manager" => Ok(TokenStore::SecretsManager),
            "table" => Ok(TokenStore::Table),
            _ => Err(StartError::Wrong(TOKEN_STORE, "it must be secrets-manager or table".into())),
        }
    }

    /// Reads the key that code verifiers are made with.
    pub fn pkce_key() -> Result<Key, StartError> {
        let master = required(PKCE_KEY)?;
        key::check_secret(&master).map_err(|cause| StartError::Wrong(PKCE_KEY, cause.to_string()))?;
        Ok(Key::derive(master.as_bytes(), "pkce"))
    }
}
