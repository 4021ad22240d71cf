//! When the sweep looks at a grant next: what is due of it, and by when.
//!
//! A grant's `due` is computed anew with every write. Each element has a few agendas, so that a vendor that is slow or
//! down holds up its own grants alone, and no index partition takes all writes.

use vendors::catalogue::Catalogue;
use vendors::descriptor::{LifetimeFrom, Refresh, Rotation};

use crate::Broker;
use crate::clock::Timestamp;
use crate::grant::rest;
use crate::id::InstanceId;
use crate::record::grant::{Grant, State, certainly_ended};
use crate::store::secrets::TokenStore;

/// The agendas of an element.
const SHARDS: u64 = 4;

/// A token is due so long before it expires at most, in seconds; never more than half its life.
pub(crate) const REFRESH_MARGIN: Timestamp = 900;

/// What failed is tried again after an eighth of the time that is left, in seconds, and within these; and after the end,
/// which is what the vendor has said and not yet proven, ever more seldom.
const RETRY: (Timestamp, Timestamp) = (60, 3_600);
const MAX_BACKOFF: Timestamp = 86_400;

/// The owner is warned so long before a grant ends at most, in seconds; never more than a quarter of its life.
const WARNING: Timestamp = 7 * 86_400;

/// Tokens move to Secrets Manager at most once in so many seconds, which is 96 versions a day: it keeps 100, and none
/// younger than a day goes.
const SETTLES_EVERY: Timestamp = 900;

/// Every grant is looked at after this, in seconds, whatever it wants.
pub(crate) const FARTHEST: Timestamp = 90 * 86_400;

/// The longest that a vendor is left alone, in seconds, whatever it says.
pub(crate) const LONGEST_PAUSE: Timestamp = 86_400;

/// Names the agenda that a grant is on, and its instance while that is being made or deleted.
pub(crate) fn agenda(element: &str, id: InstanceId) -> String {
    shard(element, id.0 % SHARDS)
}

/// Names the agendas of an element.
pub(crate) fn agendas(element: &str) -> impl Iterator<Item = String> {
    (0..SHARDS).map(move |number| shard(element, number))
}

fn shard(element: &str, number: u64) -> String {
    format!("{element}#{number}")
}

/// Tells when a grant wants to be looked at next.
pub(crate) fn due(broker: &Broker, grant: &Grant, now: Timestamp) -> Timestamp {
    let refresh = refresh_of(&broker.catalogue, grant);
    let wanted = if grant.state == State::Ending || grant.refused.is_some() && grant.asking_owner.is_none() {
        now + RETRY.0
    } else if grant.asking_owner.is_some() {
        retried(takeover_at(grant, rest::may_hold_more(broker, grant)), refresh, grant, now)
    } else {
        let wanted =
            [refresh_at(refresh, grant), warn_at(refresh, grant), end_of_final_token(grant)].into_iter();
        let at = wanted.flatten().min().map(|at| retried(at, refresh, grant, now));
        let pause = grant.not_before.filter(|until| *until <= now + LONGEST_PAUSE);
        let at = at.map(|at| at.max(pause.unwrap_or_default()));
        at.into_iter().chain(move_at(broker.token_store, grant, now)).min().unwrap_or(now + FARTHEST)
    };
    wanted.min(now + FARTHEST)
}

/// What was wanted before now has failed, and is tried again later.
fn retried(at: Timestamp, refresh: Option<&Refresh>, grant: &Grant, now: Timestamp) -> Timestamp {
    if at > now { at } else { now + retry_delay(refresh, grant, now) }
}

/// Tells after how long a refresh that is wanted and failed is tried again.
fn retry_delay(refresh: Option<&Refresh>, grant: &Grant, now: Timestamp) -> Timestamp {
    let eager = grant.access_expires.filter(|_| refresh.is_some_and(|refresh| refresh.warm));
    let ends = eager.into_iter().chain(end_at(grant));
    match ends.clone().filter(|end| *end > now).min() {
        Some(end) => ((end - now) / 8).clamp(RETRY.0, RETRY.1),
        None => ends.max().map_or(RETRY.1, |end| ((now - end) / 8).clamp(RETRY.1, MAX_BACKOFF)),
    }
}

/// Finds how a grant's vendor refreshes.
pub(crate) fn refresh_of<'a>(catalogue: &'a Catalogue, grant: &Grant) -> Option<&'a Refresh> {
    catalogue.find(&grant.element)?.oauth2.as_ref()?.refresh.as_ref()
}

/// Tells whether a vendor may have spent a refresh token when nobody knows whether it has acted.
pub(crate) fn may_spend(refresh: &Refresh) -> bool {
    refresh.rotation != Rotation::Never
}

/// Tells when the place of somebody who asks, and does not end, may be taken: when that one has certainly ended, and the
/// token that still serves has expired. Tokens that were left in Secrets Manager are looked for before that.
pub(crate) fn takeover_at(grant: &Grant, may_hold_more: bool) -> Timestamp {
    match grant.asking_since.unwrap_or_default() {
        // It was looked at before.
        0 => grant.access_expires.unwrap_or_default(),
        since if may_hold_more => certainly_ended(since),
        since => certainly_ended(since).max(grant.access_expires.unwrap_or_default()),
    }
}

/// Tells when the sweep refreshes a grant: ahead of every expiry where the element is kept warm, else to keep an unused
/// grant alive; and at once when its settings have changed since it was refused.
pub(crate) fn refresh_at(refresh: Option<&Refresh>, grant: &Grant) -> Option<Timestamp> {
    let refresh = refresh.filter(|_| grant.refreshable)?;
    let warm = grant.access_expires.filter(|_| refresh.warm).map(|expires| {
        let half = (expires - grant.access_issued) / 2;
        expires - REFRESH_MARGIN.min(half)
    });
    let kept = grant.refresh_expires.map(|expires| match refresh.lifetime_from {
        LifetimeFrom::Use => expires - keep_alive(grant, expires),
        // Nothing prolongs it; its end is found out.
        LifetimeFrom::Consent => expires,
    });
    warm.into_iter().chain(kept).min()
}

/// How long before its end an unused refresh token is used: half its life and up to a tenth more, which differs from
/// grant to grant so that those of one day do not come in one minute.
fn keep_alive(grant: &Grant, expires: Timestamp) -> Timestamp {
    /// An odd number, so that neighbours are far apart.
    const SPREAD: u64 = 40_503;
    let life = (expires - grant.access_issued).max(0);
    let jitter = grant.instance.0.wrapping_mul(SPREAD) & 0xffff;
    life / 2 + life / 10 * Timestamp::try_from(jitter).unwrap_or_default() / 0xffff
}

/// Tells when a grant ends, as far as is known, unless it is refreshed before.
pub(crate) fn end_at(grant: &Grant) -> Option<Timestamp> {
    if grant.refreshable { grant.refresh_expires } else { grant.access_expires }
}

/// Tells when the owner is to be warned that a grant is about to end; nothing once that was done.
pub(crate) fn warn_at(refresh: Option<&Refresh>, grant: &Grant) -> Option<Timestamp> {
    let end = end_at(grant).filter(|end| grant.warned != Some(*end))?;
    let bound = |refresh: &&Refresh| grant.refreshable && refresh.lifetime_from == LifetimeFrom::Consent;
    let usual = refresh.filter(bound).and_then(|refresh| refresh.lifetime);
    let life = match usual.and_then(|seconds| Timestamp::try_from(seconds).ok()) {
        Some(life) => life,
        None => end - grant.access_issued,
    };
    Some(end - WARNING.min(life / 4))
}

/// Tells when a token ends that nothing can replace.
pub(crate) fn end_of_final_token(grant: &Grant) -> Option<Timestamp> {
    grant.access_expires.filter(|_| !grant.refreshable)
}

/// Tells when tokens move: to Secrets Manager, or from there back into the record.
pub(crate) fn move_at(store: TokenStore, grant: &Grant, now: Timestamp) -> Option<Timestamp> {
    let at = match (store, &grant.sealed, &grant.secret) {
        (_, _, Some(_)) if let Some(since) = grant.leaving => certainly_ended(since),
        (TokenStore::SecretsManager, Some(_), _) => grant.settled.unwrap_or_default() + SETTLES_EVERY,
        (TokenStore::Table, _, Some(_)) => now,
        _ => return None,
    };
    Some(at.max(now + 1))
}
