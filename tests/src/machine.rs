//! Processes that are made, fail and die over stores that stay: the functions' insides without HTTP. The stores
//! are the embedded ones, or with `VALETKEY_STACK=lambda` those on AWS.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use broker::Broker;
use broker::Error;
use broker::clock::{Clock, Stopwatch};
use broker::events::Report;
use broker::grant::consent;
use broker::grant::create::{self, NewInstance};
use broker::grant::obtain::GrantSource;
use broker::grant::refresh::{self, Freshness, Live};
use broker::grant::settings::{self, Edit};
use broker::grant::sweep::sweep;
use broker::hosted_connect::Branding;
use broker::hosted_connect::HostedConnect;
use broker::id::InstanceId;
use broker::id::UserId;
use broker::random;
use broker::record::account::{self, Account};
use broker::record::app::ClientCache;
use broker::record::grant::{self, Grant};
use broker::record::instance::{self, Filter, Instance};
use broker::record::tokens::{TokenCache, TokenSet, Tokens};
use broker::seal::element_token::TokenKeys;
use broker::seal::key::Key;
use broker::seal::keyring::Keyring;
use broker::store::keys::Keys;
use broker::store::records::{self, Registry};
use broker::store::retry::{Deadline, Health, Patience};
use broker::store::secrets::{TokenStore, Vault};
use secrecy::ExposeSecret;
use tempfile::TempDir;
use valetkey::store::{Database, SqliteRegistry};
use vendors::catalogue::{Catalogue, read_folder};
use vendors::client::request::{Limits, Sender};

use crate::broker::on_lambda;
use crate::client::body;
use crate::emulators;
use crate::stores::Hooked;
use crate::stores::memory::MemoryVault;
use crate::stores::plan::Plan;
use crate::vendor::Vendor;

const GRANTED: &str =
    r#"{"access_token":"access","refresh_token":"refresh","token_type":"bearer","expires_in":60}"#;

/// What a vendor may answer later, with other tokens.
pub const SECOND: &str =
    r#"{"access_token":"second","refresh_token":"refresh2","token_type":"bearer","expires_in":60}"#;

/// It keeps no connection, so every process can have the same.
static SENDER: LazyLock<Sender> = LazyLock::new(|| Sender::new(Limits::default()).unwrap());

/// How often a process asks a store, instead of for 22 s: the same in every run.
const ATTEMPTS: u32 = 3;

/// Where browsers would reach the processes.
pub const ADDRESS: &str = "http://127.0.0.1:9";

/// One process after another over the same stores.
pub struct Machine {
    /// The vendor, whose element has the key `faulty`.
    pub vendor: Vendor,
    /// Secrets Manager, without faults, where tokens rest there.
    pub vault: Option<Arc<dyn Vault>>,
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
        let registry: Arc<dyn Registry> = if on_lambda() {
            Arc::new(emulators::registry().await.0)
        } else {
            Arc::new(SqliteRegistry::new(Database::open(&folder.path().join("valetkey.db")).unwrap()))
        };
        Self {
            catalogue: Arc::new(Catalogue::default().with(read_folder(vendor.elements.path()).unwrap())),
            vendor,
            vault: None,
            registry,
            clock: Clock::fixed(1_000),
            _folder: folder,
        }
    }

    /// Has tokens rest in Secrets Manager.
    pub async fn settling(self) -> Self {
        let vault: Arc<dyn Vault> =
            if on_lambda() { Arc::new(emulators::vault().await) } else { Arc::new(MemoryVault::default()) };
        Self { vault: Some(vault), ..self }
    }

    /// Puts a process together over these stores.
    pub fn broker(&self, vault: Option<Arc<dyn Vault>>, registry: impl Registry + 'static) -> Broker {
        let token_store = if vault.is_some() { TokenStore::SecretsManager } else { TokenStore::Table };
        Broker {
            catalogue: Arc::clone(&self.catalogue),
            clock: self.clock.clone(),
            registry: Arc::new(registry),
            token_store,
            vault,
            vault_health: Health::default(),
            opened: TokenCache::default(),
            keys: Keys::fixed(keyring()),
            marker_key: Key::derive(b"master", "marker"),
            health: Arc::default(),
            unsaved: None,
            patience: Patience { attempts: ATTEMPTS, wait: Duration::ZERO, ..Patience::default() },
            clients: ClientCache::default(),
            token_keys: TokenKeys::new(Key::derive(b"master", "element-token")),
            pkce_key: Key::derive(b"master", "pkce"),
            first_user: None,
            connect: Some(
                HostedConnect::new(b"master", Some(ADDRESS.to_owned()), Vec::new(), Branding::default())
                    .with_secrets(Keyring::new(&Key::derive(b"master", "link"))),
            ),
            sender: SENDER.clone(),
        }
    }

    /// Puts a process together whose operations follow a plan.
    pub fn planned(&self, plan: &Plan) -> Broker {
        let hooked = |vault: &Arc<dyn Vault>| -> Arc<dyn Vault> {
            Arc::new(Hooked::new(Arc::clone(vault), plan.clone()))
        };
        let registry = Hooked::new(Arc::clone(&self.registry), plan.clone());
        self.broker(self.vault.as_ref().map(hooked), registry)
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

    /// Gives the live account with the id 1.
    pub async fn account(&self) -> Account {
        account::find(&self.registry, USER, InstanceId(1)).await.unwrap().unwrap()
    }

    /// Gives the live instance with the id 1.
    pub async fn instance(&self) -> Instance {
        self.account().await.instance
    }

    /// Gives the only instance that the user sees.
    pub async fn only(&self) -> Instance {
        let (mut seen, _) = instance::list(&self.registry, USER, &Filter::default(), None, 10).await.unwrap();
        assert_eq!(seen.len(), 1, "there is one");
        seen.remove(0)
    }

    /// Gives the grant with the id 1, whatever state it is in.
    pub async fn grant(&self) -> Option<Grant> {
        self.grant_of(InstanceId(1)).await
    }

    /// Gives the grant of an instance, whatever state it is in.
    pub async fn grant_of(&self, id: InstanceId) -> Option<Grant> {
        let item = self.registry.get(&grant::key(id)).await.unwrap();
        item.map(|item| records::from_item(item).unwrap())
    }

    /// Gives the current tokens of a grant, wherever they are.
    pub async fn tokens_of(&self, grant: &Grant) -> Tokens {
        let place =
            ["grant".into(), grant.instance.to_string(), grant.family.to_string(), grant.number.to_string()];
        let text = match (&grant.sealed, &self.vault, &grant.secret) {
            (Some(sealed), ..) => keyring().open(&place, sealed).expect("it opens in its place").into(),
            (None, Some(vault), Some(secret)) => {
                let version = format!("{:016x}-{:016x}", grant.family, grant.number);
                vault.get(secret, &version).await.unwrap().expect("it is in Secrets Manager")
            }
            _ => panic!("the tokens are nowhere"),
        };
        TokenSet::from_text(&text).unwrap().tokens
    }

    /// Gives the access token of the instance with the id 1, as it is stored.
    pub async fn access_token(&self) -> String {
        let grant = self.grant().await.unwrap();
        self.tokens_of(&grant).await.access_token.expose_secret().to_owned()
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

/// Opens what the processes have sealed.
pub fn keyring() -> Keyring {
    Keyring::new(&Key::derive(b"master", "grant"))
}

/// Gives a code that was not spent yet.
pub fn code() -> GrantSource {
    GrantSource::Code(random::id().into(), None)
}

/// Makes an instance.
pub async fn create(broker: &Broker) -> Result<Instance, Error> {
    create_of(broker, code()).await
}

/// Makes an instance of a code or of tokens.
pub async fn create_of(broker: &Broker, source: GrantSource) -> Result<Instance, Error> {
    create_at(broker, "faulty", source).await
}

/// Makes an instance of an element.
pub async fn create_at(broker: &Broker, element: &str, source: GrantSource) -> Result<Instance, Error> {
    make(broker, USER, element, source).await
}

/// Makes an instance for a user.
pub async fn create_as(broker: &Broker, user: UserId, source: GrantSource) -> Result<Instance, Error> {
    make(broker, user, "faulty", source).await
}

async fn make(broker: &Broker, user: UserId, element: &str, source: GrantSource) -> Result<Instance, Error> {
    let configuration = body("faulty", "", "")["configuration"].as_object().unwrap().clone();
    let text = |value: serde_json::Value| value.as_str().map(str::to_owned);
    let new = NewInstance {
        element: broker.catalogue.find(element).unwrap(),
        name: "Name".into(),
        tags: vec![],
        configuration: configuration.into_iter().map(|(key, value)| (key, text(value))).collect(),
        source,
        told: BTreeMap::new(),
        app: None,
        link: None,
    };
    create::create(broker, user, new, deadline(broker)).await.map(|account| account.instance)
}

/// Counts a request's time from now.
pub fn deadline(broker: &Broker) -> Deadline {
    broker.deadline(Stopwatch::start())
}

/// Reads an instance with its grant, as a request does.
pub async fn account_of(broker: &Broker, instance: &Instance) -> Result<Account, Error> {
    let found = account::find(&*broker.registry, instance.user, instance.id).await?;
    found.ok_or_else(|| instance::unknown(instance.id))
}

/// Asks for an access token.
pub async fn ask(broker: &Broker, instance: &Instance) -> Result<Live, Error> {
    ask_for(broker, instance, Freshness::AtLeast(0)).await
}

/// Asks for an access token that is so fresh.
pub async fn ask_for(broker: &Broker, instance: &Instance, freshness: Freshness) -> Result<Live, Error> {
    refresh::live(broker, account_of(broker, instance).await?, freshness, deadline(broker)).await
}

/// Gives the access token that somebody was answered with.
pub fn access_of(live: &Live) -> &str {
    live.tokens.access_token.expose_secret()
}

/// Brings a new code.
pub async fn consent(broker: &Broker, instance: &Instance) -> Result<Instance, Error> {
    consent_with(broker, instance, &code(), &Edit::default()).await
}

/// Brings a code or tokens, and changes what else is said.
pub async fn consent_with(
    broker: &Broker,
    instance: &Instance,
    source: &GrantSource,
    edit: &Edit,
) -> Result<Instance, Error> {
    let account = account_of(broker, instance).await?;
    let told = BTreeMap::new();
    consent::consent(broker, account, edit, source, &told, deadline(broker))
        .await
        .map(|account| account.instance)
}

/// Changes a secret of the configuration.
pub async fn rekey(broker: &Broker, instance: &Instance) -> Result<Instance, Error> {
    set(broker, instance, "oauth.api.secret", "another").await
}

/// Changes one value of the configuration.
pub async fn set(broker: &Broker, instance: &Instance, key: &str, value: &str) -> Result<Instance, Error> {
    let configuration = Some(BTreeMap::from([(key.to_owned(), Some(value.to_owned()))]));
    let edit = Edit { configuration, ..Edit::default() };
    settings::change(broker, instance.clone(), &edit, deadline(broker)).await
}
