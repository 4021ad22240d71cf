//! The refresh request: a refresh token becomes new tokens (RFC 6749 section 6).

use secrecy::{ExposeSecret, SecretString};

use super::VendorError;
use super::answer::{self, Granted};
use super::send::{Client, Sender};
use crate::clock::{Clock, Timestamp};
use crate::element::{LifetimeFrom, OAuth2, Refresh};

/// Asks the token endpoint `url` for new tokens. An answer without a refresh token keeps the old one, and
/// one whose lifetime counts from the consent does not say when it ends. A
/// vendor that rotates has spent `refresh_token` when this fails in doubt.
pub async fn refresh(
    sender: &Sender,
    oauth2: &OAuth2,
    refresh: &Refresh,
    url: &str,
    refresh_token: &SecretString,
    client: Client<'_>,
    clock: &Clock,
) -> Result<Granted, VendorError> {
    let parameters = vec![("grant_type", "refresh_token"), ("refresh_token", refresh_token.expose_secret())];
    let raw = sender.send(&refresh.endpoint, url, client, parameters).await?;
    let now = clock.now();
    let mut granted = answer::tokens(&raw, oauth2, now)?;
    let tokens = &mut granted.tokens;
    tokens.refresh_token.get_or_insert_with(|| refresh_token.clone());
    if tokens.refresh_expires.is_none() && refresh.lifetime_from == LifetimeFrom::Use {
        tokens.refresh_expires = ends(refresh, now);
    }
    Ok(granted)
}

/// Tells when a refresh token ends whose lifetime begins now.
pub(super) fn ends(refresh: &Refresh, now: Timestamp) -> Option<Timestamp> {
    refresh.lifetime.and_then(|seconds| Timestamp::try_from(seconds).ok()).map(|seconds| now + seconds)
}
