//! The command: reads its options, starts, and says in one sentence why it could not.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;
use valetkey::options::Options;

/// The crates whose events are logged: a library's may hold what we would never print.
const OURS: [&str; 10] = [
    "valetkey::",
    "broker::",
    "vendors::",
    "web::",
    "connect::",
    "elements::",
    "instances::",
    "oauth_callback::",
    "sweep::",
    "users::",
];

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let ours = OURS.iter().fold(Targets::new(), |targets, name| targets.with_target(*name, options.log));
    tracing_subscriber::registry()
        .with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_filter(ours))
        .init();
    match valetkey::run(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "valetkey: {error}");
            ExitCode::FAILURE
        }
    }
}
