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

/// Names the item that says that the deployment has had its first user.
pub fn first_mark() -> Key {
    Key::new("deployment", "first-user")
}

/// The secrets that the deployment's first user is made with.
pub struct FirstUser {
    /// `User` in the `Authorization` header.
    pub user_secret: SecretString,
    /// `Organization` in the `Authorization` header.
    pub organization_secret: SecretString,
}

impl FirstUser {
    /// Makes the first user, an admin, unless the deployment has had one. Of racing makers one makes it.
    pub async fn make(&self, registry: &dyn Registry) -> Result<bool, StoreError> {
        let mark = first_mark();
        if registry.get(&mark).await?.is_some() {
            return Ok(false);
        }
        let user = User {
            id: registry.next("user").await?,
            email_address: "first.user@example.com".into(),
            first_name: "First".into(),
            last_name: "User".into(),
            admin: true,
            organization: keys::fingerprint(self.organization_secret.expose_secret()),
        };
        add(registry, &user, &self.user_secret).await?;
        let made = registry::Item::from_iter([("user".to_owned(), user.id.into())]);
        registry.insert(&mark, made).await?;
        Ok(true)
    }

    /// Tells whether this is the first user's secret, in constant time.
    pub fn is(&self, user_secret: &SecretString) -> bool {
        let fingerprint = |secret: &SecretString| keys::fingerprint(secret.expose_secret());
        keys::same(&fingerprint(&self.user_secret), &fingerprint(user_secret))
    }
}

fn key(user_secret: &SecretString) -> Key {
    Key::new(format!("user-secret#{}", keys::fingerprint(user_secret.expose_secret())), "user")
}
