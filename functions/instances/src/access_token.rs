//! `GET /instances/{id}/access-token` and `GET /instances/access-token`: a live access token.

use lambda_http::{Body, Response};
use secrecy::ExposeSecret;
use valetkey::app::App;
use valetkey::clock::Timestamp;
use valetkey::error::Error;
use valetkey::http::{self, Call};
use valetkey::renewal::{self, Ask};
use valetkey::wire::AccessToken;

pub(crate) async fn handle(app: &App, call: &Call) -> Result<Response<Body>, Error> {
    let (_, instance) = app.instance(call).await?;
    let ask = Ask::Lasting(minimum_seconds(call)?);
    let id = instance.id;
    if instance.disabled {
        return Err(Error::Forbidden(format!(
            "Instance {id} is disabled; enable it with PUT /instances/{id}/enabled"
        )));
    }
    if !instance.valid {
        return Err(renewal::dead(&instance));
    }
    let live = renewal::live(app, instance, ask, call.watch).await?;
    let (tokens, now) = (&live.grant.tokens, app.clock.now());
    http::json(&AccessToken {
        access_token: tokens.access_token.expose_secret(),
        token_type: &tokens.token_type,
        expires_in: tokens.expires.map(|expires| expires - now),
        scope: tokens.scope.as_deref(),
        warning: live.warning.as_deref(),
    })
}

/// Reads how long the token must live at least, in seconds.
fn minimum_seconds(call: &Call) -> Result<Timestamp, Error> {
    let Some(given) = call.query("minimumSeconds") else { return Ok(0) };
    let refuse = || Error::Invalid(format!("minimumSeconds must be a number of seconds, not {given:?}"));
    given.parse().ok().filter(|seconds| *seconds >= 0).ok_or_else(refuse)
}
