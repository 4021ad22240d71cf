//! Instances on the wire.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::ElementSummary;
use crate::catalogue::Catalogue;
use crate::clock;
use crate::instance::Instance;
use crate::user::User;

/// An instance, with its token and without its secrets.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "the platform's shape")]
pub struct InstanceBody<'a> {
    id: u64,
    name: &'a str,
    created_date: String,
    token: String,
    element: ElementSummary<'a>,
    element_id: u32,
    tags: &'a [String],
    provision_interactions: [Value; 0],
    valid: bool,
    disabled: bool,
    max_cache_size: u32,
    cache_time_to_live: u32,
    configuration: &'a BTreeMap<String, Option<String>>,
    events_enabled: bool,
    trace_logging_enabled: bool,
    caching_enabled: bool,
    external_authentication: &'static str,
    user: UserBody<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct UserBody<'a> {
    id: u64,
    email_address: &'a str,
    first_name: &'a str,
    last_name: &'a str,
}

impl<'a> InstanceBody<'a> {
    /// Shows a user's instance.
    pub fn new(instance: &'a Instance, token: String, catalogue: &'a Catalogue, user: &'a User) -> Self {
        let element = match catalogue.find(&instance.element) {
            Some(element) => ElementSummary::new(element),
            None => ElementSummary::lost(&instance.element, instance.element_id),
        };
        Self {
            id: instance.id,
            name: &instance.name,
            created_date: clock::rfc3339(instance.created),
            token,
            element,
            element_id: instance.element_id,
            tags: &instance.tags,
            provision_interactions: [],
            valid: instance.valid,
            disabled: instance.disabled,
            max_cache_size: 0,
            cache_time_to_live: 0,
            configuration: &instance.configuration,
            events_enabled: false,
            trace_logging_enabled: false,
            caching_enabled: false,
            external_authentication: "none",
            user: UserBody {
                id: user.id,
                email_address: &user.email_address,
                first_name: &user.first_name,
                last_name: &user.last_name,
            },
        }
    }
}

/// A live access token (the fields of RFC 6749 section 5.1, without a refresh token).
#[derive(Serialize)]
pub struct AccessToken<'a> {
    /// The token.
    pub access_token: &'a str,
    /// Its type: `bearer`.
    pub token_type: &'a str,
    /// How many seconds it will live; absent when it does not expire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<i64>,
    /// The scope that was granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<&'a str>,
}
