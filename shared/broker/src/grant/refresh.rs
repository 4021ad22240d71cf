//! The refresh: a live access token for whoever asks, and one request at the vendor however many ask.
//!
//! A vendor that rotates refresh tokens ends the whole grant when an old one is used twice. So whoever asks is written
//! down before the vendor is asked, and what it answers is kept by one write:
//!
//! 1. **Take.** One write says who is asking, and draws the number that the answer will have. It is made only if nobody
//!    else is asking. Whoever does not get it gives out the token that is still valid, or waits.
//! 2. **Recover.** Whoever takes the place of one who has ended first looks for what that one has left.
//! 3. **Ask.** The vendor is asked once. A refused connection may be repeated; what may have arrived may not.
//! 4. **Commit.** One write stores the answer, on the condition that nothing newer is there. Who is asking does not matter
//!    for that: somebody who was taken for dead, and has an answer, simply stores it.
//!
//! When nobody knows whether the vendor has acted, 1 stays as it is. The valid token is given out; when that has expired
//! and whoever asked has certainly ended, one further attempt is made, and its answer counts.

use std::time::Duration;

use vendors::error::{VendorError, Words};

use crate::Broker;
use crate::clock::{self, Timestamp};
use crate::error::Error;
use crate::grant::schedule::{self, LONGEST_PAUSE, REFRESH_MARGIN, takeover_at};
use crate::grant::take::{Answer, Attempt, BACK_OFF, take};
use crate::grant::{rest, times};
use crate::random;
use crate::record::account::{self, Account};
use crate::record::grant::{Asking, Grant, certainly_ended};
use crate::record::tokens::Tokens;
use crate::store::StoreError;
use crate::store::retry::Deadline;

/// How long a caller without a valid token waits for the one who is asking.
const WAIT: Duration = Duration::from_secs(15);

/// The time between two looks at the record, in milliseconds, at least and at most.
const POLL: (u64, u64) = (40, 160);

/// Whoever is asking for longer than this, in seconds, is not waited for: a request lasts 28 s.
const REQUEST: Timestamp = 28;

/// An access token, and why it is not a new one when one was due.
pub struct Live {
    /// The tokens that are current.
    pub tokens: Tokens,
    /// Why the vendor gave no new token.
    pub warning: Option<String>,
}

/// How urgently a token is asked for.
#[derive(Debug, Clone, Copy)]
pub enum Freshness {
    /// One that lives so many seconds, as far as that is half its life at most.
    AtLeast(Timestamp),
    /// A new one, whatever there is.
    Force,
}

/// Gives a live access token.
pub async fn live(
    broker: &Broker,
    mut account: Account,
    freshness: Freshness,
    deadline: Deadline,
) -> Result<Live, Error> {
    let (asked_of, asked_at) = (account.grant.place(), broker.clock.now());
    let forced = matches!(freshness, Freshness::Force);
    loop {
        if account.is_dead() {
            return Err(Error::GrantEnded(account.instance.id));
        }
        let (grant, now) = (&account.grant, broker.clock.now());
        let serves = grant.is_valid(now) && !forced;
        let is_new = grant.place() > asked_of && (grant.access_issued >= asked_at || serves);
        let warning = if is_new || !is_due(grant, freshness, now) {
            None
        } else {
            match attempt(broker, &account, deadline).await? {
                Attempt::Refreshed(tokens) => return Ok(Live { tokens, warning: None }),
                Attempt::Kept(error) if serves => Some(error.to_string()),
                Attempt::Kept(error) => return Err(error),
                Attempt::Ended => return Err(Error::GrantEnded(account.instance.id)),
                Attempt::Busy if serves => None,
                Attempt::Busy => match again(broker, &account, deadline).await? {
                    Some(found) => {
                        account = found;
                        continue;
                    }
                    None => return Err(Error::RefreshUnderWay(1)),
                },
            }
        };
        match rest::open(broker, &account.grant).await? {
            Some(set) => return Ok(Live { tokens: set.tokens, warning }),
            // They have moved since the record was read.
            None => match again(broker, &account, deadline).await? {
                Some(found) => account = found,
                None => return Err(rest::missing(&account.grant).into()),
            },
        }
    }
}

/// Waits a moment and reads the account again. Gives nothing when that has gone on for too long.
pub(crate) async fn again(
    broker: &Broker,
    account: &Account,
    deadline: Deadline,
) -> Result<Option<Account>, Error> {
    if !deadline.is_before(WAIT) {
        return Ok(None);
    }
    tokio::time::sleep(Duration::from_millis(random::between(POLL.0, POLL.1))).await;
    account::find_again(&*broker.registry, account).await.map(Some)
}

/// Tells whether a new token should be asked for.
fn is_due(grant: &Grant, freshness: Freshness, now: Timestamp) -> bool {
    let expires = grant.access_expires;
    match freshness {
        Freshness::Force => grant.refreshable || expires.is_none_or(|expires| expires <= now),
        Freshness::AtLeast(_) if !grant.refreshable => expires.is_some_and(|expires| expires <= now),
        Freshness::AtLeast(_) if clock::is_ahead(grant.access_issued, now) => true,
        Freshness::AtLeast(seconds) => expires.is_some_and(|expires| {
            let half = (expires - grant.access_issued) / 2;
            expires - now <= REFRESH_MARGIN.max(seconds).min(half)
        }),
    }
}

/// Tries to refresh once.
pub(crate) async fn attempt(
    broker: &Broker,
    account: &Account,
    deadline: Deadline,
) -> Result<Attempt, Error> {
    let element = broker.catalogue.element(&account.instance.element)?;
    let Some(how) = element.oauth2()?.refresh.as_ref().filter(|_| account.grant.refreshable) else {
        return Ok(Attempt::Kept(Error::NoRefreshToken(account.instance.id)));
    };
    if let Some(tokens) = broker.unsaved.as_ref().and_then(|unsaved| unsaved.newer_than(&account.grant)) {
        let is_expired = tokens.expires.is_some_and(|expires| expires <= broker.clock.now());
        return Ok(if is_expired { Attempt::Kept(Error::Paused(1)) } else { Attempt::Refreshed(tokens) });
    }
    if !deadline.may_ask() {
        return Ok(Attempt::Busy);
    }
    match barred(broker, account).await {
        Ok(None) => {}
        Ok(Some(kept)) => return Ok(kept),
        Err(error) => return Ok(Attempt::Kept(error.into())),
    }
    let taken = match take(broker, account, deadline).await {
        Ok(Some(taken)) => taken,
        Ok(None) => return Ok(Attempt::Busy),
        Err(error) => return Ok(Attempt::Kept(error.into())),
    };
    let taken = match taken.recover().await {
        Ok(Some(taken)) => taken,
        Ok(None) => return Ok(Attempt::Busy),
        Err(error) => return Ok(Attempt::Kept(error)),
    };
    match taken.ask(element, how).await {
        Answer::Granted(granted) => taken.commit(granted).await,
        Answer::Refused(refusal) => taken.refuse(&refusal).await,
        Answer::NotActedOn { error, wait } => {
            taken.give_back(wait).await?;
            Ok(Attempt::Kept(error))
        }
        Answer::Unknown(error) if !schedule::may_spend(how) => {
            taken.give_back(BACK_OFF).await?;
            Ok(Attempt::Kept(error))
        }
        Answer::Unknown(error) => Ok(taken.leave(error)),
    }
}

/// Tells why the vendor is not to be asked now, if it is not.
async fn barred(broker: &Broker, account: &Account) -> Result<Option<Attempt>, StoreError> {
    let (grant, now) = (&account.grant, broker.clock.now());
    if times::correct(broker, grant).await? {
        return Ok(Some(Attempt::Busy));
    }
    let later = |until: Timestamp| Some(Attempt::Kept(Error::RefreshUnderWay(seconds(until - now))));
    let since = grant.asking_since.unwrap_or_default();
    Ok(match grant.asking(now) {
        Asking::Running if since + REQUEST >= now => Some(Attempt::Busy),
        Asking::Running => later(certainly_ended(since)),
        Asking::Ended => {
            let at = takeover_at(grant, rest::may_hold_more(broker, grant));
            if at > now { later(at) } else { None }
        }
        Asking::Nobody => None,
    }
    .or_else(|| {
        let pause = grant.not_before.filter(|until| (now + 1..=now + LONGEST_PAUSE).contains(until));
        if !account.has_its_client() {
            Some(Attempt::Kept(Error::ClientChanged(account.instance.id)))
        } else if let Some(seconds) = broker.health.pause(now) {
            Some(Attempt::Kept(Error::Paused(seconds)))
        } else {
            let busy = |until| VendorError::Busy {
                status: 503,
                retry_after: seconds(until - now),
                words: Words::default(),
            };
            pause.map(|until| Attempt::Kept(busy(until).into()))
        }
    }))
}

fn seconds(left: Timestamp) -> u64 {
    u64::try_from(left).unwrap_or(1).max(1)
}
