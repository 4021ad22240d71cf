//! The revocation: a grant is ended at its vendor too (RFC 7009).

use vendors::client::revoke::{Revoked, revoke};
use vendors::descriptor::Element;
use vendors::tenant;

use crate::Broker;
use crate::client::Settings;
use crate::error::Error;
use crate::events::{self, vendor_call};
use crate::grant::rest;
use crate::record::grant::Grant;
use crate::record::instance::Instance;
use crate::record::settings::Given;
use crate::record::tokens::{TokenSet, Tokens};

/// Ends a grant at its vendor, where the vendor can. Tells whether it did.
pub(crate) async fn revoke_tokens(
    broker: &Broker,
    element: &Element,
    settings: &Settings,
    told: &Given,
    tokens: &Tokens,
) -> Result<bool, Error> {
    let oauth2 = element.oauth2()?;
    let Some(descriptor) = &oauth2.revoke else { return Ok(false) };
    let mut configuration = settings.open.clone();
    configuration.extend(told.clone());
    let url = tenant::of_instance(&descriptor.endpoint.url, &oauth2.placeholders, &configuration)?;
    let pair = settings.credential_source().pair(broker).await?;
    let revoked =
        Revoked { access_token: &tokens.access_token, refresh_token: tokens.refresh_token.as_ref() };
    let revoking = revoke(&broker.sender, oauth2, descriptor, &url, pair.client(), revoked);
    vendor_call(element, "revoke", async { Ok(revoking.await?) }).await?;
    Ok(true)
}

/// Ends tokens that nobody can keep any more, as well as it can be done.
pub(crate) async fn revoke_unkept(broker: &Broker, instance: &Instance, settings: &Settings, set: &TokenSet) {
    let revoked = match broker.catalogue.element(&instance.element) {
        Ok(element) => revoke_tokens(broker, element, settings, &set.told, &set.tokens).await.map(drop),
        Err(error) => Err(error.into()),
    };
    if let Err(cause) = revoked {
        events::unrevoked(instance, &cause);
    }
}

/// Ends a grant whose instance is being deleted. Tells whether the vendor has ended it.
pub(crate) async fn revoke_grant(broker: &Broker, instance: &Instance, grant: &Grant) -> Result<bool, Error> {
    let Some(set) = rest::newest_of(broker, grant).await? else { return Ok(false) };
    let (element, settings) =
        (broker.catalogue.element(&instance.element)?, Settings::of(broker, instance).await?);
    revoke_tokens(broker, element, &settings, &set.told, &set.tokens).await
}
