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
use crate::oauth::endpoint;
use crate::oauth::revoke::revoke;
use crate::random;
use crate::registry::{Change, Condition, Written};
use crate::telemetry::asked;

/// Deletes an instance. Revoking is best effort: a vendor that cannot be reached keeps no instance.
pub async fn remove(app: &App, instance: &Instance) -> Result<(), Error> {
    let key = instance::key(instance.user, instance.id);
    let owner = random::id();
    let mark = Change::when("state", json!(State::Live))
        .set("state", json!(State::Deleting))
        .set("lease_owner", owner.clone());
    match app.registry.update(&key, mark).await?.proven_by("lease_owner", &owner) {
        Written::Done(_) => {}
        Written::Refused(_) => {
            return Err(instance::unknown(instance.id));
        }
    }
    if let Err(error) = forget(app, instance).await {
        tracing::warn!(instance = instance.id, cause = ?error, "a deleted instance is not yet forgotten");
    }
    Ok(())
}

async fn forget(app: &App, instance: &Instance) -> Result<(), Error> {
    if let Some(grant) = app.grant(instance).await?
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
