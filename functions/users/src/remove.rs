//! `DELETE /users/{id}`: a user, and with `deleteInstances=true` the user's instances.

use std::time::Duration;

use lambda_http::{Body, Response};
use valetkey::app::App;
use valetkey::error::Error;
use valetkey::http::{self, Call};
use valetkey::instance::{self, Filter};
use valetkey::registry::Change;
use valetkey::removal;
use valetkey::user;

use crate::change::not_oneself;

/// How long instances are deleted before the caller is asked to come again.
const LONGEST: Duration = Duration::from_secs(14);

/// The instances that are deleted at once.
const AT_ONCE: usize = 8;

pub(crate) async fn handle(app: &App, call: &Call) -> Result<Response<Body>, Error> {
    not_oneself(call, &app.admin(call).await?)?;
    let id = crate::id(call)?;
    if call.query("deleteInstances") == Some("true") {
        // From now on the user makes no further ones.
        let disabled = Change::default().set("disabled", true);
        user::change(&*app.registry, id, disabled).await?.ok_or_else(|| crate::unknown(id))?;
        delete_instances(app, call, id).await?;
    } else if !instance::list(&*app.registry, id, &Filter::default(), None, 1).await?.0.is_empty() {
        return Err(Error::Conflict(format!(
            "User {id} owns instances: delete them first, or add deleteInstances=true to delete them with the user"
        )));
    }
    if user::remove(&*app.registry, id).await? { Ok(http::empty()) } else { Err(crate::unknown(id)) }
}

async fn delete_instances(app: &App, call: &Call, id: u64) -> Result<(), Error> {
    loop {
        let (found, _) = instance::list(&*app.registry, id, &Filter::default(), None, AT_ONCE).await?;
        if found.is_empty() {
            return Ok(());
        }
        if !call.watch.is_before(LONGEST) {
            return Err(Error::Unfinished(format!(
                "User {id} still owns instances and is disabled; repeat the request to delete the rest"
            )));
        }
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
