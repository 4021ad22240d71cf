//! `DELETE /users/{id}`: a user, and with `deleteInstances=true` the user's instances.

use std::time::Duration;

use lambda_http::{Body, Response};
use valetkey::app::App;
use valetkey::client;
use valetkey::error::Error;
use valetkey::http::{self, Call};
use valetkey::instance::{self, Filter, State};
use valetkey::link;
use valetkey::registry::Change;
use valetkey::removal;
use valetkey::user;

use crate::change::not_oneself;

/// How long instances are deleted before the caller is asked to come again.
const LONGEST: Duration = Duration::from_secs(14);

/// How long an instance may be in the making, with what clocks may differ, in seconds.
const UNDER_WAY: i64 = 400;

/// The instances that are deleted at once.
const AT_ONCE: usize = 8;

/// The links that are read at once.
const LINKS_AT_ONCE: usize = 100;

pub(crate) async fn handle(app: &App, call: &Call) -> Result<Response<Body>, Error> {
    not_oneself(call, &app.admin(call).await?)?;
    let id = crate::id(call)?;
    let with_instances = call.query("deleteInstances") == Some("true");
    if !with_instances && !instance::some(&*app.registry, id).await?.is_empty() {
        return Err(Error::Conflict(format!(
            "User {id} owns instances: delete them first, or add deleteInstances=true to delete them with the user"
        )));
    }
    // From now on the user makes no further ones.
    let disabled = Change::default().set("disabled", true);
    user::change(&*app.registry, id, disabled).await?.ok_or_else(|| crate::unknown(id))?;
    // Nor do visitors who are under way.
    while link::remove_some(&*app.registry, id, LINKS_AT_ONCE).await? {
        in_time(call, id)?;
    }
    if with_instances {
        delete_instances(app, call, id).await?;
    }
    nothing_under_way(app, id).await?;
    forget_apps(app, call, id).await?;
    if user::remove(&*app.registry, id).await? { Ok(http::empty()) } else { Err(crate::unknown(id)) }
}

/// Refuses while an instance is being made or deleted: its grant would belong to nobody. What a death has
/// left long ago is no reason to keep the user.
async fn nothing_under_way(app: &App, id: u64) -> Result<(), Error> {
    let left = instance::some(&*app.registry, id).await?;
    let now = app.clock.now();
    if left.iter().any(|instance| instance.state == State::Live || now - instance.created < UNDER_WAY) {
        return Err(Error::Unfinished(format!(
            "An instance of user {id} is being made just now; the user is disabled, repeat the request to remove it"
        )));
    }
    for instance in left {
        tracing::warn!(instance = instance.id, user = id, "what was left of an instance goes with its user");
    }
    Ok(())
}

/// Refuses to go on when the caller would wait too long.
fn in_time(call: &Call, id: u64) -> Result<(), Error> {
    if call.watch.is_before(LONGEST) {
        return Ok(());
    }
    Err(Error::Unfinished(format!(
        "User {id} still owns something and is disabled; repeat the request to delete the rest"
    )))
}

/// Removes the user's apps, which no instance uses any more.
async fn forget_apps(app: &App, call: &Call, id: u64) -> Result<(), Error> {
    loop {
        let (apps, more) = client::list(&*app.registry, id, None, None, AT_ONCE).await?;
        for registered in &apps {
            client::forget(app, registered).await?;
        }
        if !more {
            return Ok(());
        }
        in_time(call, id)?;
    }
}

async fn delete_instances(app: &App, call: &Call, id: u64) -> Result<(), Error> {
    loop {
        let (found, _) = instance::list(&*app.registry, id, &Filter::default(), None, AT_ONCE).await?;
        if found.is_empty() {
            return Ok(());
        }
        in_time(call, id)?;
        let removing = found.iter().map(|instance| removal::remove(app, instance));
        for outcome in futures_util::future::join_all(removing).await {
            match outcome {
                // Somebody else has deleted it meanwhile.
                Ok(()) | Err(Error::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
    }
}
