//! Elements on the wire.

use serde::Serialize;
use serde_json::Value;

use crate::element::{Element, Kind, Setting};

/// An element as an instance shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "the platform's shape")]
pub struct ElementSummary<'a> {
    id: u32,
    name: &'a str,
    hook_name: &'a str,
    key: &'a str,
    description: &'a str,
    image: &'a str,
    active: bool,
    deleted: bool,
    type_oauth: bool,
    trial_account: bool,
    bulk_download_enabled: bool,
    bulk_upload_enabled: bool,
    cloneable: bool,
    extendable: bool,
    beta: bool,
    authentication: Authentication,
    extended: bool,
    hub: &'a str,
    protocol_type: &'static str,
    parameters: [Value; 0],
}

#[derive(Debug, Serialize)]
struct Authentication {
    #[serde(rename = "type")]
    kind: &'static str,
}

impl<'a> ElementSummary<'a> {
    /// Shows an element.
    pub fn new(element: &'a Element) -> Self {
        let identity = &element.identity;
        Self {
            id: identity.id,
            name: &identity.name,
            hook_name: identity.hook_name.as_deref().unwrap_or(&identity.name),
            key: &identity.key,
            description: &identity.description,
            image: &identity.image,
            active: true,
            authentication: Authentication {
                kind: if element.oauth2.is_some() { "oauth2" } else { "custom" },
            },
            hub: &identity.hub,
            ..Self::gone(&identity.key, identity.id)
        }
    }

    /// Shows an element that the catalogue has lost, for the instances that remain.
    pub fn lost(key: &'a str, id: u32) -> Self {
        Self { deleted: true, ..Self::gone(key, id) }
    }

    fn gone(key: &'a str, id: u32) -> Self {
        Self {
            id,
            name: key,
            hook_name: key,
            key,
            description: "",
            image: "",
            active: false,
            deleted: false,
            type_oauth: false,
            trial_account: false,
            bulk_download_enabled: false,
            bulk_upload_enabled: false,
            cloneable: true,
            extendable: true,
            beta: false,
            authentication: Authentication { kind: "custom" },
            extended: false,
            hub: "",
            protocol_type: "http",
            parameters: [],
        }
    }
}

/// An element as the catalogue shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CatalogueElement<'a> {
    #[serde(flatten)]
    summary: ElementSummary<'a>,
    logo: String,
    configuration: Vec<SettingBody<'a>>,
    resources: [Value; 0],
    objects: [Value; 0],
    models: [Value; 0],
    transformations_enabled: bool,
    hooks: [Value; 0],
    use_models_for_metadata: bool,
    private: bool,
}

impl<'a> CatalogueElement<'a> {
    /// Shows an element.
    pub fn new(element: &'a Element) -> Self {
        let summary = ElementSummary::new(element);
        let logo = element.identity.logo.clone();
        Self {
            logo: logo.unwrap_or_else(|| summary.hook_name.to_lowercase()),
            configuration: SettingBody::all(element),
            summary,
            resources: [],
            objects: [],
            models: [],
            transformations_enabled: true,
            hooks: [],
            use_models_for_metadata: true,
            private: false,
        }
    }
}

impl Setting {
    /// Its id: the element's id, then the setting's number, which is never given to another.
    pub(crate) fn wire_id(&self, element: &Element) -> u64 {
        u64::from(element.identity.id) * 1_000 + u64::from(self.number)
    }
}

/// One entry of an element's configuration.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "the platform's shape")]
pub struct SettingBody<'a> {
    id: u64,
    name: &'a str,
    key: &'a str,
    description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_value: Option<&'a str>,
    reseller_config: bool,
    company_config: bool,
    active: bool,
    internal: bool,
    group_control: bool,
    display_order: usize,
    #[serde(rename = "type")]
    kind: Kind,
    hide_from_console: bool,
    required: bool,
}

impl<'a> SettingBody<'a> {
    /// Shows all of an element.
    pub fn all(element: &'a Element) -> Vec<Self> {
        let body = |(position, setting): (usize, &'a Setting)| Self {
            id: setting.wire_id(element),
            name: &setting.name,
            key: &setting.key,
            description: &setting.description,
            default_value: setting.default.as_deref(),
            reseller_config: false,
            company_config: false,
            active: true,
            internal: setting.hidden,
            group_control: false,
            display_order: position + 1,
            kind: setting.kind,
            hide_from_console: setting.hidden,
            required: setting.required,
        };
        element.configuration.iter().enumerate().map(body).collect()
    }
}

/// What an element can do, beyond its configuration.
#[derive(Debug, Serialize)]
pub struct ElementMetadata<'a> {
    id: u32,
    key: &'a str,
    name: &'a str,
    description: &'a str,
    hub: &'a str,
    events: Events,
    authentication: Authentication,
}

/// Events of the vendor are not passed on.
#[derive(Debug, Serialize)]
struct Events {
    supported: bool,
    methods: [Value; 0],
}

impl<'a> ElementMetadata<'a> {
    /// Shows an element's.
    pub fn new(element: &'a Element) -> Self {
        let summary = ElementSummary::new(element);
        Self {
            id: summary.id,
            key: summary.key,
            name: summary.name,
            description: summary.description,
            hub: summary.hub,
            events: Events { supported: false, methods: [] },
            authentication: summary.authentication,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Catalogue;

    #[test]
    fn the_ids_of_settings_stay_what_clients_have_seen() {
        let catalogue = Catalogue::built_in();
        let bodies = SettingBody::all(catalogue.find("191").unwrap());
        let id = |key: &str| bodies.iter().find(|body| body.key == key).unwrap().id;
        assert_eq!((id("oauth.api.key"), id("oauth.callback.url")), (191_001, 191_003));
        assert_eq!((id("infusionsoft.server"), id("infusionsoft.private.key")), (191_501, 191_502));
    }
}
