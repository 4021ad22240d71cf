//! The code exchange: an authorization code becomes tokens (RFC 6749 section 4.1.3).

use secrecy::{ExposeSecret, SecretString};

use crate::client::refresh::lifetime;
use crate::client::request::{Client, Sender};
use crate::client::response;
use crate::descriptor::OAuth2;
use crate::error::VendorError;
use crate::tokens::Granted;

/// What is exchanged, and by whom.
pub struct Code<'a> {
    /// The code that the vendor gave the browser.
    pub code: &'a SecretString,
    /// The redirect URI that the authorization request named.
    pub redirect_uri: &'a str,
    /// The code verifier, where the vendor takes one (RFC 7636 section 4.5).
    pub code_verifier: Option<&'a SecretString>,
    /// The client that the code was given to.
    pub client: Client<'a>,
}

/// Exchanges a code for tokens at the token endpoint `url`. Codes work once: an error that does not
/// say [`VendorError::certainly_not_acted_on`] may have spent it.
pub async fn exchange(
    sender: &Sender,
    oauth2: &OAuth2,
    url: &str,
    code: &Code<'_>,
) -> Result<Granted, VendorError> {
    let mut parameters = vec![
        ("grant_type", "authorization_code"),
        ("code", code.code.expose_secret()),
        ("redirect_uri", code.redirect_uri),
    ];
    if let Some(verifier) = code.code_verifier {
        parameters.push(("code_verifier", verifier.expose_secret()));
    }
    let raw = sender.send(&oauth2.token, url, code.client, parameters).await?;
    let mut granted = response::tokens(&raw, oauth2)?;
    let tokens = &mut granted.tokens;
    if tokens.refresh_token.is_some() && tokens.refresh_expires_in.is_none() {
        tokens.refresh_expires_in = oauth2.refresh.as_ref().and_then(lifetime);
    }
    Ok(granted)
}
