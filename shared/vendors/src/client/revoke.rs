//! The revocation: a grant ends at the vendor too (RFC 7009).

use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};

use crate::client::request::{Client, Sender};
use crate::client::response;
use crate::descriptor::{OAuth2, Revoke, RevokeMethod, RevokedBy, RevokedToken};
use crate::error::VendorError;

/// The tokens of the grant that is to be revoked.
#[derive(Clone, Copy)]
pub struct Revoked<'a> {
    /// The access token.
    pub access_token: &'a SecretString,
    /// The refresh token.
    pub refresh_token: Option<&'a SecretString>,
}

/// Revokes a grant at the revocation endpoint `url`.
pub async fn revoke(
    sender: &Sender,
    oauth2: &OAuth2,
    revoke: &Revoke,
    url: &str,
    client: Client<'_>,
    tokens: Revoked<'_>,
) -> Result<(), VendorError> {
    let (token, hint) = match (revoke.token, tokens.refresh_token) {
        (RevokedToken::RefreshToken, Some(refresh_token)) => (refresh_token, "refresh_token"),
        _ => (tokens.access_token, "access_token"),
    };
    let method = match revoke.method {
        RevokeMethod::Post => Method::POST,
        RevokeMethod::Delete => Method::DELETE,
    };
    let raw = match revoke.by {
        RevokedBy::Parameter => {
            let parameters = vec![("token", token.expose_secret()), ("token_type_hint", hint)];
            sender.request(method, &revoke.endpoint, url, client, parameters, None).await
        }
        RevokedBy::Bearer => sender.request(method, &revoke.endpoint, url, client, vec![], Some(token)).await,
    };
    response::done(&raw?, oauth2)
}
