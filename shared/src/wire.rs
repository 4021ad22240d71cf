//! The payloads: what goes over the wire, in the platform's names and shapes.

mod connect;
mod element;
mod instance;
mod user;

use serde::Serialize;

pub use connect::{AppBody, LinkBody};
pub use element::{CatalogueElement, ElementMetadata, ElementSummary, SettingBody};
pub use instance::{AccessToken, ConfigurationEntry, InstanceBody, InstanceCount};
pub use user::{NewUser, ReturnUrls, UserRecord};

/// The body of every error.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure<'a> {
    /// The request's number, also in `Elements-Request-Id`.
    pub request_id: &'a str,
    /// What was wrong and what to do.
    pub message: &'a str,
    /// What the vendor said, when it said something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_message: Option<&'a str>,
}

/// The answer of `…/oauth/url`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OAuthUrl<'a> {
    /// Where to send the user.
    pub oauth_url: String,
    /// The element's key.
    pub element: &'a str,
}
