//! A client of the broker, and a person in front of the sandbox's consent page: HTTP and nothing else.

use std::path::Path;
use std::sync::Arc;

use reqwest::redirect::Policy;
use reqwest::{Method, RequestBuilder, Response};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use url::Url;

/// The client that the tests are registered as at the sandbox.
pub const API_KEY: &str = "planted-api-key";
/// Its secret.
pub const API_SECRET: &str = "planted-api-secret";
/// Where the tests' app takes callbacks; nobody listens there, the tests read the redirect.
pub const CALLBACK: &str = "https://app.example/callback";

/// A client that shows a user's secrets.
#[derive(Clone)]
pub struct Client {
    /// Where the broker is, `http://127.0.0.1:port`.
    pub base: String,
    /// The user's secret.
    pub user: String,
    /// The organization's secret.
    pub organization: String,
    /// The HTTP client: follows no redirect, so that tests see them.
    pub http: reqwest::Client,
}

/// Builds an HTTP client for plain HTTP on this machine that keeps cookies.
pub fn http() -> reqwest::Client {
    builder().cookie_store(true).build().unwrap()
}

/// Builds one that keeps no cookies.
pub fn forgetful_http() -> reqwest::Client {
    builder().build().unwrap()
}

fn builder() -> reqwest::ClientBuilder {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let tls = tls.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    let client = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy();
    client.redirect(Policy::none())
}

impl Client {
    /// Makes a client of the broker at `base`, with the first user's secrets out of its folder.
    pub fn new(base: &str, data: &Path) -> Self {
        let text = std::fs::read_to_string(data.join("first-user.json")).unwrap();
        let secrets: Value = serde_json::from_str(&text).unwrap();
        let secret = |name: &str| secrets[name].as_str().unwrap().to_owned();
        let (user, organization) = (secret("userSecret"), secret("organizationSecret"));
        Self { base: base.to_owned(), user, organization, http: http() }
    }

    /// Tells the broker's port.
    pub fn port(&self) -> u16 {
        Url::parse(&self.base).unwrap().port().unwrap()
    }

    /// Begins a request to a path below the API's base, with no credentials.
    pub fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}/elements/api-v2{path}", self.base))
    }

    /// Begins a request with the user's and the organization's secrets.
    pub fn call(&self, method: Method, path: &str) -> RequestBuilder {
        let header = format!("User {}, Organization {}", self.user, self.organization);
        self.bare(method, path).header("authorization", header)
    }

    /// Begins a request with the user's secret and an instance's token.
    pub fn call_as(&self, token: &str, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, path).header("authorization", format!("User {}, Element {token}", self.user))
    }

    /// Gets a path of the root.
    pub async fn root(&self, path: &str) -> Response {
        self.http.get(format!("{}{path}", self.base)).send().await.unwrap()
    }

    /// Asks for an element's redirect URL.
    pub async fn oauth_url(&self, element: &str) -> String {
        let query = [
            ("apiKey", API_KEY),
            ("apiSecret", API_SECRET),
            ("callbackUrl", CALLBACK),
            ("state", "my state"),
        ];
        let request = self.bare(Method::GET, &format!("/elements/{element}/oauth/url")).query(&query);
        let answer: Value = ok(request).await;
        assert_eq!(answer["element"], element);
        answer["oauthUrl"].as_str().unwrap().to_owned()
    }

    /// Opens the consent page, presses a button, and gives the callback URL that the browser is sent to.
    pub async fn decide(&self, oauth_url: &str, decision: &str) -> Url {
        let page = self.http.get(oauth_url).send().await.unwrap();
        assert_eq!(page.status(), 200);
        let html = page.text().await.unwrap();
        assert!(html.contains(API_KEY) && html.contains(&format!("value=\"{decision}\"")), "{html}");
        let sent = self.http.post(oauth_url).form(&[("decision", decision)]).send().await.unwrap();
        assert_eq!(sent.status(), 303);
        Url::parse(sent.headers()["location"].to_str().unwrap()).unwrap()
    }

    /// Goes from the redirect URL to a code.
    pub async fn code(&self, element: &str) -> String {
        let callback = self.decide(&self.oauth_url(element).await, "allow").await;
        parameter(&callback, "code").expect("a code")
    }

    /// Begins the request that makes an instance of a code.
    pub fn create(&self, element: &str, code: &str, name: &str) -> RequestBuilder {
        self.call(Method::POST, "/instances").json(&body(element, code, name))
    }

    /// Makes an instance, the whole way.
    pub async fn instance(&self, element: &str, name: &str) -> Value {
        let code = self.code(element).await;
        ok(self.create(element, &code, name)).await
    }

    /// Takes an instance's access token.
    pub async fn access_token(&self, id: &Value) -> String {
        let answer = ok(self.call(Method::GET, &format!("/instances/{id}/access-token"))).await;
        answer["access_token"].as_str().unwrap().to_owned()
    }

    /// Calls the sandbox's API with an access token, and gives the status.
    pub async fn userinfo(&self, access_token: &str) -> u16 {
        let url = format!("{}/sandbox/crm/rest/v1/oauth/connect/userinfo", self.base);
        self.http.get(url).bearer_auth(access_token).send().await.unwrap().status().as_u16()
    }
}

/// Writes the body that makes an instance of a code.
pub fn body(element: &str, code: &str, name: &str) -> Value {
    json!({
        "element": {"key": element},
        "providerData": {"code": code},
        "configuration": {
            "oauth.callback.url": CALLBACK, "oauth.api.key": API_KEY, "oauth.api.secret": API_SECRET,
            "infusionsoft.private.key": "planted-private-key",
        },
        "tags": ["Docs"],
        "name": name,
    })
}

/// Sends a request that must be answered 200 with JSON.
pub async fn ok(request: RequestBuilder) -> Value {
    let (status, body) = outcome(request).await;
    assert_eq!(status, 200, "{body}");
    body
}

/// Sends a request, and gives the status and the JSON of its answer.
pub async fn outcome(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let (status, text) = (response.status().as_u16(), response.text().await.unwrap());
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// Reads one parameter of a URL's query.
pub fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}
