//! An instance's configuration: which values are secret, and how they are kept apart.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use vendors::descriptor::{Element, Kind, OAuth2, Setting, is_secret_key};
use vendors::tenant;

use crate::error::Error;
use crate::text;

/// What stands in the place of a secret, in every answer and in the records.
pub const MASK: &str = "********";

/// The client's id at the vendor.
pub const CLIENT_ID: &str = "oauth.api.key";
/// The client's secret at the vendor.
pub const CLIENT_SECRET: &str = "oauth.api.secret";
/// The redirect URI of the authorization request.
pub const REDIRECT_URI: &str = "oauth.callback.url";
/// How long an access token lives, in seconds.
pub const REFRESH_INTERVAL: &str = "oauth.user.refresh_interval";
/// When the tokens came, in milliseconds since 1970.
pub const REFRESH_TIME: &str = "oauth.user.refresh_time";

/// The access token.
pub const ACCESS_TOKEN: &str = "oauth.user.token";
/// The refresh token.
pub const REFRESH_TOKEN: &str = "oauth.user.refresh_token";

/// The tokens, which clients may name and never see; they are kept as tokens, not as configuration.
const TOKENS: [&str; 2] = [ACCESS_TOKEN, REFRESH_TOKEN];

/// Configuration as a client sends it.
pub type Given = BTreeMap<String, Option<String>>;

/// Configuration with its secrets taken out.
#[derive(Debug)]
pub struct Split {
    /// What clients read.
    pub open: Given,
    /// What is kept sealed.
    pub secrets: BTreeMap<String, SecretString>,
}

impl Split {
    /// Puts masks in the place of a client's key and secret that an app has.
    pub fn mask_client(&mut self) {
        for key in [CLIENT_ID, CLIENT_SECRET] {
            self.secrets.remove(key);
            self.open.insert(key.to_owned(), Some(MASK.to_owned()));
        }
    }
}

/// Tells whether a value is masked in every answer.
pub fn is_secret(element: &Element, key: &str) -> bool {
    let known = element.configuration.iter().find(|setting| setting.key == key);
    is_secret_key(key) || known.is_some_and(|setting| setting.kind == Kind::Password)
}

/// Tells whether a whole new configuration may leave a key out without losing it: what an instance cannot
/// be without, and what the vendor told.
pub fn is_kept(element: &Element, key: &str) -> bool {
    let required = |setting: &Setting| setting.key == key && setting.required;
    let told = |oauth2: &OAuth2| {
        let mut keys = oauth2.answer.keep.values().chain(oauth2.callback.values());
        let mut needed = oauth2.placeholders.values().map(|placeholder| &placeholder.configuration);
        keys.any(|known| known == key) || needed.any(|known| known == key)
    };
    key.starts_with("oauth.user.")
        || element.configuration.iter().any(required)
        || element.oauth2.as_ref().is_some_and(told)
}

/// Tells whether a secret is but the mask that stands for it.
pub fn is_mask(secret: &SecretString) -> bool {
    secret.expose_secret() == MASK
}

/// Gives a value, or nothing as empty text.
pub fn value<'a>(given: &'a Given, key: &str) -> &'a str {
    given.get(key).and_then(Option::as_deref).unwrap_or_default()
}

/// Tells whether a visitor of hosted connect can be asked for a key: what is not secret, and not of the client.
pub fn is_asked(element: &Element, key: &str) -> bool {
    let shown = |setting: &Setting| setting.key == key && !setting.hidden;
    key != REDIRECT_URI && !is_secret(element, key) && element.configuration.iter().any(shown)
}

/// Lists the required keys that have no value.
pub fn missing<'a>(element: &'a Element, given: &Given) -> Vec<&'a str> {
    let has =
        |key: &str| given.get(key).and_then(Option::as_ref).is_some_and(|value| !value.trim().is_empty());
    let required = element.configuration.iter().filter(|setting| setting.required);
    required.map(|setting| setting.key.as_str()).filter(|key| !has(key)).collect()
}

/// The longest configuration, keys and values together, in bytes: it must fit into one item of the table, of 400 KB,
/// with room for all else.
const LONGEST: usize = 32_768;

/// Refuses a configuration that no store would keep.
pub fn check_length(open: &Given, secrets: &BTreeMap<String, SecretString>) -> Result<(), Error> {
    let open: usize = open.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, String::len)).sum();
    let secret: usize = secrets.iter().map(|(key, value)| key.len() + value.expose_secret().len()).sum();
    let length = open + secret;
    if length <= LONGEST {
        return Ok(());
    }
    Err(Error::Invalid(format!("`configuration` is {length} bytes long; the most that is kept is {LONGEST}")))
}

/// Takes what the element keeps of the vendor's callback; `given` reads one of its parameters.
pub fn from_callback(
    element: &Element,
    given: impl Fn(&str) -> Result<Option<String>, Error>,
) -> Result<BTreeMap<String, String>, Error> {
    let mut kept = BTreeMap::new();
    for (parameter, key) in element.oauth2.iter().flat_map(|oauth2| &oauth2.callback) {
        if let Some(written) = given(parameter)?
            && let Some(value) = text::line(&written, parameter)?
        {
            kept.insert(key.clone(), value);
        }
    }
    Ok(kept)
}

/// Fills in defaults for what is not given.
pub fn with_defaults(element: &Element, mut given: Given) -> Given {
    for setting in element.configuration.iter().filter(|setting| setting.default.is_some()) {
        given.entry(setting.key.clone()).or_insert_with(|| setting.default.clone());
    }
    given
}

/// Fills in defaults, normalises hosts and takes the secrets out.
pub fn split(element: &Element, given: Given) -> Result<Split, Error> {
    let mut given = with_defaults(element, given);
    for placeholder in element.oauth2.iter().flat_map(|oauth2| oauth2.placeholders.values()) {
        if let Some(Some(value)) = given.get(&placeholder.configuration)
            && !value.trim().is_empty()
        {
            tenant::check(placeholder, value)?;
        }
    }
    for setting in &element.configuration {
        if let (false, Some(Some(value))) = (setting.hosts.is_empty(), given.get_mut(&setting.key))
            && !value.trim().is_empty()
        {
            *value = tenant::host(value, &setting.hosts).ok_or_else(|| {
                let shown: String = value.chars().take(100).collect();
                let wanted = tenant::allowed(&setting.hosts);
                Error::Invalid(format!("{} must be a host such as {wanted}, not {shown:?}", setting.key))
            })?;
        }
    }
    let mut split = Split { open: BTreeMap::new(), secrets: BTreeMap::new() };
    for (key, value) in given {
        match value {
            Some(value) if is_secret(element, &key) => {
                split.open.insert(key.clone(), Some(MASK.to_owned()));
                if !TOKENS.contains(&key.as_str()) {
                    split.secrets.insert(key, value.into());
                }
            }
            value => {
                split.open.insert(key, value);
            }
        }
    }
    Ok(split)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use vendors::catalogue::Catalogue;

    fn given(pairs: &[(&str, &str)]) -> Given {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned()))).collect()
    }

    #[test]
    fn secrets_are_kept_apart_and_masks_stand_for_them() {
        let catalogue = Catalogue::built_in();
        let element = catalogue.find("infusionsoftcrm").unwrap();
        let split = split(
            element,
            given(&[
                ("oauth.api.key", "planted-key"),
                ("oauth.api.secret", "planted-secret"),
                ("infusionsoft.private.key", "planted-private"),
                ("oauth.user.refresh_token", "planted-token"),
                ("some.password", "planted-password"),
                ("infusionsoft.server", "https://DT123.infusionsoft.com"),
                ("unknown", "kept"),
            ]),
        )
        .unwrap();
        assert!(!format!("{:?}", split.open).contains("planted"));
        assert_eq!(split.secrets["infusionsoft.private.key"].expose_secret(), "planted-private");
        assert_eq!(split.secrets.len(), 4, "the token is not configuration");
        assert_eq!(split.open["infusionsoft.server"].as_deref(), Some("dt123.infusionsoft.com"));
        assert_eq!(split.open["unknown"].as_deref(), Some("kept"));
        assert_eq!(split.open["filter.response.nulls"].as_deref(), Some("true"), "the default");
    }

    #[test]
    fn every_missing_key_is_named() {
        let catalogue = Catalogue::built_in();
        let element = catalogue.find("infusionsoftcrm").unwrap();
        let found = missing(element, &given(&[("oauth.api.key", " "), ("oauth.api.secret", "s")]));
        assert_eq!(found, ["oauth.api.key", "oauth.callback.url"]);
    }

    #[test]
    fn a_host_outside_the_pattern_is_refused_with_its_value() {
        let catalogue = Catalogue::built_in();
        let element = catalogue.find("infusionsoftcrm").unwrap();
        let error = split(element, given(&[("infusionsoft.server", "evil.com")])).unwrap_err().to_string();
        assert!(error.contains("infusionsoft.server") && error.contains("evil.com"), "{error}");
    }
}
