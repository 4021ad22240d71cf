//! Puts an `App` together out of the environment and the deployment's secrets.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use valetkey::app::App;
use valetkey::clock::Clock;
use valetkey::keys::{Key, TokenKeys};
use valetkey::oauth::send::{Limits, Sender};
use valetkey::random;
use valetkey::user::FirstUser;

use crate::config::{self, Config, required};
use crate::{Clients, DynamoRegistry, SecretsManagerVault, StartError, failure};

/// Reads the deployment's secrets and builds what the handlers are given. The calls also open the
/// connections that the first request will use.
pub async fn app() -> Result<App, StartError> {
    let clients = Clients::from_environment().await?;
    let (token_key, user, organization) = tokio::try_join!(
        secret(&clients, config::TOKEN_KEY_SECRET),
        secret(&clients, config::USER_SECRET),
        secret(&clients, config::ORGANIZATION_SECRET),
    )?;
    let token_keys = TokenKeys::derive(token_key.expose_secret(), "element-token")
        .ok_or(StartError::Malformed(config::TOKEN_KEY_SECRET))?;
    Ok(App {
        catalogue: Config::catalogue()?,
        clock: Clock::System,
        vault: Arc::new(vault(&clients)?),
        registry: Arc::new(registry(&clients)?),
        token_keys,
        pkce_key: Config::pkce_key()?,
        first_user: Some(FirstUser { user_secret: user, organization_secret: organization }),
        sender: Sender::new(Limits::default())?,
    })
}

/// Builds what the sweep is given: the stores and what sends to vendors. Nobody calls it, so it has none of
/// the deployment's secrets.
pub async fn keeper() -> Result<App, StartError> {
    let clients = Clients::from_environment().await?;
    let unused = |purpose| Key::derive(random::secret().as_bytes(), purpose);
    Ok(App {
        catalogue: Config::catalogue()?,
        clock: Clock::System,
        vault: Arc::new(vault(&clients)?),
        registry: Arc::new(registry(&clients)?),
        token_keys: TokenKeys::new(unused("element-token")),
        pkce_key: unused("pkce"),
        first_user: None,
        sender: Sender::new(Limits::default())?,
    })
}

fn vault(clients: &Clients) -> Result<SecretsManagerVault, StartError> {
    let (prefix, key) = (required(config::SECRET_PREFIX)?, config::optional(config::KMS_KEY));
    Ok(SecretsManagerVault::new(clients.secrets_manager.clone(), prefix, key))
}

fn registry(clients: &Clients) -> Result<DynamoRegistry, StartError> {
    Ok(DynamoRegistry::new(clients.dynamodb.clone(), required(config::TABLE)?))
}

/// Reads one of the secrets that the template generates, whose name a variable holds.
async fn secret(clients: &Clients, variable: &'static str) -> Result<SecretString, StartError> {
    let request = clients.secrets_manager.get_secret_value().secret_id(required(variable)?);
    let found = request.send().await.map_err(|error| failure::store("GetSecretValue", &error))?;
    found.secret_string.map(SecretString::from).ok_or(StartError::Malformed(variable))
}
