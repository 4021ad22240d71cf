//! From a live instance to nothing: first invisible, then revoked at the vendor, then removed.
//!
//! 1. The instance is marked. It is gone for every caller, and nobody begins to ask the vendor.
//! 2. The grant is marked: nobody stores tokens any more; whoever is given some has them revoked.
//! 3. The tokens are revoked.
//! 4. The secret in Secrets Manager goes, when all that began before has certainly ended: a late process could put
//!    another version there. So does the marker of a token that was brought along and not revoked, which its owner
//!    may want to bring again.
//! 5. The grant's record goes, then the instance's.
//!
//! A death leaves the marked instance, and the sweep goes on.

use serde_json::json;

use crate::Broker;
use crate::clock::{self, Timestamp};
use crate::error::Error;
use crate::events;
use crate::grant::revoke::revoke_grant;
use crate::grant::schedule;
use crate::id::InstanceId;
use crate::record::grant::{self, Grant, certainly_ended};
use crate::record::instance::{self, Instance, State};
use crate::record::marker;
use crate::store::StoreError;
use crate::store::records::{self, AGENDA, Change, Condition, DUE, Written};

/// A deletion is finished by the sweep after this, in seconds: its own request has ended.
const SWEEP_AFTER: Timestamp = 60;

/// Deletes an instance. Revoking is best effort: a vendor that cannot be reached keeps no instance.
pub async fn remove(broker: &Broker, instance: &Instance) -> Result<(), Error> {
    let change = deleting(broker, instance).and(Instance::is_live());
    let Some(marked) = mark(broker, instance, change).await? else {
        return Err(instance::unknown(instance.id));
    };
    events::deleted(&marked);
    if let Err(error) = go_on(broker, &marked).await {
        tracing::warn!(instance = marked.id.0, cause = ?error, "a deleted instance is not yet removed");
    }
    Ok(())
}

/// Takes an instance back whose vendor certainly has done nothing: what it was made of can be used again. An import that is
/// taken back is not revoked, since its owner has its token. `may_be` says what state it must be in.
pub(crate) async fn take_back(broker: &Broker, instance: &Instance, may_be: Condition) -> Result<(), Error> {
    let change = deleting(broker, instance).and(may_be).and(instance.consents_as_read());
    let change = change.set("taken_back", true);
    match mark(broker, instance, change).await? {
        Some(marked) => go_on(broker, &marked).await.map(drop),
        None => Ok(()),
    }
}

/// Removes an instance that was being made, and whose maker has certainly ended without a grant.
pub(crate) async fn discard(broker: &Broker, pending: &Instance) -> Result<(), Error> {
    match mark(broker, pending, deleting(broker, pending).and(Instance::is_pending())).await? {
        Some(marked) => go_on(broker, &marked).await.map(drop),
        None => Ok(()),
    }
}

fn deleting(broker: &Broker, instance: &Instance) -> Change {
    let now = broker.clock.now();
    Change::default()
        .set("state", json!(State::Deleting))
        .set("deleted", now)
        .set(AGENDA, schedule::agenda(&instance.element, instance.id))
        .set(DUE, now + SWEEP_AFTER)
}

/// Marks an instance. Gives nothing when it is not as the change demands; a mark that is there already counts.
async fn mark(broker: &Broker, instance: &Instance, change: Change) -> Result<Option<Instance>, StoreError> {
    let found = match broker.registry.update(&instance.key(), change).await? {
        Written::Done(item) | Written::Refused(Some(item)) => records::from_item::<Instance>(item)?,
        Written::Refused(None) => return Ok(None),
    };
    // A reply that was lost leaves the mark, and so does somebody else's deletion: either is gone on with.
    Ok(Some(found).filter(|found| found.state == State::Deleting))
}

/// Goes on with a deletion. Tells whether it is finished: some of it waits until others have certainly ended.
pub(crate) async fn go_on(broker: &Broker, instance: &Instance) -> Result<bool, Error> {
    let mut is_revoked = false;
    if let Some(grant) = fence(broker, instance.id).await? {
        is_revoked = grant.revoked || !instance.taken_back && revoke(broker, instance, &grant).await;
        if let Some(until) = waits_until(broker, instance, &grant, is_revoked) {
            postpone(broker, instance, &grant, is_revoked, until).await?;
            return Ok(false);
        }
        if !remove_grant(broker, &grant).await? {
            put_off(broker, instance, broker.clock.now() + SWEEP_AFTER).await?;
            return Ok(false);
        }
    }
    if instance.taken_back || instance.was_brought() && !is_revoked {
        let first = (instance.taken_back || instance.imported).then_some(&instance.marker);
        for name in instance.brought.iter().chain(first) {
            marker::remove(&*broker.registry, name, instance.id).await?;
        }
    }
    let deleting = Condition::Equals("state", json!(State::Deleting));
    broker.registry.remove(&instance.key(), vec![deleting]).await?;
    Ok(true)
}

/// Goes on with a grant whose instance is gone: its maker came too late to show it to anybody.
pub(crate) async fn remove_orphan(broker: &Broker, grant: &Grant) -> Result<(), Error> {
    let Some(grant) = fence(broker, grant.instance).await? else { return Ok(()) };
    remove_grant(broker, &grant).await?;
    Ok(())
}

/// Removes a grant that is ending, and its secret first. Tells whether it is gone: not so when it has another secret
/// now, since somebody late has put it again.
async fn remove_grant(broker: &Broker, grant: &Grant) -> Result<bool, StoreError> {
    if let (Some(vault), Some(secret)) = (&broker.vault, &grant.secret) {
        vault.remove(secret).await?;
    }
    let ending = Condition::Equals("state", json!(grant::State::Ending));
    let conditions = vec![ending, Grant::has_secret(grant.secret.as_deref())];
    broker.registry.remove(&grant.key(), conditions).await
}

/// Puts a grant that is ending where there is none, so that whoever is late with one cannot put it.
pub(crate) async fn bar(broker: &Broker, instance: &Instance) -> Result<(), StoreError> {
    let now = broker.clock.now();
    let mut barred = Grant::new(instance.id, instance.user, &instance.element);
    (barred.state, barred.ending_since) = (grant::State::Ending, Some(now));
    (barred.agenda, barred.due) = (schedule::agenda(&instance.element, instance.id), Some(now + SWEEP_AFTER));
    broker.registry.insert(&barred.key(), records::to_item(&barred)?).await.map(drop)
}

/// Marks a grant as ending: from now on nobody stores tokens. Gives it as it is then; nothing when there is none.
pub(crate) async fn fence(broker: &Broker, id: InstanceId) -> Result<Option<Grant>, StoreError> {
    let now = broker.clock.now();
    let change = Change::default().and(Grant::is_live()).set("state", json!(grant::State::Ending));
    let change = change.set("ending_since", now).set(DUE, now + SWEEP_AFTER);
    let mut grant: Grant = match broker.registry.update(&grant::key(id), change).await? {
        Written::Done(item) | Written::Refused(Some(item)) => records::from_item(item)?,
        Written::Refused(None) => return Ok(None),
    };
    if let Some(since) = grant.ending_since.filter(|since| clock::is_ahead(*since, now)) {
        // A clock was wrong: nobody can have begun after now.
        let change = Change::when("ending_since", since).set("ending_since", now).set(DUE, now + SWEEP_AFTER);
        broker.registry.update(&grant.key(), change).await?;
        grant.ending_since = Some(now);
    }
    Ok(Some(grant))
}

/// Revokes a grant, as well as it can be done. Tells whether the vendor has ended it.
async fn revoke(broker: &Broker, instance: &Instance, grant: &Grant) -> bool {
    match revoke_grant(broker, instance, grant).await {
        Ok(is_revoked) => is_revoked,
        Err(cause) => {
            events::unrevoked(instance, &cause);
            false
        }
    }
}

/// Tells until when others may be at work that began before the grant was marked, if what is left must wait for them: they
/// may put tokens into its secret, or send the token that its owner would bring again.
fn waits_until(broker: &Broker, instance: &Instance, grant: &Grant, is_revoked: bool) -> Option<Timestamp> {
    let comes_again = instance.was_brought() && !is_revoked;
    let waits = !instance.taken_back && (comes_again || grant.secret.is_some());
    let until = grant.ending_since.map(certainly_ended).filter(|_| waits)?;
    (until > broker.clock.now()).then_some(until)
}

/// Leaves the rest to the sweep.
async fn postpone(
    broker: &Broker,
    instance: &Instance,
    grant: &Grant,
    is_revoked: bool,
    until: Timestamp,
) -> Result<(), StoreError> {
    if is_revoked && !grant.revoked {
        let change = Change::when("state", json!(grant::State::Ending)).set("revoked", true);
        broker.registry.update(&grant.key(), change).await?;
    }
    put_off(broker, instance, until).await
}

/// Has the sweep look at an instance that is being deleted, or made, at that time.
pub(crate) async fn put_off(
    broker: &Broker,
    instance: &Instance,
    until: Timestamp,
) -> Result<(), StoreError> {
    let change = Change::when("state", json!(instance.state)).set(DUE, until);
    broker.registry.update(&instance.key(), change).await.map(drop)
}
