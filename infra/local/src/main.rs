//! The command: reads its options, starts, and says in one sentence why it could not.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use local::options::Options;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    // Our own events only: a library's may hold what we would never print.
    let ours = Targets::new().with_target("valetkey", options.log).with_target("local", options.log);
    tracing_subscriber::registry()
        .with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_filter(ours))
        .init();
    match local::run(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "valetkey: {error}");
            ExitCode::FAILURE
        }
    }
}
