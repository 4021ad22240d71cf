//! Anything at all at the doors: no panic, an answer in shape, and what was promised of it holds. Each
//! property is tried some hundred times; `PROPTEST_CASES` makes it more.

use std::sync::LazyLock;

use aws::lambda::event;
use broker::seal::key::fingerprint;
use broker::store::records::{Change, Key, Registry};
use lambda_http::http::header::AUTHORIZATION;
use lambda_http::http::{HeaderMap, HeaderValue};
use lambda_http::{Body, Request};
use proptest::prelude::*;
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};
use tests::client::CALLBACK;
use tests::inside::{Inside, RETURN_URL};
use tokio::runtime::Runtime;
use vendors::catalogue::Catalogue;
use vendors::client::body::Raw;
use vendors::client::response;
use vendors::error::VendorError;
use vendors::tenant;
use vendors::tokens::Lifetime;
use web::authorization;
use web::clean::return_url;
use web::visitor::append_query;

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
    fn reading_any_authorization_header_does_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_bytes(&bytes) {
            headers.insert(AUTHORIZATION, value);
            let _ = authorization::read(&headers);
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
        let read = authorization::read(&headers).unwrap();
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
                if let Ok(granted) = response::tokens(&answer(status, body), oauth2) {
                    prop_assert!((200..300).contains(&status));
                    let usable = !granted.tokens.access_token.expose_secret().is_empty();
                    prop_assert_eq!(usable, granted.odd.is_none());
                    prop_assert!(usable || granted.tokens.refresh_token.is_some());
                    prop_assert!(!matches!(granted.tokens.lifetime, Some(Lifetime::Seconds(..0))));
                }
            }
        }
    }

    #[test]
    fn a_host_is_of_the_pattern_or_refused(given in prop_oneof![any::<String>(), "[a-zA-Z0-9.@:/#?\\\\ -]{0,40}", "[a-z0-9-]{1,12}\\.zendesk\\.com[./:@]?[a-z0-9]{0,5}"]) {
        if let Some(host) = tenant::host(&given, &["*.zendesk.com".to_owned()]) {
            let label = host.strip_suffix(".zendesk.com").unwrap();
            prop_assert!(!label.is_empty() && label.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-'));
            let url = url::Url::parse(&format!("https://{host}/oauth")).unwrap();
            prop_assert_eq!(url.host_str(), Some(host.as_str()));
        }
    }
}

fn answer(status: u16, body: Vec<u8>) -> Raw {
    Raw { status, retry_after: None, challenge: None, body, confided: vec![] }
}

/// A value of JSON, or what some take for one.
fn odd_value() -> impl Strategy<Value = Vec<u8>> {
    let character = prop_oneof![
        4 => "[ !#-\\[\\]-~]".prop_map(String::into_bytes),
        2 => any::<u8>().prop_filter("it ends no string", |byte| !b"\"\\".contains(byte)).prop_map(|byte| vec![byte]),
        2 => any::<u16>().prop_map(|unit| format!("\\u{unit:04x}").into_bytes()),
    ];
    let string = prop::collection::vec(character, 0..30)
        .prop_map(|characters| [b"\"", characters.concat().as_slice(), b"\""].concat());
    let deep = (1..2_000_usize, any::<bool>()).prop_map(|(depth, is_list)| {
        let (open, close) = if is_list { ("[", "]") } else { ("{\"x\":", "}") };
        format!("{}0{}", open.repeat(depth), close.repeat(depth)).into_bytes()
    });
    prop_oneof![
        4 => string,
        1 => deep,
        2 => "-?[0-9]{1,40}(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,5})?".prop_map(String::into_bytes),
        1 => "NaN|Infinity|undefined|True|tru|0x1f|\\+1|01".prop_map(String::into_bytes),
    ]
}

proptest! {
    #[test]
    fn one_odd_member_loses_no_grant(odd in odd_value(), place in 0..3_usize, framing in 0..4_usize) {
        let members: [&[u8]; 2] = [b"\"access_token\":\"the-access\"", b"\"refresh_token\":\"the-refresh\""];
        let mut members: Vec<_> = members.map(<[u8]>::to_vec).to_vec();
        members.insert(place, [b"\"odd\":", odd.as_slice()].concat());
        let object = [b"{".as_slice(), &members.join(&b','), b"}"].concat();
        let body = match framing {
            0 => object,
            1 => [b"\xef\xbb\xbf", object.as_slice()].concat(),
            2 => [object.as_slice(), b"\r\nand more"].concat(),
            _ => [b")]}',\n", object.as_slice()].concat(),
        };
        let catalogue = Catalogue::built_in();
        let oauth2 = catalogue.find("infusionsoftcrm").unwrap().oauth2.as_ref().unwrap();
        let tokens = response::tokens(&answer(200, body), oauth2).unwrap().tokens;
        prop_assert_eq!(tokens.access_token.expose_secret(), "the-access");
        let refresh_token = tokens.refresh_token.unwrap();
        prop_assert_eq!(refresh_token.expose_secret(), "the-refresh");
    }

    #[test]
    fn a_refusal_in_any_shape_yields_its_words(words in "[a-zA-Z][a-zA-Z0-9 ,.']{0,60}[a-z]", code in "[a-z_]{3,20}", shape in 0..10_usize) {
        let body = match shape {
            0 => serde_json::json!({"error": code, "error_description": words}),
            1 => serde_json::json!({"error": {"code": code, "message": words}}),
            2 => serde_json::json!({"errors": [{"code": code, "message": words}]}),
            3 => serde_json::json!({"Error": words, "ErrorCode": code}),
            4 => serde_json::json!({"fault": {"faultstring": words, "detail": {"errorcode": code}}}),
            5 => serde_json::json!({"error_code": code, "error_message": words}),
            6 => serde_json::json!({"code": code, "title": "No", "detail": words}),
            _ => Value::Null,
        };
        let body = match shape {
            7 => words.clone(),
            8 => format!("<html><style>p{{}}</style><p>{words}</p></html>"),
            9 => format!("error={code}&error_description={}", words.replace(' ', "+")),
            _ => body.to_string(),
        };
        let catalogue = Catalogue::built_in();
        let oauth2 = catalogue.find("infusionsoftcrm").unwrap().oauth2.as_ref().unwrap();
        let refusal = response::tokens(&answer(400, body.clone().into()), oauth2).unwrap_err();
        let VendorError::Refused { error, message, .. } = refusal else { panic!("{refusal:?}") };
        let heard = message.split_whitespace().collect::<Vec<_>>();
        prop_assert_eq!(heard, words.split_whitespace().collect::<Vec<_>>(), "{}", body);
        prop_assert!(shape == 7 || shape == 8 || error == code, "{}: {}", body, error);
    }
}

/// A string of JSON of any bytes, escaped or not.
fn some_json_string() -> impl Strategy<Value = Vec<u8>> {
    let character = prop_oneof![
        8 => "[ -~]".prop_map(|text| text.replace(['"', '\\'], "").into_bytes()),
        2 => any::<u8>().prop_filter("it ends no string", |byte| !b"\"\\".contains(byte)).prop_map(|byte| vec![byte]),
        2 => any::<u16>().prop_map(|unit| format!("\\u{unit:04x}").into_bytes()),
        1 => "[ -!#-~]".prop_map(|letter| format!("\\{letter}").into_bytes()),
    ];
    prop::collection::vec(character, 0..40).prop_map(|characters| {
        let inner = characters.concat();
        let inner = inner.strip_suffix(b"\\").unwrap_or(&inner);
        [b"\"", inner, b"\""].concat()
    })
}

proptest! {
    #[test]
    fn an_event_is_answered_whatever_it_holds(
        strings in prop::collection::vec(some_json_string(), 12), known: bool, is_base64: bool, method in "GET|POST|OPTIONS|[ -!#-Z]{0,9}",
    ) {
        let [path, query, name, value, authorization, accept, host, cookie, body, domain, scheme, kind] = strings.try_into().unwrap();
        let path = if known { b"\"/elements/api-v2/instances\"".to_vec() } else { [b"\"/", &path[1..]].concat() };
        let method = format!("\"{method}\"");
        let event = [
            b"{\"rawPath\":".as_slice(), &path, b",\"rawQueryString\":", &query, b",\"headers\":{", &name, b":", &value,
            b",\"authorization\":", &authorization, b",\"accept\":", &accept, b",\"host\":", &host,
            b",\"x-forwarded-proto\":", &scheme, b",\"content-type\":", &kind, b"},\"cookies\":[", &cookie, b",", &cookie,
            b"],\"body\":", &body, b",\"isBase64Encoded\":", is_base64.to_string().as_bytes(),
            b",\"requestContext\":{\"domainName\":", &domain, b",\"http\":{\"method\":", method.as_bytes(), b"}}}",
        ].concat();
        match event::to_request(event::read(&event)) {
            Ok(request) => {
                let (status, answer) = answered(request);
                prop_assert!((200..500).contains(&status), "{} {}", status, answer);
            }
            Err(error) => prop_assert_eq!(web::error::status(&error), 400),
        }
    }
}

/// An open session of hosted connect: its state and its browser's cookie.
static SESSION: LazyLock<(String, String)> = LazyLock::new(|| {
    let (runtime, inside) = &*INSIDE;
    runtime.block_on(async {
        let (state, cookie) = session("s").await;
        // It outlives a long run.
        let key = Key::new(format!("session#{}", fingerprint(&state)), "session");
        inside.registry().update(&key, Change::default().set("until", i64::MAX)).await.unwrap();
        (state, cookie)
    })
});

/// Opens a session of a link whose maker gave it that state: its own state, and its browser's cookie.
async fn session(state: &str) -> (String, String) {
    let inside = &INSIDE.1;
    let configuration = json!({"oauth.api.key": "k", "oauth.api.secret": "s"});
    let body =
        json!({"configuration": configuration, "returnUrl": RETURN_URL, "reusable": true, "state": state});
    let (status, link) = inside.call("POST", "/elements/infusionsoftcrm/links", Some(&body)).await;
    assert_eq!(status, 200, "{link}");
    let path = format!("/connect/{}", link["id"].as_str().unwrap());
    let request = lambda_http::http::Request::builder().uri(path).body(Body::Empty).unwrap();
    let (_, headers, _) = inside.answer(request).await;
    let sent = url::Url::parse(headers["location"].to_str().unwrap()).unwrap();
    let cookie = headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    (tests::client::parameter(&sent, "state").unwrap(), cookie)
}

const CALLBACK_PATH: &str = "/oauth/callback/infusionsoftcrm";

/// Sends a request of a browser; gives the status and where it is sent.
fn browsed(method: &str, uri: &str, cookie: Option<&[u8]>, body: &[u8]) -> Option<(u16, Option<String>)> {
    let (runtime, inside) = &*INSIDE;
    let mut request = lambda_http::http::Request::builder().method(method).uri(uri);
    if let Some(cookie) = cookie {
        request = request.header("cookie", HeaderValue::from_bytes(cookie).ok()?);
    }
    let (status, headers, page) = runtime.block_on(inside.answer(request.body(Body::from(body)).ok()?));
    assert!(!page.contains("<script"), "{page}");
    Some((status, headers.get("location").map(|location| location.to_str().unwrap().to_owned())))
}

/// Tells that the open session has not been touched.
fn is_untouched() -> bool {
    let (runtime, inside) = &*INSIDE;
    let key = Key::new(format!("session#{}", fingerprint(&SESSION.0)), "session");
    let found = runtime.block_on(inside.registry().get(&key)).unwrap().unwrap();
    !found.contains_key("taken_by")
}

fn some_query() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop_oneof![
        Just("state"),
        Just("code"),
        Just("iss"),
        Just("error"),
        Just("error_description"),
        Just("scope"),
    ];
    let value = prop_oneof![
        Just(SESSION.0.clone()),
        any::<String>(),
        "[ -~]{0,60}",
        Just("access_denied".to_owned()),
        Just(String::new()),
    ];
    prop::collection::vec((name.prop_map(str::to_owned), value), 0..8)
}

proptest! {
    #[test]
    fn a_callback_is_no_strangers_whatever_it_asks(
        query in some_query(), raw in "[ -~]{0,120}", posted: bool, path in prop_oneof![
            Just(CALLBACK_PATH.to_owned()), Just("/oauth/callback".to_owned()), "/oauth/callback/[!-~]{0,30}",
        ],
    ) {
        let encoded = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&query).finish();
        for query in [&encoded, &raw] {
            let (method, uri) = if posted { ("POST", path.clone()) } else { ("GET", format!("{path}?{query}")) };
            if uri.parse::<lambda_http::http::Uri>().is_err() { continue }
            let Some((status, location)) = browsed(method, &uri, None, query.as_bytes()) else { continue };
            prop_assert!((400..500).contains(&status) && location.is_none(), "{} {:?}", status, location);
        }
        prop_assert!(is_untouched());
    }

    #[test]
    fn a_cookie_is_the_browsers_or_none(
        bytes in prop::collection::vec(any::<u8>(), 0..120), text in "(__Host-valetkey=)?[!-~]{0,60}(; __Host-valetkey=[!-~]{0,50})?",
    ) {
        let (state, real) = &*SESSION;
        let uri = format!("{CALLBACK_PATH}?code=c&state={state}");
        for cookie in [bytes.as_slice(), text.as_bytes(), format!("{text}; {real}x").as_bytes(), format!("{real}; {real}").as_bytes()] {
            let Some((status, location)) = browsed("GET", &uri, Some(cookie), b"") else { continue };
            prop_assert!(status == 403 && location.is_none(), "{} {:?}", status, location);
        }
        prop_assert!(is_untouched());
    }

    #[test]
    fn a_state_is_the_sessions_or_none(given: String, position in 0_usize..43, with in "[A-Za-z0-9_-]") {
        let (state, cookie) = &*SESSION;
        let mut changed = state.clone();
        changed.replace_range(position..=position, &with);
        for given in [given, changed].iter().filter(|given| *given != state) {
            let query = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("code", "c").append_pair("state", given).finish();
            let answer = browsed("GET", &format!("{CALLBACK_PATH}?{query}"), Some(cookie.as_bytes()), b"");
            prop_assert_eq!(answer, Some((400, None)));
        }
        prop_assert!(is_untouched());
    }

    #[test]
    fn a_return_url_is_the_allowed_one_or_refused(
        given: String, typed in "(https?:)?//?(app\\.example|evil\\.example|[!-~]{0,12})[!-~]{0,12}",
        position in 0_usize..RETURN_URL.len(), with in "[ -~]?", state: String,
    ) {
        let mut changed = RETURN_URL.to_owned();
        changed.replace_range(position..=position, &with);
        let (runtime, inside) = &*INSIDE;
        for url in [given.as_str(), &typed, &changed].into_iter().filter(|url| !url.is_empty()) {
            let configuration = json!({"oauth.api.key": "k", "oauth.api.secret": "s"});
            let body = json!({"configuration": configuration, "returnUrl": url});
            let (status, answer) = runtime.block_on(inside.call("POST", "/elements/infusionsoftcrm/links", Some(&body)));
            prop_assert_eq!(status, if url == RETURN_URL { 200 } else { 400 }, "{}", answer);
            // Whatever may be allowed, what is added to it leads to the same place.
            if let Ok(allowed) = return_url("it", url) {
                let sent = append_query(allowed, &[("state", &state), ("instanceId", "1")]);
                let (before, after) = (url::Url::parse(allowed).unwrap(), url::Url::parse(&sent).unwrap());
                prop_assert!(sent.starts_with(allowed));
                prop_assert_eq!((before.origin(), before.path()), (after.origin(), after.path()));
                prop_assert_eq!(tests::client::parameter(&after, "instanceId"), Some("1".to_owned()));
            }
        }
    }

    #[test]
    fn a_browser_goes_back_to_the_allowed_address_whatever_came_with_it(
        error in prop_oneof!["[!-~]{1,20}", any::<String>()], description: String, words: String, state in "[^\\x00-\\x1f\\x7f-\\x9f]{0,40}", also_code: bool,
    ) {
        let (sent_state, cookie) = INSIDE.0.block_on(session(&state));
        // Without an error the code would be spent, at the vendor.
        let code = if also_code && !error.is_empty() { &words } else { "" };
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("error", &error).append_pair("error_description", &description)
            .append_pair("code", code).append_pair("scope", &words).append_pair("state", &sent_state).finish();
        let (status, location) = browsed("GET", &format!("{CALLBACK_PATH}?{query}"), Some(cookie.as_bytes()), b"").unwrap();
        let location = location.unwrap();
        prop_assert_eq!(status, 303);
        prop_assert!(location.starts_with(RETURN_URL), "{}", location);
        let (allowed, sent) = (url::Url::parse(RETURN_URL).unwrap(), url::Url::parse(&location).unwrap());
        prop_assert_eq!((allowed.origin(), allowed.path()), (sent.origin(), sent.path()));
        prop_assert_eq!(tests::client::parameter(&sent, "state").unwrap_or_default(), state);
        prop_assert!(tests::client::parameter(&sent, "instanceId").is_none() && sent.fragment().is_none());
    }

    #[test]
    fn a_visitor_is_sent_to_a_host_of_the_pattern_or_nowhere(
        given in prop_oneof![any::<String>(), "[a-zA-Z0-9.@:/#?\\\\ -]{0,40}", "[a-z0-9-]{1,12}\\.myshopify\\.com[./:@]?[a-z0-9]{0,5}"],
    ) {
        let body = url::form_urlencoded::Serializer::new(String::new()).append_pair("shopify.shop", &given).finish();
        let (status, location) = browsed("POST", &SHOP, None, body.as_bytes()).unwrap();
        match location {
            None => prop_assert_eq!(status, 400),
            Some(location) => {
                let url = url::Url::parse(&location).unwrap();
                let label = url.host_str().unwrap().strip_suffix(".myshopify.com").unwrap();
                prop_assert!(status == 303 && url.scheme() == "https" && url.port().is_none());
                prop_assert!(!label.is_empty() && !label.contains('.'));
            }
        }
    }
}

/// The path of a link that asks for a shop.
static SHOP: LazyLock<String> = LazyLock::new(|| {
    let (runtime, inside) = &*INSIDE;
    let configuration = json!({"oauth.api.key": "k", "oauth.api.secret": "s"});
    let body = json!({"configuration": configuration, "reusable": true});
    let (_, link) = runtime.block_on(inside.call("POST", "/elements/shopify/links", Some(&body)));
    format!("/connect/{}", link["id"].as_str().unwrap())
});
