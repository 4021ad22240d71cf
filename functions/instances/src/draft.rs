//! Reads the bodies that make and change instances: sloppy where clients are, clear about what is missing.

use std::collections::BTreeMap;

use broker::Error;
use broker::grant::create::NewInstance;
use broker::grant::obtain::GrantSource;
use broker::grant::settings::Edit;
use broker::id::AppId;
use broker::record::app;
use broker::record::settings::{self, Given};
use serde_json::{Map, Value};
use vendors::catalogue::Catalogue;
use vendors::descriptor::Element;
use vendors::error::VendorError;
use web::body::{given, object, tags, text};
use web::clean::{line, pasted, written};

/// The answer to a body without a code, in the platform's words.
const NO_CODE: &str = "You must provide an OAuth code in order to create an instance of this element";

/// The answer to an import without a grant.
const NO_TOKEN: &str = "To import a grant send oauth.user.refresh_token in the configuration (or oauth.user.token, \
                        where the vendor has no refresh tokens)";

/// Reads a body into a draft of an instance; `key_or_id` is the path's, and empty when it has none.
pub(crate) fn read<'a>(
    catalogue: &'a Catalogue,
    key_or_id: &str,
    body: &Map<String, Value>,
) -> Result<NewInstance<'a>, Error> {
    let provider = object(body, "providerData")?;
    let code = code(&provider);
    let Some(element) = element(catalogue, key_or_id, body)? else {
        let missing =
            "Name the element: element.key or element.id in the body, or POST /elements/{keyOrId}/instances";
        return Err(Error::Invalid(if code.is_some() {
            missing.into()
        } else {
            format!("{missing}. {NO_CODE}")
        }));
    };
    element.oauth2()?;
    denied(&provider)?;
    let imports = text(body.get("externalAuthentication")).is_some_and(|how| how == "initial");
    if code.is_none() && !imports {
        return Err(Error::Invalid(NO_CODE.into()));
    }
    let mut configuration = given(element, &object(body, "configuration")?)?;
    // A mask stands for a value that is not here.
    configuration.retain(|_, value| value.as_deref() != Some(settings::MASK));
    let configuration = settings::with_defaults(element, configuration);
    let app = app_id(body, &configuration)?;
    let mut missing = settings::missing(element, &configuration);
    if app.is_some() {
        missing.retain(|key| ![settings::CLIENT_ID, settings::CLIENT_SECRET].contains(key));
    }
    if imports {
        // Nobody was sent anywhere, so there is no callback to name.
        missing.retain(|key| *key != settings::REDIRECT_URI);
    }
    if !missing.is_empty() {
        return Err(Error::Invalid(format!("Missing configuration: {}", missing.join(", "))));
    }
    let source = match code {
        Some(code) => code,
        None => brought(&configuration).ok_or_else(|| Error::Invalid(NO_TOKEN.into()))?,
    };
    let name = line(body.get("name"), "name")?.unwrap_or_else(|| element.identity.name.clone());
    let tags = tags(body.get("tags"))?.unwrap_or_else(|| vec![name.clone()]);
    Ok(NewInstance {
        element,
        name,
        tags,
        configuration,
        source,
        told: settings::from_callback(element, |name| written(provider.get(name), name))?,
        app,
        link: None,
    })
}

/// Reads `appId`: the app that has the client's key and secret, which are then not given.
pub(crate) fn app_id(body: &Map<String, Value>, configuration: &Given) -> Result<Option<AppId>, Error> {
    let Some(id) = text(body.get("appId")).filter(|id| !id.is_empty()) else { return Ok(None) };
    let given = [settings::CLIENT_ID, settings::CLIENT_SECRET];
    if given.iter().any(|key| !settings::value(configuration, key).is_empty()) {
        let twice = "Give either `appId` or oauth.api.key and oauth.api.secret, not both";
        return Err(Error::Invalid(twice.into()));
    }
    AppId::parse(&id).map(Some).ok_or_else(|| app::unknown(id))
}

/// A change of an instance. It holds secrets and is not to be printed.
pub(crate) struct Revision {
    /// What changes.
    pub(crate) edit: Edit,
    /// What a new grant is made of.
    pub(crate) source: Option<GrantSource>,
    /// What the vendor's callback carried besides the code, by configuration key.
    pub(crate) told: BTreeMap<String, String>,
}

/// Reads the body of `PUT` (`whole`) or `PATCH` into a change of an instance of that element.
pub(crate) fn revision(element: &Element, body: &Map<String, Value>, whole: bool) -> Result<Revision, Error> {
    let provider = object(body, "providerData")?;
    denied(&provider)?;
    let configuration = match body.get("configuration") {
        None | Some(Value::Null) => None,
        Some(_) => Some(given(element, &object(body, "configuration")?)?),
    };
    Ok(Revision {
        source: code(&provider).or_else(|| brought(configuration.as_ref()?)),
        told: settings::from_callback(element, |name| written(provider.get(name), name))?,
        edit: Edit {
            name: line(body.get("name"), "name")?,
            tags: tags(body.get("tags"))?,
            configuration,
            whole,
        },
    })
}

/// Reads the code, and the code verifier of a caller who keeps it.
fn code(provider: &Map<String, Value>) -> Option<GrantSource> {
    let code =
        text(provider.get("code")).map(|code| pasted(&code).to_owned()).filter(|code| !code.is_empty())?;
    let verifier = text(provider.get("code_verifier").or(provider.get("codeVerifier")));
    Some(GrantSource::Code(code.into(), verifier.filter(|verifier| !verifier.is_empty()).map(Into::into)))
}

/// Takes the tokens of an existing grant out of the configuration.
fn brought(configuration: &Given) -> Option<GrantSource> {
    let token = |key| {
        let text = settings::value(configuration, key).trim();
        (!text.is_empty() && text != settings::MASK).then(|| text.to_owned().into())
    };
    let refresh_token = token(settings::REFRESH_TOKEN).map(GrantSource::RefreshToken);
    refresh_token.or_else(|| token(settings::ACCESS_TOKEN).map(GrantSource::AccessToken))
}

fn element<'a>(
    catalogue: &'a Catalogue,
    key_or_id: &str,
    body: &Map<String, Value>,
) -> Result<Option<&'a Element>, Error> {
    if !key_or_id.is_empty() {
        return Ok(Some(catalogue.element(key_or_id)?));
    }
    let named = match body.get("element") {
        Some(Value::Object(element)) => [element.get("key"), element.get("id")],
        Some(Value::Array(_)) => {
            return Err(Error::Invalid("`element` must be an object with key or id".into()));
        }
        named => [named, None],
    };
    match named.into_iter().filter_map(text).find(|name| !name.is_empty()) {
        Some(name) => Ok(Some(catalogue.element(&name)?)),
        None => Ok(None),
    }
}

/// A callback that carries an error wins over a code: the user, or the vendor, said no.
fn denied(provider: &Map<String, Value>) -> Result<(), Error> {
    let Some(error) = text(provider.get("error")).filter(|error| !error.is_empty()) else { return Ok(()) };
    let words = text(provider.get("error_description")).unwrap_or_else(|| error.clone());
    let message = words.chars().filter(|c| !c.is_control()).take(500).collect();
    Err(Error::Vendor(VendorError::Refused { status: 400, error, message, means: None }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn catalogue() -> Catalogue {
        Catalogue::built_in()
    }

    fn refusal(path: &str, body: &Value) -> String {
        read(&catalogue(), path, body.as_object().unwrap()).map(drop).unwrap_err().to_string()
    }

    fn complete() -> Value {
        json!({
            "element": {"key": "infusionsoftcrm"},
            "providerData": {"code": "c", "state": "s", "scope": "full|x"},
            "configuration": {"oauth.api.key": "k", "oauth.api.secret": "s", "oauth.callback.url": "https;//typo",
                "oauth.user.refresh_time": 17, "filter.response.nulls": false, "oauth.user.refresh_token": null},
            "tags": ["Docs"], "name": "API Instance", "unknown": [1]
        })
    }

    #[test]
    fn the_documents_body_is_read_typos_and_all() {
        let (catalogue, body) = (catalogue(), complete());
        let draft = read(&catalogue, "", body.as_object().unwrap()).unwrap();
        assert_eq!((draft.name.as_str(), draft.tags.as_slice()), ("API Instance", &["Docs".to_owned()][..]));
        assert_eq!(draft.configuration["oauth.user.refresh_time"].as_deref(), Some("17"));
        assert_eq!(draft.configuration["filter.response.nulls"].as_deref(), Some("false"));
        assert_eq!(draft.configuration["oauth.user.refresh_token"], None);
    }

    #[test]
    fn the_element_is_found_by_number_text_or_path() {
        let catalogue = catalogue();
        for element in [
            json!({"id": 191}),
            json!({"id": "191"}),
            json!({"key": "", "id": 191}),
            json!({"key": "infusionsoftcrm"}),
            json!("infusionsoftcrm"),
            json!(191),
        ] {
            let mut body = complete();
            body["element"] = element;
            let draft = read(&catalogue, "", body.as_object().unwrap()).unwrap();
            assert_eq!(draft.element.identity.key, "infusionsoftcrm");
        }
        let mut body = complete();
        body.as_object_mut().unwrap().remove("element");
        assert_eq!(read(&catalogue, "192", body.as_object().unwrap()).unwrap().element.identity.id, 192);
    }

    #[test]
    fn what_is_missing_is_named_the_code_first() {
        let mut body = complete();
        body["configuration"] = json!({});
        assert_eq!(
            refusal("", &body),
            "Missing configuration: oauth.api.key, oauth.api.secret, oauth.callback.url"
        );
        body["providerData"] = json!({"code": ""});
        assert_eq!(refusal("", &body), NO_CODE);
        let erp = json!({"providerData": {"code": ""}, "configuration": {"filter.response.nulls": "true"}});
        let both = refusal("", &erp);
        assert!(both.contains("element.key") && both.contains(NO_CODE), "{both}");
        assert_eq!(refusal("nothing", &complete()), "No element found with key nothing");
    }

    #[test]
    fn an_error_in_the_callback_wins_over_the_code() {
        let mut body = complete();
        body["providerData"] = json!({"code": "c", "error": "access_denied", "error_description": "no\u{7}"});
        let error = read(&catalogue(), "", body.as_object().unwrap()).map(drop).unwrap_err();
        assert_eq!(error.provider_message(), Some("no"));
    }

    #[test]
    fn wrong_types_are_refused_by_name() {
        for (field, value) in [
            ("configuration", json!([])),
            ("providerData", json!("code")),
            ("element", json!([191])),
            ("tags", json!(7)),
            ("name", json!({})),
        ] {
            let mut body = complete();
            body[field] = value;
            assert!(refusal("", &body).contains(field), "{field}");
        }
        let mut body = complete();
        body["configuration"]["oauth.api.key"] = json!(["x"]);
        assert!(refusal("", &body).contains("oauth.api.key"));
    }

    #[test]
    fn what_no_store_would_take_is_refused_before_the_code_is_spent() {
        let long = "x".repeat(900_000);
        for (pointer, value) in [
            ("/name", json!(long)),
            ("/name", json!("<a>".repeat(300_000))),
            ("/tags", json!(vec!["t"; 51])),
            ("/tags/0", json!("\u{2039} ".repeat(100_000))),
            ("/configuration/oauth.api.key", json!(long)),
        ] {
            let mut body = complete();
            *body.pointer_mut(pointer).unwrap() = value;
            let refusal = refusal("", &body);
            assert!(refusal.contains("most"), "{pointer}: {refusal}");
        }
    }

    #[test]
    fn an_unknown_configuration_key_is_kept_whatever_it_holds() {
        let (catalogue, mut body) = (catalogue(), complete());
        body["configuration"]["mine"] = json!({"a": [1]});
        let draft = read(&catalogue, "", body.as_object().unwrap()).unwrap();
        assert_eq!(draft.configuration["mine"].as_deref(), Some(r#"{"a":[1]}"#));
    }

    #[test]
    fn names_lose_tags_and_control_characters_and_make_the_only_tag() {
        let cases = [
            ("<b>Bold</b> move", "Bold move"),
            ("a\u{0}\nb", "ab"),
            ("<<b>script>alert(1)<</b>/script>", "alert(1)"),
            ("1 < 2 > 0", "1 < 2 > 0"),
            ("x<img src=", "x"),
        ];
        let catalogue = catalogue();
        for (written, kept) in cases {
            let mut body = complete();
            body["name"] = json!(written);
            body["tags"] = Value::Null;
            let draft = read(&catalogue, "", body.as_object().unwrap()).unwrap();
            assert_eq!((draft.name.as_str(), draft.tags.as_slice()), (kept, &[kept.to_owned()][..]));
        }
        let mut body = complete();
        body["name"] = json!("x".repeat(256));
        assert!(refusal("", &body).contains("255"));
    }
}
