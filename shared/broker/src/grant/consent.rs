//! A new consent takes the place of the old one: the instance keeps its id and its token, and has new tokens at the vendor.
//!
//! 1. **Marker.** A code that was sent before is not sent again. Its repeat only writes the settings that it brings: the
//!    first request may have died before it did.
//! 2. **Slot.** Consents of one instance stand in line, so that their numbers have the vendor's order: a vendor may end
//!    the grant of an older consent. Whoever finds the slot taken is told so, and has not used the code. Then the code is
//!    written down, on the condition that nobody has done so meanwhile.
//! 3. **Exchange.** With the new settings, if the request brings any.
//! 4. **Commit.** One write of the grant, if no later consent is there. No refresh has to be waited for.
//! 5. The settings that were brought are written, unless a later consent has been given.

use std::collections::BTreeMap;

use serde_json::json;
use vendors::descriptor::Element;

use crate::Broker;
use crate::client::Settings;
use crate::clock::{self, Timestamp};
use crate::error::Error;
use crate::events;
use crate::grant::obtain::{self, GrantSource, obtain};
use crate::grant::publish::write_copy;
use crate::grant::revoke::revoke_unkept;
use crate::grant::settings::{self, Edit};
use crate::grant::write::{self, Outcome};
use crate::grant::{rest, schedule, settle};
use crate::id::{InstanceId, UserId};
use crate::random;
use crate::record::account::{self, Account};
use crate::record::grant::{self, Grant, OF_CONSENT, OF_TOKENS, State, certainly_ended};
use crate::record::instance::{self, Instance};
use crate::record::marker::{self, Marker};
use crate::record::tokens::{Granted, TokenSet};
use crate::store::StoreError;
use crate::store::records::{self, AGENDA, Change, Condition, DUE, Written};
use crate::store::retry::Deadline;

/// How often the slot is tried when the record has changed meanwhile.
const ATTEMPTS: usize = 5;

/// A request that began longer ago, in seconds, is not waited for any more.
const REQUEST: Timestamp = 28;

/// A consent that has its slot.
struct Consent<'a> {
    broker: &'a Broker,
    /// The instance with the slot taken.
    instance: Instance,
    /// The grant as it was then.
    grant: Grant,
    /// The consent's number.
    number: u64,
    owner: String,
    since: Timestamp,
    asked: Asked<'a>,
    deadline: Deadline,
}

/// What a consent is asked for with.
struct Asked<'a> {
    edit: &'a Edit,
    source: &'a GrantSource,
    /// The settings that the edit makes.
    settings: Settings,
    /// The name of the code's marker.
    name: String,
}

/// Gives a live instance a new grant, and changes what else the request says.
pub async fn consent(
    broker: &Broker,
    mut account: Account,
    edit: &Edit,
    source: &GrantSource,
    callback: &BTreeMap<String, String>,
    deadline: Deadline,
) -> Result<Account, Error> {
    let element = broker.catalogue.element(&account.instance.element)?;
    for _ in 0..ATTEMPTS {
        let settings = settings_of(broker, &account.instance, edit).await?;
        let pair = settings.credential_source().pair(broker).await?;
        let name = source.marker(broker, element, &pair);
        if let Some(found) = marker::find(&*broker.registry, &name).await? {
            return repeat(broker, account.instance.id, &found, edit, deadline).await;
        }
        let asked = Asked { edit, source, settings, name };
        if let Some(consent) = take_slot(broker, &account, asked, deadline).await? {
            return Box::pin(consent.go_through(element, callback)).await;
        }
        account = account::find_again(&*broker.registry, &account).await?;
    }
    Err(Error::Locked(1))
}

/// Answers a consent whose code was sent before. What else the request says is done.
async fn repeat(
    broker: &Broker,
    id: InstanceId,
    found: &Marker,
    edit: &Edit,
    deadline: Deadline,
) -> Result<Account, Error> {
    if found.instance != id {
        return Err(Error::CodeUsed);
    }
    let account = repeated(broker, found.user, found).await?;
    let instance = settings::change(broker, account.instance.clone(), edit, deadline).await?;
    Ok(account.with(instance))
}

/// The settings that a vendor is asked with: those that an edit makes of an instance's.
async fn settings_of(broker: &Broker, instance: &Instance, edit: &Edit) -> Result<Settings, Error> {
    match settings::merged(broker, instance, edit, true).await? {
        Some(settings) => Ok(settings),
        None => Ok(Settings::of(broker, instance).await?),
    }
}

/// Takes the marker away that `owner` has written, whose code certainly was not acted on, so that it can be sent again.
pub(crate) async fn free(broker: &Broker, name: &str, instance: &Instance, owner: &str) {
    if let Err(cause) = marker::free(&*broker.registry, name, owner).await {
        tracing::warn!(instance = instance.id.0, %cause, "a code that was not acted on cannot be sent again");
    }
}

/// Answers a request whose code was sent before: with what came of it, for the same user.
pub(crate) async fn repeated(broker: &Broker, user: UserId, found: &Marker) -> Result<Account, Error> {
    if found.user != user {
        return Err(Error::CodeUsed);
    }
    let now = broker.clock.now();
    let (instance, grant) = account::read(&*broker.registry, user, found.instance).await?;
    let is_recent = (found.since..=found.since + REQUEST).contains(&now);
    let under_way = match (instance, grant) {
        (Some(instance), Some(grant)) if instance.state == instance::State::Live => {
            if grant.family >= found.consent {
                return Ok(Account::new(instance, grant));
            }
            true
        }
        (Some(instance), _) => instance.state == instance::State::Pending || instance.taken_back,
        // It may be about to be made.
        (None, _) => is_recent,
    };
    let ended = certainly_ended(found.since);
    if broker.holds(found.instance) {
        return Err(Error::CodeInUse(2));
    }
    if !under_way || ended <= now || clock::is_ahead(found.since, now) {
        return Err(Error::CodeUsed);
    }
    // Most requests end in a moment; one that has not may have died.
    let wait = if is_recent { 2 } else { ended - now };
    Err(Error::CodeInUse(u64::try_from(wait).unwrap_or(1)))
}

/// Takes the slot of a consent. Gives nothing when the instance has changed since it was read.
async fn take_slot<'a>(
    broker: &'a Broker,
    account: &Account,
    asked: Asked<'a>,
    deadline: Deadline,
) -> Result<Option<Consent<'a>>, Error> {
    let (now, owner) = (broker.clock.now(), random::id());
    let Account { instance: seen, grant, .. } = account;
    if clock::is_ahead(seen.consent_since, now) {
        correct_slot(broker, seen, now).await?;
        return Ok(None);
    }
    if seen.consent_runs(grant, now) {
        let may_run = seen.consent_since + REQUEST >= now;
        let left = if may_run { 2 } else { certainly_ended(seen.consent_since) - now };
        return Err(Error::Locked(u64::try_from(left).unwrap_or(1)));
    }
    report_unknown_end(seen, grant);
    let number = seen.consents + 1;
    let mut change = Change::default()
        .and(Instance::is_live())
        .and(seen.consents_as_read())
        .and(seen.settings_as_read())
        .set("consents", number)
        .set("consent_owner", owner.clone())
        .set("consent_since", now)
        .set(AGENDA, schedule::agenda(&seen.element, seen.id))
        .set(DUE, certainly_ended(now));
    if !asked.source.is_code() {
        change = change.set("brought", json!(seen.with_brought(&asked.name)));
    }
    let written = broker.registry.update(&seen.key(), change).await?;
    let Written::Done(item) = written.proven_by("consent_owner", &owner) else { return Ok(None) };
    let (instance, grant) = (records::from_item(item)?, grant.clone());
    Ok(Some(Consent { broker, instance, grant, number, owner, since: now, asked, deadline }))
}

/// Looks at the slot of a consent that has certainly ended. When it has not said how, its vendor may have granted, and
/// that is reported.
pub(crate) async fn close_slot(broker: &Broker, instance: &Instance) -> Result<(), Error> {
    let found = broker.registry.get(&grant::key(instance.id)).await?;
    let grant: Option<Grant> = found.map(records::from_item).transpose()?;
    if let Some(grant) = grant {
        report_unknown_end(instance, &grant);
    }
    let change = Change::default().and(Instance::is_live()).and(instance.consents_as_read());
    let change = change.set("consent_since", 0).remove(AGENDA).remove(DUE);
    broker.registry.update(&instance.key(), change).await?;
    Ok(())
}

/// Reports a consent that has ended and has not said how, before its slot is forgotten: rather twice than never.
fn report_unknown_end(instance: &Instance, grant: &Grant) {
    if instance.consent_since > 0 && instance.consents > grant.family {
        events::in_doubt(instance, "a new consent has not ended; its code may be spent");
    }
}

/// Replaces the time of a slot that no right clock can have written.
async fn correct_slot(broker: &Broker, seen: &Instance, now: Timestamp) -> Result<(), StoreError> {
    let change = Change::default().and(Instance::is_live()).and(seen.consents_as_read());
    broker.registry.update(&seen.key(), change.set("consent_since", now)).await.map(drop)
}

impl Consent<'_> {
    /// Writes the code down, exchanges it, and keeps what the vendor grants.
    async fn go_through(
        self,
        element: &Element,
        callback: &BTreeMap<String, String>,
    ) -> Result<Account, Error> {
        let Self { broker, instance, asked, since, deadline, .. } = &self;
        if let Some(found) = self.mark().await? {
            self.end_slot().await;
            return repeat(broker, instance.id, &found, asked.edit, *deadline).await;
        }
        match obtain(broker, element, &asked.settings, asked.source, *since, *deadline).await {
            Ok(granted) => self.keep(granted, callback).await,
            Err(error) if error.certainly_not_granted() => {
                self.end_slot().await;
                free(broker, &asked.name, instance, &self.owner).await;
                Err(error)
            }
            Err(error) => {
                events::in_doubt(instance, "the exchange of a new consent");
                Err(error)
            }
        }
    }

    /// Writes the code down. Gives the marker that is there already.
    async fn mark(&self) -> Result<Option<Marker>, Error> {
        let Asked { source, name, .. } = &self.asked;
        let marker = Marker {
            instance: self.instance.id,
            consent: self.number,
            user: self.instance.user,
            since: self.since,
            owner: self.owner.clone(),
            expires: source.is_code().then(|| Marker::code_expires(self.since)),
        };
        match marker::put(&*self.broker.registry, name, &marker).await {
            Ok(found) => Ok(found),
            Err(cause) => {
                // Nothing was sent.
                free(self.broker, name, &self.instance, &self.owner).await;
                self.end_slot().await;
                Err(cause.into())
            }
        }
    }

    /// Ends the slot early: nothing is under way at the vendor.
    async fn end_slot(&self) {
        let change = Change::when("consent_owner", self.owner.clone()).set("consent_since", 0);
        if let Err(cause) = self.broker.registry.update(&self.instance.key(), change).await {
            tracing::warn!(instance = self.instance.id.0, %cause, "a consent's slot ends by itself");
        }
    }

    /// Keeps what the vendor has granted.
    async fn keep(self, granted: Granted, callback: &BTreeMap<String, String>) -> Result<Account, Error> {
        let told = obtain::told(&granted, callback);
        let set = TokenSet { tokens: granted.tokens, told, settings: self.instance.number };
        let grant = match self.commit(&set).await {
            Ok(grant) => grant,
            Err(Error::Store(cause)) => {
                events::not_saved(&self.instance, &cause);
                return Err(Error::GrantNotSaved(cause));
            }
            Err(error) => {
                // What was brought along is its owner's.
                if self.asked.source.is_code() {
                    revoke_unkept(self.broker, &self.instance, &self.asked.settings, &set).await;
                }
                return Err(error);
            }
        };
        if grant.family < self.number {
            // The answer was dropped, and nothing else says that it has ended.
            self.end_slot().await;
        }
        events::reauthenticated(&self.instance);
        let instance = self.write_settings(&set).await.map_err(Error::after_the_grant)?;
        let instance = match write_copy(self.broker, instance.clone(), &grant).await {
            Ok(instance) => instance,
            Err(cause) => {
                tracing::warn!(instance = instance.id.0, %cause, "lists hear later of a new consent");
                instance
            }
        };
        let grant = settle::at_once(self.broker, grant, self.deadline).await;
        Ok(Account::new(instance, grant))
    }

    /// Stores the tokens, unless a later consent is there. Gives the grant as it is then.
    async fn commit(&self, set: &TokenSet) -> Result<Grant, Error> {
        let broker = self.broker;
        // Without a refresh token it matters how the grant is now.
        let mut found = match set.tokens.refresh_token {
            Some(_) => self.grant.clone(),
            None => self.found().await?,
        };
        loop {
            if found.state != State::Live {
                return Err(instance::unknown(self.instance.id));
            }
            if found.family >= self.number {
                return Ok(found);
            }
            let (set, conditions) = match self.completed(&found, set).await? {
                Completed::Whole(set) => {
                    (set, vec![Condition::Below("family", self.number.into()), Grant::is_live()])
                }
                Completed::FromOld(set) => {
                    let as_read = found.tokens_as_read().into_iter();
                    (set, as_read.chain([Grant::is_live(), Grant::asked_by_nobody()]).collect())
                }
                Completed::Dropped => return Ok(found),
            };
            let place = (self.number, 0);
            let mut after = found.clone();
            after.take_tokens(place, &set.tokens, Some(rest::seal(broker, &found, place, &set)?));
            after.stop_asking();
            (after.last, after.client) = (0, self.asked.settings.client.clone());
            let stated = [OF_TOKENS, OF_CONSENT].concat();
            let change = write::stating(broker, &found, after, &stated, conditions)?;
            let send = || write::send(broker, &found, change.clone());
            match write::keep(broker, &self.instance, self.deadline, send).await? {
                Outcome::Made(grant) => return Ok(grant),
                // The reply was lost, a later consent is there, or the grant has changed.
                Outcome::Refused(Some(now)) => found = now,
                Outcome::Refused(None) => return Err(instance::unknown(self.instance.id)),
            }
        }
    }

    /// Reads the grant. The vendor has answered: a store that fails once must not cost what it gave.
    async fn found(&self) -> Result<Grant, Error> {
        let key = grant::key(self.instance.id);
        let found = self.deadline.persist(|| self.broker.registry.get(&key)).await?;
        let grant = found.map(records::from_item).transpose()?;
        grant.ok_or_else(|| instance::unknown(self.instance.id))
    }

    /// Completes an answer without a refresh token by the living one of the same client. While somebody is asking with
    /// that, the answer is dropped: the old grant goes on, and its refresh brings an access token.
    async fn completed(&self, found: &Grant, set: &TokenSet) -> Result<Completed, Error> {
        let lives = found.refreshable && !found.is_dead(self.instance.number);
        if set.tokens.refresh_token.is_some() || !lives || found.client != self.asked.settings.client {
            return Ok(Completed::Whole(set.clone()));
        }
        if found.asking_owner.is_some() {
            return Ok(Completed::Dropped);
        }
        let opened = self.deadline.persist(|| rest::open(self.broker, found)).await?;
        let Some(old) = opened else { return Ok(Completed::Dropped) };
        Ok(Completed::FromOld(TokenSet { tokens: set.tokens.clone().after(&old.tokens), ..set.clone() }))
    }

    /// Writes the settings that the request brought, and what the vendor has said, unless a later consent has been given.
    async fn write_settings(&self, set: &TokenSet) -> Result<Instance, Error> {
        let edit = settings::with_told(self.asked.edit, &set.told);
        if edit.is_empty() {
            return Ok(self.instance.clone());
        }
        let mut seen = self.instance.clone();
        loop {
            let merged = settings::merged(self.broker, &seen, &edit, true).await?;
            let change = settings::described(self.broker, &seen, &edit, merged.as_ref())?;
            let change = change.and(Condition::Equals("consents", self.number.into()));
            if let Some(changed) = settings::write(self.broker, &seen, change, self.deadline).await? {
                return Ok(changed);
            }
            seen = settings::found(self.broker, &seen).await?;
            if seen.consents != self.number {
                return Ok(seen);
            }
        }
    }
}

/// What is stored of an answer.
enum Completed {
    /// All of it.
    Whole(TokenSet),
    /// It, with the refresh token of the grant before.
    FromOld(TokenSet),
    /// Nothing.
    Dropped,
}
