//! What the handlers that need the stores are given, built once.

use std::sync::Arc;

use secrecy::SecretString;

use crate::catalogue::Catalogue;
#[cfg(feature = "send")]
use crate::client::Cache;
use crate::clock::Clock;
use crate::connect::Connect;
use crate::credentials::Credentials;
use crate::error::{Error, StoreError};
use crate::grant::Grant;
use crate::http::Call;
use crate::instance::{self, Instance};
use crate::keys::{Key, TokenKeys};
#[cfg(feature = "send")]
use crate::oauth::send::Sender;
use crate::registry::Registry;
use crate::user::{self, FirstUser, User};
use crate::vault::Vault;

/// What handlers need; `main`, the local process and tests each build one.
pub struct App {
    /// The elements of this deployment.
    pub catalogue: Arc<Catalogue>,
    /// The time.
    pub clock: Clock,
    /// Where secrets are.
    pub vault: Arc<dyn Vault>,
    /// Where the keys and secrets of apps are.
    pub apps: Arc<dyn Vault>,
    /// Those that were read last.
    #[cfg(feature = "send")]
    pub clients: Cache,
    /// Where records are.
    pub registry: Arc<dyn Registry>,
    /// The keys that element tokens are made with.
    pub token_keys: TokenKeys,
    /// The key that code verifiers of the API's redirect URLs are made with.
    pub pkce_key: Key,
    /// The first user, who is made when first seen; `None` where it is made at the first start.
    pub first_user: Option<FirstUser>,
    /// Hosted connect; `None` where nothing of it is done.
    pub connect: Option<Connect>,
    /// What sends requests to vendors.
    #[cfg(feature = "send")]
    pub sender: Sender,
}

/// Who calls: a user, and the instance whose token came in the place of the organization's secret.
#[derive(Debug)]
pub struct Caller {
    /// The user.
    pub user: User,
    token: Option<Instance>,
}

impl App {
    /// Gives what hosted connect needs.
    pub fn connect(&self) -> Result<&Connect, Error> {
        self.connect.as_ref().ok_or_else(|| Error::Internal("hosted connect is not set up here".into()))
    }

    /// Lets in whoever shows a user's secret and the organization's.
    pub async fn user(&self, call: &Call) -> Result<User, Error> {
        let shown = Credentials::read(&call.headers).ok_or(Error::Unauthorized)?;
        let user = self.known(&shown).await?;
        if shown.organization.is_none() {
            return Err(Error::Unauthorized);
        }
        Ok(user)
    }

    /// Lets in whoever shows a user's secret with the organization's or the token of an instance.
    pub async fn caller(&self, call: &Call) -> Result<Caller, Error> {
        let shown = Credentials::read(&call.headers).ok_or(Error::Unauthorized)?;
        let user = self.known(&shown).await?;
        let token = match shown.organization {
            Some(_) => None,
            None => Some(self.proven(&user, &shown).await?),
        };
        Ok(Caller { user, token })
    }

    /// Finds the instance that a request is about: the one that its path names, for a caller who may know
    /// of it, or else the one whose token was shown.
    pub async fn instance(&self, call: &Call) -> Result<(User, Instance), Error> {
        let (id, key_or_id) = (call.parameter("id"), call.parameter("keyOrId"));
        let (user, instance) =
            if id.is_empty() { self.token_instance(call).await? } else { self.named(call, id).await? };
        let of_element = [instance.element.as_str(), &instance.element_id.to_string()].contains(&key_or_id);
        if key_or_id.is_empty() || of_element { Ok((user, instance)) } else { Err(instance::unknown(id)) }
    }

    async fn named(&self, call: &Call, id: &str) -> Result<(User, Instance), Error> {
        let unknown = || instance::unknown(id);
        let Caller { user, token } = self.caller(call).await?;
        let id: u64 = id.parse().ok().filter(|number: &u64| number.to_string() == id).ok_or_else(unknown)?;
        let instance = match token {
            Some(instance) => Some(instance).filter(|instance| instance.id == id),
            None => instance::find(&*self.registry, user.id, id).await?,
        };
        Ok((user, instance.ok_or_else(unknown)?))
    }

    /// Finds the instance that an element token names.
    async fn token_instance(&self, call: &Call) -> Result<(User, Instance), Error> {
        let shown = Credentials::read(&call.headers).ok_or(Error::Unauthorized)?;
        let user = self.known(&shown).await?;
        let instance = self.proven(&user, &shown).await?;
        Ok((user, instance))
    }

    /// Makes an instance's element token.
    pub fn token(&self, instance: &Instance) -> Result<String, Error> {
        self.token_keys
            .token(instance.token_key, instance.id, &instance.salt)
            .ok_or_else(|| Error::Internal(format!("the token key {} is not configured", instance.token_key)))
    }

    /// Reads an instance's current grant from the vault.
    pub async fn grant(&self, instance: &Instance) -> Result<Option<Grant>, StoreError> {
        let Some(version) = &instance.version else { return Ok(None) };
        let Some(text) = self.vault.get(&instance.secret, version).await? else { return Ok(None) };
        grant_of(&text).map(Some)
    }

    /// Reads the grant of an instance that the vault was given last, with its version.
    #[cfg(feature = "send")]
    pub(crate) async fn latest_grant(
        &self,
        instance: &Instance,
    ) -> Result<Option<(String, Grant)>, StoreError> {
        let Some((version, text)) = self.vault.latest(&instance.secret).await? else { return Ok(None) };
        Ok(Some((version, grant_of(&text)?)))
    }

    /// Lets in an admin.
    pub async fn admin(&self, call: &Call) -> Result<User, Error> {
        let user = self.user(call).await?;
        if user.admin { Ok(user) } else { Err(Error::Forbidden("Only an admin may manage users".into())) }
    }

    async fn known(&self, shown: &Credentials) -> Result<User, Error> {
        let secret = shown.user.as_ref().ok_or(Error::Unauthorized)?;
        let user = match user::find(&*self.registry, secret).await? {
            Some(user) => user,
            None => self.first(secret).await?,
        };
        match &shown.organization {
            _ if user.disabled => Err(Error::Unauthorized),
            Some(organization) if !user.belongs_to(organization) => Err(Error::Unauthorized),
            _ => Ok(user),
        }
    }

    /// Makes the first user, when this is who calls and nobody has been made.
    async fn first(&self, secret: &SecretString) -> Result<User, Error> {
        match &self.first_user {
            Some(first) if first.is(secret) && first.make(&*self.registry).await? => {
                user::find(&*self.registry, secret).await?.ok_or(Error::Unauthorized)
            }
            _ => Err(Error::Unauthorized),
        }
    }

    async fn proven(&self, user: &User, shown: &Credentials) -> Result<Instance, Error> {
        let token = shown.element.as_ref().ok_or(Error::Unauthorized)?;
        let instance = instance::find(&*self.registry, user.id, token.instance()).await?;
        let instance = instance.ok_or(Error::Unauthorized)?;
        if token.proves(&self.token(&instance)?) { Ok(instance) } else { Err(Error::Unauthorized) }
    }
}

fn grant_of(text: &SecretString) -> Result<Grant, StoreError> {
    Grant::from_text(text).map_err(|error| StoreError::Damaged(format!("a grant cannot be read: {error}")))
}
