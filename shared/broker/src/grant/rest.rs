//! Where tokens are: sealed in the grant's record, or in Secrets Manager, under a version whose id says their numbers.
//! What stands in the record wins.

use futures_util::future::try_join_all;
use secrecy::{ExposeSecret, SecretString};

use crate::Broker;
use crate::id::InstanceId;
use crate::random;
use crate::record::grant::Grant;
use crate::record::tokens::TokenSet;
use crate::store::StoreError;
use crate::store::secrets::{PutError, Vault};

/// Names the version of tokens.
pub(crate) fn version((family, number): (u64, u64)) -> String {
    format!("{family:016x}-{number:016x}")
}

/// Reads what [`version`] has named.
pub(crate) fn numbers(version: &str) -> Option<(u64, u64)> {
    let (family, number) = version.split_once('-').filter(|_| version.len() == 33)?;
    Some((u64::from_str_radix(family, 16).ok()?, u64::from_str_radix(number, 16).ok()?))
}

/// Draws a name for the secret of an instance's tokens.
pub(crate) fn new_secret(instance: InstanceId) -> String {
    format!("{instance}-{}", random::id())
}

/// Reads whose tokens a secret holds.
pub(crate) fn owner_of(secret: &str) -> Option<InstanceId> {
    secret.split_once('-')?.0.parse().ok().map(InstanceId)
}

/// The place that sealed tokens are bound to.
pub(crate) fn place(grant: &Grant, (family, number): (u64, u64)) -> [String; 4] {
    ["grant".into(), grant.instance.to_string(), family.to_string(), number.to_string()]
}

/// Seals tokens for the record of a grant.
pub(crate) fn seal(
    broker: &Broker,
    grant: &Grant,
    numbers: (u64, u64),
    set: &TokenSet,
) -> Result<String, StoreError> {
    Ok(broker.keys.ring().seal(&place(grant, numbers), set.to_text()?.expose_secret()))
}

/// Opens the tokens of a grant as text. Nothing when they have moved since the record was read.
pub(crate) async fn text(broker: &Broker, grant: &Grant) -> Result<Option<SecretString>, StoreError> {
    match &grant.sealed {
        Some(sealed) => {
            let keys = broker.keys.to_open(sealed, broker.clock.now()).await?;
            let opened = keys.open(&place(grant, grant.place()), sealed);
            let damaged = || {
                StoreError::Damaged(format!(
                    "the tokens of instance {} do not open with the keys here",
                    grant.instance
                ))
            };
            opened.map(|text| Some(text.into())).ok_or_else(damaged)
        }
        None => found(broker, grant, grant.number).await,
    }
}

/// Opens the tokens of a grant. What was read from Secrets Manager is remembered for a while.
pub(crate) async fn open(broker: &Broker, grant: &Grant) -> Result<Option<TokenSet>, StoreError> {
    let (version, now) = ((grant.instance, grant.family, grant.number), broker.clock.now());
    if grant.sealed.is_none()
        && let Some(set) = broker.opened.fresh(version, now)
    {
        return Ok(Some(set));
    }
    let Some(text) = text(broker, grant).await? else { return Ok(None) };
    let set = TokenSet::from_text(&text)?;
    if grant.sealed.is_none() {
        broker.opened.keep(version, now, &set);
    }
    Ok(Some(set))
}

/// The error for tokens that neither store has.
pub(crate) fn missing(grant: &Grant) -> StoreError {
    StoreError::Damaged(format!("the tokens of instance {} are nowhere", grant.instance))
}

/// Looks in Secrets Manager for the tokens with a number.
async fn found(broker: &Broker, grant: &Grant, number: u64) -> Result<Option<SecretString>, StoreError> {
    match (&broker.vault, &grant.secret) {
        (Some(vault), Some(secret)) => vault.get(secret, &version((grant.family, number))).await,
        _ => Ok(None),
    }
}

/// Tells whether somebody who could not write to the table may have left tokens in Secrets Manager.
pub(crate) fn may_hold_more(broker: &Broker, grant: &Grant) -> bool {
    broker.vault.is_some() && grant.secret.is_some() && grant.leaving.is_none()
}

/// Looks for tokens that were left in Secrets Manager with a higher number than the record's, up to `highest`, by those
/// who have not said how it ended. Gives the newest, with their number.
pub(crate) async fn newest(
    broker: &Broker,
    grant: &Grant,
    highest: u64,
) -> Result<Option<(u64, TokenSet)>, StoreError> {
    if !may_hold_more(broker, grant) {
        return Ok(None);
    }
    let is_possible = |number: &u64| (grant.number + 1..=highest).contains(number);
    let numbers: Vec<_> = grant.doubts.iter().copied().filter(is_possible).collect();
    let found = try_join_all(numbers.iter().map(|number| found(broker, grant, *number))).await?;
    let newest = numbers
        .into_iter()
        .zip(found)
        .filter_map(|(number, text)| Some((number, text?)))
        .max_by_key(|left| left.0);
    newest.map(|(number, text)| Ok((number, TokenSet::from_text(&text)?))).transpose()
}

/// Gives the newest tokens that there are of a grant, wherever they are.
pub(crate) async fn newest_of(broker: &Broker, grant: &Grant) -> Result<Option<TokenSet>, StoreError> {
    if grant.asking_owner.is_some()
        && let Some((_, set)) = newest(broker, grant, grant.last).await?
    {
        return Ok(Some(set));
    }
    open(broker, grant).await
}

/// Puts tokens into a grant's secret, under the version of their numbers. Whoever is late only adds to a secret that is
/// there.
pub(crate) async fn put(
    vault: &dyn Vault,
    grant: &Grant,
    secret: &str,
    numbers: (u64, u64),
    text: &SecretString,
    is_late: bool,
) -> Result<(), StoreError> {
    let version = version(numbers);
    if grant.settled.is_none() && !is_late {
        // There is no such secret yet, most likely.
        match vault.create(secret, &version, text).await {
            Err(PutError::Taken) => {}
            created => return created.map_err(failed),
        }
    }
    match vault.put(secret, &version, text).await {
        Err(PutError::Gone) if !is_late => vault.create(secret, &version, text).await,
        put => put,
    }
    .map_err(failed)
}

fn failed(error: PutError) -> StoreError {
    match error {
        PutError::Store(cause) => cause,
        cause => StoreError::Damaged(cause.to_string()),
    }
}
