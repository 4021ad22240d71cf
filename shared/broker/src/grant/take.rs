//! The right to ask the vendor for new tokens, once: `take`, `recover`, `ask`, and then one of `commit`, `refuse`,
//! `give_back`, `leave`. The module `refresh` says why.

use std::collections::BTreeMap;

use vendors::client::refresh::refresh;
use vendors::descriptor::{Element, Refresh};
use vendors::error::{VendorError, Words};
use vendors::tenant;

use crate::Broker;
use crate::client::Settings;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::events::{self, vendor_call};
use crate::grant::keep::{Stored, revoke_new, store};
use crate::grant::obtain::{self, in_time};
use crate::grant::publish::publish;
use crate::grant::schedule::{LONGEST_PAUSE, takeover_at};
use crate::grant::write::{self, Outcome};
use crate::grant::{rest, settings};
use crate::random;
use crate::record::account::Account;
use crate::record::app::ClientCredentials;
use crate::record::grant::{Grant, State, certainly_ended};
use crate::record::instance;
use crate::record::tokens::{Granted, TokenSet, Tokens};
use crate::record::unsaved::UnsavedTokens;
use crate::store::StoreError;
use crate::store::records::{self, Condition};
use crate::store::retry::Deadline;

/// How long a vendor is left alone after it failed and did not say how long, in seconds.
pub(crate) const BACK_OFF: Timestamp = 5;

/// How long a vendor is left alone that refuses the client, in seconds: somebody must correct it.
const CORRECTED: Timestamp = 60;

/// How an attempt to refresh ended.
pub(crate) enum Attempt {
    /// There are new tokens.
    Refreshed(Tokens),
    /// Somebody else is asking, or something has changed: look again.
    Busy,
    /// There are no new tokens, for this reason; those that are there may serve.
    Kept(Error),
    /// The vendor has ended the grant.
    Ended,
}

/// The right to ask the vendor, once. Whoever has it commits, refuses, gives it back, or leaves it: dropping it leaves
/// it, and others wait until whoever had it has certainly ended.
#[must_use]
pub(crate) struct Taken<'a> {
    broker: &'a Broker,
    account: Account,
    /// The grant as it was read before.
    before: Grant,
    owner: String,
    /// The number that the answer will have.
    number: u64,
    since: Timestamp,
    deadline: Deadline,
}

/// How the vendor answered.
#[derive(Debug)]
pub(crate) enum Answer {
    /// There are new tokens.
    Granted(Granted),
    /// The grant has ended.
    Refused(VendorError),
    /// It has certainly done nothing, and may be asked again after so many seconds.
    NotActedOn {
        /// What the caller is told.
        error: Error,
        /// For how long the vendor is left alone, in seconds.
        wait: Timestamp,
    },
    /// It may have acted.
    Unknown(Error),
}

/// Writes down that somebody is asking. Gives nothing when somebody else is, or when the grant has changed.
pub(crate) async fn take<'a>(
    broker: &'a Broker,
    account: &Account,
    deadline: Deadline,
) -> Result<Option<Taken<'a>>, StoreError> {
    let (before, owner, since) = (&account.grant, random::id(), broker.clock.now());
    let number = before.last + 1;
    let after = Grant {
        asking_owner: Some(owner.clone()),
        asking_since: Some(since),
        last: number,
        doubts: before.doubts_with(number),
        ..before.clone()
    };
    let conditions = [Grant::is_live(), Condition::Equals("last", before.last.into())];
    let as_read = conditions.into_iter().chain(before.tokens_as_read()).chain(before.asking_as_read());
    let change = write::change(broker, before, after.clone(), as_read)?;
    let taken = |grant| Taken {
        broker,
        account: Account { grant, ..account.clone() },
        before: before.clone(),
        owner: owner.clone(),
        number,
        since,
        deadline,
    };
    match write::send(broker, before, change).await {
        Ok(Outcome::Made(grant)) => Ok(Some(taken(grant))),
        Ok(Outcome::Refused(Some(found))) if found.asking_owner.as_ref() == Some(&owner) => {
            // The reply was lost. Somebody late may have stored tokens since.
            let has_moved = found.place() != before.place() || found.state != State::Live;
            let taken = taken(found);
            if has_moved {
                taken.give_back(0).await?;
                return Ok(None);
            }
            Ok(Some(taken))
        }
        Ok(Outcome::Refused(_)) => Ok(None),
        Err(cause) => {
            // It may have been made all the same.
            taken(after).give_back(0).await?;
            Err(cause)
        }
    }
}

impl<'a> Taken<'a> {
    /// Takes up what the grant was put with: whoever imports a token asks with it first.
    pub(crate) fn begun(broker: &'a Broker, account: Account, deadline: Deadline) -> Option<Self> {
        let grant = &account.grant;
        let (owner, since, number) = (grant.asking_owner.clone()?, grant.asking_since?, grant.last);
        let mut before = grant.clone();
        before.stop_asking();
        Some(Self { broker, account, before, owner, number, since, deadline })
    }

    /// Tells whether nobody else can have asked with these tokens, of whom it is not known how that ended.
    pub(crate) fn is_first(&self) -> bool {
        self.before.asking_owner.is_none()
    }

    /// Ends the grant of an import whose token the vendor has certainly not taken: nobody asks with it any more. Tells
    /// whether it has ended; not so when somebody else is asking.
    pub(crate) async fn end(self) -> Result<bool, StoreError> {
        let grant = &self.account.grant;
        let mut after = grant.clone();
        (after.state, after.ending_since) = (State::Ending, Some(self.broker.clock.now()));
        after.stop_asking();
        let conditions =
            [Grant::is_live(), Grant::asked_by(&self.owner), Condition::Absent("refused")].into_iter();
        let change = write::change(self.broker, grant, after, conditions.chain(grant.tokens_as_read()))?;
        Ok(match write::persist(self.broker, grant, &change, self.deadline).await? {
            Outcome::Made(_) => true,
            Outcome::Refused(found) => found.is_none_or(|found| found.state != State::Live),
        })
    }

    /// Looks for what the one before has left, when that one has not said how it ended. Gives nothing when there is
    /// something else to look at now.
    pub(crate) async fn recover(self) -> Result<Option<Self>, Error> {
        if self.before.asking_owner.is_none() {
            return Ok(Some(self));
        }
        events::in_doubt(&self.before, "whoever asked the vendor has ended and did not say how");
        match self.may_ask().await {
            Ok(true) => Ok(Some(self)),
            Ok(false) => {
                self.give_back(0).await?;
                Ok(None)
            }
            Err(error) => {
                self.give_back(0).await?;
                Err(error.into())
            }
        }
    }

    /// Looks for what the one before has left. Tells whether there is nothing, and the vendor may be asked.
    async fn may_ask(&self) -> Result<bool, StoreError> {
        if self.adopt().await? {
            return Ok(false);
        }
        let found = self.broker.registry.get(&self.before.key()).await?;
        let found = found.map(records::from_item::<Grant>).transpose()?;
        let is_as_before = |found: Grant| found.place() == self.before.place() && found.state == State::Live;
        let may = takeover_at(&self.before, false) <= self.broker.clock.now();
        Ok(found.is_some_and(is_as_before) && may)
    }

    /// Makes the newest tokens current that others have left in Secrets Manager. Tells whether there were any.
    async fn adopt(&self) -> Result<bool, StoreError> {
        let grant = &self.account.grant;
        let Some((number, set)) = rest::newest(self.broker, grant, self.number - 1).await? else {
            return Ok(false);
        };
        let mut after = grant.clone();
        after.take_tokens((grant.family, number), &set.tokens, None);
        after.stop_asking();
        let conditions = [Grant::is_live(), Grant::asked_by(&self.owner)];
        let change =
            write::change(self.broker, grant, after, conditions.into_iter().chain(grant.tokens_as_read()))?;
        if write::persist(self.broker, grant, &change, self.deadline).await?.made().is_some() {
            events::refreshed(grant);
        }
        Ok(true)
    }

    /// Asks the vendor for new tokens, unless it is too late to keep them.
    pub(crate) async fn ask(&self, element: &Element, how: &Refresh) -> Answer {
        match self.call(element, how).await {
            Ok(granted) => Answer::Granted(granted),
            Err(Error::Vendor(error)) => self.classify(error),
            Err(error) => Answer::NotActedOn { error, wait: 0 },
        }
    }

    async fn call(&self, element: &Element, how: &Refresh) -> Result<Granted, Error> {
        let Self { broker, account, .. } = self;
        let set = rest::open(broker, &account.grant).await?.ok_or_else(|| rest::missing(&account.grant))?;
        let token = set.tokens.refresh_token.as_ref();
        let token = token.ok_or(Error::NoRefreshToken(account.instance.id))?;
        let settings = Settings::of(broker, &account.instance).await?;
        let mut configuration = settings.open.clone();
        if set.settings == account.instance.number {
            configuration.extend(set.told.clone());
        }
        let oauth2 = element.oauth2()?;
        let url = tenant::of_instance(&how.endpoint.url, &oauth2.placeholders, &configuration)?;
        let whose = settings.credential_source();
        let pair = whose.pair(broker).await?;
        let call = async |pair: &ClientCredentials| {
            if let Some(seconds) = broker.health.pause(broker.clock.now()) {
                return Err(Error::Paused(seconds));
            }
            if !in_time(broker, self.since, self.deadline) {
                let slow = "The stores were too slow to ask the vendor in time; try again";
                return Err(Error::Incomplete(slow.into()));
            }
            let refreshing = refresh(&broker.sender, oauth2, how, &url, token, pair.client());
            let answer = vendor_call(element, "refresh", async { Ok(refreshing.await?) }).await?;
            Ok(obtain::granted(broker, element, answer))
        };
        let answer = match call(&pair).await {
            // Nothing was sent: it may be sent again.
            Err(Error::Vendor(VendorError::Unreachable(_))) => call(&pair).await,
            Err(Error::Vendor(error)) => match whose.reload_if_rotated(broker, &pair, &error).await {
                Some(other) => call(&other).await,
                None => Err(error.into()),
            },
            answer => answer,
        };
        Ok(answer?.after(&set.tokens))
    }

    /// Tells what a vendor's error means for the grant.
    fn classify(&self, error: VendorError) -> Answer {
        let grant = &self.account.grant;
        match error {
            error if error.refuses_client() => {
                events::client_refused(grant);
                Answer::NotActedOn { error: self.client_rejected(error), wait: CORRECTED }
            }
            VendorError::Refused { means: Some(_), .. } => Answer::Refused(error),
            error if error.certainly_not_acted_on() => {
                events::refresh_failed(grant, &error);
                let wait = error.retry_after().unwrap_or(BACK_OFF).min(LONGEST_PAUSE);
                Answer::NotActedOn { error: passing(error).into(), wait }
            }
            error => {
                events::refresh_failed(grant, &error);
                Answer::Unknown(error.into())
            }
        }
    }

    fn client_rejected(&self, cause: VendorError) -> Error {
        let instance = &self.account.instance;
        let how = match &instance.app {
            Some(app) => format!("PUT /elements/{}/apps/{app}", instance.element),
            None => format!("PATCH /instances/{}", instance.id),
        };
        Error::ClientRejected { how, cause }
    }

    /// Stores what the vendor has granted, unless newer tokens are there.
    pub(crate) async fn commit(self, granted: Granted) -> Result<Attempt, Error> {
        let Self { broker, account, number, owner, deadline, .. } = &self;
        let told = obtain::told(&granted, &BTreeMap::new());
        let set = TokenSet { tokens: granted.tokens, told, settings: account.instance.number };
        match store(broker, account.grant.clone(), owner, *number, &set, *deadline).await {
            Ok(Stored::Kept(kept)) => {
                events::refreshed(&kept);
                self.follow_up(&kept, &set).await;
            }
            Ok(Stored::Newer) => return Ok(Attempt::Busy),
            Ok(Stored::Gone) => {
                revoke_new(broker, account, &set).await?;
                return Err(instance::unknown(account.instance.id));
            }
            Err(cause) => self.keep_elsewhere(&set, cause).await?,
        }
        let Some(odd) = granted.odd else { return Ok(Attempt::Refreshed(set.tokens)) };
        let error = VendorError::Malformed(format!("{odd}; its refresh token is kept"));
        events::refresh_failed(&account.grant, &error);
        Ok(Attempt::Kept(error.into()))
    }

    /// Does what follows a refresh now and then: lists are told that the grant lives again, and the settings what the
    /// vendor has said.
    async fn follow_up(&self, kept: &Grant, set: &TokenSet) {
        let instance = &self.account.instance;
        let said = set.told.iter().any(|(key, value)| instance.configuration.get(key) != Some(value));
        let mended = self.before.refused.is_some() || !self.account.listed.is_valid(instance.number);
        let done = async {
            if said {
                settings::tell(self.broker, instance, &set.told, self.deadline).await?;
            }
            if mended {
                publish(self.broker, kept).await?;
            }
            Ok::<_, Error>(())
        };
        if let Err(cause) = done.await {
            tracing::warn!(
                instance = instance.id.0,
                ?cause,
                "what follows a refresh is left to the next one"
            );
        }
    }

    /// The table is out of reach: leaves new tokens in Secrets Manager, where whoever takes this one's place looks first, or
    /// in memory, where the process lives on.
    async fn keep_elsewhere(&self, set: &TokenSet, cause: StoreError) -> Result<(), Error> {
        let Self { broker, account, owner, number, .. } = self;
        let grant = &account.grant;
        if let (Some(vault), Some(secret), None) = (&broker.vault, &grant.secret, grant.leaving) {
            let is_late = certainly_ended(self.since) <= broker.clock.now();
            let (text, place) = (set.to_text()?, (grant.family, *number));
            match rest::put(&**vault, grant, secret, place, &text, is_late).await {
                Ok(()) => {
                    events::left_in_vault(grant, &cause);
                    return Ok(());
                }
                Err(cause) => tracing::error!(%cause, "Secrets Manager did not take new tokens either"),
            }
        }
        events::not_saved(grant, &cause);
        let Some(unsaved) = &broker.unsaved else { return Err(Error::GrantNotSaved(cause)) };
        let (account, owner, set) = (account.clone(), owner.clone(), set.clone());
        unsaved.keep(UnsavedTokens { account, owner, number: *number, set });
        Ok(())
    }

    /// Writes down that the vendor has ended the grant, unless somebody has left newer tokens.
    pub(crate) async fn refuse(self, refusal: &VendorError) -> Result<Attempt, Error> {
        let Self { broker, account, deadline, .. } = &self;
        if self.adopt().await? {
            self.give_back(0).await?;
            return Ok(Attempt::Busy);
        }
        events::refused(&account.grant, refusal);
        let grant = &account.grant;
        let mut after = grant.clone();
        after.refused = Some(account.instance.number);
        after.stop_asking();
        let conditions = [Grant::is_live(), Grant::asked_by(&self.owner)];
        let change =
            write::change(broker, grant, after, conditions.into_iter().chain(grant.tokens_as_read()))?;
        match write::persist(broker, grant, &change, *deadline).await? {
            Outcome::Made(refused) if publish(broker, &refused).await? => Ok(Attempt::Ended),
            _ => Ok(Attempt::Busy),
        }
    }

    /// Gives the right back: the vendor certainly has done nothing, and is left alone for so many seconds. When the one
    /// before has not said how it ended, that stays to be known.
    pub(crate) async fn give_back(self, wait: Timestamp) -> Result<(), StoreError> {
        let grant = &self.account.grant;
        let mut after = grant.clone();
        if wait > 0 {
            after.not_before = Some(self.broker.clock.now() + wait);
        }
        if self.before.asking_owner.is_some() {
            after.asking_since = Some(0);
            after.doubts.clone_from(&self.before.doubts);
        } else {
            after.stop_asking();
        }
        let change =
            write::change(self.broker, grant, after, [Grant::is_live(), Grant::asked_by(&self.owner)])?;
        if let Err(cause) = write::send(self.broker, grant, change).await {
            tracing::warn!(instance = grant.instance.0, %cause, "the right to ask was not given back; it ends by itself");
        }
        Ok(())
    }

    /// Leaves the right as it is, since nobody knows whether the vendor has acted.
    pub(crate) fn leave(self, error: Error) -> Attempt {
        events::in_doubt(&self.account.grant, "a refresh");
        Attempt::Kept(error)
    }
}

/// A refusal that says nothing of the grant is the vendor's trouble, not the caller's.
fn passing(error: VendorError) -> VendorError {
    match error {
        VendorError::Refused { status, error, message, .. } => {
            VendorError::Failed { status, words: Words { code: error, text: message } }
        }
        error => error,
    }
}
