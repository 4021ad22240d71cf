//! What others see of a grant: its instance becomes live, and lists have a copy of how the grant is, which may lag behind
//! and catches up.

use serde_json::json;

use crate::Broker;
use crate::error::Error;
use crate::events;
use crate::grant::schedule;
use crate::record::account::with_times;
use crate::record::grant::{self, Copy, Grant};
use crate::record::instance::{self, Instance, State};
use crate::record::settings::Given;
use crate::store::StoreError;
use crate::store::records::{self, AGENDA, Change, Condition, DUE, Written};
use crate::store::retry::Deadline;

/// Has the instance's record say how its grant is, after a refusal, a consent, or a refresh that ends a refusal. A grant
/// that has died is reported before that is written down: rather twice than never. Tells whether it is dead.
pub(crate) async fn publish(broker: &Broker, seen: &Grant) -> Result<bool, Error> {
    // In this order: settings that are changed after the grant was read are seen.
    let found = broker.registry.get(&seen.key()).await?;
    let Some(grant) = found.map(records::from_item::<Grant>).transpose()? else { return Ok(true) };
    let Some(instance) = instance::find(&*broker.registry, grant.user, grant.instance).await? else {
        return Ok(true);
    };
    let is_dead = grant.is_dead(instance.number);
    if is_dead && instance.copy < grant.copy() {
        report_end(broker, &grant);
    }
    let instance = write_copy(broker, instance, &grant).await?;
    let is_dead = grant.is_dead(instance.number);
    if is_dead && instance.state == State::Live {
        leave_in_peace(broker, &grant).await?;
    }
    Ok(is_dead)
}

fn report_end(broker: &Broker, grant: &Grant) {
    if grant.refreshable || schedule::end_of_final_token(grant).is_none_or(|end| end > broker.clock.now()) {
        events::dead(grant);
    } else {
        events::expired(grant);
    }
}

/// Writes the copy, unless a newer one is there. Gives the instance as it is then.
pub(crate) async fn write_copy(
    broker: &Broker,
    instance: Instance,
    grant: &Grant,
) -> Result<Instance, StoreError> {
    if instance.copy >= grant.copy() {
        return Ok(instance);
    }
    let copy: serde_json::Value = String::from(grant.copy()).into();
    let change = Change::default()
        .and(Instance::is_live())
        .and(Condition::Below("copy", copy.clone()))
        .set("copy", copy);
    match broker.registry.update(&instance.key(), change).await? {
        Written::Done(item) | Written::Refused(Some(item)) => records::from_item(item),
        Written::Refused(None) => Ok(Instance { state: State::Deleting, ..instance }),
    }
}

/// Takes a dead grant off its agenda, unless something has changed since it was read.
async fn leave_in_peace(broker: &Broker, grant: &Grant) -> Result<(), StoreError> {
    let (Some(due), Some(refused)) = (grant.due, grant.refused) else { return Ok(()) };
    let change = grant.tokens_as_read().into_iter().fold(Change::default(), Change::and);
    let change = change
        .and(Grant::is_live())
        .and(Condition::Equals("refused", refused.into()))
        .and(Condition::Equals(DUE, due.into()))
        .remove(DUE);
    broker.registry.update(&grant.key(), change).await.map(drop)
}

/// Has the sweep look at a grant at its next pass: its settings have changed since it was refused.
pub(crate) async fn hint(broker: &Broker, instance: &Instance) -> Result<(), StoreError> {
    let change = Change::default().and(Grant::is_live()).set(DUE, broker.clock.now());
    broker.registry.update(&grant::key(instance.id), change).await.map(drop)
}

/// Makes an instance live whose grant is there. Gives nothing when it is being removed.
pub(crate) async fn make_live(
    broker: &Broker,
    pending: &Instance,
    grant: &Grant,
    told: &Given,
    deadline: Deadline,
) -> Result<Option<Instance>, Error> {
    let mut configuration = pending.configuration.clone();
    configuration.extend(told.clone());
    // A refusal is published after that, as any other.
    let copy = Copy { refused: None, ..grant.copy() };
    let change = Change::default()
        .and(Instance::is_pending())
        .set("state", json!(State::Live))
        .set("copy", String::from(copy))
        .set("configuration", json!(with_times(configuration, grant)))
        .remove(DUE)
        .remove(AGENDA)
        .remove("in_doubt");
    let key = pending.key();
    let update = || broker.registry.update(&key, change.clone());
    match deadline.persist(update).await? {
        Written::Done(item) => {
            let live = records::from_item(item)?;
            events::created(&live);
            Ok(Some(live))
        }
        // The reply was lost, or somebody else has finished it.
        Written::Refused(_) => Ok(instance::find(&*broker.registry, pending.user, pending.id).await?),
    }
}
