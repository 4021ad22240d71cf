//! Anything at all at the doors: no panic, an answer in shape, and what was promised of it holds. Each
//! property is tried some hundred times; `PROPTEST_CASES` makes it more.

use std::sync::LazyLock;

use lambda_http::http::header::AUTHORIZATION;
use lambda_http::http::{HeaderMap, HeaderValue};
use lambda_http::{Body, Request};
use proptest::prelude::*;
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};
use tests::client::CALLBACK;
use tests::inside::Inside;
use tokio::runtime::Runtime;
use valetkey::catalogue::Catalogue;
use valetkey::credentials::Credentials;
use valetkey::oauth::answer::{self, Raw};
use valetkey::oauth::endpoint;

/// The functions, and what runs them.
static INSIDE: LazyLock<(Runtime, Inside)> =
    LazyLock::new(|| (Runtime::new().unwrap(), Inside::of(Catalogue::built_in())));

fn answered(request: Request) -> (u16, Value) {
    let (runtime, inside) = &*INSIDE;
    let (status, headers, text) = runtime.block_on(inside.answer(request));
    assert!(headers.contains_key("elements-request-id"));
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

/// Any JSON, made of the names that mean something here.
fn some_json() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        Just("element"),
        Just("key"),
        Just("id"),
        Just("configuration"),
        Just("providerData"),
        Just("code"),
        Just("name"),
        Just("tags"),
        Just("error"),
        Just("externalAuthentication"),
        Just("oauth.api.key"),
        Just("oauth.user.refresh_token"),
        Just("infusionsoft.server"),
        Just("access_token"),
        Just("expires_in"),
        Just("token_type"),
        Just("authed_user"),
        Just("scope"),
        Just("oauth.api.secret"),
        Just("oauth.callback.url"),
        Just("oauth.user.token"),
    ]
    .prop_map(str::to_owned);
    let name = prop_oneof![9 => name, 1 => any::<String>()];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(json!("infusionsoftcrm")),
        Just(json!("bearer")),
        Just(json!("initial")),
    ];
    leaf.prop_recursive(4, 48, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::btree_map(name.clone(), inner, 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #[test]
    fn an_authorization_header_is_read_or_not(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_bytes(&bytes) {
            headers.insert(AUTHORIZATION, value);
            let _ = Credentials::read(&headers);
        }
    }

    #[test]
    fn secrets_are_read_as_they_were_written(
        user in "[A-Za-z0-9+/=_.~-]{1,64}", organization in "[A-Za-z0-9+/=_.~-]{1,64}", space in "[ \t]{0,3}", swapped: bool,
    ) {
        let parts = [format!("{space}uSeR {space}{user}{space}"), format!("Organization\t{organization}")];
        let line = if swapped { format!("{},{}", parts[1], parts[0]) } else { parts.join(",") };
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, line.parse().unwrap());
        let read = Credentials::read(&headers).unwrap();
        let (read_user, read_organization) = (read.user.unwrap(), read.organization.unwrap());
        prop_assert_eq!(read_user.expose_secret(), user);
        prop_assert_eq!(read_organization.expose_secret(), organization);
    }

    #[test]
    fn a_redirect_url_is_made_of_any_query_or_refused(query in "[ -~]{0,200}", scope: String, state: String) {
        let given = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("apiKey", "k").append_pair("callbackUrl", CALLBACK)
            .append_pair("scope", &scope).append_pair("state", &state).finish();
        for query in [query, given] {
            let uri = format!("/elements/api-v2/elements/infusionsoftcrm/oauth/url?{query}");
            let Ok(uri) = uri.parse::<lambda_http::http::Uri>() else { continue };
            let mut request = Request::new(Body::Empty);
            *request.uri_mut() = uri;
            let (status, answer) = answered(request);
            prop_assert!(status == 200 || status == 400, "{}", status);
            if status == 200 {
                let url = url::Url::parse(answer["oauthUrl"].as_str().unwrap()).unwrap();
                prop_assert_eq!(url.host_str(), Some("signin.infusionsoft.com"));
                prop_assert_eq!(url.query_pairs().filter(|(name, _)| name == "client_id").count(), 1);
            }
        }
    }

    #[test]
    fn any_body_makes_nothing_and_is_answered_in_shape(body in some_json(), bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for body in [Body::from(body.to_string()), Body::from(bytes)] {
            for (method, path) in [("POST", "/instances"), ("POST", "/elements/infusionsoftcrm/instances"), ("PATCH", "/instances/1")] {
                let secrets = "User planted-user-secret, Organization planted-organization-secret";
                let request = lambda_http::http::Request::builder().method(method)
                    .uri(format!("/elements/api-v2{path}")).header("authorization", secrets)
                    .header("content-type", "application/json");
                let (status, answer) = answered(request.body(body.clone()).unwrap());
                prop_assert!((400..500).contains(&status), "{} {}", status, answer);
                prop_assert!(answer["requestId"].is_string() && answer["message"].is_string());
            }
        }
    }

    #[test]
    fn a_token_answer_is_understood_or_not(status in 100_u16..600, body in some_json(), bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let catalogue = Catalogue::built_in();
        for key in ["infusionsoftcrm", "slack", "hubspot"] {
            let oauth2 = catalogue.find(key).unwrap().oauth2.as_ref().unwrap();
            for body in [body.to_string().into_bytes(), bytes.clone()] {
                let raw = Raw { status, retry_after: None, body, confided: vec![] };
                if let Ok(granted) = answer::tokens(&raw, oauth2, 1_000) {
                    prop_assert!((200..300).contains(&status));
                    prop_assert!(!granted.tokens.access_token.expose_secret().is_empty());
                    prop_assert!(granted.tokens.expires.is_none_or(|expires| expires >= 1_000));
                }
            }
        }
    }

    #[test]
    fn a_host_is_of_the_pattern_or_refused(given in prop_oneof![any::<String>(), "[a-zA-Z0-9.@:/#?\\\\ -]{0,40}", "[a-z0-9-]{1,12}\\.zendesk\\.com[./:@]?[a-z0-9]{0,5}"]) {
        if let Some(host) = endpoint::host(&given, &["*.zendesk.com".to_owned()]) {
            let label = host.strip_suffix(".zendesk.com").unwrap();
            prop_assert!(!label.is_empty() && label.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-'));
            let url = url::Url::parse(&format!("https://{host}/oauth")).unwrap();
            prop_assert_eq!(url.host_str(), Some(host.as_str()));
        }
    }
}
