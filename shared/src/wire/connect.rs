//! Links and apps on the wire.

use serde::Serialize;

use crate::client::Registered;
use crate::clock::{self, Timestamp};
use crate::configuration::{Given, MASK};
use crate::link::Link;

/// A link, without its secrets.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkBody<'a> {
    id: &'a str,
    url: String,
    expires_at: String,
    created_date: String,
    status: &'static str,
    element: Element<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<&'a [String]>,
    reusable: bool,
    configuration: &'a Given,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    return_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app_id: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Element<'a> {
    key: &'a str,
}

impl<'a> LinkBody<'a> {
    /// Shows a link as it stands at that time; `url` is what visitors open, `made` the instance that came of it.
    pub fn new(link: &'a Link, url: String, now: Timestamp, made: Option<u64>) -> Self {
        let status = match link {
            link if link.is_used() => "used",
            link if link.until <= now => "expired",
            _ => "open",
        };
        Self {
            id: &link.id,
            url,
            expires_at: clock::rfc3339(link.until),
            created_date: clock::rfc3339(link.created),
            status,
            element: Element { key: &link.element },
            name: link.name.as_deref(),
            tags: link.tags.as_deref(),
            reusable: link.reusable,
            configuration: &link.configuration,
            scope: link.scope.as_deref(),
            state: link.state.as_deref(),
            return_url: link.return_url.as_deref(),
            instance_id: link.instance.or(made),
            app_id: link.app.as_deref(),
        }
    }
}

/// An app, without its secrets.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AppBody<'a> {
    id: &'a str,
    name: &'a str,
    created_date: String,
    element: Element<'a>,
    /// Absent when the app's registration did not end: its key and secret are to be given again.
    #[serde(skip_serializing_if = "Option::is_none")]
    configuration: Option<Secrets>,
}

#[derive(Debug, Serialize)]
struct Secrets {
    #[serde(rename = "oauth.api.key")]
    key: &'static str,
    #[serde(rename = "oauth.api.secret")]
    secret: &'static str,
}

impl<'a> AppBody<'a> {
    /// Shows an app.
    pub fn new(app: &'a Registered) -> Self {
        Self {
            id: &app.id,
            name: &app.name,
            created_date: clock::rfc3339(app.created),
            element: Element { key: &app.element },
            configuration: app.client.as_ref().map(|_| Secrets { key: MASK, secret: MASK }),
        }
    }
}
