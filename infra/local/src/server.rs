//! The HTTP server: requests in, to the broker or the sandbox, until a signal ends it.

use std::error::Error as _;
use std::future::IntoFuture;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body as Stream;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::any;
use axum::{Router, body};
use broker::Error;
use broker::clock::{Clock, Stopwatch};
use broker::store::StoreError;
use http_body_util::LengthLimitError;
use lambda_http::Body;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use web::answer;
use web::router::LONGEST_BODY;
use web::target;

use crate::functions::Functions;
use crate::lenient::Lenient;
use crate::store::{Ballast, SqliteRegistry};

/// What the server's requests share.
#[derive(Clone)]
struct Served {
    functions: Arc<Functions>,
    running: TaskTracker,
}

/// How long a connection may take, once nothing is under way, to end by itself.
const GRACE: Duration = Duration::from_secs(1);

/// Ctrl-C and SIGTERM. Made before anybody is told that the process listens: until then a signal ends it
/// at once.
pub(crate) struct Signals(Signal, Signal);

impl Signals {
    /// Begins to catch both.
    pub(crate) fn catch() -> io::Result<Self> {
        Ok(Self(signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?))
    }

    async fn next(&mut self) {
        tokio::select! { _ = self.0.recv() => {}, _ = self.1.recv() => {} }
    }
}

/// What is served, and what it stands on.
pub(crate) struct Serves {
    /// The functions.
    pub(crate) functions: Functions,
    /// The store.
    pub(crate) registry: SqliteRegistry,
    /// The file that goes when the disk is full.
    pub(crate) ballast: Arc<Ballast>,
}

/// How often tokens that the store did not take are tried again, and the ballast file is made again.
const SAVE_EVERY: Duration = Duration::from_secs(1);

/// Serves until a signal; then takes no new connection and finishes what is under way, which the deadline
/// of a vendor's call bounds. A second signal ends it at once.
pub(crate) async fn serve(
    listener: TcpListener,
    mut signals: Signals,
    serves: Serves,
    sandbox: Option<Router>,
    sweep_every: Duration,
) -> io::Result<()> {
    let Serves { functions, registry, ballast } = serves;
    let served = Served { functions: Arc::new(functions), running: TaskTracker::new() };
    let functions = Arc::clone(&served.functions);
    let (running, stopping) = (served.running.clone(), CancellationToken::new());
    if !sweep_every.is_zero() {
        running.spawn(keep_sweeping(Arc::clone(&served.functions), registry, sweep_every, stopping.clone()));
    }
    running.spawn(keep_saving(Arc::clone(&served.functions), ballast, stopping.clone()));
    let routes = sandbox.unwrap_or_default().fallback_service(any(answer).with_state(served));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving =
        axum::serve(Lenient(listener), routes).with_graceful_shutdown(async { stopped.await.unwrap_or(()) });
    let mut serving = pin!(serving.into_future());
    tokio::select! {
        ended = &mut serving => return ended,
        () = signals.next() => {}
    }
    tracing::info!("stopping: finishing what is under way");
    stopping.cancel();
    drop(stop);
    running.close();
    let drained = async {
        running.wait().await;
        tokio::time::sleep(GRACE).await;
        running.wait().await;
    };
    let finished = async {
        let ended = async {
            tokio::select! { _ = &mut serving => running.wait().await, () = drained => {} }
        };
        tokio::join!(ended, save_all(&functions));
        // What was under way may have left something.
        save_all(&functions).await;
    };
    tokio::select! {
        () = finished => {}
        () = signals.next() => {}
    }
    Ok(())
}

/// Sweeps again and again, in the place of the schedule on AWS; and removes what has expired, as the table there
/// does by itself.
async fn keep_sweeping(
    functions: Arc<Functions>,
    registry: SqliteRegistry,
    every: Duration,
    stopping: CancellationToken,
) {
    loop {
        if let Err(error) = registry.remove_expired(Clock::System.now()).await {
            tracing::warn!(%error, "what has expired was not removed");
        }
        let (functions, cancelled) = (Arc::clone(&functions), stopping.clone());
        let pass = tokio::spawn(async move {
            let watch = Stopwatch::start();
            functions.sweep(&|| !cancelled.is_cancelled() && watch.is_before(sweep::LASTS)).await
        });
        match pass.await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::error!(%error, "the sweep failed; it is tried again"),
            Err(error) => tracing::error!(%error, "the sweep panicked; it is tried again"),
        }
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = stopping.cancelled() => return,
        }
    }
}

/// Stores what the store did not take before, again and again.
async fn keep_saving(functions: Arc<Functions>, ballast: Arc<Ballast>, stopping: CancellationToken) {
    loop {
        // Only when all is stored are vendors asked again.
        if functions.save().await == 0 {
            ballast.restore();
        }
        tokio::select! {
            () = tokio::time::sleep(SAVE_EVERY) => {}
            () = stopping.cancelled() => return,
        }
    }
}

/// Stores what the store did not take before, until there is nothing left.
async fn save_all(functions: &Functions) {
    let mut is_said = false;
    loop {
        let left = functions.save().await;
        if left == 0 {
            return;
        }
        if !is_said {
            tracing::error!(
                left,
                "grants are in memory alone: waiting until the store takes them; a second signal loses them"
            );
            is_said = true;
        }
        tokio::time::sleep(SAVE_EVERY).await;
    }
}

/// The longest that a caller waits. A request that still holds what a vendor gave goes on after that.
const LONGEST: Duration = Duration::from_secs(29);

/// Answers a request in a task of its own: a client that hangs up must not stop an exchange half-way.
async fn answer(State(served): State<Served>, request: Request) -> Response {
    let (mut parts, stream) = request.into_parts();
    parts.uri = match target::encoded_once(&parts.uri) {
        Ok(uri) => uri,
        Err(error) => return response(answer::refuse(error)),
    };
    let bytes = match body::to_bytes(stream, LONGEST_BODY).await {
        Ok(bytes) => bytes,
        Err(error) if error.source().is_some_and(<dyn std::error::Error>::is::<LengthLimitError>) => {
            return response(answer::refuse(web::Error::TooLarge { limit: LONGEST_BODY }));
        }
        Err(error) => {
            return response(answer::refuse(Error::Invalid(format!("The body did not arrive: {error}"))));
        }
    };
    let request = lambda_http::Request::from_parts(parts, Body::from(bytes.to_vec()));
    let functions = Arc::clone(&served.functions);
    let answered = served.running.spawn(async move { functions.answer(request).await });
    match tokio::time::timeout(LONGEST, answered).await {
        Ok(Ok(answer)) => response(answer),
        Ok(Err(error)) => response(answer::refuse(Error::Internal(error.to_string()))),
        Err(_) => {
            let held = "what the vendor gave is in memory until the store takes it";
            response(answer::refuse(Error::Unfinished(StoreError::Unavailable(held.into()))))
        }
    }
}

fn response(answer: lambda_http::Response<Body>) -> Response {
    answer.map(|body| match body {
        Body::Text(text) => Stream::from(text),
        Body::Binary(bytes) => Stream::from(bytes),
        _ => Stream::empty(),
    })
}
