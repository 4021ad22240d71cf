//! Elements and their settings.

use payloads::elements::{Authentication, CatalogueElement, Element as Payload, ElementMetadata, Events};
use payloads::settings::Setting as SettingPayload;
use vendors::descriptor::{Element, Setting};

/// Shows an element as an instance shows it.
pub fn element(element: &Element) -> Payload {
    let identity = &element.identity;
    Payload {
        name: identity.name.clone(),
        hook_name: hook_name(element).to_owned(),
        description: identity.description.clone(),
        image: identity.image.clone(),
        active: true,
        deleted: false,
        authentication: authentication(element),
        hub: identity.hub.clone(),
        ..deleted(&identity.key, identity.id)
    }
}

/// Shows an element that the catalogue has lost, for the instances that remain.
pub fn deleted(key: &str, id: u32) -> Payload {
    Payload {
        id,
        name: key.to_owned(),
        hook_name: key.to_owned(),
        key: key.to_owned(),
        description: String::new(),
        image: String::new(),
        active: false,
        deleted: true,
        type_oauth: false,
        trial_account: false,
        bulk_download_enabled: false,
        bulk_upload_enabled: false,
        cloneable: true,
        extendable: true,
        beta: false,
        authentication: Authentication { kind: "custom".into() },
        extended: false,
        hub: String::new(),
        protocol_type: "http".into(),
        parameters: Vec::new(),
    }
}

/// Shows an element as the catalogue shows it.
pub fn catalogue_element(shown: &Element) -> CatalogueElement {
    let logo = shown.identity.logo.clone();
    CatalogueElement {
        element: element(shown),
        logo: logo.unwrap_or_else(|| hook_name(shown).to_lowercase()),
        configuration: settings(shown),
        resources: Vec::new(),
        objects: Vec::new(),
        models: Vec::new(),
        transformations_enabled: true,
        hooks: Vec::new(),
        use_models_for_metadata: true,
        private: false,
    }
}

/// Shows what an element can do.
pub fn metadata(element: &Element) -> ElementMetadata {
    let identity = &element.identity;
    ElementMetadata {
        id: identity.id,
        key: identity.key.clone(),
        name: identity.name.clone(),
        description: identity.description.clone(),
        hub: identity.hub.clone(),
        events: Events { supported: false, methods: Vec::new() },
        authentication: authentication(element),
    }
}

/// Shows an element's settings, in display order.
pub fn settings(element: &Element) -> Vec<SettingPayload> {
    let setting = |(position, setting): (usize, &Setting)| SettingPayload {
        id: setting_id(element, setting),
        name: setting.name.clone(),
        key: setting.key.clone(),
        description: setting.description.clone(),
        default_value: setting.default.clone(),
        reseller_config: false,
        company_config: false,
        active: true,
        internal: setting.hidden,
        group_control: false,
        display_order: position + 1,
        kind: setting.kind.name().to_owned(),
        hide_from_console: setting.hidden,
        required: setting.required,
    };
    element.configuration.iter().enumerate().map(setting).collect()
}

/// Gives a setting's id: the element's id, then the setting's number, which is never given to another.
pub(crate) fn setting_id(element: &Element, setting: &Setting) -> u64 {
    u64::from(element.identity.id) * 1_000 + u64::from(setting.number)
}

fn hook_name(element: &Element) -> &str {
    element.identity.hook_name.as_deref().unwrap_or(&element.identity.name)
}

fn authentication(element: &Element) -> Authentication {
    Authentication { kind: if element.oauth2.is_some() { "oauth2" } else { "custom" }.into() }
}

#[cfg(test)]
mod tests {
    use vendors::catalogue::Catalogue;

    use super::*;

    #[test]
    fn the_ids_of_settings_stay_what_clients_have_seen() {
        let catalogue = Catalogue::built_in();
        let shown = settings(catalogue.find("191").unwrap());
        let id = |key: &str| shown.iter().find(|setting| setting.key == key).unwrap().id;
        assert_eq!((id("oauth.api.key"), id("oauth.callback.url")), (191_001, 191_003));
        assert_eq!((id("infusionsoft.server"), id("infusionsoft.private.key")), (191_501, 191_502));
    }
}
