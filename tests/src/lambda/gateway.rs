//! The gateway: HTTP requests become events, answers become HTTP responses.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use broker::{clock, random};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{Function, Invoked};

/// The longest payload that Lambda takes, in bytes.
const LONGEST: usize = 6 * 1024 * 1024;

/// The routes of a stack.
pub(super) struct Gateway {
    /// The functions, by the paths that go to them.
    pub(super) paths: matchit::Router<Arc<Function>>,
    /// The function that takes the rest.
    pub(super) rest: Arc<Function>,
    /// Where paths below `/sandbox` go: a process that plays the vendor.
    pub(super) sandbox: String,
    /// The client that goes there.
    pub(super) http: reqwest::Client,
}

/// Serves the gateway for ever.
pub(super) async fn serve(listener: TcpListener, gateway: Arc<Gateway>) {
    let routes = axum::Router::new().fallback(handle).with_state(gateway);
    axum::serve(listener, routes).await.unwrap();
}

async fn handle(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let (parts, stream) = request.into_parts();
    let Ok(body) = to_bytes(stream, LONGEST).await else {
        return gateways_own(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
    };
    let path = parts.uri.path();
    if path.starts_with("/sandbox") {
        return pass(&gateway, &parts, body.to_vec()).await;
    }
    let function = gateway.paths.at(path).map_or(&gateway.rest, |found| found.value);
    let (function, event) = (Arc::clone(function), event(&parts, &body));
    // A client that hangs up does not stop a function.
    let invoked = tokio::spawn(async move { function.invoke(event).await });
    match invoked.await.unwrap_or(Invoked::Failed) {
        Invoked::Answered(answer) => response(&answer),
        Invoked::Failed => gateways_own(StatusCode::BAD_GATEWAY, "Bad Gateway"),
    }
}

/// What the gateway itself says.
fn gateways_own(status: StatusCode, message: &str) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], json!({"message": message}).to_string())
        .into_response()
}

fn event(parts: &axum::http::request::Parts, body: &[u8]) -> Value {
    // Routes are found by the path as it was sent; functions get it decoded.
    let path = percent_decode_str(parts.uri.path()).decode_utf8_lossy();
    let query = parts.uri.query().unwrap_or_default();
    let mut parameters = BTreeMap::<String, String>::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        join(&mut parameters, &name, &value);
    }
    let mut headers = BTreeMap::<String, String>::new();
    for (name, value) in parts.headers.iter().filter(|(name, _)| *name != header::COOKIE) {
        join(&mut headers, name.as_str(), value.to_str().unwrap_or_default());
    }
    // The real gateway takes TLS alone; this one is reached without.
    headers.insert("x-forwarded-proto".to_owned(), "http".to_owned());
    let cookies: Vec<_> = parts
        .headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
        .map(|cookie| String::from_utf8_lossy(cookie.trim_ascii()).into_owned())
        .collect();
    let now = clock::Clock::System.now();
    let mut event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "api-id",
            "domainName": parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()),
            "domainPrefix": "api-id",
            "http": {
                "method": parts.method.as_str(),
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": headers.get("user-agent"),
            },
            "requestId": random::id(),
            "routeKey": "$default",
            "stage": "$default",
            "time": clock::rfc3339(now),
            "timeEpoch": now * 1_000,
        },
        "isBase64Encoded": false,
    });
    if !cookies.is_empty() {
        event["cookies"] = json!(cookies);
    }
    if !parameters.is_empty() {
        event["queryStringParameters"] = json!(parameters);
    }
    if !body.is_empty() {
        let text = is_text(&parts.headers).then(|| std::str::from_utf8(body).ok()).flatten();
        event["isBase64Encoded"] = json!(text.is_none());
        event["body"] = json!(text.map_or_else(|| STANDARD.encode(body), str::to_owned));
    }
    event
}

/// Values of one name are joined by commas.
fn join(pairs: &mut BTreeMap<String, String>, name: &str, value: &str) {
    let known = pairs.entry(name.to_owned()).or_default();
    *known = if known.is_empty() { value.to_owned() } else { format!("{known},{value}") };
}

/// Tells whether the gateway passes a body on as it is; others go in base64.
fn is_text(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.starts_with("text/") || kind.contains("json") || kind.contains("xml") || kind.contains("javascript")
}

fn response(answer: &Value) -> Response {
    let text = answer["body"].as_str().unwrap_or_default();
    let body = if answer["isBase64Encoded"] == true { STANDARD.decode(text).unwrap() } else { text.into() };
    let mut response = Response::new(Body::from(body));
    let status = answer["statusCode"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap();
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    let single = answer["headers"].as_object().into_iter().flatten();
    let pairs = single.map(|(name, value)| (name.as_str(), value));
    let cookies = answer["cookies"].as_array().into_iter().flatten().map(|cookie| ("set-cookie", cookie));
    for (name, value) in pairs.chain(cookies) {
        let name = HeaderName::try_from(name).unwrap();
        response.headers_mut().append(name, HeaderValue::from_str(value.as_str().unwrap()).unwrap());
    }
    response
}

/// Passes a request on to the process that plays the vendor.
async fn pass(gateway: &Gateway, parts: &axum::http::request::Parts, body: Vec<u8>) -> Response {
    let target = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let mut headers = parts.headers.clone();
    headers.remove(header::HOST);
    let request = gateway.http.request(parts.method.clone(), format!("{}{target}", gateway.sandbox));
    match request.headers(headers).body(body).send().await {
        Ok(answer) => {
            let (status, mut headers) = (answer.status(), answer.headers().clone());
            headers.remove(header::TRANSFER_ENCODING);
            (status, headers, answer.bytes().await.unwrap_or_default()).into_response()
        }
        Err(error) => gateways_own(StatusCode::BAD_GATEWAY, &error.to_string()),
    }
}
