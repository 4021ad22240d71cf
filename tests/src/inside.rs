//! The functions inside the test's own process, on the embedded stores: for what needs another catalogue,
//! another clock or another look-up of names than the binaries have.

use std::path::Path;
use std::sync::Arc;

use broker::Broker;
use broker::clock::Clock;
use broker::hosted_connect::Branding;
use broker::hosted_connect::HostedConnect;
use broker::record::app::ClientCache;
use broker::record::tokens::TokenCache;
use broker::record::user::FirstUser;
use broker::seal::element_token::TokenKeys;
use broker::seal::key::Key;
use broker::seal::keyring::Keyring;
use broker::store::keys::Keys;
use broker::store::retry::{Health, Patience};
use broker::store::secrets::TokenStore;
use lambda_http::http::HeaderMap;
use lambda_http::{Body, Request};
use serde_json::Value;
use tempfile::TempDir;
use valetkey::functions::Functions;
use valetkey::store::{Database, SqliteRegistry};
use vendors::catalogue::Catalogue;
use vendors::client::request::{Limits, Sender};

/// The first user's secrets.
const SECRETS: (&str, &str) = ("planted-user-secret", "planted-organization-secret");

/// Where links may send browsers back to.
pub const RETURN_URL: &str = "https://app.example/back?a=b";

/// The functions, and the folder of their stores.
pub struct Inside {
    functions: Functions,
    registry: SqliteRegistry,
    folder: TempDir,
}

impl Inside {
    /// Puts the functions together around a catalogue, with what sends to vendors.
    pub fn new(catalogue: Catalogue, sender: Sender) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("valetkey.db")).unwrap();
        let registry = SqliteRegistry::new(database);
        let address = Some("http://127.0.0.1:9".to_owned());
        let connect =
            HostedConnect::new(b"master", address, vec![RETURN_URL.to_owned()], Branding::default())
                .with_secrets(Keyring::new(&Key::derive(b"master", "link")));
        let functions = Functions::new(Broker {
            catalogue: Arc::new(catalogue),
            clock: Clock::System,
            registry: Arc::new(registry.clone()),
            token_store: TokenStore::Table,
            vault: None,
            vault_health: Health::default(),
            opened: TokenCache::default(),
            keys: Keys::fixed(Keyring::new(&Key::derive(b"master", "grant"))),
            marker_key: Key::derive(b"master", "marker"),
            health: Arc::default(),
            unsaved: None,
            patience: Patience::default(),
            clients: ClientCache::default(),
            token_keys: TokenKeys::new(Key::derive(b"master", "element-token")),
            pkce_key: Key::derive(b"master", "pkce"),
            first_user: Some(FirstUser {
                user_secret: SECRETS.0.to_owned().into(),
                organization_secret: SECRETS.1.to_owned().into(),
            }),
            connect: Some(connect),
            sender,
        });
        Self { functions, registry, folder }
    }

    /// Puts the functions together around a catalogue.
    pub fn of(catalogue: Catalogue) -> Self {
        Self::new(catalogue, Sender::new(Limits::default()).unwrap())
    }

    /// Gives the registry.
    pub fn registry(&self) -> &SqliteRegistry {
        &self.registry
    }

    /// Names the folder of the stores.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Calls the API as the first user; gives the status and the JSON of the answer.
    pub async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let (status, _, text) = self.send(method, path, body.map(Value::to_string).as_deref()).await;
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Calls the API as the first user with any body; gives the answer whole.
    pub async fn send(&self, method: &str, path: &str, body: Option<&str>) -> (u16, HeaderMap, String) {
        let request = lambda_http::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", web::router::BASE))
            .header("authorization", format!("User {}, Organization {}", SECRETS.0, SECRETS.1))
            .header("content-type", "application/json")
            .body(body.map_or(Body::Empty, Body::from));
        self.answer(request.unwrap()).await
    }

    /// Sends a request as it is.
    pub async fn answer(&self, request: Request) -> (u16, HeaderMap, String) {
        let answer = self.functions.answer(request).await;
        let (parts, body) = answer.into_parts();
        (parts.status.as_u16(), parts.headers, String::from_utf8(body.to_vec()).unwrap())
    }
}
