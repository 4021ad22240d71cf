//! Users: who may call.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::id::UserId;
use crate::random;
use crate::seal::key;
use crate::store::StoreError;
use crate::store::records::{self, Change, Item, Key, Page, Registry, Written};

/// A user of the deployment. The record is found by the number that the user's secret names, and has that secret's
/// fingerprint.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct User {
    /// The user's number.
    pub id: UserId,
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
    /// Whether the user is let in no more.
    #[serde(default)]
    pub disabled: bool,
    /// Where hosted connect may send the user's customers back to, compared exactly.
    #[serde(default)]
    pub return_urls: Vec<String>,
    /// The fingerprint of the user's secret.
    pub secret: String,
}

impl User {
    /// Tells whether this is the user's secret, in constant time.
    pub fn has_secret(&self, secret: &SecretString) -> bool {
        key::same(&self.secret, &key::fingerprint(secret.expose_secret()))
    }

    /// Tells whether this is the secret of the user's organization, in constant time.
    pub fn belongs_to(&self, organization_secret: &SecretString) -> bool {
        key::same(&self.organization, &key::fingerprint(organization_secret.expose_secret()))
    }
}

/// What the secret of every user begins with but the first one's.
const PREFIX: &str = "vk_";

/// The first user, whose secret is made before there is a number to name in it.
pub const FIRST: UserId = UserId(1);

/// Makes a secret for a user: `vk_<user>_<key>_<random>`. It names its user, so that one read finds the record.
fn secret_of(user: UserId) -> SecretString {
    format!("{PREFIX}{user}_1_{}", random::secret()).into()
}

/// Reads which user a secret names; it proves nothing.
pub fn named_by(secret: &SecretString) -> UserId {
    let named = secret.expose_secret().strip_prefix(PREFIX).and_then(|rest| rest.split('_').next());
    named.and_then(|id| id.parse().ok()).map_or(FIRST, UserId)
}

/// Finds a user by number.
pub async fn numbered(registry: &dyn Registry, id: UserId) -> Result<Option<User>, StoreError> {
    registry.get(&key(id)).await?.map(records::from_item).transpose()
}

/// Lists at most `limit` users by number, after the one with the number `after`, and tells whether there are more.
pub async fn list(
    registry: &dyn Registry,
    after: Option<UserId>,
    limit: usize,
) -> Result<(Vec<User>, bool), StoreError> {
    let after = after.map(sort);
    let Page { items, more } = registry.list(DIRECTORY, "", after.as_deref(), limit).await?;
    let keys: Vec<_> =
        items.iter().filter_map(|(sort, _)| sort.parse().ok()).map(|id| key(UserId(id))).collect();
    let mut users = Vec::new();
    for keys in keys.chunks(AT_ONCE) {
        let found = registry.get_many(keys).await?;
        let found = found.into_iter().flatten().map(records::from_item);
        users.extend(found.collect::<Result<Vec<User>, _>>()?);
    }
    Ok((users, more))
}

/// The users that are read at once: DynamoDB reads 100 items in a batch.
const AT_ONCE: usize = 100;

/// Adds a user, and gives the number and the secret.
pub async fn add(registry: &dyn Registry, user: User) -> Result<(User, SecretString), StoreError> {
    loop {
        let id = UserId(registry.next("user").await?);
        let secret = secret_of(id);
        let user = User { id, secret: key::fingerprint(secret.expose_secret()), ..user.clone() };
        // The first user has a number that was never counted.
        if put(registry, &user).await? {
            return Ok((user, secret));
        }
    }
}

/// Makes the record of a user, and the entry in the directory. Tells whether it is this user's: another one may have the
/// number.
async fn put(registry: &dyn Registry, user: &User) -> Result<bool, StoreError> {
    let written = registry.insert(&key(user.id), records::to_item(user)?).await?;
    let is_own = matches!(written.proven_by("secret", &user.secret), Written::Done(_));
    if is_own {
        registry.insert(&place(user.id), Item::new()).await?;
    }
    Ok(is_own)
}

/// Changes a user; `None` when there is none of that number.
pub async fn change(registry: &dyn Registry, id: UserId, change: Change) -> Result<Option<User>, StoreError> {
    match registry.update(&key(id), change).await? {
        Written::Done(item) => records::from_item(item).map(Some),
        Written::Refused(_) => Ok(None),
    }
}

/// Gives a user another secret; the one before ends.
pub async fn renew(registry: &dyn Registry, id: UserId) -> Result<Option<(User, SecretString)>, StoreError> {
    if id == FIRST {
        mark_first(registry).await?;
    }
    let fresh = secret_of(id);
    let renewed = Change::default().set("secret", key::fingerprint(fresh.expose_secret()));
    Ok(change(registry, id, renewed).await?.map(|user| (user, fresh)))
}

/// Writes down that the deployment has had its first user, before that secret ends: whoever still has it must not be made
/// anew by it.
async fn mark_first(registry: &dyn Registry) -> Result<(), StoreError> {
    registry.insert(&first_mark(), Item::new()).await.map(drop)
}

/// Removes a user; `false` when there was none.
pub async fn remove(registry: &dyn Registry, id: UserId) -> Result<bool, StoreError> {
    if numbered(registry, id).await?.is_none() {
        return Ok(false);
    }
    if id == FIRST {
        mark_first(registry).await?;
    }
    registry.remove(&key(id), vec![]).await?;
    registry.remove(&place(id), vec![]).await
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
            id: FIRST,
            email_address: "first.user@example.com".into(),
            first_name: "First".into(),
            last_name: "User".into(),
            admin: true,
            organization: key::fingerprint(self.organization_secret.expose_secret()),
            secret: key::fingerprint(self.user_secret.expose_secret()),
            ..User::default()
        };
        put(registry, &user).await?;
        mark_first(registry).await?;
        Ok(true)
    }

    /// Tells whether this is the first user's secret, in constant time.
    pub fn is(&self, user_secret: &SecretString) -> bool {
        let fingerprint = |secret: &SecretString| key::fingerprint(secret.expose_secret());
        key::same(&fingerprint(&self.user_secret), &fingerprint(user_secret))
    }
}

/// The partition of the directory, which lists the users' numbers.
const DIRECTORY: &str = "users";

fn place(id: UserId) -> Key {
    Key::new(DIRECTORY, sort(id))
}

fn sort(id: UserId) -> String {
    format!("{:016}", id.0)
}

/// Tells whether an item is a user.
pub(crate) fn is_place(key: &Key) -> bool {
    key.partition.starts_with("login#") && key.sort == "user"
}

/// Names the item of a user. It is in no partition that a function for visitors may write to.
pub fn key(id: UserId) -> Key {
    Key::new(format!("login#{id}"), "user")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_names_its_user() {
        for id in [1, 7, 9_007_199_254_740_991] {
            assert_eq!(named_by(&secret_of(UserId(id))), UserId(id));
        }
        for other in ["generated", "vk_", "vk_x_1_y", "vk_-1_1_y", ""] {
            assert_eq!(named_by(&other.to_owned().into()), FIRST, "{other}");
        }
    }
}
