//! The first refresh of a token that was brought along, and how its import is taken back.
//!
//! The vendor does not give its owner that token a second time. So when the vendor certainly has not taken it, the import
//! is taken back, and the token can be brought again: with another client's secret, or when the vendor is up again.
//!
//! The first refresh comes while the instance is pending. The grant is put with its maker as the one who asks. Whoever
//! goes on (the maker, a repeat, or the sweep) reads both records first:
//!
//! | found | then |
//! |---|---|
//! | the instance is live | done |
//! | the instance is not pending | the grant is marked ending: nobody asks with it |
//! | the vendor has answered: the number is over 0, or it has refused | the instance becomes live |
//! | somebody else is asking | the caller is told to come again |
//! | nobody is | the vendor is asked |
//!
//! Only a grant of which the vendor has said something becomes live, and only one of which it has not is taken back: the
//! two exclude each other. Taking back marks the grant before the instance, since whoever is asking has the grant. The
//! marker goes before the instance, which is all that the sweep would find.

use vendors::error::VendorError;

use crate::Broker;
use crate::error::Error;
use crate::grant::delete::{fence, take_back};
use crate::grant::publish::{make_live, publish};
use crate::grant::take::{Answer, Attempt, Taken, take};
use crate::grant::{obtain, rest};
use crate::record::account::{self, Account};
use crate::record::grant::{self, Asking, Grant};
use crate::record::instance::{Instance, State};
use crate::store::retry::Deadline;

/// Goes on with an import whose grant was put: by `owner`, who has put it and asks first, or by another.
pub(crate) async fn go_on(
    broker: &Broker,
    pending: &Instance,
    mut owner: Option<&str>,
    deadline: Deadline,
) -> Result<Account, Error> {
    let mut refusal = None;
    loop {
        let (instance, grant) = account::read(&*broker.registry, pending.user, pending.id).await?;
        let (Some(instance), Some(grant)) = (instance, grant) else { return Err(Error::CodeUsed) };
        match instance.state {
            State::Live => {
                let account = Account::new(instance, grant);
                return refusal.map_or(Ok(account), |refusal: VendorError| Err(refusal.into()));
            }
            State::Deleting => {
                fence(broker, grant.instance).await?;
                return Err(Error::CodeUsed);
            }
            State::Pending if grant.state == grant::State::Ending => return Err(Error::CodeInUse(2)),
            State::Pending if grant.is_decided() => finish(broker, &instance, &grant, deadline).await?,
            State::Pending => {
                // Once: what the vendor has answered may be kept elsewhere than in the record.
                let own = owner.take();
                let is_own = own.is_some() && grant.asking_owner.as_deref() == own;
                let account = Account::new(instance, grant);
                refusal = Box::pin(ask(broker, account, is_own, deadline)).await?;
            }
        }
    }
}

/// Makes the instance live, of whose grant the vendor has said something.
async fn finish(broker: &Broker, pending: &Instance, grant: &Grant, deadline: Deadline) -> Result<(), Error> {
    let told = rest::open(broker, grant).await?.map(|set| set.told).unwrap_or_default();
    make_live(broker, pending, grant, &told, deadline).await?;
    if grant.refused.is_some() {
        publish(broker, grant).await?;
    }
    Ok(())
}

/// Asks the vendor with the token. Gives its refusal, when the instance is to be seen all the same: somebody may have
/// asked before, so that nobody knows why it refuses.
async fn ask(
    broker: &Broker,
    account: Account,
    is_own: bool,
    deadline: Deadline,
) -> Result<Option<VendorError>, Error> {
    let element = broker.catalogue.element(&account.instance.element)?;
    let how = obtain::refresh_of(element, element.oauth2()?)?;
    let is_running = account.grant.asking(broker.clock.now()) == Asking::Running;
    if broker.unsaved.as_ref().is_some_and(|unsaved| unsaved.newer_than(&account.grant).is_some()) {
        return Err(Error::CodeInUse(2));
    }
    let instance = account.instance.clone();
    let taken = if is_own && is_running {
        Taken::begun(broker, account, deadline)
    } else if is_running {
        None
    } else {
        match take(broker, &account, deadline).await? {
            Some(taken) => taken.recover().await?,
            None => None,
        }
    };
    let Some(taken) = taken else { return Err(Error::CodeInUse(2)) };
    let error = match taken.ask(element, how).await {
        Answer::Granted(granted) => {
            taken.commit(granted).await?;
            return Ok(None);
        }
        Answer::Unknown(error) => {
            return match taken.leave(error) {
                Attempt::Kept(error) => Err(error),
                _ => Ok(None),
            };
        }
        Answer::Refused(refusal) if !taken.is_first() => {
            taken.refuse(&refusal).await?;
            return Ok(Some(refusal));
        }
        Answer::NotActedOn { error, wait } if !taken.is_first() => {
            taken.give_back(wait).await?;
            return Err(error);
        }
        Answer::Refused(refusal) => refusal.into(),
        Answer::NotActedOn { error: Error::ClientRejected { cause, .. }, .. } => cause.into(),
        Answer::NotActedOn { error, .. } => error,
    };
    if taken.end().await? {
        take_back(broker, &instance, Instance::is_pending()).await?;
    }
    Err(error)
}
