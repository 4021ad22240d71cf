//! Every descriptor of the catalogue, before a vendor that behaves as it says and refuses what it forbids:
//! redirect, exchange, refresh, revocation, and its table of permanent errors.

use std::collections::BTreeMap;

use lambda_http::Body;
use lambda_http::http::HeaderMap;
use serde_json::{Value, json};
use tests::client::{API_KEY, API_SECRET, CALLBACK, parameter};
use tests::conforming::{CODE, Conforming, TENANT};
use tests::inside::Inside;
use url::{Url, form_urlencoded};
use vendors::catalogue::Catalogue;
use vendors::descriptor::{Element, OAuth2, Pkce, ResponseMode};

/// The vendor that the contributors' page adds.
fn example() -> Vec<Element> {
    let page = include_str!("../../../shared/vendors/descriptors/README.md");
    let text = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let read = vendors::descriptor::read(text).unwrap();
    assert_eq!(vendors::check::problems(&read), Vec::<String>::new());
    read
}

/// Runs a scenario for one element of every vendor, and for the example.
async fn for_each_vendor(scenario: impl AsyncFn(&Element, &Conforming, &Inside)) {
    let catalogue = Catalogue::built_in().with(example());
    let mut vendors = BTreeMap::new();
    for element in catalogue.elements() {
        if let Some(oauth2) = &element.oauth2 {
            vendors.entry(oauth2.token.url.clone()).or_insert(element);
        }
    }
    assert!(vendors.len() >= 10, "Infusionsoft, eight more and the example");
    for element in vendors.into_values() {
        let vendor = Conforming::start(element).await;
        let inside = Inside::of(Catalogue::built_in().with(vec![vendor.stands_in(element)]));
        scenario(element, &vendor, &inside).await;
    }
}

fn oauth2(element: &Element) -> &OAuth2 {
    element.oauth2.as_ref().unwrap()
}

/// The configuration of an instance: what every element needs, and what this one has no default for.
fn configuration(element: &Element) -> Value {
    let mut configuration =
        json!({"oauth.api.key": API_KEY, "oauth.api.secret": API_SECRET, "oauth.callback.url": CALLBACK});
    for placeholder in oauth2(element).placeholders.values().filter(|known| known.default.is_none()) {
        configuration[&placeholder.configuration] = json!(TENANT);
    }
    configuration
}

/// The body that makes an instance, with all that the vendor's callback carries.
fn body(element: &Element) -> Value {
    let mut provider = json!({"code": CODE, "state": "s"});
    for parameter in oauth2(element).callback.keys() {
        provider[parameter] = json!(format!("called back {parameter}"));
    }
    json!({
        "element": {"key": element.identity.key},
        "providerData": provider,
        "configuration": configuration(element),
        "name": "Conforming",
    })
}

/// Asks for the redirect URL, checks it against the descriptor, and goes there.
async fn redirect(element: &Element, vendor: &Conforming, inside: &Inside) {
    let key = &element.identity.key;
    let tenants = oauth2(element).placeholders.values().filter(|known| known.default.is_none());
    let tenants: String =
        tenants.flat_map(|known| &known.query).flat_map(|name| ["&", name, "=", TENANT]).collect();
    let path =
        format!("/elements/{key}/oauth/url?apiKey={API_KEY}&callbackUrl={CALLBACK}&state=s%20t{tenants}");
    let (status, answer) = inside.call("GET", &path, None).await;
    assert_eq!(status, 200, "{key}: {answer}");
    let url = Url::parse(answer["oauthUrl"].as_str().unwrap()).unwrap();
    let authorize = &oauth2(element).authorize;
    let said = |name: &str| parameter(&url, name);
    for (name, value) in
        [("response_type", "code"), ("client_id", API_KEY), ("redirect_uri", CALLBACK), ("state", "s t")]
    {
        assert_eq!(said(name).as_deref(), Some(value), "{key}: {name}");
    }
    assert_eq!(
        said(&authorize.scope_parameter),
        Some(authorize.scopes.join(&authorize.scope_separator)),
        "{key}"
    );
    for (name, value) in &authorize.extra {
        assert_eq!(said(name).as_ref(), Some(value), "{key}: {name}");
    }
    let wanted = (authorize.pkce == Pkce::S256).then_some("S256");
    assert_eq!(said("code_challenge_method").as_deref(), wanted, "{key}");
    vendor.is_asked(url);
}

/// Sends what a browser sends; gives the status, where it is sent, its cookie, and the page.
async fn browse(
    inside: &Inside,
    method: &str,
    path: &str,
    cookie: &str,
    form: &str,
) -> (u16, HeaderMap, String) {
    let request = lambda_http::http::Request::builder().method(method).uri(path).header("cookie", cookie);
    inside.answer(request.body(Body::from(form)).unwrap()).await
}

/// Writes a query or a form.
fn encoded(pairs: impl IntoIterator<Item = (String, String)>) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

#[tokio::test]
async fn a_visitor_of_a_link_gets_through_to_every_vendor_and_back() {
    for_each_vendor(async |element, vendor, inside| {
        let (key, oauth2) = (&element.identity.key, oauth2(element));
        let client = json!({"configuration": {"oauth.api.key": API_KEY, "oauth.api.secret": API_SECRET}});
        let (status, link) = inside.call("POST", &format!("/elements/{key}/links"), Some(&client)).await;
        assert_eq!(status, 200, "{key}: {link}");
        let path = format!("/connect/{}", link["id"].as_str().unwrap());
        let mut got = browse(inside, "GET", &path, "", "").await;
        let tenants = oauth2.placeholders.values().filter(|known| known.default.is_none());
        let tenants: Vec<_> = tenants.map(|known| (known.configuration.clone(), TENANT.to_owned())).collect();
        assert_eq!(got.0, if tenants.is_empty() { 303 } else { 200 }, "{key}: {}", got.2);
        if !tenants.is_empty() {
            got = browse(inside, "POST", &path, "", &encoded(tenants)).await;
        }
        assert_eq!(got.0, 303, "{key}: {}", got.2);
        let url = Url::parse(got.1["location"].to_str().unwrap()).unwrap();
        let cookie = got.1["set-cookie"].to_str().unwrap().split(';').next().unwrap();
        let callback = Url::parse(&parameter(&url, "redirect_uri").unwrap()).unwrap();
        let mut brought = vec![("code".to_owned(), CODE.to_owned())];
        brought.push(("state".to_owned(), parameter(&url, "state").unwrap()));
        brought.extend(oauth2.authorize.issuer.iter().map(|issuer| ("iss".to_owned(), issuer.clone())));
        let told = oauth2.callback.keys().map(|name| (name.clone(), format!("called back {name}")));
        let brought = encoded(brought.into_iter().chain(told));
        vendor.is_asked(url);
        let (status, _, page) = match oauth2.authorize.response_mode {
            ResponseMode::Query => {
                browse(inside, "GET", &format!("{}?{brought}", callback.path()), cookie, "").await
            }
            ResponseMode::FormPost => browse(inside, "POST", callback.path(), cookie, &brought).await,
        };
        assert_eq!((status, vendor.seen()), (200, vec!["exchanged".to_owned()]), "{key}: {page}");
        assert!(page.contains(" is connected</h1>"), "{key}: {page}");
    })
    .await;
}

#[tokio::test]
async fn every_vendor_is_asked_exactly_as_its_descriptor_says() {
    for_each_vendor(async |element, vendor, inside| {
        let (key, oauth2) = (&element.identity.key, oauth2(element));
        redirect(element, vendor, inside).await;
        let (status, made) = inside.call("POST", "/instances", Some(&body(element))).await;
        assert_eq!((status, vendor.seen()), (200, vec!["exchanged".to_owned()]), "{key}: {made}");
        for (path, kept) in &oauth2.answer.keep {
            assert_eq!(made["configuration"][kept], format!("kept {path}"), "{key}");
        }
        for (parameter, kept) in &oauth2.callback {
            assert_eq!(made["configuration"][kept], format!("called back {parameter}"), "{key}");
        }
        let id = &made["id"];
        let (status, token) = inside.call("GET", &format!("/instances/{id}/access-token"), None).await;
        assert_eq!((status, &token["access_token"]), (200, &json!("access-exchanged")), "{key}");
        let lives = token["expires_in"].as_i64().unwrap_or(1);
        assert!(lives > 0, "{key}: {token}");

        let (status, _) = inside.call("DELETE", &format!("/instances/{id}"), None).await;
        let revoked: &[&str] = if oauth2.revoke.is_some() { &["revoked"] } else { &[] };
        assert_eq!(
            (status, vendor.seen()),
            (200, revoked.iter().map(|word| (*word).to_owned()).collect()),
            "{key}"
        );
    })
    .await;
}

#[tokio::test]
async fn an_existing_grant_is_imported_by_refreshing_it_or_as_it_is() {
    for_each_vendor(async |element, vendor, inside| {
        let key = &element.identity.key;
        let mut configuration = configuration(element);
        configuration.as_object_mut().unwrap().remove("oauth.callback.url");
        configuration["oauth.user.refresh_token"] = json!("refresh-elsewhere");
        let mut body = json!({
            "element": {"key": key}, "externalAuthentication": "initial", "configuration": configuration,
        });
        let expected = if oauth2(element).refresh.is_some() {
            ("refreshed", "access-refreshed")
        } else {
            ("", "access-elsewhere")
        };
        if expected.0.is_empty() {
            body["configuration"]["oauth.user.refresh_token"] = Value::Null;
            body["configuration"]["oauth.user.token"] = json!("access-elsewhere");
        }
        let (status, made) = inside.call("POST", "/instances", Some(&body)).await;
        assert_eq!(status, 200, "{key}: {made}");
        assert_eq!(made["externalAuthentication"], "initial");
        assert_eq!(made["configuration"]["oauth.user.refresh_token"], "********", "{key}");
        assert_eq!(vendor.seen().concat(), expected.0, "{key}");
        let path = format!("/instances/{}", made["id"]);
        let (_, token) = inside.call("GET", &format!("{path}/access-token"), None).await;
        assert_eq!(token["access_token"], expected.1, "{key}");
        let (status, back) = inside.call("PUT", &path, Some(&made)).await;
        assert_eq!((status, &back), (200, &made), "{key}: what was imported can be put back");
    })
    .await;
}

#[tokio::test]
async fn every_permanent_error_of_a_descriptor_is_recognised() {
    for_each_vendor(async |element, vendor, inside| {
        for entry in &oauth2(element).permanent_errors {
            let refusal = json!({
                "error": entry.error.as_deref().unwrap_or("other"),
                "error_description": entry.description.as_ref().map(|words| format!("so {} it is", words.to_uppercase())),
            });
            vendor.refuses(Some((entry.status.unwrap_or(400), refusal.clone())));
            let (status, answer) = inside.call("POST", "/instances", Some(&body(element))).await;
            let bad_client = answer["message"].as_str().unwrap().contains("oauth.api.secret");
            let means = vendors::descriptor::Permanent::BadClient == entry.means;
            assert_eq!((status, bad_client), (400, means), "{}: {refusal} {answer}", element.identity.key);
        }
        vendor.refuses(None);
        let (status, answer) = inside.call("GET", "/instances", None).await;
        assert_eq!(status, 404, "a refusal makes nothing: {answer}");
    })
    .await;
}
