//! The refresh: a live access token for whoever asks, and one refresh at the vendor however many ask.
//!
//! A vendor that rotates refresh tokens ends the whole grant when an old one is used twice. So exclusion
//! comes before the vendor is asked:
//!
//! 1. A token that is fresh enough is read from the vault and given out.
//! 2. Else the lease is taken. Who does not get it gives out the token that is still valid, or waits for
//!    the one who did. Nobody asks the vendor without the lease.
//! 3. Whoever takes a lease over first looks for what its predecessors have stored (see `lease`).
//! 4. The vendor is asked, once. A refused connection may be repeated; what may have arrived may not: that
//!    is doubt, and it is written down. While it lasts the valid token is given out; when that has expired
//!    one further attempt is made, and its verdict counts.
//! 5. The answer is stored under the lease owner's id, and then the record names it.
//!
//! Nobody need ask: `keep` goes the same way when a grant would end unused, or to end a doubt.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use vendors::client::refresh::refresh;
use vendors::descriptor::{Element, Refresh};
use vendors::error::VendorError;
use vendors::tenant;

use crate::Broker;
use crate::client::CredentialSource;
use crate::clock::{Stopwatch, Timestamp};
use crate::error::Error;
use crate::events::{self, asked};
use crate::grant::lease::{self, Lease};
use crate::grant::obtain;
use crate::grant::reauthenticate;
use crate::grant::schedule::{self, MARGIN};
use crate::id::InstanceId;
use crate::random;
use crate::record::app::ClientCredentials;
use crate::record::grant::{Grant, Granted, Tokens};
use crate::record::instance::{self, Instance};
use crate::record::settings;
use crate::store::StoreError;
use crate::store::records::Change;
use crate::store::retry::SPEND_BY;

/// How long a caller without a valid token waits for the one who has the lease.
const WAIT: Duration = Duration::from_secs(15);

/// The time between two looks at the record, in milliseconds, at least and at most.
const LOOK: (u64, u64) = (40, 160);

/// A lease that lasts no longer than this is waited for, in seconds.
const MOMENT: u64 = 5;

/// How long a vendor is left alone after it failed and did not say how long, in seconds.
const BACK_OFF: Timestamp = 5;

/// How long a vendor is left alone that refuses the client, in seconds: somebody must correct it.
const CORRECTED: Timestamp = 60;

/// An access token, and why it is not a new one when one was due.
pub struct Live {
    /// The grant that is current.
    pub grant: Grant,
    /// Why the vendor gave no new token.
    pub warning: Option<String>,
}

/// How urgently a token is asked for.
#[derive(Debug, Clone, Copy)]
pub enum Ask {
    /// One that lives so many seconds, as far as that is half its life at most.
    Lasting(Timestamp),
    /// A new one, whatever there is.
    New,
    /// Nobody asks: what is due of the grant itself.
    Keep,
}

/// How an attempt to refresh ended.
enum Outcome {
    /// There is a new grant.
    Refreshed(Grant),
    /// Somebody else has the lease, or has just had it.
    Busy,
    /// There is no new one, for this reason; the one of the instance as it now stands may serve.
    Kept(Box<Instance>, Error),
}

/// Gives a live access token for a request that came when `watch` was started.
pub async fn live(
    broker: &Broker,
    mut instance: Instance,
    ask: Ask,
    watch: Stopwatch,
) -> Result<Live, Error> {
    if !instance.valid {
        return Err(Error::GrantEnded(instance.id));
    }
    let (asked_of, asked_at) = (instance.generation, broker.clock.now());
    let renewed = |instance: &Instance, now| {
        let since = instance.access_issued.is_some_and(|issued| issued >= asked_at);
        instance.generation > asked_of && (since || is_valid(instance, now) && !matches!(ask, Ask::New))
    };
    loop {
        let now = broker.clock.now();
        if renewed(&instance, now) || !is_due(broker, &instance, ask, now) {
            return Ok(Live { grant: current(broker, &instance).await?, warning: None });
        }
        match attempt(broker, &instance, ask, watch).await? {
            Outcome::Refreshed(grant) => return Ok(Live { grant, warning: None }),
            Outcome::Kept(kept, error) if is_valid(&kept, broker.clock.now()) && !matches!(ask, Ask::New) => {
                // That we do not ask too often is no trouble of the vendor's.
                let warning = (!matches!(error, Error::TooOften(_))).then(|| error.to_string());
                return Ok(Live { grant: current(broker, &kept).await?, warning });
            }
            Outcome::Kept(_, error) => return Err(error),
            Outcome::Busy if is_valid(&instance, broker.clock.now()) && !matches!(ask, Ask::New) => {
                return Ok(Live { grant: current(broker, &instance).await?, warning: None });
            }
            Outcome::Busy if watch.is_before(WAIT) => {}
            Outcome::Busy => {
                return Err(Error::Unfinished("The access token is being refreshed; try again".into()));
            }
        }
        tokio::time::sleep(Duration::from_millis(random::between(LOOK.0, LOOK.1))).await;
        let (user, id) = (instance.user, instance.id);
        instance = instance::find(&*broker.registry, user, id).await?.ok_or_else(|| instance::unknown(id))?;
        if !instance.valid {
            return Err(Error::GrantEnded(instance.id));
        }
    }
}

/// How it went to keep a grant alive that nobody asks for.
pub(crate) enum Kept {
    /// It has new tokens, or those that a predecessor had stored.
    Refreshed,
    /// There was nothing to ask the vendor for, or somebody else is at it.
    Idle,
    /// It lives on as it is, for this reason.
    Failed(Error),
}

/// Does what is due of a live instance when nobody asks: refreshes it, and ends what a dead holder of its
/// lease has left.
pub(crate) async fn keep(broker: &Broker, instance: &Instance, watch: Stopwatch) -> Result<Kept, Error> {
    if schedule::refresh_of(&broker.catalogue, instance).is_none() {
        lease::take(broker, instance).await?.release(broker).await;
        return Ok(Kept::Idle);
    }
    Ok(match attempt(broker, instance, Ask::Keep, watch).await? {
        Outcome::Refreshed(_) => Kept::Refreshed,
        Outcome::Busy => Kept::Idle,
        Outcome::Kept(_, error) => Kept::Failed(error),
    })
}

/// Tells whether a new token should be asked for.
fn is_due(broker: &Broker, instance: &Instance, ask: Ask, now: Timestamp) -> bool {
    let expires = instance.access_expires;
    match ask {
        Ask::Keep => {
            let refresh = schedule::refresh_of(&broker.catalogue, instance);
            schedule::refresh_at(refresh, instance).is_some_and(|at| at <= now)
        }
        Ask::New => instance.refreshable || expires.is_none_or(|expires| expires <= now),
        Ask::Lasting(_) if !instance.refreshable => expires.is_some_and(|expires| expires <= now),
        Ask::Lasting(seconds) => expires.is_some_and(|expires| {
            let half = instance.access_issued.map_or(0, |issued| (expires - issued) / 2);
            expires - now <= MARGIN.max(seconds).min(half)
        }),
    }
}

fn is_valid(instance: &Instance, now: Timestamp) -> bool {
    instance.access_expires.is_none_or(|expires| expires > now)
}

async fn current(broker: &Broker, instance: &Instance) -> Result<Grant, Error> {
    if let Some(grant) = broker.grant(instance).await? {
        return Ok(grant);
    }
    // It was deleted meanwhile, or something is very wrong.
    match instance::find(&*broker.registry, instance.user, instance.id).await? {
        None => Err(instance::unknown(instance.id)),
        Some(_) => Err(no_grant(instance.id).into()),
    }
}

fn no_grant(id: InstanceId) -> StoreError {
    StoreError::Damaged(format!("the vault has no grant of instance {id}"))
}

async fn attempt(broker: &Broker, instance: &Instance, ask: Ask, watch: Stopwatch) -> Result<Outcome, Error> {
    let kept = |instance: &Instance, error| Ok(Outcome::Kept(Box::new(instance.clone()), error));
    let element = broker.catalogue.element(&instance.element)?;
    let Some(how) = element.oauth2()?.refresh.as_ref() else {
        return kept(instance, Error::NoRefreshToken(instance.id));
    };
    if !watch.is_before(SPEND_BY) {
        return Ok(Outcome::Busy);
    }
    // What a dead holder of the lease has left is looked for first.
    if let Some(error) = left_alone(instance, broker.clock.now()).filter(|_| instance.lease_owner.is_none()) {
        return kept(instance, error);
    }
    let mut lease = match lease::take(broker, instance).await {
        Ok(lease) => lease,
        // A dead holder's lease is waited for by the caller, not here.
        Err(Error::Leased(seconds)) if seconds <= MOMENT => return Ok(Outcome::Busy),
        Err(gone @ Error::NotFound(_)) => return Err(gone),
        Err(error) => return kept(instance, error),
    };
    let outcome = under_lease(broker, element, how, &mut lease, ask, watch).await;
    match outcome {
        Err(
            Error::GrantEnded(_) | Error::NoRefreshToken(_) | Error::AppIncomplete(_) | Error::NotFound(_),
        )
        | Ok(_) => outcome,
        Err(error) => kept(&lease.instance, error),
    }
}

async fn under_lease(
    broker: &Broker,
    element: &Element,
    how: &Refresh,
    lease: &mut Lease,
    ask: Ask,
    watch: Stopwatch,
) -> Result<Outcome, Error> {
    if !lease.instance.valid {
        lease.close(broker, Change::default().remove("in_doubt")).await;
        return Err(Error::GrantEnded(lease.instance.id));
    }
    let old = match lease.grant(broker).await {
        Ok(Some(old)) => old,
        lacking => {
            lease.release(broker).await;
            return Err(lacking.err().unwrap_or_else(|| no_grant(lease.instance.id)).into());
        }
    };
    if !is_due(broker, &lease.instance, ask, broker.clock.now()) {
        // What a predecessor has stored is fresh.
        lease.release(broker).await;
        return Ok(Outcome::Refreshed(old));
    }
    let verdict = match ask_vendor(broker, element, how, lease, &old, watch).await {
        Ok(verdict) => verdict,
        Err(error) => {
            lease.release(broker).await;
            return Err(error);
        }
    };
    let (change, error) = match verdict {
        Verdict::Refreshed(granted) => return store(broker, lease, &old, granted, watch).await,
        Verdict::RefusedForGood(why) => return end(broker, lease, &why).await,
        Verdict::AppsFault => {
            events::client_refused(&lease.instance);
            (wait(broker, CORRECTED), client_at_fault(&lease.instance))
        }
        Verdict::InDoubt(error) => {
            events::in_doubt(&lease.instance, "a refresh");
            (Change::default().set("in_doubt", broker.clock.now()), error.into())
        }
        Verdict::Passing(error) => {
            events::refresh_failed(&lease.instance, &error);
            (wait(broker, error.retry_after().unwrap_or(BACK_OFF)), passing(error).into())
        }
    };
    lease.close(broker, change).await;
    Ok(Outcome::Kept(Box::new(lease.instance.clone()), error))
}

/// Leaves the vendor alone for so many seconds.
fn wait(broker: &Broker, seconds: Timestamp) -> Change {
    Change::default().set("not_before", broker.clock.now() + seconds)
}

/// A refusal that says nothing of the grant is the vendor's trouble, not the caller's.
fn passing(error: VendorError) -> VendorError {
    match error {
        VendorError::Refused { status, .. } => VendorError::Failed { status },
        error => error,
    }
}

fn client_at_fault(instance: &Instance) -> Error {
    let how = match &instance.app {
        Some(app) => format!("PUT /elements/{}/apps/{app}", instance.element),
        None => format!("PATCH /instances/{}", instance.id),
    };
    Error::ClientRejected { how }
}

/// Stores what the vendor has granted, and names it.
async fn store(
    broker: &Broker,
    lease: &Lease,
    old: &Grant,
    granted: Granted,
    watch: Stopwatch,
) -> Result<Outcome, Error> {
    let grant = renewed(lease, old, &granted);
    let change = |seen: &Instance| {
        let open = obtain::told(seen.configuration.clone(), &granted, &BTreeMap::new());
        let change = instance::issued(Change::default(), &grant.tokens).set("configuration", json!(open));
        Ok(instance::edited(change, seen))
    };
    match lease.keep(broker, &grant, change, watch).await {
        Ok(kept) if kept.version.as_ref() == Some(&lease.owner) => {
            events::refreshed(&kept);
            Ok(Outcome::Refreshed(grant))
        }
        Ok(_) => Ok(Outcome::Busy),
        Err(cause) => Err(reauthenticate::lost(broker, &lease.instance, &grant, cause).await),
    }
}

/// Writes down that the vendor has ended a grant, unless it speaks of what is no longer so: a predecessor who
/// only stood still has stored newer tokens, or the configuration was corrected meanwhile.
async fn end(broker: &Broker, lease: &mut Lease, why: &str) -> Result<Outcome, Error> {
    let refused = lease.instance.generation;
    if let Err(error) = lease.roll(broker).await {
        lease.abandon(broker).await;
        return Err(error);
    }
    if lease.instance.generation == refused && lease.is_unedited(broker).await {
        // First: rather twice than never.
        events::dead(&lease.instance, why);
        let change = Change::default().set("valid", false).remove("in_doubt");
        if lease.close_unedited(broker, change).await {
            return Err(Error::GrantEnded(lease.instance.id));
        }
    }
    lease.release(broker).await;
    Ok(Outcome::Busy)
}

/// What the vendor's answer means for a grant.
#[derive(Debug)]
enum Verdict {
    /// There are new tokens.
    Refreshed(Granted),
    /// The grant has ended; the vendor's word for it.
    RefusedForGood(String),
    /// The app's key or secret is wrong; the grant may live.
    AppsFault,
    /// The vendor may have acted.
    InDoubt(VendorError),
    /// It has not, and may be asked again later.
    Passing(VendorError),
}

impl From<VendorError> for Verdict {
    fn from(error: VendorError) -> Self {
        match error {
            error if error.refuses_client() => Self::AppsFault,
            VendorError::Refused { error, means, .. } if means.is_some() || error == "invalid_grant" => {
                Self::RefusedForGood(error)
            }
            // A gateway may say 502 and 504 of a request that was acted on.
            VendorError::InDoubt(_)
            | VendorError::Malformed(_)
            | VendorError::Failed { status: 502 | 504 } => Self::InDoubt(error),
            VendorError::Refused { .. }
            | VendorError::Busy { .. }
            | VendorError::Unreachable(_)
            | VendorError::Failed { .. } => Self::Passing(error),
        }
    }
}

/// Asks the vendor for new tokens, unless it is too late to keep them or the vendor is to be left alone.
async fn ask_vendor(
    broker: &Broker,
    element: &Element,
    how: &Refresh,
    lease: &Lease,
    old: &Grant,
    watch: Stopwatch,
) -> Result<Verdict, Error> {
    let instance = &lease.instance;
    let Some(token) = &old.tokens.refresh_token else { return Err(Error::NoRefreshToken(instance.id)) };
    if let Some(error) = left_alone(instance, broker.clock.now()) {
        return Err(error);
    }
    let oauth2 = element.oauth2()?;
    let url = tenant::of_instance(&how.endpoint.url, &oauth2.placeholders, &instance.configuration)?;
    let whose = CredentialSource { app: instance.app.as_ref(), secrets: &old.secrets };
    let pair = whose.pair(broker).await?;
    let call = async |pair: &ClientCredentials| {
        in_time(broker, instance, watch)?;
        let refreshing = refresh(&broker.sender, oauth2, how, &url, token, pair.client());
        let answer = asked(element, "refresh", async { Ok(refreshing.await?) }).await?;
        Ok(Granted::at(broker.clock.now(), answer))
    };
    let answer = match call(&pair).await {
        // Nothing was sent: it may be sent again.
        Err(Error::Vendor(VendorError::Unreachable(_))) if watch.is_before(SPEND_BY) => call(&pair).await,
        Err(Error::Vendor(error)) => match whose.instead(broker, &pair, &error).await {
            Some(other) if in_time(broker, instance, watch).is_ok() => call(&other).await,
            _ => Err(error.into()),
        },
        answer => answer,
    };
    match answer {
        Ok(granted) => Ok(Verdict::Refreshed(granted)),
        Err(Error::Vendor(error)) => Ok(error.into()),
        Err(error) => Err(error),
    }
}

/// Refuses to ask a vendor when it is too late to keep what it would give. A process that stood still meanwhile
/// has lost its lease, whatever its stopwatch says.
fn in_time(broker: &Broker, instance: &Instance, watch: Stopwatch) -> Result<(), Error> {
    let lasts = instance.lease_until.is_some_and(|until| broker.clock.now() < until);
    if lasts && watch.is_before(SPEND_BY) {
        return Ok(());
    }
    Err(Error::Unfinished("The stores were too slow to ask the vendor in time; try again".into()))
}

/// Makes the next version of a grant of what the vendor answered.
fn renewed(lease: &Lease, old: &Grant, granted: &Granted) -> Grant {
    let scope = granted.tokens.scope.clone().or_else(|| old.tokens.scope.clone());
    // One that has been outlived was not the end.
    let known = old.tokens.refresh_expires.filter(|end| *end > granted.tokens.issued);
    let refresh_expires = granted.tokens.refresh_expires.or(known);
    let before = &lease.instance.configuration;
    Grant {
        generation: lease.instance.generation + 1,
        tokens: Tokens { refresh_expires, scope, ..granted.tokens.clone() },
        secrets: old.secrets.clone(),
        open: settings::changed(before, obtain::told(before.clone(), granted, &BTreeMap::new())),
        ours: old.ours,
    }
}

/// Tells that a vendor is not to be asked yet: it has said so, or a request is in doubt.
fn left_alone(instance: &Instance, now: Timestamp) -> Option<Error> {
    let doubt = instance.in_doubt.map(|_| schedule::doubt_ends(instance));
    let until = instance.not_before.max(doubt)?;
    (until > now).then(|| later(until - now))
}

fn later(seconds: Timestamp) -> Error {
    let retry_after = u64::try_from(seconds).unwrap_or(1).max(1);
    Error::Vendor(VendorError::Busy { status: 503, retry_after })
}
