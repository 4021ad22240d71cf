//! Who calls, and what they may.

use secrecy::SecretString;

use crate::Broker;
use crate::error::Error;
use crate::id::InstanceId;
use crate::record::instance::{self, Instance};
use crate::record::user::{self, User};
use crate::seal::element_token::ElementToken;

/// What a caller showed, unproven.
#[derive(Debug, Default)]
pub struct Credentials {
    /// A user's secret.
    pub user: Option<SecretString>,
    /// The organization's secret.
    pub organization: Option<SecretString>,
    /// An element token, when it can be one of ours.
    pub element: Option<ElementToken>,
}

/// Who calls: a user, and the instance whose token came in the place of the organization's secret.
#[derive(Debug)]
pub struct Caller {
    /// The user.
    pub user: User,
    token: Option<Instance>,
}

impl Broker {
    /// Authenticates whoever shows a user's secret and the organization's.
    pub async fn user(&self, shown: &Credentials) -> Result<User, Error> {
        let user = self.authenticate(shown).await?;
        if shown.organization.is_none() {
            return Err(Error::Unauthorized);
        }
        Ok(user)
    }

    /// Authenticates whoever shows a user's secret with the organization's or the token of an instance.
    pub async fn caller(&self, shown: &Credentials) -> Result<Caller, Error> {
        let user = self.authenticate(shown).await?;
        let token = match shown.organization {
            Some(_) => None,
            None => Some(self.authenticate_element(&user, shown).await?),
        };
        Ok(Caller { user, token })
    }

    /// Authenticates an admin.
    pub async fn admin(&self, shown: &Credentials) -> Result<User, Error> {
        let user = self.user(shown).await?;
        if user.admin { Ok(user) } else { Err(Error::Forbidden("Only an admin may manage users".into())) }
    }

    /// Finds the instance that a request is about: the one whose id it names, for a caller who may see it, or, when
    /// `id` is empty, the one whose token was shown. `key_or_id` names its element, or is empty.
    pub async fn instance(
        &self,
        shown: &Credentials,
        id: &str,
        key_or_id: &str,
    ) -> Result<(User, Instance), Error> {
        let (user, instance) = if id.is_empty() {
            self.instance_of_token(shown).await?
        } else {
            self.instance_by_id(shown, id).await?
        };
        let of_element = [instance.element.as_str(), &instance.element_id.to_string()].contains(&key_or_id);
        if key_or_id.is_empty() || of_element { Ok((user, instance)) } else { Err(instance::unknown(id)) }
    }

    async fn instance_by_id(&self, shown: &Credentials, text: &str) -> Result<(User, Instance), Error> {
        let unknown = || instance::unknown(text);
        let Caller { user, token } = self.caller(shown).await?;
        let id = InstanceId::parse(text).ok_or_else(unknown)?;
        let instance = match token {
            Some(instance) => Some(instance).filter(|instance| instance.id == id),
            None => instance::find(&*self.registry, user.id, id).await?,
        };
        Ok((user, instance.ok_or_else(unknown)?))
    }

    async fn instance_of_token(&self, shown: &Credentials) -> Result<(User, Instance), Error> {
        let user = self.authenticate(shown).await?;
        let instance = self.authenticate_element(&user, shown).await?;
        Ok((user, instance))
    }

    async fn authenticate(&self, shown: &Credentials) -> Result<User, Error> {
        let secret = shown.user.as_ref().ok_or(Error::Unauthorized)?;
        let user = match user::find(&*self.registry, secret).await? {
            Some(user) => user,
            None => self.bootstrap_user(secret).await?,
        };
        match &shown.organization {
            _ if user.disabled => Err(Error::Unauthorized),
            Some(organization) if !user.belongs_to(organization) => Err(Error::Unauthorized),
            _ => Ok(user),
        }
    }

    /// Makes the first user, when this is who calls and the deployment has had none.
    async fn bootstrap_user(&self, secret: &SecretString) -> Result<User, Error> {
        match &self.first_user {
            Some(first) if first.is(secret) && first.make(&*self.registry).await? => {
                user::find(&*self.registry, secret).await?.ok_or(Error::Unauthorized)
            }
            _ => Err(Error::Unauthorized),
        }
    }

    async fn authenticate_element(&self, user: &User, shown: &Credentials) -> Result<Instance, Error> {
        let token = shown.element.as_ref().ok_or(Error::Unauthorized)?;
        let instance = instance::find(&*self.registry, user.id, token.instance()).await?;
        let instance = instance.ok_or(Error::Unauthorized)?;
        if token.proves(&self.token(&instance)?) { Ok(instance) } else { Err(Error::Unauthorized) }
    }
}
