//! The redirect URL.

use serde::{Deserialize, Serialize};

/// The answer of `GET /elements/{keyOrId}/oauth/url`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OAuthUrl {
    /// Where to send the user.
    pub oauth_url: String,
    /// The element's key.
    pub element: String,
}
