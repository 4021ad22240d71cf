//! Puts an `App` together out of the environment and the deployment's secrets.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use valetkey::app::App;
use valetkey::client::Cache;
use valetkey::clock::Clock;
use valetkey::connect::Connect;
use valetkey::keys::{self, Key, TokenKeys};
use valetkey::oauth::send::{Limits, Sender};
use valetkey::random;
use valetkey::registry::Registry;
use valetkey::seal::Seal;
use valetkey::user::FirstUser;

use crate::config::{self, Config, required};
use crate::{Clients, DynamoRegistry, SecretsManagerVault, StartError, failure};

/// Builds what handlers of the API are given, for a function that lets users in. The calls for the deployment's
/// secrets also open the connections that the first request will use.
pub async fn app() -> Result<App, StartError> {
    Ok(letting_in(&Clients::from_environment().await?).await?.0)
}

/// Builds the same for a function that also makes links and apps.
pub async fn app_with_links() -> Result<App, StartError> {
    let clients = Clients::from_environment().await?;
    let ((app, masters), key) =
        tokio::try_join!(letting_in(&clients), secret(&clients, config::CONNECT_KEY_SECRET))?;
    Ok(App { connect: Some(connect(&key, &masters)?), ..app })
}

/// Builds what lets users in, and gives the master secrets that the keys of element tokens are made of.
async fn letting_in(clients: &Clients) -> Result<(App, SecretString), StartError> {
    let (masters, user_secret, organization_secret) = tokio::try_join!(
        secret(clients, config::TOKEN_KEY_SECRET),
        secret(clients, config::USER_SECRET),
        secret(clients, config::ORGANIZATION_SECRET),
    )?;
    let first_user = Some(FirstUser { user_secret, organization_secret });
    let (token_keys, pkce_key) = (token_keys(&masters)?, Config::pkce_key()?);
    Ok((App { token_keys, pkce_key, first_user, ..bare(clients)? }, masters))
}

/// Builds what the vendors' callback is given: nobody logs in there, and instances are made.
pub async fn receiver() -> Result<App, StartError> {
    let clients = Clients::from_environment().await?;
    let (masters, key) = tokio::try_join!(
        secret(&clients, config::TOKEN_KEY_SECRET),
        secret(&clients, config::CONNECT_KEY_SECRET),
    )?;
    let connect = Some(connect(&key, &masters)?);
    Ok(App { token_keys: token_keys(&masters)?, connect, ..bare(&clients)? })
}

/// Puts hosted connect together for the functions that make links and take what came of them: what opens the
/// secrets of links is made of what the function that anybody may call is not given.
fn connect(key: &SecretString, masters: &SecretString) -> Result<Connect, StartError> {
    let secrets = Seal::of(&Key::derive_all(masters.expose_secret(), "link"));
    Ok(Config::connect(key)?.with_secrets(secrets.ok_or(StartError::Malformed(config::TOKEN_KEY_SECRET))?))
}

/// Builds what the function is given whose links visitors open: no vault, and none of the users' secrets.
pub async fn doorkeeper() -> Result<(Arc<dyn Registry>, Connect), StartError> {
    let clients = Clients::from_environment().await?;
    let key = secret(&clients, config::CONNECT_KEY_SECRET).await?;
    Ok((Arc::new(registry(&clients)?), Config::connect(&key)?))
}

/// Builds what the sweep is given: the stores and what sends to vendors. Nobody calls it, so it has none of
/// the deployment's secrets.
pub async fn keeper() -> Result<App, StartError> {
    bare(&Clients::from_environment().await?)
}

/// Builds what all have that touch grants; the keys of what a function does not do are drawn at random.
fn bare(clients: &Clients) -> Result<App, StartError> {
    let unused = |purpose| Key::derive(random::secret().as_bytes(), purpose);
    Ok(App {
        catalogue: Config::catalogue()?,
        clock: Clock::System,
        vault: Arc::new(vault(clients, config::SECRET_PREFIX)?),
        apps: Arc::new(vault(clients, config::APP_PREFIX)?),
        clients: Cache::default(),
        registry: Arc::new(registry(clients)?),
        token_keys: TokenKeys::new(unused("element-token")),
        pkce_key: unused("pkce"),
        first_user: None,
        connect: None,
        sender: Sender::new(Limits::default())?,
    })
}

fn token_keys(masters: &SecretString) -> Result<TokenKeys, StartError> {
    TokenKeys::derive(masters.expose_secret(), "element-token")
        .ok_or(StartError::Malformed(config::TOKEN_KEY_SECRET))
}

fn vault(clients: &Clients, prefix: &'static str) -> Result<SecretsManagerVault, StartError> {
    let (prefix, key) = (required(prefix)?, config::optional(config::KMS_KEY));
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
    match keys::check_secret(&text) {
        Ok(()) => Ok(text.into()),
        Err(cause) => Err(StartError::Weak { variable, secret: name, cause }),
    }
}
