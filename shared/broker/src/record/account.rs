//! An account: an instance and its grant, read together.

use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::id::{InstanceId, UserId};
use crate::record::grant::{self, Copy, Grant};
use crate::record::instance::{self, Instance, State};
use crate::record::settings::{self, Given};
use crate::store::StoreError;
use crate::store::records::{self, Item, Key, Registry};

/// An instance and its grant. They are two items, read in one round trip: either may be a moment older.
#[derive(Debug, Clone)]
pub struct Account {
    /// What its owner sees.
    pub instance: Instance,
    /// Its life at the vendor.
    pub grant: Grant,
    /// What lists know of the grant.
    pub(crate) listed: Copy,
}

impl Account {
    /// Puts the two together. What lists know of the grant is then what the grant says.
    pub(crate) fn new(instance: Instance, grant: Grant) -> Self {
        let listed = instance.copy;
        let copy = listed.max(grant.copy());
        Self { instance: Instance { copy, ..instance }, grant, listed }
    }

    /// Takes the instance as it is after a change.
    #[must_use]
    pub fn with(self, instance: Instance) -> Self {
        Self::new(instance, self.grant)
    }

    /// Tells whether the grant is dead.
    pub fn is_dead(&self) -> bool {
        self.grant.is_dead(self.instance.number)
    }

    /// Tells whether the tokens were given to the client that the settings have. While they were not, a change is under
    /// way, or its owner has named another client, which the vendor would refuse.
    pub(crate) fn has_its_client(&self) -> bool {
        self.grant.client == self.instance.client
    }

    /// Gives the instance as it is shown: with what is known of its tokens.
    pub fn shown(&self) -> Instance {
        let configuration = with_times(self.instance.configuration.clone(), &self.grant);
        Instance { configuration, ..self.instance.clone() }
    }
}

/// Adds to a configuration how long an access token lives, and when it was issued.
pub(crate) fn with_times(mut configuration: Given, grant: &Grant) -> Given {
    if let Some(expires) = grant.access_expires {
        let seconds = expires - grant.access_issued;
        let interval = configuration.entry(settings::REFRESH_INTERVAL.into()).or_default();
        interval.get_or_insert_with(|| seconds.to_string());
    }
    configuration.insert(settings::REFRESH_TIME.into(), Some((grant.access_issued * 1_000).to_string()));
    configuration
}

/// Names the items of an account.
pub(crate) fn keys(user: UserId, id: InstanceId) -> [Key; 2] {
    [instance::key(user, id), grant::key(id)]
}

/// Finds a user's live instance with its grant.
pub async fn find(
    registry: &dyn Registry,
    user: UserId,
    id: InstanceId,
) -> Result<Option<Account>, StoreError> {
    let (instance, grant) = read(registry, user, id).await?;
    of(registry, instance, grant).await
}

/// Puts together what was read; nothing when the instance is not live.
pub(crate) async fn of(
    registry: &dyn Registry,
    instance: Option<Instance>,
    grant: Option<Grant>,
) -> Result<Option<Account>, StoreError> {
    match (instance.filter(|instance| instance.state == State::Live), grant) {
        (Some(instance), Some(grant)) => Ok(Some(Account::new(instance, grant))),
        // It was deleted between the two reads, or something is very wrong.
        (Some(Instance { user, id, .. }), None) => match instance::find(registry, user, id).await? {
            None => Ok(None),
            Some(_) => Err(StoreError::Damaged(format!("the live instance {id} has no grant"))),
        },
        (None, _) => Ok(None),
    }
}

/// Finds one that was there a moment ago.
pub async fn find_again(registry: &dyn Registry, account: &Account) -> Result<Account, Error> {
    let Instance { user, id, .. } = account.instance;
    find(registry, user, id).await?.ok_or_else(|| instance::unknown(id))
}

/// Reads an instance and its grant, whatever state they are in.
pub(crate) async fn read(
    registry: &dyn Registry,
    user: UserId,
    id: InstanceId,
) -> Result<(Option<Instance>, Option<Grant>), StoreError> {
    let mut found = registry.get_many(&keys(user, id)).await?.into_iter();
    Ok((next(&mut found)?, next(&mut found)?))
}

/// Reads the next of several items as a record.
pub(crate) fn next<T: DeserializeOwned>(
    found: &mut impl Iterator<Item = Option<Item>>,
) -> Result<Option<T>, StoreError> {
    found.next().flatten().map(records::from_item).transpose()
}
