//! The HTTP server: requests in, to the broker or the sandbox, until a signal ends it.

use std::future::IntoFuture;
use std::io;
use std::sync::Arc;

use axum::body::Body as Stream;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::any;
use axum::{Router, body};
use lambda_http::Body;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::task::TaskTracker;
use valetkey::error::Error;
use valetkey::http::{self, LONGEST_BODY};

use crate::broker::Broker;

/// What the server's requests share.
#[derive(Clone)]
struct Served {
    broker: Arc<Broker>,
    running: TaskTracker,
}

/// Serves until Ctrl-C or SIGTERM; then takes no new request and finishes those it has. A second
/// signal ends it at once.
pub(crate) async fn serve(listener: TcpListener, broker: Broker, sandbox: Option<Router>) -> io::Result<()> {
    let served = Served { broker: Arc::new(broker), running: TaskTracker::new() };
    let running = served.running.clone();
    let routes = sandbox.unwrap_or_default().fallback_service(any(answer).with_state(served));
    let (mut interrupts, mut terminations) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let graceful =
        axum::serve(listener, routes).with_graceful_shutdown(async { stopped.await.unwrap_or(()) });
    let finished = async {
        graceful.into_future().await?;
        running.close();
        running.wait().await;
        Ok(())
    };
    tokio::pin!(finished);
    tokio::select! {
        ended = &mut finished => return ended,
        _ = interrupts.recv() => {}
        _ = terminations.recv() => {}
    }
    tracing::info!("stopping: finishing what is under way");
    drop(stop);
    tokio::select! {
        ended = finished => ended,
        _ = interrupts.recv() => Ok(()),
        _ = terminations.recv() => Ok(()),
    }
}

/// Answers a request in a task of its own: a client that hangs up must not stop an exchange half-way.
async fn answer(State(served): State<Served>, request: Request) -> Response {
    let (parts, stream) = request.into_parts();
    let Ok(bytes) = body::to_bytes(stream, LONGEST_BODY).await else {
        return response(http::refuse(Error::TooLarge { limit: LONGEST_BODY }));
    };
    let request = lambda_http::Request::from_parts(parts, Body::from(bytes.to_vec()));
    let broker = Arc::clone(&served.broker);
    let answered = served.running.spawn(async move { broker.answer(request).await });
    match answered.await {
        Ok(answer) => response(answer),
        Err(error) => response(http::refuse(Error::Internal(error.to_string()))),
    }
}

fn response(answer: lambda_http::Response<Body>) -> Response {
    answer.map(|body| match body {
        Body::Text(text) => Stream::from(text),
        Body::Binary(bytes) => Stream::from(bytes),
        _ => Stream::empty(),
    })
}
