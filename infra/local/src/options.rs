//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use broker::hosted_connect::Colour;
use clap::Parser;
use tracing::Level;
use web::clean;

/// valetkey on one machine: an OAuth 2.0 connector broker with an embedded store.
///
/// The first start makes a user and prints its secrets with commands that walk through the whole flow.
/// Unless --live is given, elements whose vendor the sandbox can play are connected to the sandbox: a
/// pretend vendor in this same process, with a consent page to click on.
#[derive(Debug, Clone, Parser)]
#[command(name = "valetkey", version, max_term_width = 100)]
pub struct Options {
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Port to listen on, on 127.0.0.1; 0 picks a free one and prints it
    #[arg(long, value_name = "N", default_value_t = 9000)]
    pub port: u16,

    /// Folder for the database, the key file and the first user's secrets; made when it is missing.
    /// Keep the key file elsewhere too: without it the secrets in the database cannot be opened
    #[arg(long, value_name = "DIR", default_value = ".valetkey", global = true)]
    pub data: PathBuf,

    /// Use a data folder that is a copy, was restored, or comes from another machine. Make sure first that the original is
    /// not used any more: it is not told, and each would end the other's grants
    #[arg(long)]
    pub take_over: bool,

    /// What names this machine, where the system has no name that stays, as in a container
    #[arg(long, value_name = "ID")]
    pub machine_id: Option<String>,

    /// Folder of further elements, one vendor a TOML file, as in shared/vendors/descriptors; one that has a
    /// built-in's key takes its place
    #[arg(long, value_name = "DIR")]
    pub elements: Option<PathBuf>,

    /// Use the vendors' real addresses, without the sandbox
    #[arg(long)]
    pub live: bool,

    /// How often to look for grants that end unless they are refreshed, and for what a crash has left;
    /// 0: never
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub sweep_every: u64,

    /// A URL that links may send browsers back to, compared letter by letter, besides those of each user
    /// (PUT /users/{id}/return-urls); can be given several times
    #[arg(long = "return-url", value_name = "URL", value_parser = return_url)]
    pub return_urls: Vec<String>,

    /// The scheme and host at which browsers reach this process, behind a proxy of yours: links and redirect URIs
    /// begin so. Without it they are for browsers on this machine
    #[arg(long, value_name = "URL", value_parser = origin)]
    pub public_url: Option<String>,

    /// Whose pages visitors of links see
    #[arg(long, value_name = "TEXT", default_value = "valetkey")]
    pub page_title: String,

    /// The colour of those pages' buttons
    #[arg(long, value_name = "#RRGGBB", default_value = "#1d4ed8", value_parser = colour)]
    pub page_accent: Colour,

    /// How much to log on standard error: error, warn, info or debug
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log: Level,

    /// The sandbox's habits.
    #[command(flatten)]
    pub sandbox: Habits,
}

/// What else can be done with a data folder.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Command {
    /// Write the database, as it is now, to a new file; the broker may run meanwhile. The key file is not in it: keep that
    /// elsewhere
    Backup {
        /// The new file
        file: PathBuf,
    },
    /// Make a data folder's database of a backup. Put the key file beside it, make sure that the original is not used any
    /// more, and start with --take-over. Vendors that rotate refresh tokens want a new consent for each grant that was
    /// refreshed after the backup
    Restore {
        /// The backup
        file: PathBuf,
    },
}

/// How the sandbox vendor behaves.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "The sandbox's habits")]
pub struct Habits {
    /// How long its access tokens live
    #[arg(long = "sandbox-access-lifetime", value_name = "SECONDS", default_value_t = 86_400,
          value_parser = clap::value_parser!(i64).range(0..=315_360_000))]
    pub access_lifetime: i64,

    /// How long its refresh tokens live, from their issue
    #[arg(long = "sandbox-refresh-lifetime", value_name = "SECONDS", default_value_t = 3_888_000,
          value_parser = clap::value_parser!(i64).range(0..=315_360_000))]
    pub refresh_lifetime: i64,

    /// How long a refresh token may be used again after its first use, for the same answer; after
    /// that, and with 0 at once, its reuse kills the grant
    #[arg(long = "sandbox-grace", value_name = "SECONDS", default_value_t = 0,
          value_parser = clap::value_parser!(i64).range(0..=315_360_000))]
    pub grace: i64,

    /// How long it takes to answer, after it has acted
    #[arg(long = "sandbox-latency", value_name = "MILLISECONDS", default_value = "0", value_parser = milliseconds)]
    pub latency: Duration,
}

fn return_url(text: &str) -> Result<String, String> {
    clean::return_url("it", text).map(str::to_owned).map_err(|error| error.to_string())
}

fn origin(text: &str) -> Result<String, String> {
    let url = return_url(text)?;
    let (_, rest) = url.split_once("://").unwrap_or_default();
    if rest.contains(['/', '?']) { Err("it must end with the host".to_owned()) } else { Ok(url) }
}

fn colour(text: &str) -> Result<Colour, String> {
    Colour::parse(text).ok_or_else(|| "it must be # and six hex digits".to_owned())
}

fn milliseconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .map(Duration::from_millis)
        .map_err(|_| "it must be a whole number of milliseconds".to_owned())
}
