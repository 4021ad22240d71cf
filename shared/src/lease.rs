//! The lease: who may write to an instance's secret now.
//!
//! An owner id is random, and also the id of the vault's version that its holder will store. So every
//! attempt has a place of its own that is written once, and what a dead holder has stored is found by its
//! owner id.

use serde_json::json;

use crate::app::App;
use crate::clock::{Stopwatch, Timestamp};
use crate::error::{Error, StoreError};
use crate::grant::{Grant, Tokens};
use crate::instance::{self, Instance, State};
use crate::patience::{COMMIT_BY, STORE_BY, insist};
use crate::random;
use crate::registry::{self, Change, Condition, Written};
use crate::vault::PutError;

/// How long a lease lasts, in seconds: longer than the vendor's and the stores' deadlines together.
const LASTS: Timestamp = 20;

/// How much the clocks of two processes may differ, in seconds.
const SKEW: Timestamp = 300;

/// A lease that is held, and the instance as it stood when it was taken.
pub(crate) struct Lease {
    /// The holder's id, and the id of the version that it may store.
    pub(crate) owner: String,
    /// The instance under the lease.
    pub(crate) instance: Instance,
    /// The tokens of a predecessor's version that is now the current one.
    rolled: Option<Tokens>,
}

/// Takes the lease of an instance. One that is held answers 409; one whose holder has certainly ended is
/// taken over, and what that holder had stored becomes current first.
pub(crate) async fn take(app: &App, instance: &Instance) -> Result<Lease, Error> {
    let (owner, now) = (random::id(), app.clock.now());
    let change = match (&instance.lease_owner, instance.lease_until) {
        (None, _) => held(instance, &owner, now).and(Condition::Absent("lease_owner")),
        (Some(dead), Some(until)) if until + SKEW < now => {
            let predecessors = instance.predecessors.iter().chain([dead]).collect::<Vec<_>>();
            let seen = Condition::Equals("lease_owner", dead.clone().into());
            held(instance, &owner, now).and(seen).set("predecessors", json!(predecessors))
        }
        _ => return Err(Error::Leased),
    };
    let key = instance::key(instance.user, instance.id);
    match app.registry.update(&key, change).await?.proven_by("lease_owner", &owner) {
        Written::Done(item) => {
            rolled(app, Lease { owner, instance: registry::from_item(item)?, rolled: None }).await
        }
        Written::Refused(Some(found)) if found.get("state") == Some(&json!(State::Live)) => {
            Err(Error::Leased)
        }
        Written::Refused(_) => Err(instance::unknown(instance.id)),
    }
}

fn held(instance: &Instance, owner: &str, now: Timestamp) -> Change {
    Change::when("state", json!(State::Live))
        .and(Condition::Equals("generation", instance.generation.into()))
        .set("lease_owner", owner)
        .set("lease_until", now + LASTS)
}

/// Makes the newest version that a predecessor has stored the current one.
async fn rolled(app: &App, mut lease: Lease) -> Result<Lease, Error> {
    for predecessor in lease.instance.predecessors.clone() {
        let left = Instance { version: Some(predecessor), ..lease.instance.clone() };
        if let Some(grant) = app.grant(&left).await?
            && grant.generation > lease.instance.generation
        {
            lease.instance = Instance {
                generation: grant.generation,
                access_issued: Some(grant.tokens.issued),
                access_expires: grant.tokens.expires,
                refreshable: grant.tokens.refresh_token.is_some(),
                in_doubt: None,
                ..left
            };
            lease.rolled = Some(grant.tokens);
        }
    }
    Ok(lease)
}

impl Lease {
    /// Adds to a change that it ends the lease, and is made only while the lease is held.
    fn ending(&self, change: Change) -> Change {
        change
            .and(Condition::Equals("lease_owner", self.owner.clone().into()))
            .remove("lease_owner")
            .remove("lease_until")
            .remove("predecessors")
    }

    /// Stores the next version of the grant and makes it the current one, with a further change of the
    /// record. When that fails the lease stays, since the version may be there: whoever takes the lease over
    /// looks for it.
    pub(crate) async fn keep(
        &self,
        app: &App,
        grant: &Grant,
        change: Change,
        watch: Stopwatch,
    ) -> Result<Instance, Error> {
        let Instance { user, id, .. } = self.instance;
        self.store(app, grant, watch).await?;
        let change =
            self.ending(change).set("generation", grant.generation).set("version", self.owner.clone());
        let key = instance::key(user, id);
        let update = || app.registry.update(&key, change.clone());
        match insist(watch, COMMIT_BY, update).await?.proven_by("version", &self.owner) {
            Written::Done(item) => Ok(registry::from_item(item)?),
            Written::Refused(_) => Err(instance::unknown(id)),
        }
    }

    async fn store(&self, app: &App, grant: &Grant, watch: Stopwatch) -> Result<(), Error> {
        let text = grant.to_text().map_err(|error| Error::Internal(error.to_string()))?;
        let stored = insist(watch, STORE_BY, || async {
            match app.vault.put(&self.instance.secret, &self.owner, &text).await {
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

    /// Gives the lease back without having stored anything.
    pub(crate) async fn release(&self, app: &App) {
        self.close(app, Change::default()).await;
    }

    /// Gives the lease back with a change of the record, without having stored anything. What a predecessor
    /// had stored becomes current.
    pub(crate) async fn close(&self, app: &App, change: Change) {
        let Instance { user, id, generation, ref version, .. } = self.instance;
        let rolled = match &self.rolled {
            Some(tokens) => instance::issued(Change::default(), tokens)
                .set("generation", generation)
                .set("version", json!(version)),
            None => Change::default(),
        };
        let change = self.ending(rolled.with(change));
        if let Err(failure) = app.registry.update(&instance::key(user, id), change).await {
            tracing::warn!(instance = id, %failure, "a lease was not given back; it ends by itself");
        }
    }
}
