//! From a living instance to nothing: first invisible, then revoked at the vendor, then forgotten.
//!
//! After the first step the instance is gone for every caller. A death after it leaves the marked record,
//! which names what is still in the vault.

use serde_json::json;

use crate::app::App;
use crate::configuration;
use crate::error::Error;
use crate::grant::Grant;
use crate::instance::{self, Instance, State};
use crate::lease;
use crate::oauth::endpoint;
use crate::oauth::revoke::revoke;
use crate::random;
use crate::registry::{self, Change, Condition, Written};
use crate::telemetry::asked;

/// How often the mark is tried, when the lease changes hands meanwhile.
const ATTEMPTS: usize = 5;

/// Deletes an instance. Revoking is best effort: a vendor that cannot be reached keeps no instance.
pub async fn remove(app: &App, instance: &Instance) -> Result<(), Error> {
    let marked = mark(app, instance.clone()).await?;
    if let Err(error) = forget(app, &marked).await {
        tracing::warn!(instance = marked.id, cause = ?error, "a deleted instance is not yet forgotten");
    }
    Ok(())
}

/// Marks the record and takes the lease from whoever has it: that holder's commit is refused, and a version
/// that it may have stored is named, so that it is found and revoked.
async fn mark(app: &App, mut seen: Instance) -> Result<Instance, Error> {
    let owner = random::id();
    let key = instance::key(seen.user, seen.id);
    for _ in 0..ATTEMPTS {
        let predecessors: Vec<_> = seen.predecessors.iter().chain(&seen.lease_owner).collect();
        let as_seen = match &seen.lease_owner {
            Some(holder) => Condition::Equals("lease_owner", holder.clone().into()),
            None => Condition::Absent("lease_owner"),
        };
        let mark = Change::when("state", json!(State::Live))
            .and(as_seen)
            .set("state", json!(State::Deleting))
            .set("predecessors", json!(predecessors))
            .set("lease_owner", owner.clone());
        match app.registry.update(&key, mark).await?.proven_by("lease_owner", &owner) {
            Written::Done(item) => return Ok(registry::from_item(item)?),
            Written::Refused(Some(found)) if found.get("state") == Some(&json!(State::Live)) => {
                seen = registry::from_item(found)?;
            }
            Written::Refused(_) => return Err(instance::unknown(seen.id)),
        }
    }
    Err(Error::Leased(1))
}

async fn forget(app: &App, instance: &Instance) -> Result<(), Error> {
    if let Some((_, grant)) = lease::newest(app, instance).await?
        && let Err(error) = revoke_grant(app, instance, &grant).await
    {
        tracing::warn!(instance = instance.id, cause = ?error, "a grant was not revoked at the vendor");
    }
    app.vault.remove(&instance.secret).await?;
    let conditions = vec![Condition::Equals("state", json!(State::Deleting))];
    app.registry.remove(&instance::key(instance.user, instance.id), conditions).await?;
    Ok(())
}

/// Ends a grant at its vendor, where the vendor can.
pub(crate) async fn revoke_grant(app: &App, instance: &Instance, grant: &Grant) -> Result<(), Error> {
    let element = app.catalogue.element(&instance.element)?;
    let oauth2 = element.oauth2()?;
    let Some(descriptor) = &oauth2.revoke else { return Ok(()) };
    let url = endpoint::of_instance(&descriptor.endpoint.url, &oauth2.placeholders, &instance.configuration)?;
    let client = configuration::client(&grant.secrets)?;
    let revoking = revoke(&app.sender, oauth2, descriptor, &url, client, &grant.tokens);
    asked(element, "revoke", async { Ok(revoking.await?) }).await
}
