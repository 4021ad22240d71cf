//! Instances on the wire.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::ElementSummary;
use crate::catalogue::Catalogue;
use crate::clock;
use crate::element::{Element, Kind};
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
    /// Ours: the app that it was made with.
    #[serde(skip_serializing_if = "Option::is_none")]
    app_id: Option<&'a str>,
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
            external_authentication: if instance.imported { "initial" } else { "none" },
            app_id: instance.app.as_deref(),
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
    /// Why this is not a new token though one was due: the vendor is in trouble.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<&'a str>,
}

/// How many instances a user has.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceCount<'a> {
    total_instances: u64,
    element_instances: Vec<ElementCount<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ElementCount<'a> {
    element_id: Option<u32>,
    element_key: &'a str,
    element_name: &'a str,
    total_instances: u64,
}

impl<'a> InstanceCount<'a> {
    /// Shows the counts by the elements' keys.
    pub fn new(counts: &'a BTreeMap<String, u64>, catalogue: &'a Catalogue) -> Self {
        let of_element = |(key, count): (&'a String, &u64)| {
            let identity = catalogue.find(key).map(|element| &element.identity);
            ElementCount {
                element_id: identity.map(|identity| identity.id),
                element_key: key,
                element_name: identity.map_or(key, |identity| &identity.name),
                total_instances: *count,
            }
        };
        Self {
            total_instances: counts.values().sum(),
            element_instances: counts.iter().map(of_element).collect(),
        }
    }
}

/// One entry of an instance's configuration, with its value.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigurationEntry<'a> {
    id: u64,
    key: &'a str,
    name: &'a str,
    description: &'a str,
    #[serde(rename = "type")]
    kind: Kind,
    property_value: Option<&'a str>,
    required: bool,
    active: bool,
    hide_from_console: bool,
}

impl<'a> ConfigurationEntry<'a> {
    /// Shows an instance's configuration: what the element knows, in its order, then the rest by key.
    pub fn all(element: &'a Element, instance: &'a Instance) -> Vec<Self> {
        let value = |key: &str| instance.configuration.get(key).and_then(Option::as_deref);
        let known = element.configuration.iter().map(|setting| Self {
            id: setting.wire_id(element),
            key: &setting.key,
            name: &setting.name,
            description: &setting.description,
            kind: setting.kind,
            property_value: value(&setting.key),
            required: setting.required,
            active: true,
            hide_from_console: setting.hidden,
        });
        let is_known = |key: &str| element.configuration.iter().any(|setting| setting.key == key);
        let further = instance.configuration.keys().filter(|key| !is_known(key)).map(|key| Self {
            id: 0,
            key,
            name: key,
            description: "",
            kind: Kind::Text1000,
            property_value: value(key),
            required: false,
            active: true,
            hide_from_console: false,
        });
        known.chain(further).collect()
    }

    /// Gives the key.
    pub fn key(&self) -> &str {
        self.key
    }

    /// Tells whether a path means this entry: by its key, or by its id where it has one of its own.
    pub fn is(&self, named: &str) -> bool {
        self.key == named || (self.id != 0 && self.id.to_string() == named)
    }
}
