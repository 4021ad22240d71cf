//! Puts a `Broker` together out of the environment and the deployment's secrets.

use std::sync::Arc;

use async_trait::async_trait;
use broker::Broker;
use broker::clock::Clock;
use broker::connect::open::LinkOpener;
use broker::hosted_connect::HostedConnect;
use broker::random;
use broker::record::app::ClientCache;
use broker::record::tokens::TokenCache;
use broker::record::user::FirstUser;
use broker::seal::element_token::TokenKeys;
use broker::seal::key::{self, Key};
use broker::seal::keyring::Keyring;
use broker::store::StoreError;
use broker::store::keys::{KeySource, Keys};
use broker::store::retry::{Health, Patience};
use secrecy::{ExposeSecret, SecretString};
use vendors::client::request::{Limits, Sender};

use crate::config::{self, Config, required};
use crate::{Clients, DynamoRegistry, SecretsManagerVault, StartError, failure};

/// Builds what handlers of the API are given, for a function that lets users in. The calls for the deployment's
/// secrets also open the connections that the first request will use.
pub async fn for_users() -> Result<Broker, StartError> {
    Ok(Box::pin(for_api(&Clients::from_environment().await?)).await?.0)
}

/// Builds the same for a function that also makes links and apps.
pub async fn for_instances() -> Result<Broker, StartError> {
    let clients = Clients::from_environment().await?;
    let ((broker, masters), key) =
        tokio::try_join!(Box::pin(for_api(&clients)), secret(&clients, config::CONNECT_KEY_SECRET))?;
    Ok(Broker { connect: Some(connect(&key, &masters)?), ..broker })
}

/// Builds what lets users in, and gives the master secrets that the keys of element tokens are made of.
async fn for_api(clients: &Clients) -> Result<(Broker, SecretString), StartError> {
    let (grant_keys, masters, user_secret, organization_secret) = tokio::try_join!(
        secret(clients, config::GRANT_KEY_SECRET),
        secret(clients, config::TOKEN_KEY_SECRET),
        secret(clients, config::USER_SECRET),
        secret(clients, config::ORGANIZATION_SECRET),
    )?;
    let first_user = Some(FirstUser { user_secret, organization_secret });
    let pkce_key = Config::pkce_key()?;
    Ok((Broker { pkce_key, first_user, ..with_tokens(base(clients, &grant_keys)?, &masters)? }, masters))
}

/// Builds what the vendors' callback is given: nobody logs in there, and instances are made.
pub async fn for_callback() -> Result<Broker, StartError> {
    let clients = Clients::from_environment().await?;
    let (grant_keys, masters, key) = tokio::try_join!(
        secret(&clients, config::GRANT_KEY_SECRET),
        secret(&clients, config::TOKEN_KEY_SECRET),
        secret(&clients, config::CONNECT_KEY_SECRET),
    )?;
    let connect = Some(connect(&key, &masters)?);
    Ok(Broker { connect, ..with_tokens(base(&clients, &grant_keys)?, &masters)? })
}

/// Puts hosted connect together for the functions that make links and take what came of them: what opens the
/// secrets of links is made of what the function that anybody may call is not given.
fn connect(key: &SecretString, masters: &SecretString) -> Result<HostedConnect, StartError> {
    let secrets = Keyring::of(&Key::derive_all(masters.expose_secret(), "link"));
    Ok(Config::connect(key)?.with_secrets(secrets.ok_or(StartError::Malformed(config::TOKEN_KEY_SECRET))?))
}

/// Builds what the function is given whose links visitors open: no vault, and none of the users' secrets.
pub async fn for_connect() -> Result<LinkOpener, StartError> {
    let clients = Clients::from_environment().await?;
    let key = secret(&clients, config::CONNECT_KEY_SECRET).await?;
    Ok(LinkOpener {
        catalogue: Config::catalogue()?,
        clock: Clock::System,
        registry: Arc::new(registry(&clients)?),
        connect: Config::connect(&key)?,
    })
}

/// Builds what the sweep is given: the stores, the keys of grants, and what sends to vendors. Nobody calls it, so it has
/// none of the secrets that let callers in.
pub async fn for_sweep() -> Result<Broker, StartError> {
    let clients = Clients::from_environment().await?;
    base(&clients, &secret(&clients, config::GRANT_KEY_SECRET).await?)
}

/// Builds what brings a restored table up: what the sweep has, and the table that was used before, if there is one.
pub async fn for_reconcile() -> Result<(Broker, Option<DynamoRegistry>), StartError> {
    let clients = Clients::from_environment().await?;
    let replaced = config::optional(config::REPLACED_TABLE);
    let replaced = replaced.map(|table| DynamoRegistry::new(clients.dynamodb.clone(), table));
    Ok((base(&clients, &secret(&clients, config::GRANT_KEY_SECRET).await?)?, replaced))
}

/// Builds what all have that touch grants; the keys of what a function does not do are drawn at random.
fn base(clients: &Clients, grant_keys: &SecretString) -> Result<Broker, StartError> {
    let unused = |purpose| Key::derive(random::secret().as_bytes(), purpose);
    Ok(Broker {
        catalogue: Config::catalogue()?,
        clock: Clock::System,
        registry: Arc::new(registry(clients)?),
        token_store: Config::token_store()?,
        vault: Some(Arc::new(vault(clients)?)),
        vault_health: Health::default(),
        opened: TokenCache::default(),
        keys: Keys::read_from(GrantKeys(clients.clone()), grant_keyring(grant_keys)?),
        marker_key: unused("marker"),
        health: Arc::default(),
        unsaved: None,
        patience: Patience::default(),
        clients: ClientCache::default(),
        token_keys: TokenKeys::new(unused("element-token")),
        pkce_key: unused("pkce"),
        first_user: None,
        connect: None,
        sender: Sender::new(Limits::default())?,
    })
}

/// Adds the keys that are made of the master secrets of element tokens. Markers are named with the first: it is never
/// taken away.
fn with_tokens(broker: Broker, masters: &SecretString) -> Result<Broker, StartError> {
    let malformed = || StartError::Malformed(config::TOKEN_KEY_SECRET);
    let masters = masters.expose_secret();
    let token_keys = TokenKeys::derive(masters, "element-token").ok_or_else(malformed)?;
    let marker_key = Key::derive_all(masters, "marker").into_iter().next().ok_or_else(malformed)?;
    Ok(Broker { token_keys, marker_key, ..broker })
}

fn grant_keyring(masters: &SecretString) -> Result<Keyring, StartError> {
    let keyring = Keyring::of(&Key::derive_all(masters.expose_secret(), "grant"));
    keyring.ok_or(StartError::Malformed(config::GRANT_KEY_SECRET))
}

/// The secret that the keys of grants are made of.
struct GrantKeys(Clients);

#[async_trait]
impl KeySource for GrantKeys {
    async fn read(&self) -> Result<Keyring, StoreError> {
        let read = async { grant_keyring(&secret(&self.0, config::GRANT_KEY_SECRET).await?) };
        read.await.map_err(|error| match error {
            StartError::Secrets(cause) => cause,
            error => StoreError::Denied(error.to_string()),
        })
    }
}

fn vault(clients: &Clients) -> Result<SecretsManagerVault, StartError> {
    let (prefix, key) = (required(config::SECRET_PREFIX)?, config::optional(config::KMS_KEY));
    Ok(SecretsManagerVault::new(clients.secrets_manager.clone(), prefix, key))
}

fn registry(clients: &Clients) -> Result<DynamoRegistry, StartError> {
    Ok(DynamoRegistry::new(clients.dynamodb.clone(), required(config::TABLE)?))
}

/// Reads one of the secrets that the template generates, whose name a variable holds. Keys are made of some,
/// the others let the first user in: none may be one that others could know.
async fn secret(clients: &Clients, variable: &'static str) -> Result<SecretString, StartError> {
    let name = required(variable)?;
    let request = clients.secrets_manager.get_secret_value().secret_id(&name);
    let found = request.send().await.map_err(|error| failure::store("GetSecretValue", &error))?;
    let text = found.secret_string.ok_or(StartError::Malformed(variable))?;
    match key::check_secret(&text) {
        Ok(()) => Ok(text.into()),
        Err(cause) => Err(StartError::Weak { variable, secret: name, cause }),
    }
}
