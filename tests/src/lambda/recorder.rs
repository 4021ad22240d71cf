//! What a function asks of AWS: a proxy before an emulator that writes down every call.

use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use valetkey::http::LONGEST_BODY;

use crate::client;

/// The calls of one function, by action, such as `dynamodb:GetItem`, in order.
#[derive(Debug, Clone, Default)]
pub struct Calls(Arc<Mutex<Vec<String>>>);

impl Calls {
    /// Gives the calls so far, and begins anew.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[derive(Clone)]
struct Recorder {
    service: &'static str,
    emulator: &'static str,
    calls: Calls,
    http: reqwest::Client,
}

/// Starts a proxy before an emulator, and gives its address.
pub(super) async fn start(service: &'static str, emulator: &'static str, calls: &Calls) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let recorder = Recorder { service, emulator, calls: calls.clone(), http: client::http() };
    let routes = axum::Router::new().fallback(record).with_state(recorder);
    tokio::spawn(async move { axum::serve(listener, routes).await });
    address
}

async fn record(State(recorder): State<Recorder>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    // `X-Amz-Target` is the service's version and the action: `DynamoDB_20120810.GetItem`.
    let target =
        parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let action = target.rsplit('.').next().unwrap_or_default();
    recorder.calls.0.lock().unwrap().push(format!("{}:{action}", recorder.service));
    let body = to_bytes(body, LONGEST_BODY).await.unwrap();
    let answer = recorder.http.request(parts.method, format!("{}{}", recorder.emulator, parts.uri));
    let answer = answer.headers(parts.headers).body(body).send().await.unwrap();
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    headers.remove("transfer-encoding");
    (status, headers, answer.bytes().await.unwrap()).into_response()
}
