//! The revocation: a grant is ended at its vendor too.

use vendors::client::revoke::{Revoked, revoke};
use vendors::tenant;

use crate::Broker;
use crate::client::CredentialSource;
use crate::error::Error;
use crate::events::asked;
use crate::record::grant::Grant;
use crate::record::instance::Instance;

/// Ends a grant at its vendor, where the vendor can.
pub(crate) async fn revoke_grant(broker: &Broker, instance: &Instance, grant: &Grant) -> Result<(), Error> {
    let element = broker.catalogue.element(&instance.element)?;
    let oauth2 = element.oauth2()?;
    let Some(descriptor) = &oauth2.revoke else { return Ok(()) };
    let url = tenant::of_instance(&descriptor.endpoint.url, &oauth2.placeholders, &instance.configuration)?;
    let pair = CredentialSource { app: instance.app.as_ref(), secrets: &grant.secrets }.pair(broker).await?;
    let tokens = &grant.tokens;
    let revoked =
        Revoked { access_token: &tokens.access_token, refresh_token: tokens.refresh_token.as_ref() };
    let revoking = revoke(&broker.sender, oauth2, descriptor, &url, pair.client(), revoked);
    asked(element, "revoke", async { Ok(revoking.await?) }).await
}
