//! `GET /instances/{id}/access-token` and `GET /instances/access-token`: a live access token.

use broker::Broker;
use broker::Error;
use broker::clock::Timestamp;
use broker::grant::refresh::{self, Freshness};
use payloads::access_token::AccessToken;
use secrecy::ExposeSecret;
use web::{Answer, Call, answer};

pub(crate) async fn handle(broker: &Broker, call: &Call) -> Answer {
    let (_, account) = crate::named(broker, call).await?;
    let freshness = Freshness::AtLeast(minimum_seconds(call)?);
    let id = account.instance.id;
    if account.instance.disabled {
        return Err(Error::Forbidden(format!(
            "Instance {id} is disabled; enable it with PUT /instances/{id}/enabled"
        ))
        .into());
    }
    let live = refresh::live(broker, account, freshness, broker.deadline(call.watch)).await?;
    let (tokens, now) = (&live.tokens, broker.clock.now());
    answer::json(&AccessToken {
        access_token: tokens.access_token.expose_secret().to_owned(),
        token_type: tokens.token_type.clone(),
        expires_in: tokens.expires.map(|expires| expires - now),
        scope: tokens.scope.clone(),
        warning: live.warning.clone(),
    })
}

/// Reads how long the token must live at least, in seconds.
fn minimum_seconds(call: &Call) -> Result<Timestamp, Error> {
    let Some(given) = call.query("minimumSeconds") else { return Ok(0) };
    let refuse = || Error::Invalid(format!("minimumSeconds must be a number of seconds, not {given:?}"));
    given.parse().ok().filter(|seconds| *seconds >= 0).ok_or_else(refuse)
}
