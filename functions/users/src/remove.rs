//! `DELETE /users/{id}`: a user, and with `deleteInstances=true` the user's instances.

use std::time::Duration;

use broker::Broker;
use broker::Error;
use broker::apps;
use broker::grant::delete;
use broker::id::UserId;
use broker::record::app;
use broker::record::instance::{self, Filter, State};
use broker::record::link;
use broker::record::user;
use broker::store::records::Change;
use web::{Answer, Call, answer};

use crate::change::not_oneself;

/// How long instances are deleted before the caller is asked to come again.
const LONGEST: Duration = Duration::from_secs(14);

/// How long an instance may be in the making, with what clocks may differ, in seconds.
const UNDER_WAY: i64 = 400;

/// The instances that are deleted at once.
const AT_ONCE: usize = 8;

/// The links that are read at once.
const LINKS_AT_ONCE: usize = 100;

pub(crate) async fn handle(broker: &Broker, call: &Call) -> Answer {
    not_oneself(call, &broker.admin(&call.credentials()?).await?)?;
    let id = crate::id(call)?;
    let with_instances = call.query("deleteInstances") == Some("true");
    if !with_instances && !instance::some(&*broker.registry, id).await?.is_empty() {
        return Err(Error::Conflict(format!(
            "User {id} owns instances: delete them first, or add deleteInstances=true to delete them with the user"
        ))
        .into());
    }
    // From now on the user makes no further ones.
    let disabled = Change::default().set("disabled", true);
    user::change(&*broker.registry, id, disabled).await?.ok_or_else(|| crate::unknown(id))?;
    // Nor do visitors who are under way.
    while link::remove_some(&*broker.registry, id, LINKS_AT_ONCE).await? {
        in_time(call, id)?;
    }
    if with_instances {
        delete_instances(broker, call, id).await?;
    }
    nothing_under_way(broker, id).await?;
    forget_apps(broker, call, id).await?;
    if user::remove(&*broker.registry, id).await? {
        Ok(answer::empty())
    } else {
        Err(crate::unknown(id).into())
    }
}

/// Refuses while an instance is being made: its grant would belong to nobody. What a death has left long ago is no reason
/// to keep the user, and what is being deleted the sweep finishes.
async fn nothing_under_way(broker: &Broker, id: UserId) -> Result<(), Error> {
    let mut left = instance::some(&*broker.registry, id).await?;
    left.retain(|instance| instance.state != State::Deleting);
    let now = broker.clock.now();
    if left.iter().any(|instance| instance.state == State::Live || now - instance.created < UNDER_WAY) {
        return Err(Error::Incomplete(format!(
            "An instance of user {id} is being made just now; the user is disabled, repeat the request to remove it"
        )));
    }
    for instance in left {
        tracing::warn!(
            instance = instance.id.0,
            user = id.0,
            "what was left of an instance goes with its user"
        );
    }
    Ok(())
}

/// Refuses to go on when the caller would wait too long.
fn in_time(call: &Call, id: UserId) -> Result<(), Error> {
    if call.watch.is_before(LONGEST) {
        return Ok(());
    }
    Err(Error::Incomplete(format!(
        "User {id} still owns something and is disabled; repeat the request to delete the rest"
    )))
}

/// Removes the user's apps, which no instance uses any more.
async fn forget_apps(broker: &Broker, call: &Call, id: UserId) -> Result<(), Error> {
    loop {
        let (apps, more) = app::list(&*broker.registry, id, None, None, AT_ONCE).await?;
        for registered in &apps {
            apps::forget(broker, registered).await?;
        }
        if !more {
            return Ok(());
        }
        in_time(call, id)?;
    }
}

async fn delete_instances(broker: &Broker, call: &Call, id: UserId) -> Result<(), Error> {
    loop {
        let (found, _) = instance::list(&*broker.registry, id, &Filter::default(), None, AT_ONCE).await?;
        if found.is_empty() {
            return Ok(());
        }
        in_time(call, id)?;
        let removing = found.iter().map(|instance| delete::remove(broker, instance));
        for outcome in futures_util::future::join_all(removing).await {
            match outcome {
                // Somebody else has deleted it meanwhile.
                Ok(()) | Err(Error::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
    }
}
