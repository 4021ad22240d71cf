//! Repairs a table that was restored from a backup: adopts newer tokens from Secrets Manager, skips numbers that may have
//! been used since the backup, and lists what is lost.
//!
//! Run it before the functions use the restored table. It can be run again.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Value, json};

use crate::Broker;
use crate::error::Error;
use crate::grant::{rest, write};
use crate::id::{InstanceId, UserId};
use crate::record::grant::{self, Grant, State};
use crate::record::instance;
use crate::record::tokens::TokenSet;
use crate::record::user::{self, User};
use crate::store::StoreError;
use crate::store::records::{self, COUNT, COUNTERS, Change, Condition, Item, Key, Registry, Written};

/// How many numbers to skip: more than can have been used since the backup.
const LEFT_OUT: u64 = 1_000_000;

/// The items that are read at once.
const PAGE: usize = 100;

/// What was found.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Findings {
    /// The grants in the table.
    pub grants: u64,
    /// Those that have newer tokens now, which were in Secrets Manager.
    pub adopted: BTreeSet<InstanceId>,
    /// Those of them whose tokens come from a later consent: their configuration may be older than the tokens.
    pub consented_again: BTreeSet<InstanceId>,
    /// Those whose refresh token may have been used since the backup. A vendor that rotates them refuses it.
    pub may_be_spent: BTreeSet<InstanceId>,
    /// The users whose secret was changed or who were removed since the backup: the older secret counts again.
    pub older_user_secrets: BTreeSet<UserId>,
    /// The secrets in Secrets Manager that belong to no instance in the table.
    pub orphaned_secrets: BTreeSet<String>,
}

/// Repairs every record. `replaced` is the table that was in use until now, if it still exists. After an error, run it
/// again.
pub async fn reconcile(broker: &Broker, replaced: Option<&dyn Registry>) -> Result<Findings, Error> {
    let mut findings = Findings::default();
    let mut secrets = secrets(broker).await?;
    let mut from = None;
    loop {
        let part = broker.registry.scan(from.as_ref(), PAGE).await?;
        for (key, item) in part.items {
            if key.sort == grant::SORT {
                let grant: Grant = records::from_item(item)?;
                let own = secrets.remove(&Some(grant.instance)).unwrap_or_default();
                bring_up(broker, &mut findings, grant, own).await?;
            } else if key.sort.starts_with(instance::PREFIX) {
                leave_out(broker, &key, "consents", &item).await?;
            } else if key.partition == COUNTERS {
                leave_out(broker, &key, COUNT, &item).await?;
            } else if let (Some(replaced), true) = (replaced, user::is_place(&key)) {
                compare(replaced, &mut findings, &key, item).await?;
            }
        }
        from = part.next;
        if from.is_none() {
            break;
        }
    }
    findings.orphaned_secrets.extend(secrets.into_values().flatten());
    Ok(findings)
}

/// Lists the secrets that there are, by the instance that each was made for.
async fn secrets(broker: &Broker) -> Result<BTreeMap<Option<InstanceId>, BTreeSet<String>>, StoreError> {
    let mut found = BTreeMap::<_, BTreeSet<_>>::new();
    if let Some(vault) = &broker.vault {
        for secret in vault.secrets().await? {
            found.entry(rest::owner_of(&secret)).or_default().insert(secret);
        }
    }
    Ok(found)
}

/// Gives a grant its newest tokens, and raises its numbers.
async fn bring_up(
    broker: &Broker,
    findings: &mut Findings,
    grant: Grant,
    mut secrets: BTreeSet<String>,
) -> Result<(), Error> {
    findings.grants += 1;
    let mut after = Grant { last: grant.last + LEFT_OUT, ..grant.clone() };
    if let Some((secret, place, set)) = newest(broker, &grant, &secrets).await? {
        after.take_tokens(place, &set.tokens, None);
        after.stop_asking();
        after.last = place.1.max(grant.last) + LEFT_OUT;
        (after.secret, after.leaving, after.settled) = (Some(secret), None, Some(broker.clock.now()));
        findings.adopted.insert(grant.instance);
        if place.0 > grant.family {
            findings.consented_again.insert(grant.instance);
        }
    } else if may_be_spent(broker, &grant) {
        findings.may_be_spent.insert(grant.instance);
    }
    if let Some(secret) = &after.secret {
        secrets.remove(secret);
    }
    findings.orphaned_secrets.append(&mut secrets);
    let as_read = [Condition::Equals("state", json!(grant.state))].into_iter();
    let as_read = as_read.chain(grant.tokens_as_read()).chain(grant.asking_as_read());
    let change = write::change(broker, &grant, after, as_read)?;
    write::send(broker, &grant, change).await?.made().map(drop).ok_or_else(in_use)
}

/// Finds the newest tokens of a grant in its secrets, if they are newer than the table's.
async fn newest(
    broker: &Broker,
    grant: &Grant,
    secrets: &BTreeSet<String>,
) -> Result<Option<(String, (u64, u64), TokenSet)>, StoreError> {
    let Some(vault) = broker.vault.as_ref().filter(|_| grant.state == State::Live) else { return Ok(None) };
    let mut versions = Vec::new();
    for secret in secrets {
        let ids = vault.versions(secret).await?;
        versions.extend(ids.into_iter().filter_map(|id| Some((rest::numbers(&id)?, secret, id))));
    }
    versions.retain(|(place, ..)| *place > grant.place());
    versions.sort();
    for (place, secret, id) in versions.into_iter().rev() {
        if let Some(text) = vault.get(secret, &id).await? {
            return Ok(Some((secret.clone(), place, TokenSet::from_text(&text)?)));
        }
    }
    Ok(None)
}

/// Tells whether the refresh token may have been used since the backup: the access token has expired meanwhile.
fn may_be_spent(broker: &Broker, grant: &Grant) -> bool {
    let lives = grant.state == State::Live && grant.refreshable && grant.refused.is_none();
    lives && !grant.is_valid(broker.clock.now())
}

/// Raises a counter, so that no number is used twice.
async fn leave_out(broker: &Broker, key: &Key, of: &'static str, item: &Item) -> Result<(), Error> {
    let Some(count) = item.get(of).and_then(Value::as_u64) else { return Ok(()) };
    let change = Change::when(of, count).set(of, count + LEFT_OUT);
    match broker.registry.update(key, change).await? {
        Written::Done(_) => Ok(()),
        Written::Refused(_) => Err(in_use()),
    }
}

/// Looks whether a user's secret is one that has been replaced, or the user had been removed.
async fn compare(
    replaced: &dyn Registry,
    findings: &mut Findings,
    key: &Key,
    item: Item,
) -> Result<(), Error> {
    let user: User = records::from_item(item)?;
    let last = replaced.get(key).await?.map(records::from_item::<User>).transpose()?;
    if last.is_none_or(|last| last.secret != user.secret) {
        findings.older_user_secrets.insert(user.id);
    }
    Ok(())
}

fn in_use() -> Error {
    Error::Incomplete("Somebody is using the restored table: stop that, and run this again".into())
}
