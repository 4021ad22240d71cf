//! What a function asks of AWS: a proxy before an emulator that writes down every call.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use broker::clock::Stopwatch;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use web::router::LONGEST_BODY;

use crate::client;

/// The services that a function has connections to: each has a proxy.
const SERVICES: usize = 2;

/// What AWS does with an action, from now on.
#[derive(Debug, Clone)]
pub enum Fault {
    /// It answers an error with this status and code, this often.
    Fails(u16, &'static str, usize),
    /// It acts so often, and answers an error with this status and code from then on.
    FailsAfter(usize, u16, &'static str),
    /// It acts, and the connection breaks before the reply, this often.
    LosesReply(usize),
    /// It acts, and its reply comes this much later, this often.
    Slow(Duration, usize),
    /// It acts, and never answers.
    Hangs,
}

/// The calls of one function, by action, such as `dynamodb:GetItem`, in order; and what goes wrong.
#[derive(Debug, Clone, Default)]
pub struct Calls(
    Arc<Mutex<Vec<String>>>,
    Arc<Mutex<HashMap<String, Fault>>>,
    Arc<Connections>,
    Arc<Mutex<Waited>>,
    Arc<Mutex<BTreeSet<(String, String)>>>,
);

/// How long a function has waited for the emulators, one or several at once.
#[derive(Debug, Default)]
struct Waited {
    calls: usize,
    since: Option<Stopwatch>,
    milliseconds: f64,
}

impl Waited {
    fn begin(&mut self) {
        self.calls += 1;
        self.since.get_or_insert_with(Stopwatch::start);
    }

    fn end(&mut self) {
        self.calls -= 1;
        if self.calls == 0 {
            self.milliseconds += self.since.take().map_or(0.0, |since| since.milliseconds());
        }
    }
}

/// The connections that a function keeps to AWS.
#[derive(Debug, Default)]
struct Connections {
    hang_up: Notify,
    hung_up: AtomicUsize,
}

impl Calls {
    /// Gives the calls so far, and begins anew.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// Gives the places that actions were for so far: an item's partition, a secret's name.
    pub fn places(&self) -> BTreeSet<(String, String)> {
        self.4.lock().unwrap().clone()
    }

    /// Tells how many milliseconds the emulators took for the calls, and begins anew.
    pub fn waited(&self) -> f64 {
        std::mem::take(&mut self.3.lock().unwrap().milliseconds)
    }

    /// Tells whether an action has been called.
    pub fn has(&self, action: &str) -> bool {
        self.0.lock().unwrap().iter().any(|call| call == action)
    }

    /// Makes an action go wrong.
    pub fn fail(&self, action: &str, fault: Fault) {
        self.1.lock().unwrap().insert(action.to_owned(), fault);
    }

    /// Closes every connection, as AWS does with idle ones. It takes new ones then.
    pub async fn hang_up(&self) {
        let before = self.2.hung_up.load(Ordering::SeqCst);
        self.2.hang_up.notify_waiters();
        crate::until(async || self.2.hung_up.load(Ordering::SeqCst) == before + SERVICES).await;
    }

    /// Counts a fault down; nothing when the action goes right.
    fn fault(&self, action: &str) -> Option<Fault> {
        match self.1.lock().unwrap().get_mut(action)? {
            Fault::Fails(_, _, 0) | Fault::LosesReply(0) | Fault::Slow(_, 0) => None,
            fault @ Fault::Hangs => Some(fault.clone()),
            Fault::FailsAfter(0, status, code) => Some(Fault::Fails(*status, code, 1)),
            Fault::FailsAfter(acts, ..) => {
                *acts -= 1;
                None
            }
            fault => {
                let now = fault.clone();
                if let Fault::Fails(_, _, times) | Fault::LosesReply(times) | Fault::Slow(_, times) = fault {
                    *times -= 1;
                }
                Some(now)
            }
        }
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
pub(super) fn start(service: &'static str, emulator: &'static str, calls: &Calls) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let recorder = Recorder { service, emulator, calls: calls.clone(), http: client::http() };
    let routes = axum::Router::new().fallback(record).with_state(recorder);
    tokio::spawn(serve(listener, routes, Arc::clone(&calls.2)));
    address
}

/// Serves, and closes all connections when it is told to. The port is never given up, so that nobody else takes it.
async fn serve(port: std::net::TcpListener, routes: axum::Router, connections: Arc<Connections>) {
    loop {
        let listener = TcpListener::from_std(port.try_clone().unwrap()).unwrap();
        let waiting = Arc::clone(&connections);
        let hang_up = async move { waiting.hang_up.notified().await };
        axum::serve(listener, routes.clone()).with_graceful_shutdown(hang_up).await.unwrap();
        connections.hung_up.fetch_add(1, Ordering::SeqCst);
    }
}

/// Reads what a call is for: the partition of an item, or the name of a secret.
fn place(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let item = body.get("Key").or(body.get("Item")).map(|item| &item["pk"]["S"]);
    let secret = body.get("SecretId").or(body.get("Name"));
    item.or(secret)?.as_str().map(str::to_owned)
}

async fn record(State(recorder): State<Recorder>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    // `X-Amz-Target` is the service's version and the action: `DynamoDB_20120810.GetItem`.
    let target =
        parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let action = target.rsplit('.').next().unwrap_or_default();
    let action = format!("{}:{action}", recorder.service);
    recorder.calls.0.lock().unwrap().push(action.clone());
    let fault = recorder.calls.fault(&action);
    if let Some(Fault::Fails(status, code, _)) = fault {
        let body = serde_json::json!({"__type": code, "message": "planned"}).to_string();
        return (StatusCode::from_u16(status).unwrap(), body).into_response();
    }
    let body = to_bytes(body, LONGEST_BODY).await.unwrap();
    recorder.calls.4.lock().unwrap().extend(place(&body).map(|place| (action, place)));
    let answer = recorder.http.request(parts.method, format!("{}{}", recorder.emulator, parts.uri));
    recorder.calls.3.lock().unwrap().begin();
    let answer = answer.headers(parts.headers).body(body).send().await.unwrap();
    recorder.calls.3.lock().unwrap().end();
    match fault {
        // A body that ends before its length breaks the connection.
        Some(Fault::LosesReply(_)) => {
            let broken = futures_util::stream::iter([Ok("{"), Err(std::io::Error::other("planned"))]);
            return ([("content-length", "9999")], Body::from_stream(broken)).into_response();
        }
        Some(Fault::Slow(delay, _)) => tokio::time::sleep(delay).await,
        Some(Fault::Hangs) => std::future::pending().await,
        _ => {}
    }
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    headers.remove("transfer-encoding");
    (status, headers, answer.bytes().await.unwrap()).into_response()
}
