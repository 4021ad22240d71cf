//! The command: reads its options, starts, and says in one sentence why it could not.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::prelude::*;
use valetkey::options::Options;
use web::log;

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let level = options.log;
    let ours = filter_fn(move |event| *event.level() <= level && log::is_ours(event.target()));
    let ours = ours.with_max_level_hint(level);
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
