//! Tokens move to where they rest: into Secrets Manager, or back into the record. No vendor is asked for it. While
//! Secrets Manager does not take them they stay sealed in the record, and nothing waits for it.

use crate::Broker;
use crate::error::Error;
use crate::events;
use crate::grant::obtain::in_time;
use crate::grant::rest;
use crate::grant::write::{self, Outcome};
use crate::record::grant::{Grant, certainly_ended};
use crate::record::tokens::TokenSet;
use crate::store::StoreError;
use crate::store::retry::Deadline;
use crate::store::secrets::TokenStore;

/// Moves new tokens in the request that got them, where there is time and nothing goes wrong. Gives the grant as it is
/// then.
pub(crate) async fn at_once(broker: &Broker, grant: Grant, deadline: Deadline) -> Grant {
    if broker.token_store == TokenStore::Table || !deadline.may_ask() {
        return grant;
    }
    match move_tokens(broker, &grant, deadline).await {
        Ok(Some(moved)) => moved,
        Ok(None) => grant,
        Err(cause) => {
            tracing::warn!(instance = grant.instance.0, ?cause, "new tokens are left to the sweep to move");
            grant
        }
    }
}

/// Moves a grant's tokens to where they rest. Gives the grant when it has changed.
pub(crate) async fn move_tokens(
    broker: &Broker,
    grant: &Grant,
    deadline: Deadline,
) -> Result<Option<Grant>, Error> {
    if let (Some(secret), Some(since)) = (&grant.secret, grant.leaving) {
        // Whatever is configured now: what was begun is finished first.
        let may_go = certainly_ended(since) <= broker.clock.now();
        return if may_go { drop_secret(broker, grant, secret).await } else { Ok(None) };
    }
    match (broker.token_store, &grant.secret) {
        (TokenStore::SecretsManager, _) if grant.sealed.is_some() => {
            into_vault(broker, grant, deadline).await
        }
        (TokenStore::Table, Some(_)) => into_record(broker, grant).await,
        _ => Ok(None),
    }
}

async fn into_vault(broker: &Broker, grant: &Grant, deadline: Deadline) -> Result<Option<Grant>, Error> {
    let now = broker.clock.now();
    let Some(vault) = broker.vault.as_ref().filter(|_| broker.vault_health.pause(now).is_none()) else {
        return Ok(None);
    };
    let Some(grant) = named(broker, grant).await? else { return Ok(None) };
    let (Some(secret), Some(text)) = (&grant.secret, rest::text(broker, &grant).await?) else {
        return Ok(None);
    };
    if !in_time(broker, now, deadline) {
        return Ok(None);
    }
    let put = rest::put(&**vault, &grant, secret, grant.place(), &text, false).await;
    broker.vault_health.note(now, &put);
    if let Err(cause) = put {
        events::not_settled(&grant, &cause);
        return Err(cause.into());
    }
    let mut after = grant.clone();
    (after.sealed, after.settled) = (None, Some(broker.clock.now()));
    let conditions = [Grant::is_live(), Grant::has_secret(Some(secret)), Grant::stays()].into_iter();
    let change = write::change(broker, &grant, after, conditions.chain(grant.tokens_as_read()))?;
    Ok(write::send(broker, &grant, change).await?.made())
}

/// Gives a grant the name of a secret, before there is that secret.
async fn named(broker: &Broker, grant: &Grant) -> Result<Option<Grant>, StoreError> {
    if grant.secret.is_some() {
        return Ok(Some(grant.clone()));
    }
    let after = Grant { secret: Some(rest::new_secret(grant.instance)), ..grant.clone() };
    let change = write::change(broker, grant, after, [Grant::is_live(), Grant::has_secret(None)])?;
    match write::send(broker, grant, change).await? {
        Outcome::Made(named) => Ok(Some(named)),
        // Somebody else has named one, or the reply was lost.
        Outcome::Refused(found) => Ok(found.filter(|found| found.secret.is_some() && found.sealed.is_some())),
    }
}

/// Takes tokens back into the record, and begins to give the secret up.
async fn into_record(broker: &Broker, grant: &Grant) -> Result<Option<Grant>, Error> {
    if grant.asking_owner.is_some() {
        return Ok(None);
    }
    let Some(text) = rest::text(broker, grant).await? else { return Ok(None) };
    let mut after = grant.clone();
    let set = TokenSet::from_text(&text)?;
    after.sealed = Some(rest::seal(broker, grant, grant.place(), &set)?);
    after.leaving = Some(broker.clock.now());
    let secret = Grant::has_secret(grant.secret.as_deref());
    let conditions = [Grant::is_live(), secret, Grant::asked_by_nobody(), Grant::stays()].into_iter();
    let change = write::change(broker, grant, after, conditions.chain(grant.tokens_as_read()))?;
    Ok(write::send(broker, grant, change).await?.made())
}

/// Removes a secret that nobody can be using any more.
async fn drop_secret(broker: &Broker, grant: &Grant, secret: &str) -> Result<Option<Grant>, Error> {
    if let Some(vault) = &broker.vault {
        vault.remove(secret).await?;
    }
    let mut after = grant.clone();
    (after.secret, after.leaving) = (None, None);
    let change = write::change(broker, grant, after, [Grant::is_live(), Grant::has_secret(Some(secret))])?;
    Ok(write::send(broker, grant, change).await?.made())
}
