//! A live access token.

use serde::{Deserialize, Serialize};

/// A live access token (the fields of RFC 6749 section 5.1, without a refresh token). It is a secret, so it has no
/// `Debug`.
#[derive(Serialize, Deserialize)]
pub struct AccessToken {
    /// The token.
    pub access_token: String,
    /// Its type: `bearer`, as the vendor wrote it.
    pub token_type: String,
    /// How many seconds it will live; absent when it does not expire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<i64>,
    /// The scope that was granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Why this is not a new token although one was due: the vendor is in trouble.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}
