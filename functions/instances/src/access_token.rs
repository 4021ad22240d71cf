//! `GET /instances/{id}/access-token` and `GET /instances/access-token`: a live access token.

use lambda_http::{Body, Response};
use secrecy::ExposeSecret;
use valetkey::app::App;
use valetkey::error::{Error, StoreError};
use valetkey::http::{self, Call};
use valetkey::instance::{self, Instance};
use valetkey::wire::AccessToken;

pub(crate) async fn handle(app: &App, call: &Call) -> Result<Response<Body>, Error> {
    let (_, instance) = app.instance(call).await?;
    answer(app, &instance).await
}

async fn answer(app: &App, instance: &Instance) -> Result<Response<Body>, Error> {
    let id = instance.id;
    if instance.disabled {
        return Err(Error::Forbidden(format!(
            "Instance {id} is disabled; enable it with PUT /instances/{id}/enabled"
        )));
    }
    if !instance.valid {
        return Err(Error::Conflict(format!(
            "The grant of instance {id} has ended; ask the user to consent again and PUT the new code to /instances/{id}"
        )));
    }
    let now = app.clock.now();
    if instance.access_expires.is_some_and(|expires| expires <= now) {
        return Err(Error::Conflict(format!(
            "The access token of instance {id} has expired and is not refreshed yet; delete the instance and ask the \
             user to consent again"
        )));
    }
    let Some(grant) = app.grant(instance).await? else { return Err(without_grant(app, instance).await) };
    let tokens = &grant.tokens;
    http::json(&AccessToken {
        access_token: tokens.access_token.expose_secret(),
        token_type: &tokens.token_type,
        expires_in: tokens.expires.map(|expires| expires - now),
        scope: tokens.scope.as_deref(),
    })
}

/// Tells why the vault has nothing: the instance was deleted meanwhile, or something is very wrong.
async fn without_grant(app: &App, instance: &Instance) -> Error {
    match instance::find(&*app.registry, instance.user, instance.id).await {
        Ok(None) => Error::NotFound(format!("No element instance found with ID {}", instance.id)),
        Ok(Some(_)) => {
            StoreError::Damaged(format!("the vault has no grant of instance {}", instance.id)).into()
        }
        Err(error) => error.into(),
    }
}
