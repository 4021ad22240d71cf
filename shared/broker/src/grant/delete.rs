//! From a living instance to nothing: first invisible, then revoked at the vendor, then forgotten.
//!
//! After the first step the instance is gone for every caller. A death after it leaves the marked record,
//! which names what is still in the vault, and the sweep goes on from there. A creation that did not end is
//! undone in the same way.

use serde_json::json;

use crate::Broker;
use crate::error::Error;
use crate::events;
use crate::grant::create;
use crate::grant::lease;
use crate::grant::revoke::revoke_grant;
use crate::grant::schedule::scheduled;
use crate::random;
use crate::record::grant::Grant;
use crate::record::instance::{self, Instance, State};
use crate::record::user;
use crate::store::records::{self, Change, Condition, Written};

/// How often the mark is tried, when the lease changes hands meanwhile.
const ATTEMPTS: usize = 5;

/// Deletes an instance. Revoking is best effort: a vendor that cannot be reached keeps no instance.
pub async fn remove(broker: &Broker, instance: &Instance) -> Result<(), Error> {
    let marked = mark(broker, instance.clone()).await?;
    events::deleted(&marked);
    if let Err(error) = forget(broker, &marked).await {
        tracing::warn!(instance = marked.id.0, cause = ?error, "a deleted instance is not yet forgotten");
    }
    Ok(())
}

/// Undoes a creation that did not end and whose caller never got an answer: what it has stored is revoked
/// and forgotten. When it has stored nothing, the vendor may have granted all the same. An import whose refresh
/// token was rotated is completed, since its owner has nothing else left, and so is what a link began: its
/// visitor will not consent again.
pub(crate) async fn undo(broker: &Broker, pending: &Instance) -> Result<(), Error> {
    let (owner, predecessors) = (random::id(), pending.lease_owner.iter().cloned().collect());
    let left = lease::newest(broker, &Instance { predecessors, ..pending.clone() }).await?;
    // Unless the owner was removed meanwhile.
    let hosted = pending.link.is_some() && user::numbered(&*broker.registry, pending.user).await?.is_some();
    let wanted = |grant: &Grant| hosted || pending.imported && grant.ours;
    if let Some((_, grant)) = left.as_ref().filter(|(_, grant)| wanted(grant)) {
        return create::adopt(broker, pending.clone(), grant).await.map(drop);
    }
    let mark = Change::when("state", json!(State::Pending))
        .set("state", json!(State::Deleting))
        .set("predecessors", json!(pending.lease_owner.as_slice()))
        .set("lease_owner", owner.clone());
    // First: rather twice than never.
    match left {
        Some(_) => events::undone(pending),
        None => events::lost(pending),
    }
    let (key, mark) = (instance::key(pending.user, pending.id), scheduled(broker, mark, pending));
    let Written::Done(item) = broker.registry.update(&key, mark).await?.proven_by("lease_owner", &owner)
    else {
        return Ok(());
    };
    forget(broker, &records::from_item(item)?).await
}

/// Marks the record and takes the lease from whoever has it: that holder's commit is refused, and a version
/// that it may have stored is named, so that it is found and revoked.
async fn mark(broker: &Broker, mut seen: Instance) -> Result<Instance, Error> {
    let owner = random::id();
    let key = instance::key(seen.user, seen.id);
    for _ in 0..ATTEMPTS {
        let predecessors: Vec<_> = seen.predecessors.iter().chain(&seen.lease_owner).collect();
        let as_seen = match &seen.lease_owner {
            Some(holder) => Condition::Equals("lease_owner", holder.clone().into()),
            None => Condition::Absent("lease_owner"),
        };
        let mark = Change::when("state", json!(State::Live))
            .and(as_seen)
            .set("state", json!(State::Deleting))
            .set("predecessors", json!(predecessors))
            .set("lease_owner", owner.clone());
        let mark = scheduled(broker, mark, &seen);
        match broker.registry.update(&key, mark).await?.proven_by("lease_owner", &owner) {
            Written::Done(item) => return Ok(records::from_item(item)?),
            Written::Refused(Some(found)) if found.get("state") == Some(&json!(State::Live)) => {
                seen = records::from_item(found)?;
            }
            Written::Refused(_) => return Err(instance::unknown(seen.id)),
        }
    }
    Err(Error::Leased(1))
}

/// Revokes and forgets what is marked. It can be repeated.
pub(crate) async fn forget(broker: &Broker, instance: &Instance) -> Result<(), Error> {
    // A grant that was brought along, and of which nobody was told that it is here, is still its owner's.
    let ours = !(instance.imported && instance.version.is_none());
    if let Some((_, grant)) = lease::newest(broker, instance).await?.filter(|_| ours)
        && let Err(error) = revoke_grant(broker, instance, &grant).await
    {
        events::unrevoked(instance, &error);
    }
    broker.vault.remove(&instance.secret).await?;
    let conditions = vec![Condition::Equals("state", json!(State::Deleting))];
    broker.registry.remove(&instance::key(instance.user, instance.id), conditions).await?;
    Ok(())
}
