//! The deployed thing, whole: every function behind the gateway, its secrets and its table on the
//! emulators, and elements that are pointed at a sandbox.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws::{DynamoRegistry, config};
use broker::random;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::environment::Usage;
use super::recorder::{self, Calls};
use super::{Function, Gateway, Invoked, serve};
use crate::client::{self, Client};
use crate::{emulators, template, tls};

/// Which binaries a stack runs.
pub struct Binaries {
    /// Where they are.
    pub folder: PathBuf,
    /// Whether they reach AWS and the vendor over TLS: built to trust the benchmark's root.
    pub tls: bool,
}

impl Binaries {
    /// Names a function's binary: as cargo puts it, or cargo-lambda.
    pub fn path(&self, function: &str) -> PathBuf {
        let path = self.folder.join(function);
        if path.is_dir() { path.join("bootstrap") } else { path }
    }

    /// Gives the address that a server is reached at.
    async fn reached(&self, address: &str) -> String {
        if self.tls { tls::front(address).await } else { address.to_owned() }
    }
}

/// A running stack; its environments are killed when it is dropped.
pub struct Stack {
    base: String,
    user_secret: String,
    organization_secret: String,
    /// The registry, for tests that look beside the functions.
    pub registry: DynamoRegistry,
    /// The file that every function logs to.
    pub log: PathBuf,
    /// What each function asked of AWS.
    pub calls: BTreeMap<String, Calls>,
    /// The functions, by their binaries' names.
    pub functions: BTreeMap<String, Arc<Function>>,
    gateway: JoinHandle<()>,
}

/// Reads where tokens rest, `--token-store=table` or `--token-store=secrets-manager`.
fn token_store(arguments: &[String]) -> &str {
    let named = arguments.iter().find_map(|argument| argument.strip_prefix("--token-store="));
    named.unwrap_or("secrets-manager")
}

impl Stack {
    /// Starts a stack whose vendor is the sandbox at that address, with the command line's elements.
    pub async fn start(folder: &Path, sandbox: &str, arguments: &[String]) -> Self {
        Self::of(&Binaries { folder: crate::profile_folder(), tls: false }, folder, sandbox, arguments).await
    }

    /// Starts a stack of these binaries.
    pub async fn of(binaries: &Binaries, folder: &Path, sandbox: &str, arguments: &[String]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let elements = folder.join("elements");
        overlay(&elements, &base, &binaries.reached(sandbox).await, option(arguments, "--elements"));
        let (registry, table) = emulators::registry().await;
        let (user_secret, organization_secret) = (random::secret(), random::secret());
        let log = folder.join("functions.log");
        let emulated = BTreeMap::from([
            ("AWS_LAMBDA_LOG_LEVEL", option(arguments, "--log").unwrap_or("info").to_uppercase()),
            ("AWS_REGION", "eu-west-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            (config::ELEMENTS, elements.to_str().unwrap().to_owned()),
        ]);
        // What the template's references come to on the emulators.
        let resolved = BTreeMap::from([
            (config::METRICS, "valetkey".to_owned()),
            (config::TABLE, table),
            (config::SECRET_PREFIX, format!("valetkey/{}/instance/", random::id())),
            (config::GRANT_KEY_SECRET, emulators::secret(&random::secret()).await),
            (config::TOKEN_STORE, token_store(arguments).to_owned()),
            (config::CONNECT_KEY_SECRET, emulators::secret(&random::secret()).await),
            (config::PUBLIC_URL, String::new()),
            (config::RETURN_URLS, option(arguments, "--return-url").unwrap_or_default().to_owned()),
            (config::PAGE_TITLE, option(arguments, "--page-title").unwrap_or_default().to_owned()),
            (config::PAGE_ACCENT, String::new()),
            (config::KMS_KEY, "alias/aws/secretsmanager".to_owned()),
            (config::TOKEN_KEY_SECRET, emulators::secret(&random::secret()).await),
            (config::USER_SECRET, emulators::secret(&user_secret).await),
            (config::ORGANIZATION_SECRET, emulators::secret(&organization_secret).await),
            (config::PKCE_KEY, random::secret()),
        ]);
        let (mut paths, mut functions, mut rest) = (matchit::Router::new(), BTreeMap::new(), None);
        let mut calls = BTreeMap::new();
        for deployed in template::functions() {
            let given = deployed.variables.keys().map(|name| (name.as_str(), &resolved[name.as_str()]));
            let variables = emulated.iter().map(|(name, value)| (*name, value)).chain(given);
            let mut variables: BTreeMap<_, _> =
                variables.map(|(name, value)| (name.to_owned(), value.clone())).collect();
            let recorded = Calls::default();
            for (service, variable, emulator) in [
                ("dynamodb", "AWS_ENDPOINT_URL_DYNAMODB", emulators::dynamodb()),
                ("secretsmanager", "AWS_ENDPOINT_URL_SECRETS_MANAGER", emulators::secrets_manager()),
            ] {
                let address = binaries.reached(&recorder::start(service, emulator, &recorded)).await;
                variables.insert(variable.to_owned(), address);
            }
            calls.insert(deployed.binary.clone(), recorded);
            let binary = binaries.path(&deployed.binary);
            if binaries.tls && !binary.exists() {
                // It is not weighed.
                continue;
            }
            let function = Arc::new(Function::new(binary, variables, log.clone()));
            for path in deployed.paths {
                if path.is_empty() {
                    rest = Some(Arc::clone(&function));
                } else {
                    paths.insert(template::matched(&path), Arc::clone(&function)).unwrap();
                }
            }
            functions.insert(deployed.binary, function);
        }
        let bare = binaries.path("bare");
        if bare.exists() {
            let function = Arc::new(Function::new(bare, BTreeMap::new(), log.clone()));
            paths.insert("/bare", Arc::clone(&function)).unwrap();
            functions.insert("bare".to_owned(), function);
        }
        let gateway = Gateway {
            paths,
            rest: rest.expect("a function takes the rest"),
            sandbox: sandbox.to_owned(),
            http: client::http(),
        };
        let gateway = tokio::spawn(serve(listener, Arc::new(gateway)));
        Self { base, user_secret, organization_secret, registry, log, calls, functions, gateway }
    }

    /// Makes a client of the gateway that shows the first user's secrets.
    pub fn client(&self) -> Client {
        Client {
            base: self.base.clone(),
            user: self.user_secret.clone(),
            organization: self.organization_secret.clone(),
            http: client::http(),
        }
    }

    /// Gives a function's binary and the variables that it is started with.
    pub fn deployed(&self, function: &str) -> (&Path, &BTreeMap<String, String>) {
        self.functions[function].deployed()
    }

    /// Tells what the only environment of a function has used so far.
    pub fn usage(&self, function: &str) -> Usage {
        self.functions[function].usage()
    }

    /// Invokes the sweep as the schedule does; tells whether it succeeded.
    pub async fn sweep(&self) -> bool {
        let event = json!({"version": "0", "detail-type": "Scheduled Event", "source": "aws.scheduler"});
        matches!(self.functions["sweep"].invoke(event).await, Invoked::Answered(_))
    }

    /// Kills every environment of every function; until [`Stack::restart`] nothing is started again.
    pub fn kill(&self) {
        for function in self.functions.values() {
            function.kill();
        }
    }

    /// Lets functions be started again.
    pub fn restart(&self) {
        for function in self.functions.values() {
            function.restart();
        }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.gateway.abort();
        self.kill();
    }
}

/// Writes the elements that the functions get besides the built-in ones: Infusionsoft's, with the
/// sandbox's addresses, and those of the folder that was named.
fn overlay(folder: &Path, base: &str, token: &str, further: Option<&str>) {
    std::fs::create_dir(folder).unwrap();
    let revoke = format!(
        "[oauth2.revoke]\nendpoint = {{ url = \"{base}/sandbox/revoke\", client_authentication = \"client_secret_basic\" }}\n\n[api]\n"
    );
    let pointed = include_str!("../../../shared/vendors/descriptors/infusionsoft.toml")
        .replace("\"https://signin.infusionsoft.com/app/", &format!("\"{base}/sandbox/app/"))
        .replace("\"https://api.infusionsoft.com/token", &format!("\"{token}/sandbox/token"))
        .replace("\"https://api.infusionsoft.com/", &format!("\"{base}/sandbox/"))
        .replace("[api]\n", &revoke);
    std::fs::write(folder.join("infusionsoft.toml"), pointed).unwrap();
    for entry in further.into_iter().flat_map(|further| std::fs::read_dir(further).unwrap()) {
        let path = entry.unwrap().path();
        std::fs::copy(&path, folder.join(path.file_name().unwrap())).unwrap();
    }
}

fn option<'a>(arguments: &'a [String], name: &str) -> Option<&'a str> {
    let position = arguments.iter().position(|argument| argument == name)?;
    arguments.get(position + 1).map(String::as_str)
}
