//! Links: what a visitor opens to connect an account. Whoever has one can begin a flow, so its id cannot be
//! guessed; what comes of it belongs to the user who made it.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::error::Error;
use crate::id::{AppId, InstanceId, LinkId, UserId};
use crate::random;
use crate::record::settings::Given;
use crate::seal::keyring::Keyring;
use crate::store::StoreError;
use crate::store::records::{self, Change, Condition, Key, Page, Registry, TAKEN_BY, Written};

/// How long a link is kept after it has expired, in seconds: so long it can still be told why it does not work.
const KEPT: Timestamp = 86_400;

/// The registry's record of a link. Its secrets are sealed.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Link {
    /// The owner's number and a name that nobody guesses: together they say where the record is.
    pub id: LinkId,
    /// The user who made it.
    pub user: UserId,
    /// The element's key.
    pub element: String,
    /// The name of the instance, cleaned.
    pub name: Option<String>,
    /// The tags of the instance, cleaned.
    pub tags: Option<Vec<String>>,
    /// The configuration of the instance, with a mask in the place of every secret.
    pub configuration: Given,
    /// The secrets of that configuration.
    pub sealed: Option<String>,
    /// The client's id at the vendor, sealed: the redirect URL needs it and nothing else of the client.
    pub client: String,
    /// The app whose client it is.
    pub app: Option<AppId>,
    /// The instance that is to be authenticated again; `None`: a new one is made.
    pub instance: Option<InstanceId>,
    /// The scope asked for.
    pub scope: Option<String>,
    /// The maker's own word, for the return URL.
    pub state: Option<String>,
    /// Where the browser is sent in the end.
    pub return_url: Option<String>,
    /// Whether it makes an instance each time, until it expires.
    #[serde(default)]
    pub reusable: bool,
    /// When it was made.
    pub created: Timestamp,
    /// When it stops working.
    pub until: Timestamp,
    /// When its record goes.
    pub expires: Timestamp,
    /// The session that has used it, if it can be used once.
    pub taken_by: Option<String>,
}

impl Link {
    /// Names the time when the record of a link goes that works until then.
    pub fn kept(until: Timestamp) -> Timestamp {
        until + KEPT
    }

    /// Tells whether it has been used up.
    pub fn is_used(&self) -> bool {
        self.taken_by.is_some()
    }

    /// Seals the client's id for the link of that id.
    pub fn seal_client(keyring: &Keyring, id: &LinkId, client_id: &str) -> String {
        keyring.seal(&[&id.0, "client"], client_id)
    }

    /// Seals the secrets of the configuration for the link of that id.
    pub fn seal_secrets(
        keyring: &Keyring,
        id: &LinkId,
        secrets: &BTreeMap<String, SecretString>,
    ) -> Result<Option<String>, Error> {
        if secrets.is_empty() {
            return Ok(None);
        }
        let exposed: BTreeMap<_, _> =
            secrets.iter().map(|(key, secret)| (key, secret.expose_secret())).collect();
        let text = serde_json::to_string(&exposed).map_err(|error| Error::Internal(error.to_string()))?;
        Ok(Some(keyring.seal(&[&id.0, "secrets"], &text)))
    }

    /// Opens the client's id.
    pub fn client_id(&self, keyring: &Keyring) -> Result<String, StoreError> {
        keyring.open(&[&self.id.0, "client"], &self.client).ok_or_else(damaged)
    }

    /// Opens the secrets of the configuration.
    pub fn secrets(&self, keyring: &Keyring) -> Result<BTreeMap<String, SecretString>, StoreError> {
        let Some(sealed) = &self.sealed else { return Ok(BTreeMap::new()) };
        let text = keyring.open(&[&self.id.0, "secrets"], sealed).ok_or_else(damaged)?;
        serde_json::from_str(&text).map_err(|_| damaged())
    }
}

fn damaged() -> StoreError {
    StoreError::Damaged("what is sealed in a link does not open".into())
}

/// Makes the id of a link of that user.
pub fn id(user: UserId, now: Timestamp) -> LinkId {
    LinkId(format!("{user}-{}", random::dated(now)))
}

/// Names the item of a link; `None` when the id cannot be one.
fn key(id: &LinkId) -> Option<Key> {
    id.parts().map(|(user, name)| Key::new(partition(user), format!("{PREFIX}{name}")))
}

/// The items that one read of a list asks for, where most may be passed over.
const READ: usize = 250;

/// The records of one user begin so.
const PREFIX: &str = "link#";

fn partition(user: UserId) -> String {
    format!("user#{user}")
}

fn place(id: &LinkId) -> Result<Key, StoreError> {
    key(id).ok_or_else(|| StoreError::Damaged(format!("{id} is no link's id")))
}

/// Keeps a new link.
pub async fn add(registry: &dyn Registry, link: &Link) -> Result<(), StoreError> {
    // The id is random: whatever is found there is this link.
    registry.insert(&place(&link.id)?, records::to_item(link)?).await.map(drop)
}

/// Finds a link, also one that has expired or was used.
pub async fn find(registry: &dyn Registry, id: &LinkId) -> Result<Option<Link>, StoreError> {
    match key(id) {
        Some(key) => registry.get(&key).await?.map(records::from_item).transpose(),
        None => Ok(None),
    }
}

/// Lists at most `limit` of a user's links to an element, the oldest first, after the one with the id `after`,
/// and tells whether there are more.
pub async fn list(
    registry: &dyn Registry,
    user: UserId,
    element: &str,
    after: Option<&LinkId>,
    limit: usize,
) -> Result<(Vec<Link>, bool), StoreError> {
    let place = (PREFIX, after.and_then(key).map(|key| key.sort));
    let wanted = |link: &Link| link.element == element;
    records::records(registry, &partition(user), place, limit, limit + 1, wanted).await
}

/// Withdraws some of a user's links, and tells whether there are more.
pub async fn remove_some(registry: &dyn Registry, user: UserId, limit: usize) -> Result<bool, StoreError> {
    let Page { items, more } = registry.list(&partition(user), PREFIX, None, limit).await?;
    for (sort, _) in items {
        registry.remove(&Key::new(partition(user), sort), vec![]).await?;
    }
    Ok(more)
}

/// Withdraws some of a user's links that name an app, and tells whether there are more.
pub async fn remove_some_of_app(
    registry: &dyn Registry,
    user: UserId,
    app: &AppId,
    limit: usize,
) -> Result<bool, StoreError> {
    let of_app = |link: &Link| link.app.as_ref() == Some(app);
    let (links, more) =
        records::records(registry, &partition(user), (PREFIX, None), limit, READ, of_app).await?;
    for link in &links {
        remove(registry, link).await?;
    }
    Ok(more)
}

/// Withdraws a link: flows that are under way end without a grant.
pub async fn remove(registry: &dyn Registry, link: &Link) -> Result<(), StoreError> {
    registry.remove(&place(&link.id)?, vec![]).await.map(drop)
}

/// What became of the attempt to use a link.
#[derive(Debug)]
pub enum Use {
    /// It may be used; its record.
    Granted(Box<Link>),
    /// It can be used once, and another session has.
    Used,
    /// It is not there any more.
    Withdrawn,
}

/// Uses a link, for a session.
pub async fn take(registry: &dyn Registry, link: &Link, session: &str) -> Result<Use, StoreError> {
    let key = place(&link.id)?;
    let found = if link.reusable {
        registry.get(&key).await?
    } else {
        let change = Change::default().and(Condition::Absent(TAKEN_BY)).set(TAKEN_BY, session);
        match registry.update(&key, change).await?.proven_by(TAKEN_BY, session) {
            Written::Done(item) => Some(item),
            Written::Refused(None) => None,
            Written::Refused(Some(_)) => return Ok(Use::Used),
        }
    };
    Ok(match found {
        Some(item) => Use::Granted(Box::new(records::from_item(item)?)),
        None => Use::Withdrawn,
    })
}

/// Gives a link back that a session has used and that certainly gave no grant.
pub async fn give_back(registry: &dyn Registry, link: &Link, session: &str) -> Result<(), StoreError> {
    if link.reusable {
        return Ok(());
    }
    registry.update(&place(&link.id)?, Change::when(TAKEN_BY, session).remove(TAKEN_BY)).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::key::Key as Secret;

    #[test]
    fn an_id_says_where_its_record_is() {
        let key = key(&id(UserId(7), 1_786_128_398)).unwrap();
        assert_eq!(key.partition, "user#7");
        assert!(key.sort.starts_with("link#6a7"), "{}", key.sort);
        assert!(super::key(&LinkId("7-../x".into())).is_none());
    }

    #[test]
    fn what_is_sealed_opens_in_its_link_alone() {
        let seal = Keyring::new(&Secret::derive(b"m", "link"));
        let secrets = BTreeMap::from([("oauth.api.secret".to_owned(), SecretString::from("planted"))]);
        let own = LinkId("1-a".into());
        let link = |id: &str| Link {
            id: LinkId(id.into()),
            sealed: Link::seal_secrets(&seal, &own, &secrets).unwrap(),
            client: Link::seal_client(&seal, &own, "planted-id"),
            user: UserId(1),
            element: "e".into(),
            ..Link::default()
        };
        let sealed = link("1-a");
        assert!(!serde_json::to_string(&sealed).unwrap().contains("planted"));
        assert_eq!(sealed.client_id(&seal).unwrap(), "planted-id");
        assert_eq!(sealed.secrets(&seal).unwrap()["oauth.api.secret"].expose_secret(), "planted");
        assert!(link("1-b").client_id(&seal).is_err() && link("1-b").secrets(&seal).is_err());
    }
}
