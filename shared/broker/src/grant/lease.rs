//! The lease: who may write to an instance's secret now.
//!
//! An owner id is random, and also the id of the vault's version that its holder will store. So every
//! attempt has a place of its own that is written once, and what a dead holder has stored is found by its
//! owner id. A lease is never taken from a holder that may live: it lasts as long as a request, and is dead
//! five minutes later, since clocks differ.

use std::collections::BTreeMap;

use serde_json::json;

use crate::Broker;
use crate::clock::{Stopwatch, Timestamp};
use crate::error::Error;
use crate::events;
use crate::grant::schedule::{refresh_of, scheduled};
use crate::random;
use crate::record::grant::Grant;
use crate::record::instance::{self, Instance, State};
use crate::record::settings::{CLIENT_ID, Given};
use crate::store::StoreError;
use crate::store::records::{self, Change, Condition, DUE, Item, Written};
use crate::store::retry::{COMMIT_BY, STORE_BY, insist};
use crate::store::secrets::PutError;

/// How long a lease lasts, in seconds: as long as a request.
const LASTS: Timestamp = 28;

/// How much the clocks of two processes may differ, in seconds.
pub(crate) const SKEW: Timestamp = 300;

/// How often a lease is given back again because the configuration has changed meanwhile.
const ATTEMPTS: usize = 5;

/// How many versions before the current one a record names.
const REMEMBERED: usize = 3;

/// How many versions of a secret may be written one after the other, and how long it takes until one more
/// may be, in seconds: at most 92 in any 24 h. Secrets Manager keeps 100, and none younger than a day goes.
const VERSIONS: Timestamp = 12;
const VERSION_AGES: Timestamp = 1_080;

/// Tells when the holder of a lease that ends then is dead for certain.
pub(crate) fn dead_at(until: Timestamp) -> Timestamp {
    until + SKEW + 1
}

/// A lease that is held, and the instance as it stood when it was taken.
pub(crate) struct Lease {
    /// The holder's id, and the id of the version that it may store.
    pub(crate) owner: String,
    /// The instance under the lease.
    pub(crate) instance: Instance,
    /// What the record must be told of a predecessor's version that is now the current one.
    base: Option<Change>,
    /// The configuration that came with that version.
    open: Given,
}

/// Takes the lease of an instance. One that is held answers 409; one whose holder has certainly ended is
/// taken over, and what that holder had stored becomes current first. A dead holder that has stored nothing
/// may have asked the vendor: that is doubt.
pub(crate) async fn take(broker: &Broker, instance: &Instance) -> Result<Lease, Error> {
    let (owner, now) = (random::id(), broker.clock.now());
    let change = match (&instance.lease_owner, instance.lease_until) {
        (None, _) => {
            may_write(instance, now)?;
            held(instance, &owner, now).and(Condition::Absent("lease_owner"))
        }
        (Some(dead), Some(until)) if dead_at(until) <= now => {
            let predecessors = instance.predecessors.iter().chain([dead]).collect::<Vec<_>>();
            let seen = Condition::Equals("lease_owner", dead.clone().into());
            // The dead holder may have asked the vendor after whoever was in doubt before.
            let doubt = instance.in_doubt.unwrap_or_default().max(until - LASTS);
            let change = held(instance, &owner, now).and(seen);
            change.set("predecessors", json!(predecessors)).set("in_doubt", doubt)
        }
        (_, until) => return Err(leased(until, now)),
    };
    let key = instance::key(instance.user, instance.id);
    let mut lease = Lease { owner, instance: instance.clone(), base: None, open: Given::new() };
    let taken = match broker.registry.update(&key, change).await {
        Ok(taken) => taken,
        Err(error) => {
            lease.abandon(broker).await;
            tell_of_dead_holder(instance);
            return Err(error.into());
        }
    };
    match taken.proven_by("lease_owner", &lease.owner) {
        Written::Done(item) => lease.instance = records::from_item(item)?,
        Written::Refused(Some(found)) if is_live(&found) => return Err(leased(None, now)),
        Written::Refused(_) => return Err(instance::unknown(instance.id)),
    }
    if let Err(error) = lease.roll(broker).await {
        lease.abandon(broker).await;
        tell_of_dead_holder(instance);
        return Err(error);
    }
    lease.end_false_doubt(broker, instance);
    if lease.instance.in_doubt.is_some() {
        tell_of_dead_holder(instance);
    }
    Ok(lease)
}

/// Tells that a lease was taken over whose holder is not known to have stored anything. When the takeover itself
/// failed, nobody else would.
fn tell_of_dead_holder(seen: &Instance) {
    if seen.valid && seen.lease_owner.is_some() {
        events::in_doubt(seen, "a holder of the lease died and is not known to have stored anything");
    }
}

/// What is answered while somebody has the lease: most are done in a moment; the holder of one that has run
/// out is not dead for certain before five minutes have passed.
fn leased(until: Option<Timestamp>, now: Timestamp) -> Error {
    let wait = until.filter(|until| *until < now).map_or(2, |until| dead_at(until) - now);
    Error::Leased(u64::try_from(wait).unwrap_or(1))
}

/// Refuses one version more than the vault may hold.
fn may_write(instance: &Instance, now: Timestamp) -> Result<(), Error> {
    let wait = instance.versions_until.unwrap_or_default() - now - (VERSIONS - 1) * VERSION_AGES;
    if wait <= 0 { Ok(()) } else { Err(Error::TooOften(u64::try_from(wait).unwrap_or(1))) }
}

fn held(instance: &Instance, owner: &str, now: Timestamp) -> Change {
    Change::when("state", json!(State::Live))
        .and(Condition::Equals("generation", instance.generation.into()))
        .set("lease_owner", owner)
        .set("lease_until", now + LASTS)
        .set(DUE, dead_at(now + LASTS))
}

fn is_live(item: &Item) -> bool {
    item.get("state") == Some(&json!(State::Live))
}

impl Lease {
    /// Ends a doubt that a takeover has written down and that is none: the dead holder has stored its version, or
    /// there is nothing that it could have asked the vendor for.
    fn end_false_doubt(&mut self, broker: &Broker, seen: &Instance) {
        let stored = self.instance.version.is_some() && self.instance.version == seen.lease_owner;
        let asks = self.instance.refreshable && refresh_of(&broker.catalogue, &self.instance).is_some();
        if !asks || stored && seen.in_doubt.is_none() && seen.predecessors.is_empty() {
            self.instance.in_doubt = None;
            self.base = Some(self.base().remove("in_doubt"));
        }
    }

    /// Makes the newest version that a predecessor has stored the current one.
    pub(crate) async fn roll(&mut self, broker: &Broker) -> Result<(), Error> {
        if self.instance.predecessors.is_empty() {
            return Ok(());
        }
        let Some((version, grant)) = newest(broker, &self.instance).await? else { return Ok(()) };
        if grant.generation > self.instance.generation {
            self.adopt(version, &grant);
        }
        Ok(())
    }

    /// Gives the grant that the next one is made of. The vault knows best which that is: a table that was put back
    /// from a backup names one whose refresh token is spent.
    pub(crate) async fn grant(&mut self, broker: &Broker) -> Result<Option<Grant>, StoreError> {
        let latest = match broker.latest_grant(&self.instance).await {
            // What nobody has named need not be readable.
            Err(StoreError::Damaged(cause)) => {
                tracing::error!(instance = self.instance.id.0, cause, "the newest version cannot be read");
                None
            }
            latest => latest?,
        };
        if let Some((version, grant)) = latest {
            if self.instance.version.as_ref() == Some(&version) {
                return Ok(Some(grant));
            }
            if grant.generation > self.instance.generation {
                self.adopt(version, &grant);
                return Ok(Some(grant));
            }
        }
        broker.grant(&self.instance).await
    }

    /// Makes a stored version the current one.
    fn adopt(&mut self, version: String, grant: &Grant) {
        let is_last = self.instance.predecessors.last() == Some(&version);
        let mut base = self.base().set("generation", grant.generation).set("version", version.clone());
        if let Some(id) = grant.secret(CLIENT_ID) {
            // The dead holder may have given the instance a client of its own.
            base = instance::own_client(base, id);
            self.instance.app = None;
        }
        self.instance.generation = grant.generation;
        self.instance.version = Some(version);
        self.instance.configuration.extend(grant.open.clone());
        self.open.extend(grant.open.clone());
        // A change of the configuration alone keeps the tokens, and what is known of them.
        self.base = if self.instance.access_issued == Some(grant.tokens.issued) {
            Some(base)
        } else {
            self.instance.access_issued = Some(grant.tokens.issued);
            self.instance.access_expires = grant.tokens.expires;
            self.instance.refreshable = grant.tokens.refresh_token.is_some();
            self.instance.refresh_expires = grant.tokens.refresh_expires;
            self.instance.valid = true;
            self.instance.not_before = None;
            let issued = instance::issued(base, &grant.tokens);
            // A holder who died later than the one who stored these tokens may have used them.
            self.instance.in_doubt = self.instance.in_doubt.filter(|_| !is_last);
            let in_doubt = self.instance.in_doubt;
            Some(in_doubt.into_iter().fold(issued, |issued, since| issued.set("in_doubt", since)))
        };
    }

    /// What the record must be told of a predecessor's version, before anything else.
    fn base(&self) -> Change {
        self.base.clone().unwrap_or_default()
    }

    /// Gives the lease back as if it had not been taken: predecessors are looked for by the next one.
    pub(crate) async fn abandon(&self, broker: &Broker) {
        let Instance { user, id, .. } = self.instance;
        let change =
            Change::when("lease_owner", self.owner.clone()).remove("lease_owner").remove("lease_until");
        if let Err(failure) = broker.registry.update(&instance::key(user, id), change).await {
            tracing::warn!(instance = id.0, %failure, "a lease was not given back; it ends by itself");
        }
    }

    /// Adds to a change that it ends the lease, and is made only while the lease is held, or when nobody has
    /// it, nobody's version is to be looked for, and the record still stands where it was seen. While there
    /// is doubt, predecessors are looked for again: one of them may only have stood still.
    fn ending(&self, broker: &Broker, change: Change, seen: &Instance) -> Change {
        let change = match seen.lease_owner {
            Some(_) => change.and(Condition::Equals("lease_owner", self.owner.clone().into())),
            None => change
                .and(Condition::Absent("lease_owner"))
                .and(Condition::Absent("predecessors"))
                .and(Condition::Equals("generation", seen.generation.into())),
        };
        let change = if self.open.is_empty() || change.set.contains_key("configuration") {
            change
        } else {
            let configuration = seen.configuration.iter().chain(&self.open).collect::<BTreeMap<_, _>>();
            instance::edited(change.set("configuration", json!(configuration)), seen)
        };
        let was_in_doubt = seen.in_doubt.is_some() && !change.remove.contains(&"in_doubt");
        let is_in_doubt = was_in_doubt || change.set.contains_key("in_doubt");
        let change = if is_in_doubt { change } else { change.remove("predecessors") };
        scheduled(broker, change.remove("lease_owner").remove("lease_until"), seen)
    }

    /// Stores the next version of the grant and makes it the current one. What else changes of the record,
    /// `change` tells for the record as it then is: its configuration may have changed meanwhile. When this
    /// fails the lease stays, since the version may be there: whoever takes the lease over looks for it.
    pub(crate) async fn keep(
        &self,
        broker: &Broker,
        grant: &Grant,
        change: impl Fn(&Instance) -> Result<Change, Error>,
        watch: Stopwatch,
    ) -> Result<Instance, Error> {
        let mut grant = grant.clone();
        // What an adopted version brought along is not in the record yet.
        grant.open = self.open.clone().into_iter().chain(grant.open).collect();
        let grant = &grant;
        self.store(broker, grant, watch).await?;
        let key = instance::key(self.instance.user, self.instance.id);
        let mut seen = self.instance.clone();
        loop {
            let written = if self.base.is_some() { 2 } else { 1 };
            let aged =
                seen.versions_until.unwrap_or_default().max(broker.clock.now()) + written * VERSION_AGES;
            seen.configuration.extend(self.open.clone());
            let change = change(&seen)?;
            let committed: Vec<_> =
                seen.committed.iter().rev().take(REMEMBERED).rev().chain([&self.owner]).collect();
            let commit = self
                .ending(broker, self.base().with(change), &seen)
                .set("committed", json!(committed))
                .set("generation", grant.generation)
                .set("version", self.owner.clone())
                .set("versions_until", aged);
            let update = || broker.registry.update(&key, commit.clone());
            match insist(watch, COMMIT_BY, update).await?.proven_by("version", &self.owner) {
                Written::Done(item) => return Ok(records::from_item(item)?),
                Written::Refused(Some(found)) if is_live(&found) => seen = records::from_item(found)?,
                Written::Refused(_) => return Err(instance::unknown(self.instance.id)),
            }
            if seen.committed.contains(&self.owner) {
                // The reply was lost, and somebody has gone on from our version.
                return Ok(seen);
            }
            let others = seen.lease_owner.as_ref().is_some_and(|holder| *holder != self.owner);
            let looked_for = seen.lease_owner.is_none() && !seen.predecessors.is_empty();
            if others || looked_for || seen.generation >= grant.generation || !watch.is_before(COMMIT_BY) {
                let lost = "the lease was lost before the version was named";
                return Err(StoreError::Unavailable(lost.into()).into());
            }
        }
    }

    async fn store(&self, broker: &Broker, grant: &Grant, watch: Stopwatch) -> Result<(), Error> {
        let text = grant.to_text().map_err(|error| Error::Internal(error.to_string()))?;
        let stored = insist(watch, STORE_BY, || async {
            match broker.vault.put(&self.instance.secret, &self.owner, &text).await {
                Ok(()) => Ok(Ok(())),
                Err(PutError::Store(cause)) => Err(cause),
                Err(cause) => Ok(Err(cause)),
            }
        });
        match stored.await? {
            Ok(()) => Ok(()),
            Err(PutError::Gone) => Err(instance::unknown(self.instance.id)),
            Err(cause) => Err(StoreError::Damaged(cause.to_string()).into()),
        }
    }

    /// Tells whether the lease is still held and the configuration what it was when it was taken, as far as can be
    /// seen.
    pub(crate) async fn is_unedited(&self, broker: &Broker) -> bool {
        match instance::find(&*broker.registry, self.instance.user, self.instance.id).await {
            Ok(Some(found)) => {
                found.lease_owner.as_ref() == Some(&self.owner) && found.edits == self.instance.edits
            }
            Ok(None) => false,
            // Whoever writes finds out.
            Err(_) => true,
        }
    }

    /// Gives the lease back without having stored anything.
    pub(crate) async fn release(&self, broker: &Broker) {
        self.close(broker, Change::default()).await;
    }

    /// Gives the lease back with a change of the record, without having stored anything. What a predecessor
    /// had stored becomes current.
    pub(crate) async fn close(&self, broker: &Broker, change: Change) {
        let mut seen = self.instance.clone();
        for _ in 0..ATTEMPTS {
            match self.close_as_seen(broker, change.clone(), &seen).await {
                Closed::Edited(found) => seen = *found,
                Closed::Done | Closed::Gone => return,
            }
        }
    }

    /// The same, unless the configuration has changed meanwhile: then the lease stays. Tells whether it was done.
    pub(crate) async fn close_unedited(&self, broker: &Broker, change: Change) -> bool {
        matches!(self.close_as_seen(broker, change, &self.instance).await, Closed::Done)
    }

    async fn close_as_seen(&self, broker: &Broker, change: Change, seen: &Instance) -> Closed {
        let wrote = change.set.clone();
        let change = instance::unedited(self.ending(broker, self.base().with(change), seen), seen);
        let key = instance::key(seen.user, seen.id);
        let update = || broker.registry.update(&key, change.clone());
        match insist(Stopwatch::start(), COMMIT_BY, update).await {
            Ok(Written::Refused(Some(found))) if found.get("lease_owner") == Some(&json!(self.owner)) => {
                records::from_item(found).map_or(Closed::Gone, |found| Closed::Edited(Box::new(found)))
            }
            // A reply that was lost leaves what was written.
            Ok(Written::Refused(Some(found)))
                if wrote.iter().all(|(name, value)| found.get(*name) == Some(value)) =>
            {
                Closed::Done
            }
            Ok(Written::Refused(_)) => Closed::Gone,
            Ok(Written::Done(_)) => Closed::Done,
            Err(failure) => {
                tracing::warn!(instance = seen.id.0, %failure, "a lease was not given back; it ends by itself");
                Closed::Gone
            }
        }
    }
}

/// How it went to give a lease back.
enum Closed {
    /// It is given back.
    Done,
    /// It is not: the configuration has changed meanwhile.
    Edited(Box<Instance>),
    /// There is nothing to give back, or nobody knows.
    Gone,
}

/// Finds the newest grant among an instance's current version and what dead holders have stored, with the
/// version's id.
pub(crate) async fn newest(broker: &Broker, instance: &Instance) -> Result<Option<(String, Grant)>, Error> {
    let versions: Vec<_> = instance.version.iter().chain(&instance.predecessors).cloned().collect();
    let reads = versions.into_iter().map(|version| async move {
        let left = Instance { version: Some(version.clone()), ..instance.clone() };
        Ok::<_, Error>(broker.grant(&left).await?.map(|grant| (version, grant)))
    });
    let found = futures_util::future::try_join_all(reads).await?;
    Ok(found.into_iter().flatten().max_by_key(|(_, grant)| grant.generation))
}
