//! The revocation: a grant ends at the vendor too (RFC 7009).

use secrecy::ExposeSecret;

use super::VendorError;
use super::answer;
use super::send::{Client, Sender};
use crate::element::{OAuth2, Revoke, RevokedToken};
use crate::grant::Tokens;

/// Revokes a grant at the revocation endpoint `url`.
pub async fn revoke(
    sender: &Sender,
    oauth2: &OAuth2,
    revoke: &Revoke,
    url: &str,
    client: Client<'_>,
    tokens: &Tokens,
) -> Result<(), VendorError> {
    let (token, hint) = match (revoke.token, &tokens.refresh_token) {
        (RevokedToken::RefreshToken, Some(refresh_token)) => (refresh_token, "refresh_token"),
        _ => (&tokens.access_token, "access_token"),
    };
    let parameters = vec![("token", token.expose_secret()), ("token_type_hint", hint)];
    answer::done(&sender.send(&revoke.endpoint, url, client, parameters).await?, oauth2)
}
