//! Processes that are made, fail and die over stores that stay: the functions' insides without HTTP. The stores
//! are the embedded ones, or with `VALETKEY_STACK=lambda` those on AWS.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use local::store::{Database, SqliteRegistry, SqliteVault};
use tempfile::TempDir;
use valetkey::app::App;
use valetkey::catalogue::{Catalogue, read_folder};
use valetkey::client::Cache;
use valetkey::clock::{Clock, Stopwatch};
use valetkey::connect::Connect;
use valetkey::creation::{self, Draft};
use valetkey::error::Error;
use valetkey::instance::{self, Filter, Instance};
use valetkey::keys::{Key, TokenKeys};
use valetkey::oauth::send::{Limits, Sender};
use valetkey::page::Look;
use valetkey::redeem::Proof;
use valetkey::registry::{self, Registry};
use valetkey::seal::Seal;
use valetkey::sweep::{Report, sweep};
use valetkey::vault::Vault;

use crate::broker::on_lambda;
use crate::client::body;
use crate::emulators;
use crate::suites::faulty::{Faulty, Plan};
use crate::vendor::Vendor;

const GRANTED: &str =
    r#"{"access_token":"access","refresh_token":"refresh","token_type":"bearer","expires_in":60}"#;

/// Where browsers would reach the processes.
pub const ADDRESS: &str = "http://127.0.0.1:9";

/// One process after another over the same stores.
pub struct Machine {
    /// The vendor, whose element has the key `faulty`.
    pub vendor: Vendor,
    /// The vault, without faults.
    pub vault: Arc<dyn Vault>,
    /// The registry, without faults.
    pub registry: Arc<dyn Registry>,
    /// The time, which tests set.
    pub clock: Clock,
    _folder: TempDir,
}

impl Machine {
    /// Makes new stores, and a vendor that grants.
    pub async fn new() -> Self {
        Self::with("").await
    }

    /// Makes new stores, and a vendor with further habits of refreshing.
    pub async fn with(habits: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let vendor = Vendor::start_with(habits).await;
        vendor.answers("200 OK", "", GRANTED);
        let (vault, registry): (Arc<dyn Vault>, Arc<dyn Registry>) = if on_lambda() {
            (Arc::new(emulators::vault().await), Arc::new(emulators::registry().await.0))
        } else {
            let database = Database::open(&folder.path().join("valetkey.db")).unwrap();
            let seal = Seal::new(&Key::derive(b"master", "vault"));
            (Arc::new(SqliteVault::new(database.clone(), seal)), Arc::new(SqliteRegistry::new(database)))
        };
        Self { vendor, vault, registry, clock: Clock::fixed(1_000), _folder: folder }
    }

    /// Puts a process together over these stores.
    pub fn app(&self, vault: impl Vault + 'static, registry: impl Registry + 'static) -> App {
        let vault: Arc<dyn Vault> = Arc::new(vault);
        App {
            catalogue: Arc::new(Catalogue::default().with(read_folder(self.vendor.elements.path()).unwrap())),
            clock: self.clock.clone(),
            apps: Arc::clone(&vault),
            vault,
            clients: Cache::default(),
            registry: Arc::new(registry),
            token_keys: TokenKeys::new(Key::derive(b"master", "element-token")),
            pkce_key: Key::derive(b"master", "pkce"),
            first_user: None,
            connect: Some(
                Connect::new(b"master", Some(ADDRESS.to_owned()), Vec::new(), Look::default())
                    .with_secrets(Seal::new(&Key::derive(b"master", "link"))),
            ),
            sender: Sender::new(Limits::default()).unwrap(),
        }
    }

    /// Puts a process together whose writes follow a plan.
    pub fn planned(&self, plan: &Plan) -> App {
        self.app(Faulty(self.vault.clone(), plan.clone()), Faulty(self.registry.clone(), plan.clone()))
    }

    /// Puts a process together whose clock differs by so many seconds.
    pub fn skewed(&self, seconds: i64) -> App {
        App { clock: Clock::fixed(self.clock.now() + seconds), ..self.sound() }
    }

    /// Puts a process together without faults.
    pub fn sound(&self) -> App {
        self.app(self.vault.clone(), self.registry.clone())
    }

    /// Sweeps once, without faults.
    pub async fn sweep(&self) -> Report {
        sweep(&self.sound(), &refresh::LIMITS, &|| true).await.unwrap()
    }

    /// Lets time pass, in seconds.
    pub fn pass(&self, seconds: i64) {
        if let Clock::Fixed(now) = &self.clock {
            now.fetch_add(seconds, Ordering::SeqCst);
        }
    }

    /// Gives the record with the id 1, whatever state it is in.
    pub async fn record(&self) -> Option<Instance> {
        let item = self.registry.get(&instance::key(1, 1)).await.unwrap();
        item.map(|item| registry::from_item(item).unwrap())
    }

    /// Counts the instances that the user sees.
    pub async fn visible(&self) -> usize {
        instance::list(&self.registry, 1, &Filter::default(), None, 10).await.unwrap().0.len()
    }

    /// Counts the code exchanges and the revocations that the vendor saw.
    pub fn asked(&self) -> (usize, usize) {
        let requests = self.vendor.requests();
        let revocations = requests.iter().filter(|request| request.starts_with("POST /revoke ")).count();
        (requests.len() - revocations, revocations)
    }
}

/// The user of every process.
const USER: u64 = 1;

/// Makes an instance.
pub async fn create(app: &App) -> Result<Instance, Error> {
    create_of(app, Proof::Code("code".to_owned().into(), None)).await
}

/// Makes an instance of a code or of tokens.
pub async fn create_of(app: &App, proof: Proof) -> Result<Instance, Error> {
    create_at(app, "faulty", proof).await
}

/// Makes an instance of an element.
pub async fn create_at(app: &App, element: &str, proof: Proof) -> Result<Instance, Error> {
    let configuration = body("faulty", "", "")["configuration"].as_object().unwrap().clone();
    let text = |value: serde_json::Value| value.as_str().map(str::to_owned);
    let draft = Draft {
        element: app.catalogue.find(element).unwrap(),
        name: "Name".into(),
        tags: vec![],
        configuration: configuration.into_iter().map(|(key, value)| (key, text(value))).collect(),
        proof,
        told: BTreeMap::new(),
        app: None,
        link: None,
    };
    creation::create(app, USER, draft, Stopwatch::start()).await
}
