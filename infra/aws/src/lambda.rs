//! Serves a function's routes to the Lambda runtime, and logs.

pub mod event;
mod line;

use std::convert::Infallible;

use event::Event;
use lambda_http::lambda_runtime::{self, LambdaEvent, Runtime};
use lambda_http::tower::util::MapRequestLayer;
use lambda_http::{RequestExt, service_fn};
use serde_json::Value;
use tracing::Instrument;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::prelude::*;
use web::{Route, Router, answer, log};

use crate::{StartError, config};

/// Serves until Lambda ends the process. A panic in a route answers 500, and the next request is served.
pub async fn serve<S: Sync + 'static>(routes: &'static [Route<S>], state: S) -> Result<(), StartError> {
    let router = Router::new(routes);
    let handler = async |LambdaEvent { payload, context }: LambdaEvent<Event>| {
        let answer = match event::to_request(payload) {
            Ok(request) => router.answer(&state, request.with_lambda_context(context)).await,
            Err(error) => answer::refuse_as(error, &context.request_id),
        };
        Ok::<_, Infallible>(event::to_response(answer))
    };
    let runtime = Runtime::new(service_fn(handler)).layer(MapRequestLayer::new(event::mended));
    runtime.run().await.map_err(StartError::Runtime)
}

/// Answers a schedule's events until Lambda ends the process. A failure is told to Lambda, which tries again
/// and then puts the event aside.
pub async fn serve_schedule<S, E: std::error::Error + Send + Sync + 'static>(
    state: S,
    handle: impl AsyncFn(&S) -> Result<(), E>,
) -> Result<(), StartError> {
    let handler = async |event: LambdaEvent<Value>| {
        let request = tracing::error_span!("request", request_id = event.context.request_id);
        handle(&state).instrument(request).await.map_err(lambda_http::Error::from)
    };
    lambda_runtime::run(service_fn(handler)).await.map_err(StartError::Runtime)
}

/// Begins to log as JSON lines on standard output, at the level of Lambda's logging controls. Our own
/// events only: a library's may hold what we would never print.
pub fn log() {
    let level = config::optional("AWS_LAMBDA_LOG_LEVEL").and_then(|level| level.parse().ok());
    let level: LevelFilter = level.unwrap_or(LevelFilter::INFO);
    let ours = filter_fn(move |event| *event.level() <= level && log::is_ours(event.target()));
    let ours = ours.with_max_level_hint(level);
    let given = |name| config::optional(name).unwrap_or_else(|| "valetkey".to_owned());
    let labels = line::Labels {
        namespace: given(config::METRICS),
        function: given("AWS_LAMBDA_FUNCTION_NAME"),
        version: given("AWS_LAMBDA_FUNCTION_VERSION"),
    };
    tracing_subscriber::registry().with(line::Lines::new(std::io::stdout, labels).with_filter(ours)).init();
}
