//! Serves a function's routes to the Lambda runtime, and logs.

mod line;

use lambda_http::{Request, service_fn};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;
use valetkey::http::{Route, Router};

use crate::{StartError, config};

/// Serves until Lambda ends the process. A panic in a route answers 500, and the next request is served.
pub async fn serve<S: Sync + 'static>(routes: &'static [Route<S>], state: S) -> Result<(), StartError> {
    let router = Router::new(routes);
    let handler =
        async |request: Request| Ok::<_, std::convert::Infallible>(router.answer(&state, request).await);
    lambda_http::run(service_fn(handler)).await.map_err(StartError::Runtime)
}

/// Begins to log as JSON lines on standard output, at the level of Lambda's logging controls. Our own
/// events only: a library's may hold what we would never print.
pub fn log() {
    let level = config::optional("AWS_LAMBDA_LOG_LEVEL").and_then(|level| level.parse().ok());
    let level: LevelFilter = level.unwrap_or(LevelFilter::INFO);
    // A target is a prefix: "aws" alone would also let the SDK's crates in.
    let ours = Targets::new().with_target("valetkey", level).with_target("aws::", level);
    let namespace = config::optional(config::METRICS).unwrap_or_else(|| "valetkey".to_owned());
    tracing_subscriber::registry()
        .with(line::Lines::new(std::io::stdout, namespace).with_filter(ours))
        .init();
}
