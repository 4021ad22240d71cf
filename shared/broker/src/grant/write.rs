//! A change of a grant: as it was read, as it is to be, and what must hold for it.

use std::future::Future;

use crate::Broker;
use crate::events;
use crate::grant::schedule;
use crate::record::grant::Grant;
use crate::record::instance::Instance;
use crate::store::StoreError;
use crate::store::records::{self, Change, Condition, Written};
use crate::store::retry::Deadline;

/// How a write ended.
#[must_use]
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It was made; the grant as it is now.
    Made(Grant),
    /// A condition did not hold; the grant as it was found.
    Refused(Option<Grant>),
}

impl Outcome {
    /// Gives the grant when the write was made.
    pub(crate) fn made(self) -> Option<Grant> {
        match self {
            Self::Made(grant) => Some(grant),
            Self::Refused(_) => None,
        }
    }
}

/// Makes the change that turns `before` into `after`, and says when the sweep looks at it next. The conditions must say of
/// whatever else could have changed meanwhile that it has not.
pub(crate) fn change(
    broker: &Broker,
    before: &Grant,
    after: Grant,
    conditions: impl IntoIterator<Item = Condition>,
) -> Result<Change, StoreError> {
    stating(broker, before, after, &[], conditions)
}

/// Makes the same change, which also states what need not have been as it was read.
pub(crate) fn stating(
    broker: &Broker,
    before: &Grant,
    mut after: Grant,
    stated: &[&'static str],
    conditions: impl IntoIterator<Item = Condition>,
) -> Result<Change, StoreError> {
    after.due = Some(schedule::due(broker, &after, broker.clock.now()));
    let change = Change::between(before, &after, stated)?;
    Ok(conditions.into_iter().fold(change, Change::and))
}

/// Writes once.
pub(crate) async fn send(broker: &Broker, grant: &Grant, change: Change) -> Result<Outcome, StoreError> {
    let written = broker.registry.update(&grant.key(), change).await;
    events::table(broker, &written);
    Ok(match written? {
        Written::Done(item) => Outcome::Made(records::from_item(item)?),
        Written::Refused(found) => Outcome::Refused(found.map(records::from_item).transpose()?),
    })
}

/// Stores what a vendor has granted. A process that keeps running repeats the write until the table takes it; until then
/// the grant is in memory alone.
pub(crate) async fn keep<T, F>(
    broker: &Broker,
    instance: &Instance,
    deadline: Deadline,
    mut attempt: impl FnMut() -> F,
) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    match (deadline.persist(&mut attempt).await, &broker.unsaved) {
        (Err(cause), Some(unsaved)) if cause.is_temporary() => {
            events::not_saved(instance, &cause);
            let _held = unsaved.hold(instance.id);
            deadline.without_end().persist(attempt).await
        }
        (outcome, _) => outcome,
    }
}

/// Writes, and repeats it while the table is out of reach and there is time.
pub(crate) async fn persist(
    broker: &Broker,
    grant: &Grant,
    change: &Change,
    deadline: Deadline,
) -> Result<Outcome, StoreError> {
    deadline.persist(|| send(broker, grant, change.clone())).await
}
