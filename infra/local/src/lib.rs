//! valetkey on one machine: the same handlers as on AWS, SQLite stores, and a sandbox vendor.
//!
//! [`options`] is the command line, [`data`] the folder with all that must not be lost, [`store`] the
//! records in SQLite, [`functions`] the functions side by side, [`mod@sandbox`] the pretend vendor.

pub mod data;
mod first_start;
pub mod functions;
pub mod identity;
mod lenient;
pub mod options;
pub mod sandbox;
mod server;
pub mod store;

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use broker::Broker;
use broker::clock::Clock;
use broker::hosted_connect::{Branding, HostedConnect};
use broker::record::app::ClientCache;
use broker::record::tokens::TokenCache;
use broker::record::unsaved::Unsaved;
use broker::seal::element_token::TokenKeys;
use broker::seal::key::Key;
use broker::seal::keyring::Keyring;
use broker::store::StoreError;
use broker::store::keys::Keys;
use broker::store::records::{Item, Key as ItemKey, Registry, Written};
use broker::store::retry::{Health, Patience};
use broker::store::secrets::TokenStore;
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpListener;
use vendors::catalogue::{self, Catalogue};
use vendors::client::request::{Limits, Sender};
use vendors::client::tls::BuildError;

use crate::data::{Folder, FolderError};
use crate::functions::Functions;
use crate::identity::IdentityError;
use crate::options::{Command, Options};
use crate::sandbox::{Ledger, Sandbox};
use crate::store::{Ballast, OpenError, SqliteRegistry};

/// Why the process cannot start, or ended; each is one sentence for whoever started it.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The data folder is another process's, or another machine's.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The folder holds the grants of the other kind of vendors.
    #[error("The folder {} holds grants of {whose}: {how}, or name another folder with --data DIR", data.display())]
    OtherVendors {
        /// The folder.
        data: PathBuf,
        /// Whose grants are in it.
        whose: &'static str,
        /// What makes it fit.
        how: &'static str,
    },
    /// The sandbox's database cannot be used.
    #[error(transparent)]
    Sandbox(#[from] OpenError),
    /// The folder of further elements cannot be used.
    #[error("--elements: {0}")]
    Elements(#[from] catalogue::FolderError),
    /// The port is taken.
    #[error(
        "Port {0} on 127.0.0.1 is taken: stop the program that has it, or choose another with --port N (0 picks a free one)"
    )]
    PortTaken(u16),
    /// The port cannot be listened on for another reason.
    #[error("Port {port} on 127.0.0.1 cannot be listened on: {cause}")]
    Port {
        /// The port.
        port: u16,
        /// What the operating system says.
        cause: io::Error,
    },
    /// The store failed while starting.
    #[error("The store failed: {0}")]
    Store(#[from] StoreError),
    /// The HTTP client could not be built.
    #[error(transparent)]
    Client(#[from] BuildError),
    /// The server or the terminal failed.
    #[error("The server failed: {0}")]
    Server(#[from] io::Error),
}

/// Starts everything and serves until a signal ends it.
pub async fn run(options: Options) -> Result<(), StartError> {
    let folder = Folder::open(&options.data)?;
    match &options.command {
        Some(Command::Backup { file }) => return Ok(folder.back_up(file)?),
        Some(Command::Restore { file }) => return Ok(folder.restore(file)?),
        None => {}
    }
    let _lock = identity::lock(&options.data)?;
    let master = folder.master_key()?;
    let (mut database, keyring) = folder.database(&master)?;
    folder.check_identity(&database, options.machine_id.as_deref(), options.take_over)?;
    let health = Arc::new(Health::default());
    let ballast = database.carry(Ballast::new(folder.ballast_path(), Arc::clone(&health)));
    let listener = listen(options.port).await?;
    let base = format!("http://{}", listener.local_addr()?);
    let registry = SqliteRegistry::new(database);
    if let Err(cause) = registry.remove_expired(Clock::System.now()).await {
        // Valid tokens can be given out all the same.
        tracing::error!(%cause, "expired records are not removed");
    }
    let derive = |purpose| Key::derive(master.expose_secret().as_bytes(), purpose);
    let broker = Broker {
        catalogue: Arc::new(catalogue(&options, &base)?),
        clock: Clock::System,
        registry: Arc::new(registry.clone()),
        token_store: TokenStore::Table,
        vault: None,
        vault_health: Health::default(),
        opened: TokenCache::default(),
        keys: Keys::fixed(keyring),
        marker_key: derive("marker"),
        health: Arc::clone(&health),
        unsaved: Some(Unsaved::default()),
        patience: Patience::default(),
        clients: ClientCache::default(),
        token_keys: TokenKeys::new(derive("element-token")),
        pkce_key: derive("pkce"),
        first_user: None,
        connect: Some(connect(&options, &base, &master)),
        sender: Sender::new(Limits::default())?,
    };
    let sandbox = if options.live { None } else { Some(sandbox(&folder, &options)?) };
    let signals = server::Signals::catch()?;
    keep_apart(&registry, &options).await?;
    // Last: nobody would see the secrets of a start that fails after this.
    let first = folder.first_user(&registry).await?;
    let mut out = io::stdout();
    writeln!(out, "valetkey listens on {base}{}", if options.live { "" } else { ", with a sandbox vendor" })?;
    if let Some(first) = first {
        write!(out, "\n{}", first_start::text(&base, &first, &folder.first_user_path(), !options.live))?;
    }
    out.flush()?;
    let sweep_every = Duration::from_secs(options.sweep_every);
    let served = server::Serves { functions: Functions::new(broker), registry, ballast };
    server::serve(listener, signals, served, sandbox, sweep_every).await?;
    Ok(())
}

fn connect(options: &Options, base: &str, master: &SecretString) -> HostedConnect {
    let key = Key::derive(master.expose_secret().as_bytes(), "connect");
    let branding = Branding { title: options.page_title.clone(), accent: options.page_accent };
    let address = options.public_url.clone().unwrap_or_else(|| base.to_owned());
    HostedConnect::new(key.bytes(), Some(address), options.return_urls.clone(), branding)
        .with_secrets(Keyring::new(&Key::derive(key.bytes(), "link")))
}

/// Keeps the sandbox's grants and those of real vendors in folders of their own: either would refuse, and
/// with that end, the refresh tokens of the other.
async fn keep_apart(registry: &SqliteRegistry, options: &Options) -> Result<(), StartError> {
    let item = Item::from_iter([("live".to_owned(), options.live.into())]);
    match registry.insert(&ItemKey::new("deployment", "vendors"), item.clone()).await? {
        Written::Refused(Some(found)) if found != item => {
            let (whose, how) = if options.live {
                ("the sandbox vendor", "leave --live out")
            } else {
                ("real vendors", "add --live")
            };
            Err(StartError::OtherVendors { data: options.data.clone(), whose, how })
        }
        _ => Ok(()),
    }
}

async fn listen(port: u16) -> Result<TcpListener, StartError> {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await.map_err(|cause| {
        match cause.kind() {
            io::ErrorKind::AddrInUse => StartError::PortTaken(port),
            _ => StartError::Port { port, cause },
        }
    })
}

/// Opens the catalogue: built-in elements, pointed at the sandbox where it can play them, and those of
/// the folder that was named, which go where they say.
fn catalogue(options: &Options, base: &str) -> Result<Catalogue, StartError> {
    let mut catalogue = Catalogue::built_in();
    if !options.live {
        let played: Vec<_> =
            catalogue.elements().into_iter().filter_map(|e| sandbox::stand_in(e, base)).collect();
        catalogue = catalogue.with(played);
    }
    if let Some(folder) = &options.elements {
        catalogue = catalogue.with(catalogue::read_folder(folder)?);
    }
    Ok(catalogue)
}

fn sandbox(folder: &Folder, options: &Options) -> Result<axum::Router, StartError> {
    let ledger = Ledger::open(&folder.sandbox_path())?;
    Ok(Sandbox::new(ledger, options.sandbox.clone(), Clock::System).routes())
}
