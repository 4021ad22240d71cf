//! Users: who may call.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::id::UserId;
use crate::random;
use crate::seal::keyring;
use crate::store::StoreError;
use crate::store::records::{self, Change, Condition, Key, Page, Registry, Written};

/// A user of the deployment, as the registry keeps it: found by the fingerprint of the user's secret.
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
    /// Counts the changes, so that none is lost while the user gets another secret.
    #[serde(default, skip_serializing_if = "is_none")]
    pub changes: u64,
}

impl User {
    /// Tells whether this is the secret of the user's organization, in constant time.
    pub fn belongs_to(&self, organization_secret: &SecretString) -> bool {
        keyring::same(&self.organization, &keyring::fingerprint(organization_secret.expose_secret()))
    }
}

/// How often a change is tried.
const ATTEMPTS: usize = 5;

/// The users that are read at once.
const AT_ONCE: usize = 16;

/// What the directory knows of a user: which item is the user's. The item itself is found by the
/// fingerprint of the user's secret, so that a request is let in by one read.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    /// The fingerprint of the user's secret.
    secret: String,
    /// That of the secret before, while it may still be there.
    former: Option<String>,
}

/// Finds the user who has this secret.
pub async fn find(registry: &dyn Registry, user_secret: &SecretString) -> Result<Option<User>, StoreError> {
    read(registry, &keyring::fingerprint(user_secret.expose_secret())).await
}

/// Finds a user by number.
pub async fn numbered(registry: &dyn Registry, id: UserId) -> Result<Option<User>, StoreError> {
    match entry(registry, id).await? {
        Some(entry) => read(registry, &entry.secret).await,
        None => Ok(None),
    }
}

/// Lists at most `limit` users by number, after the one with the number `after`, and tells whether there
/// are more.
pub async fn list(
    registry: &dyn Registry,
    after: Option<UserId>,
    limit: usize,
) -> Result<(Vec<User>, bool), StoreError> {
    let after = after.map(sort);
    let Page { items, more } = registry.list(DIRECTORY, "", after.as_deref(), limit).await?;
    let entries = items.into_iter().map(|(_, item)| records::from_item::<Entry>(item));
    let entries = entries.collect::<Result<Vec<_>, _>>()?;
    let mut users = Vec::new();
    for entries in entries.chunks(AT_ONCE) {
        let reads = entries.iter().map(|entry| read(registry, &entry.secret));
        users.extend(futures_util::future::try_join_all(reads).await?.into_iter().flatten());
    }
    Ok((users, more))
}

/// Adds a user. Repeating it is no error.
pub async fn add(registry: &dyn Registry, user: &User, user_secret: &SecretString) -> Result<(), StoreError> {
    let secret = keyring::fingerprint(user_secret.expose_secret());
    let id = match registry.insert(&key(&secret), records::to_item(user)?).await? {
        // Somebody else, or a request whose reply was lost, has made this user.
        Written::Refused(Some(found)) => records::from_item::<User>(found)?.id,
        _ => user.id,
    };
    registry.insert(&place(id), records::to_item(&Entry { secret, former: None })?).await?;
    Ok(())
}

/// Changes a user; `None` when there is none of that number.
pub async fn change(registry: &dyn Registry, id: UserId, change: Change) -> Result<Option<User>, StoreError> {
    for _ in 0..ATTEMPTS {
        let Some(entry) = entry(registry, id).await? else { return Ok(None) };
        if let Some(former) = &entry.former {
            // Whoever still has the secret before must not be left out of the change.
            registry.remove(&key(former), vec![]).await?;
        }
        // The user may get another secret just now: then the entry has moved.
        let Some(seen) = read(registry, &entry.secret).await? else { continue };
        let counted = change.clone().and(as_seen(&seen));
        let counted = counted.set("changes", seen.changes + 1);
        if let Written::Done(item) = registry.update(&key(&entry.secret), counted).await? {
            return Ok(Some(records::from_item(item)?));
        }
    }
    Err(StoreError::Unavailable("the user is being changed by others".into()))
}

/// Gives a user another secret; the one before ends. Interrupted, it can be repeated: the directory
/// names the secret that has to go.
pub async fn renew(registry: &dyn Registry, id: UserId) -> Result<Option<(User, SecretString)>, StoreError> {
    let Some(Entry { secret: old, former }) = entry(registry, id).await? else { return Ok(None) };
    if let Some(former) = former {
        registry.remove(&key(&former), vec![]).await?;
    }
    let Some(mut user) = read(registry, &old).await? else { return Ok(None) };
    mark_first(registry, id).await?;
    let fresh = SecretString::from(random::secret());
    let secret = keyring::fingerprint(fresh.expose_secret());
    registry.insert(&key(&secret), records::to_item(&user)?).await?;
    let moved = Change::when("secret", old.clone()).set("secret", secret.clone()).set("former", old.clone());
    match registry.update(&place(id), moved).await?.proven_by("secret", &secret) {
        Written::Done(_) => {}
        Written::Refused(_) => {
            registry.remove(&key(&secret), vec![]).await?;
            return Err(StoreError::Unavailable("the user's secret was changed meanwhile".into()));
        }
    }
    while !registry.remove(&key(&old), vec![as_seen(&user)]).await? {
        let Some(changed) = read(registry, &old).await? else { break };
        registry.update(&key(&secret), copied(&changed).and(as_seen(&user))).await?;
        user = changed;
    }
    registry.update(&place(id), Change::when("secret", secret).remove("former")).await?;
    Ok(Some((user, fresh)))
}

/// Absent is none, and so a condition on it can be the same for all records.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
fn is_none(changes: &u64) -> bool {
    *changes == 0
}

/// Holds as long as a user has not changed since it was seen.
fn as_seen(user: &User) -> Condition {
    match user.changes {
        0 => Condition::Absent("changes"),
        changes => Condition::Equals("changes", changes.into()),
    }
}

/// Carries over what was changed of a user while the secret changed.
fn copied(user: &User) -> Change {
    Change::default()
        .set("email_address", user.email_address.clone())
        .set("first_name", user.first_name.clone())
        .set("last_name", user.last_name.clone())
        .set("admin", user.admin)
        .set("disabled", user.disabled)
        .set("return_urls", user.return_urls.clone())
        .set("changes", user.changes)
}

/// Writes down that the deployment has had its first user, before any secret ends: whoever still has the
/// first one must not be made anew by it.
async fn mark_first(registry: &dyn Registry, id: UserId) -> Result<(), StoreError> {
    let made = records::Item::from_iter([("user".to_owned(), id.into())]);
    registry.insert(&first_mark(), made).await.map(drop)
}

/// Removes a user; `false` when there was none.
pub async fn remove(registry: &dyn Registry, id: UserId) -> Result<bool, StoreError> {
    let Some(entry) = entry(registry, id).await? else { return Ok(false) };
    mark_first(registry, id).await?;
    for secret in entry.former.iter().chain([&entry.secret]) {
        registry.remove(&key(secret), vec![]).await?;
    }
    registry.remove(&place(id), vec![]).await
}

async fn entry(registry: &dyn Registry, id: UserId) -> Result<Option<Entry>, StoreError> {
    registry.get(&place(id)).await?.map(records::from_item).transpose()
}

async fn read(registry: &dyn Registry, fingerprint: &str) -> Result<Option<User>, StoreError> {
    registry.get(&key(fingerprint)).await?.map(records::from_item).transpose()
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
            id: UserId(registry.next("user").await?),
            email_address: "first.user@example.com".into(),
            first_name: "First".into(),
            last_name: "User".into(),
            admin: true,
            organization: keyring::fingerprint(self.organization_secret.expose_secret()),
            ..User::default()
        };
        add(registry, &user, &self.user_secret).await?;
        mark_first(registry, user.id).await?;
        Ok(true)
    }

    /// Tells whether this is the first user's secret, in constant time.
    pub fn is(&self, user_secret: &SecretString) -> bool {
        let fingerprint = |secret: &SecretString| keyring::fingerprint(secret.expose_secret());
        keyring::same(&fingerprint(&self.user_secret), &fingerprint(user_secret))
    }
}

/// The partition of the directory.
const DIRECTORY: &str = "users";

fn place(id: UserId) -> Key {
    Key::new(DIRECTORY, sort(id))
}

fn sort(id: UserId) -> String {
    format!("{:016}", id.0)
}

fn key(fingerprint: &str) -> Key {
    Key::new(format!("user-secret#{fingerprint}"), "user")
}
