//! The refresh request: a refresh token becomes new tokens (RFC 6749 section 6).

use secrecy::{ExposeSecret, SecretString};

use crate::client::request::{Client, Sender};
use crate::client::response;
use crate::descriptor::{LifetimeFrom, OAuth2, Refresh};
use crate::error::VendorError;
use crate::tokens::Granted;

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
) -> Result<Granted, VendorError> {
    let parameters = vec![("grant_type", "refresh_token"), ("refresh_token", refresh_token.expose_secret())];
    let raw = sender.send(&refresh.endpoint, url, client, parameters).await?;
    let mut granted = response::tokens(&raw, oauth2)?;
    let tokens = &mut granted.tokens;
    tokens.refresh_token.get_or_insert_with(|| refresh_token.clone());
    if tokens.refresh_expires_in.is_none() && refresh.lifetime_from == LifetimeFrom::Use {
        tokens.refresh_expires_in = lifetime(refresh);
    }
    Ok(granted)
}

/// Gives the seconds that a new refresh token lives, as the descriptor says.
pub(super) fn lifetime(refresh: &Refresh) -> Option<i64> {
    refresh.lifetime.and_then(|seconds| i64::try_from(seconds).ok())
}
