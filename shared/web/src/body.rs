//! What the bodies of requests have in common: read sloppily where clients are sloppy, with a clear word about
//! what is wrong.

use std::collections::BTreeMap;

use broker::error::Error;
use broker::record::settings::{self, CLIENT_ID, CLIENT_SECRET, Given, REDIRECT_URI};
use payloads::lenient;
use serde_json::{Map, Value};
use vendors::descriptor::Element;

use crate::clean::{client_id, line, pasted};

/// The most tags of an instance.
const MOST_TAGS: usize = 50;

/// Reads a member that is an object; an absent one is empty.
pub fn object(body: &Map<String, Value>, name: &str) -> Result<Map<String, Value>, Error> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(object)) => Ok(object.clone()),
        Some(_) => Err(Error::Invalid(format!("`{name}` must be an object"))),
    }
}

/// Reads a member that is text, or nothing.
pub fn text(value: Option<&Value>) -> Option<String> {
    value.and_then(lenient::text)
}

/// Reads a truth value, also as text.
pub fn truth(body: &Map<String, Value>, name: &str) -> Result<Option<bool>, Error> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(truth)) => Ok(Some(*truth)),
        Some(Value::String(text)) if text == "true" || text == "false" => Ok(Some(text == "true")),
        Some(_) => Err(Error::Invalid(format!("`{name}` must be true or false"))),
    }
}

/// Reads a configuration. What the element does not know is kept whatever it is; what it knows must be
/// text. Lengths are bounded before a code is spent, since no store takes more.
pub fn given(element: &Element, configuration: &Map<String, Value>) -> Result<Given, Error> {
    let mut given = Given::new();
    for (key, value) in configuration {
        let known = element.configuration.iter().any(|setting| setting.key == *key);
        let text = match value {
            Value::Null => None,
            Value::Array(_) | Value::Object(_) if known => {
                return Err(Error::Invalid(format!("`configuration`: {key} must be a string or null")));
            }
            Value::Array(_) | Value::Object(_) => Some(value.to_string()),
            value => lenient::text(value),
        };
        let text = match text {
            Some(text) if key == CLIENT_ID => Some(client_id(key, &text)?.to_owned()),
            Some(text) if is_pasted(element, key) => Some(pasted(&text).to_owned()),
            text => text,
        };
        given.insert(key.clone(), text);
    }
    settings::check_length(&given, &BTreeMap::new())?;
    Ok(given)
}

/// Tells whether people paste a value from elsewhere: the client's secret, an address, a host.
fn is_pasted(element: &Element, key: &str) -> bool {
    let hosts = element.configuration.iter().any(|setting| setting.key == *key && !setting.hosts.is_empty());
    let placeholders = element.oauth2.iter().flat_map(|oauth2| oauth2.placeholders.values());
    let named = placeholders.map(|placeholder| placeholder.configuration.as_str()).any(|named| named == key);
    [CLIENT_SECRET, REDIRECT_URI].contains(&key) || hosts || named
}

/// Reads tags, cleaned.
pub fn tags(value: Option<&Value>) -> Result<Option<Vec<String>>, Error> {
    let tags = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(tags)) => tags,
        Some(tag @ Value::String(_)) => std::slice::from_ref(tag),
        Some(_) => return Err(Error::Invalid("`tags` must be an array of strings".into())),
    };
    if tags.len() > MOST_TAGS {
        return Err(Error::Invalid(format!("`tags` must be at most {MOST_TAGS}, not {}", tags.len())));
    }
    tags.iter().filter_map(|tag| line(Some(tag), "tags").transpose()).collect::<Result<_, _>>().map(Some)
}
