//! Instances, their configuration, and how many there are.

use std::collections::BTreeMap;

use broker::clock;
use broker::record::instance::Instance;
use broker::record::user::User;
use payloads::instances::{ElementCount, Instance as Payload, InstanceCount, Owner};
use payloads::settings::SettingValue;
use vendors::catalogue::Catalogue;
use vendors::descriptor::{Element, Kind};

use crate::show::element::{self, setting_id};

/// Shows a user's instance, with its element token.
pub fn instance(instance: &Instance, token: String, catalogue: &Catalogue, user: &User) -> Payload {
    let element = match catalogue.find(&instance.element) {
        Some(known) => element::element(known),
        None => element::deleted(&instance.element, instance.element_id),
    };
    Payload {
        id: instance.id.0,
        name: instance.name.clone(),
        created_date: clock::rfc3339(instance.created),
        token,
        element,
        element_id: instance.element_id,
        tags: instance.tags.clone(),
        provision_interactions: Vec::new(),
        valid: instance.is_valid(),
        disabled: instance.disabled,
        max_cache_size: 0,
        cache_time_to_live: 0,
        configuration: instance.configuration.clone(),
        events_enabled: false,
        trace_logging_enabled: false,
        caching_enabled: false,
        external_authentication: if instance.imported { "initial" } else { "none" }.into(),
        app_id: instance.app.as_ref().map(|app| app.0.clone()),
        user: Owner {
            id: user.id.0,
            email_address: user.email_address.clone(),
            first_name: user.first_name.clone(),
            last_name: user.last_name.clone(),
        },
    }
}

/// Shows how many instances a user has, by the elements' keys.
pub fn count(counts: &BTreeMap<String, u64>, catalogue: &Catalogue) -> InstanceCount {
    let of_element = |(key, count): (&String, &u64)| {
        let identity = catalogue.find(key).map(|element| &element.identity);
        ElementCount {
            element_id: identity.map(|identity| identity.id),
            element_key: key.clone(),
            element_name: identity.map_or(key, |identity| &identity.name).clone(),
            total_instances: *count,
        }
    };
    InstanceCount {
        total_instances: counts.values().sum(),
        element_instances: counts.iter().map(of_element).collect(),
    }
}

/// Shows an instance's configuration: what the element knows, in its order, then the rest by key.
pub fn configuration(element: &Element, instance: &Instance) -> Vec<SettingValue> {
    let value = |key: &str| instance.configuration.get(key).and_then(Option::clone);
    let known = element.configuration.iter().map(|setting| SettingValue {
        id: setting_id(element, setting),
        key: setting.key.clone(),
        name: setting.name.clone(),
        description: setting.description.clone(),
        kind: setting.kind.name().to_owned(),
        property_value: value(&setting.key),
        required: setting.required,
        active: true,
        hide_from_console: setting.hidden,
    });
    let is_known = |key: &str| element.configuration.iter().any(|setting| setting.key == key);
    let further = instance.configuration.keys().filter(|key| !is_known(key)).map(|key| SettingValue {
        id: 0,
        key: key.clone(),
        name: key.clone(),
        description: String::new(),
        kind: Kind::Text1000.name().to_owned(),
        property_value: value(key),
        required: false,
        active: true,
        hide_from_console: false,
    });
    known.chain(further).collect()
}
