//! Processes that are made, fail and die over stores that stay: the functions' insides without HTTP. The stores
//! are the embedded ones, or with `VALETKEY_STACK=lambda` those on AWS.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock};

use broker::Broker;
use broker::Error;
use broker::clock::{Clock, Stopwatch};
use broker::events::Report;
use broker::grant::create::{self, Draft};
use broker::grant::obtain::Proof;
use broker::grant::reauthenticate::{Revision, revise};
use broker::grant::refresh::{self, Ask, Live};
use broker::grant::sweep::sweep;
use broker::hosted_connect::Branding;
use broker::hosted_connect::HostedConnect;
use broker::id::InstanceId;
use broker::id::UserId;
use broker::random;
use broker::record::app::ClientCache;
use broker::record::instance::{self, Filter, Instance};
use broker::seal::element_token::TokenKeys;
use broker::seal::envelope::Seal;
use broker::seal::keyring::Key;
use broker::store::records::{self, Registry};
use broker::store::secrets::Vault;
use tempfile::TempDir;
use valetkey::store::{Database, SqliteRegistry, SqliteVault};
use vendors::catalogue::{Catalogue, read_folder};
use vendors::client::request::{Limits, Sender};

use crate::broker::on_lambda;
use crate::client::body;
use crate::emulators;
use crate::stores::Hooked;
use crate::stores::plan::Plan;
use crate::stores::versions::Versions;
use crate::vendor::Vendor;

const GRANTED: &str =
    r#"{"access_token":"access","refresh_token":"refresh","token_type":"bearer","expires_in":60}"#;

/// What a vendor may answer later, with other tokens.
pub const SECOND: &str =
    r#"{"access_token":"second","refresh_token":"refresh2","token_type":"bearer","expires_in":60}"#;

/// It keeps no connection, so every process can have the same.
static SENDER: LazyLock<Sender> = LazyLock::new(|| Sender::new(Limits::default()).unwrap());

/// Where browsers would reach the processes.
pub const ADDRESS: &str = "http://127.0.0.1:9";

/// One process after another over the same stores.
pub struct Machine {
    /// The vendor, whose element has the key `faulty`.
    pub vendor: Vendor,
    /// The vault, without faults.
    pub vault: Arc<dyn Vault>,
    /// What the vault was given to keep.
    pub versions: Versions,
    /// The registry, without faults.
    pub registry: Arc<dyn Registry>,
    /// The time, which tests set.
    pub clock: Clock,
    catalogue: Arc<Catalogue>,
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
        let versions = Versions::default();
        Self {
            catalogue: Arc::new(Catalogue::default().with(read_folder(vendor.elements.path()).unwrap())),
            vendor,
            vault: Arc::new(Hooked::new(vault, versions.clone())),
            versions,
            registry,
            clock: Clock::fixed(1_000),
            _folder: folder,
        }
    }

    /// Puts a process together over these stores.
    pub fn broker(&self, vault: impl Vault + 'static, registry: impl Registry + 'static) -> Broker {
        let vault: Arc<dyn Vault> = Arc::new(vault);
        Broker {
            catalogue: Arc::clone(&self.catalogue),
            clock: self.clock.clone(),
            apps: Arc::clone(&vault),
            vault,
            clients: ClientCache::default(),
            registry: Arc::new(registry),
            token_keys: TokenKeys::new(Key::derive(b"master", "element-token")),
            pkce_key: Key::derive(b"master", "pkce"),
            first_user: None,
            connect: Some(
                HostedConnect::new(b"master", Some(ADDRESS.to_owned()), Vec::new(), Branding::default())
                    .with_secrets(Seal::new(&Key::derive(b"master", "link"))),
            ),
            sender: SENDER.clone(),
        }
    }

    /// Puts a process together whose operations follow a plan.
    pub fn planned(&self, plan: &Plan) -> Broker {
        let vault = Hooked::new(Arc::clone(&self.vault), plan.clone());
        self.broker(vault, Hooked::new(Arc::clone(&self.registry), plan.clone()))
    }

    /// Puts a process together whose clock differs by so many seconds.
    pub fn skewed(&self, seconds: i64) -> Broker {
        Broker { clock: Clock::fixed(self.clock.now() + seconds), ..self.sound() }
    }

    /// Puts a process together without faults.
    pub fn sound(&self) -> Broker {
        self.broker(self.vault.clone(), self.registry.clone())
    }

    /// Sweeps once, without faults.
    pub async fn sweep(&self) -> Report {
        sweep(&self.sound(), &sweep::LIMITS, &|| true).await.unwrap()
    }

    /// Lets time pass, in seconds.
    pub fn pass(&self, seconds: i64) {
        if let Clock::Fixed(now) = &self.clock {
            now.fetch_add(seconds, Ordering::SeqCst);
        }
    }

    /// Gives the record with the id 1, whatever state it is in.
    pub async fn record(&self) -> Option<Instance> {
        let item = self.registry.get(&instance::key(USER, InstanceId(1))).await.unwrap();
        item.map(|item| records::from_item(item).unwrap())
    }

    /// Gives the live instance with the id 1.
    pub async fn instance(&self) -> Instance {
        instance::find(&self.registry, USER, InstanceId(1)).await.unwrap().unwrap()
    }

    /// Counts the instances that the user sees.
    pub async fn visible(&self) -> usize {
        instance::list(&self.registry, USER, &Filter::default(), None, 10).await.unwrap().0.len()
    }

    /// Counts the code exchanges and the revocations that the vendor saw.
    pub fn asked(&self) -> (usize, usize) {
        let requests = self.vendor.requests();
        let revocations = requests.iter().filter(|request| request.starts_with("POST /revoke ")).count();
        (requests.len() - revocations, revocations)
    }
}

/// The user of every process.
const USER: UserId = UserId(1);

/// Gives a code that was not spent yet.
pub fn code() -> Proof {
    Proof::Code(random::id().into(), None)
}

/// Makes an instance.
pub async fn create(broker: &Broker) -> Result<Instance, Error> {
    create_of(broker, code()).await
}

/// Makes an instance of a code or of tokens.
pub async fn create_of(broker: &Broker, proof: Proof) -> Result<Instance, Error> {
    create_at(broker, "faulty", proof).await
}

/// Makes an instance of an element.
pub async fn create_at(broker: &Broker, element: &str, proof: Proof) -> Result<Instance, Error> {
    let configuration = body("faulty", "", "")["configuration"].as_object().unwrap().clone();
    let text = |value: serde_json::Value| value.as_str().map(str::to_owned);
    let draft = Draft {
        element: broker.catalogue.find(element).unwrap(),
        name: "Name".into(),
        tags: vec![],
        configuration: configuration.into_iter().map(|(key, value)| (key, text(value))).collect(),
        proof,
        told: BTreeMap::new(),
        app: None,
        link: None,
    };
    create::create(broker, USER, draft, Stopwatch::start()).await
}

/// Asks for an access token.
pub async fn ask(broker: &Broker, instance: &Instance) -> Result<Live, Error> {
    refresh::live(broker, instance.clone(), Ask::Lasting(0), Stopwatch::start()).await
}

/// Brings a new code.
pub async fn consent(broker: &Broker, instance: &Instance) -> Result<Instance, Error> {
    change(broker, instance, Revision { proof: Some(code()), ..Revision::default() }).await
}

/// Changes a secret of the configuration, which goes through the lease as well.
pub async fn rekey(broker: &Broker, instance: &Instance) -> Result<Instance, Error> {
    let key = ("oauth.api.key".to_owned(), Some("another".to_owned()));
    let configuration = Some(BTreeMap::from([key]));
    change(broker, instance, Revision { configuration, ..Revision::default() }).await
}

/// Changes an instance.
pub async fn change(broker: &Broker, instance: &Instance, revision: Revision) -> Result<Instance, Error> {
    revise(broker, instance.clone(), &revision, Stopwatch::start()).await
}
