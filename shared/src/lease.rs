//! The lease: who may write to an instance's secret now.
//!
//! An owner id is random, and also the id of the vault's version that its holder will store. So every
//! attempt has a place of its own that is written once, and what a dead holder has stored is found by its
//! owner id.

use serde_json::json;

use crate::app::App;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::instance::{self, Instance, State};
use crate::random;
use crate::registry::{self, Change, Condition, Written};

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
        Written::Done(item) => rolled(app, Lease { owner, instance: registry::from_item(item)? }).await,
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
            lease.instance =
                Instance { generation: grant.generation, access_expires: grant.tokens.expires, ..left };
        }
    }
    Ok(lease)
}

impl Lease {
    /// Adds to a change that it ends the lease, and is made only while the lease is held.
    pub(crate) fn ending(&self, change: Change) -> Change {
        change
            .and(Condition::Equals("lease_owner", self.owner.clone().into()))
            .remove("lease_owner")
            .remove("lease_until")
            .remove("predecessors")
    }

    /// Gives the lease back without having stored anything. What a predecessor had stored stays current.
    pub(crate) async fn release(self, app: &App) {
        let Instance { user, id, generation, version, access_expires, .. } = &self.instance;
        let change = Change::default().set("generation", *generation).set("version", json!(version));
        let change = match access_expires {
            Some(expires) => change.set("access_expires", *expires),
            None => change.remove("access_expires"),
        };
        let ending = self.ending(change);
        if let Err(failure) = app.registry.update(&instance::key(*user, *id), ending).await {
            tracing::warn!(instance = id, %failure, "a lease was not given back; it ends by itself");
        }
    }
}
