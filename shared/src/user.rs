//! Users: who may call.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::keys;
use crate::registry::{self, Key, Registry, Written};

/// A user of the deployment, as the registry keeps it: found by the fingerprint of the user's secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct User {
    /// The user's number.
    pub id: u64,
    /// How people know the user.
    pub email_address: String,
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// Whether the user may make others.
    pub admin: bool,
    /// The fingerprint of the organization's secret.
    pub organization: String,
}

impl User {
    /// Tells whether this is the secret of the user's organization, in constant time.
    pub fn belongs_to(&self, organization_secret: &SecretString) -> bool {
        keys::same(&self.organization, &keys::fingerprint(organization_secret.expose_secret()))
    }
}

/// Finds the user who has this secret.
pub async fn find(registry: &dyn Registry, user_secret: &SecretString) -> Result<Option<User>, StoreError> {
    registry.get(&key(user_secret)).await?.map(registry::from_item).transpose()
}

/// Adds a user. Repeating it is no error.
pub async fn add(registry: &dyn Registry, user: &User, user_secret: &SecretString) -> Result<(), StoreError> {
    match registry.insert(&key(user_secret), registry::to_item(user)?).await? {
        Written::Done(_) | Written::Refused(_) => Ok(()),
    }
}

fn key(user_secret: &SecretString) -> Key {
    Key::new(format!("user-secret#{}", keys::fingerprint(user_secret.expose_secret())), "user")
}
