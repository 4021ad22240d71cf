//! A vendor that behaves as a descriptor says, and refuses what the descriptor forbids.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::Url;
use vendors::descriptor::{
    ClientAuthentication, Element, Encoding, Endpoint, OAuth2, RevokeMethod, RevokedBy, Rotation,
};
use vendors::pkce;

use crate::client::{API_KEY, API_SECRET, parameter};

/// What every placeholder stands for in the vendor's URLs.
pub const TENANT: &str = "acme";

/// The code that the vendor gives.
pub const CODE: &str = "conforming-code";

/// A running vendor.
pub struct Conforming {
    state: Arc<Vendor>,
    address: String,
}

struct Vendor {
    oauth2: OAuth2,
    /// The last redirect URL.
    asked: Mutex<Option<Url>>,
    /// What it granted, refreshed, revoked and refused, in order.
    seen: Mutex<Vec<String>>,
    /// What every request is refused with.
    refusal: Mutex<Option<(u16, Value)>>,
}

impl Conforming {
    /// Starts a vendor that behaves as the element's descriptor says.
    pub async fn start(element: &Element) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Vendor {
            oauth2: element.oauth2.clone().unwrap(),
            asked: Mutex::default(),
            seen: Mutex::default(),
            refusal: Mutex::default(),
        });
        let routes = axum::Router::new().fallback(answer).with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { state, address }
    }

    /// Points a descriptor here: the real host becomes the first part of the path.
    pub fn stands_in(&self, element: &Element) -> Element {
        let mut element = element.clone();
        let oauth2 = element.oauth2.as_mut().unwrap();
        let refresh = oauth2.refresh.as_mut().map(|refresh| &mut refresh.endpoint);
        let revoke = oauth2.revoke.as_mut().map(|revoke| &mut revoke.endpoint);
        for endpoint in [Some(&mut oauth2.token), refresh, revoke].into_iter().flatten() {
            endpoint.url = endpoint.url.replace("https://", &format!("{}/", self.address));
        }
        element
    }

    /// Tells the vendor the redirect URL that the browser was sent to.
    pub fn is_asked(&self, url: Url) {
        *self.state.asked.lock().unwrap() = Some(url);
    }

    /// Makes the vendor refuse everything with this status and body, or nothing any more.
    pub fn refuses(&self, refusal: Option<(u16, Value)>) {
        *self.state.refusal.lock().unwrap() = refusal;
    }

    /// Gives what was asked since this was asked last.
    pub fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.state.seen.lock().unwrap())
    }
}

async fn answer(
    State(vendor): State<Arc<Vendor>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Some((status, refusal)) = vendor.refusal.lock().unwrap().clone() {
        return (StatusCode::from_u16(status).unwrap(), refusal.to_string()).into_response();
    }
    let asked = Asked { method, uri, headers, body };
    let (said, outcome) = match vendor.judge(&asked) {
        Ok((what, body)) => (what.to_owned(), body.to_string().into_response()),
        Err(why) => {
            let body = json!({"error": "nonconforming", "error_description": why}).to_string();
            (format!("refused: {why}"), (StatusCode::BAD_REQUEST, body).into_response())
        }
    };
    vendor.seen.lock().unwrap().push(said);
    outcome
}

struct Asked {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

impl Vendor {
    fn judge(&self, asked: &Asked) -> Result<(&'static str, Value), String> {
        let oauth2 = &self.oauth2;
        if let Some(revoke) = oauth2.revoke.as_ref().filter(|revoke| asked.is_for(&revoke.endpoint, oauth2)) {
            let method = if revoke.method == RevokeMethod::Delete { Method::DELETE } else { Method::POST };
            expect("the method", &asked.method, &method)?;
            let token = match revoke.by {
                RevokedBy::Bearer => asked.authorization("Bearer ")?,
                RevokedBy::Parameter => {
                    let mut parameters = asked.parameters(&revoke.endpoint)?;
                    parameters.remove("token_type_hint");
                    let token = parameters.remove("token").ok_or("no token")?;
                    nothing_left(parameters)?;
                    token
                }
            };
            let issued = token.starts_with("access-") || token.starts_with("refresh-");
            return if issued {
                Ok(("revoked", json!({"ok": true})))
            } else {
                Err(format!("unknown {token}"))
            };
        }
        expect("the method", &asked.method, &Method::POST)?;
        let endpoint = match &oauth2.refresh {
            Some(refresh) if asked.says("refresh_token") => &refresh.endpoint,
            _ => &oauth2.token,
        };
        if !asked.is_for(endpoint, oauth2) {
            return Err(format!("there is nothing at {}", asked.uri.path()));
        }
        let mut parameters = asked.parameters(endpoint)?;
        let grant_type = parameters.remove("grant_type").unwrap_or_default();
        let what = match grant_type.as_str() {
            "authorization_code" => self.exchanges(&mut parameters)?,
            "refresh_token" if oauth2.refresh.is_some() => {
                let token = parameters.remove("refresh_token").unwrap_or_default();
                if !token.starts_with("refresh-") {
                    return Err(format!("unknown {token}"));
                }
                "refreshed"
            }
            other => return Err(format!("the grant type {other}")),
        };
        nothing_left(parameters)?;
        Ok((what, self.tokens(what)))
    }

    fn exchanges(&self, parameters: &mut BTreeMap<String, String>) -> Result<&'static str, String> {
        expect("the code", &parameters.remove("code").as_deref(), &Some(CODE))?;
        let asked = self.asked.lock().unwrap();
        let asked = |name| asked.as_ref().and_then(|url| parameter(url, name));
        expect("the redirect URI", &parameters.remove("redirect_uri"), &asked("redirect_uri"))?;
        let verifier = parameters.remove("code_verifier");
        let proven = verifier.as_deref().map(pkce::challenge);
        expect("the challenge", &proven, &asked("code_challenge"))?;
        Ok("exchanged")
    }

    /// Writes a token answer with all the descriptor's quirks.
    fn tokens(&self, what: &str) -> Value {
        let quirks = &self.oauth2.answer;
        let mut tokens = json!({"access_token": format!("access-{what}"), "scope": "granted"});
        if let Some(kind) = quirks.token_types.first() {
            tokens["token_type"] = json!(kind);
        }
        if quirks.default_lifetime.is_none() {
            tokens["expires_in"] = json!(3_600);
        }
        let rotation = self.oauth2.refresh.as_ref().map(|refresh| refresh.rotation);
        if rotation.is_some() && (what == "exchanged" || rotation == Some(Rotation::Always)) {
            tokens["refresh_token"] = json!(format!("refresh-{what}"));
        }
        let mut answer = match &quirks.envelope {
            Some(name) if what == "exchanged" => json!({name: tokens}),
            _ => tokens,
        };
        for path in quirks.keep.keys() {
            let place = path.split('.').fold(&mut answer, |place, name| &mut place[name]);
            *place = json!(format!("kept {path}"));
        }
        answer
    }
}

impl Asked {
    /// Tells whether this went to an endpoint: its host is the first part of the path.
    fn is_for(&self, endpoint: &Endpoint, oauth2: &OAuth2) -> bool {
        let mut url = endpoint.url.clone();
        for (name, placeholder) in &oauth2.placeholders {
            let value = match placeholder.hosts.first() {
                Some(pattern) => placeholder.default.clone().unwrap_or(pattern.replace('*', TENANT)),
                None => placeholder.default.clone().unwrap_or_else(|| TENANT.to_owned()),
            };
            url = url.replace(&format!("{{{name}}}"), &value);
        }
        url.strip_prefix("https:/") == Some(self.uri.path())
    }

    fn says(&self, word: &str) -> bool {
        String::from_utf8_lossy(&self.body).contains(word)
    }

    fn authorization(&self, scheme: &str) -> Result<String, String> {
        let shown = self.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        shown.and_then(|shown| shown.strip_prefix(scheme)).map(str::to_owned).ok_or(format!("no {scheme}"))
    }

    /// Reads the parameters in the descriptor's encoding, and takes out what proves the client and the
    /// descriptor's extra ones.
    fn parameters(&self, endpoint: &Endpoint) -> Result<BTreeMap<String, String>, String> {
        let kind = self.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let mut parameters: BTreeMap<String, String> = match endpoint.encoding {
            Encoding::Form => {
                expect("the content type", &kind, &Some("application/x-www-form-urlencoded"))?;
                url::form_urlencoded::parse(&self.body).into_owned().collect()
            }
            Encoding::Json => {
                expect("the content type", &kind, &Some("application/json"))?;
                serde_json::from_slice(&self.body).map_err(|error| error.to_string())?
            }
        };
        let (id, secret) = match endpoint.client_authentication {
            ClientAuthentication::ClientSecretPost => {
                (parameters.remove("client_id"), parameters.remove("client_secret"))
            }
            ClientAuthentication::ClientSecretBasic => {
                let pair =
                    STANDARD.decode(self.authorization("Basic ")?).map_err(|error| error.to_string())?;
                let pair = String::from_utf8(pair).unwrap();
                let (id, secret) = pair.split_once(':').unwrap();
                (Some(id.to_owned()), Some(secret.to_owned()))
            }
            ClientAuthentication::None => (Some(API_KEY.to_owned()), Some(API_SECRET.to_owned())),
        };
        expect("the client", &(id.as_deref(), secret.as_deref()), &(Some(API_KEY), Some(API_SECRET)))?;
        if endpoint.client_authentication != ClientAuthentication::ClientSecretBasic {
            expect("the Authorization header", &self.headers.get(header::AUTHORIZATION), &None)?;
        }
        for (name, value) in &endpoint.extra {
            expect(name, &parameters.remove(name), &Some(value.clone()))?;
        }
        Ok(parameters)
    }
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, wanted: &T) -> Result<(), String> {
    if found == wanted { Ok(()) } else { Err(format!("{what} is {found:?}, not {wanted:?}")) }
}

fn nothing_left(parameters: BTreeMap<String, String>) -> Result<(), String> {
    let left: Vec<_> = parameters.into_keys().collect();
    if left.is_empty() { Ok(()) } else { Err(format!("unasked-for {left:?}")) }
}
