//! Who calls, and what they may.

use secrecy::SecretString;

use crate::Broker;
use crate::error::Error;
use crate::id::InstanceId;
use crate::record::account::{self, Account};
use crate::record::instance;
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

impl Broker {
    /// Authenticates whoever shows a user's secret and the organization's.
    pub async fn user(&self, shown: &Credentials) -> Result<User, Error> {
        let (user, _) = self.authenticate(shown, None).await?;
        if shown.organization.is_none() {
            return Err(Error::Unauthorized);
        }
        Ok(user)
    }

    /// Authenticates whoever shows a user's secret with the organization's or the token of an instance.
    pub async fn caller(&self, shown: &Credentials) -> Result<User, Error> {
        match shown.organization {
            Some(_) => self.user(shown).await,
            None => Ok(self.account_of_token(shown).await?.0),
        }
    }

    /// Authenticates an admin.
    pub async fn admin(&self, shown: &Credentials) -> Result<User, Error> {
        let user = self.user(shown).await?;
        if user.admin { Ok(user) } else { Err(Error::Forbidden("Only an admin may manage users".into())) }
    }

    /// Finds the account that a request is about: the one whose id it names, for a caller who may see it, or, when
    /// `id` is empty, the one whose token was shown. `key_or_id` names its element, or is empty. User, instance and grant
    /// are read in one round trip.
    pub async fn account(
        &self,
        shown: &Credentials,
        id: &str,
        key_or_id: &str,
    ) -> Result<(User, Account), Error> {
        let (user, account) = if id.is_empty() {
            self.account_of_token(shown).await?
        } else {
            self.account_by_id(shown, id).await?
        };
        let instance = &account.instance;
        let of_element = [instance.element.as_str(), &instance.element_id.to_string()].contains(&key_or_id);
        if key_or_id.is_empty() || of_element { Ok((user, account)) } else { Err(instance::unknown(id)) }
    }

    async fn account_by_id(&self, shown: &Credentials, text: &str) -> Result<(User, Account), Error> {
        let id = InstanceId::parse(text);
        let (user, account) = if shown.organization.is_some() {
            self.authenticate(shown, id).await?
        } else {
            let (user, account) = self.account_of_token(shown).await?;
            (user, Some(account).filter(|account| Some(account.instance.id) == id))
        };
        Ok((user, account.ok_or_else(|| instance::unknown(text))?))
    }

    async fn account_of_token(&self, shown: &Credentials) -> Result<(User, Account), Error> {
        let token = shown.element.as_ref().map(ElementToken::instance);
        let (user, account) = self.authenticate(shown, token).await?;
        let (token, account) = (shown.element.as_ref(), account.ok_or(Error::Unauthorized)?);
        let is_proven = token.ok_or(Error::Unauthorized)?.proves(&self.token(&account.instance)?);
        if is_proven { Ok((user, account)) } else { Err(Error::Unauthorized) }
    }

    /// Authenticates a user, and reads one of the user's accounts with that.
    async fn authenticate(
        &self,
        shown: &Credentials,
        id: Option<InstanceId>,
    ) -> Result<(User, Option<Account>), Error> {
        let secret = shown.user.as_ref().ok_or(Error::Unauthorized)?;
        let named = user::named_by(secret);
        let account = id.into_iter().flat_map(|id| account::keys(named, id));
        let keys: Vec<_> = [user::key(named)].into_iter().chain(account).collect();
        let mut found = self.registry.get_many(&keys).await?.into_iter();
        let user = match account::next::<User>(&mut found)? {
            Some(user) => user,
            None => self.bootstrap_user(secret).await?,
        };
        let organization = shown.organization.as_ref();
        if user.disabled
            || !user.has_secret(secret)
            || organization.is_some_and(|organization| !user.belongs_to(organization))
        {
            return Err(Error::Unauthorized);
        }
        let (instance, grant) = (account::next(&mut found)?, account::next(&mut found)?);
        Ok((user, account::of(&*self.registry, instance, grant).await?))
    }

    /// Makes the first user, when this is who calls and the deployment has had none.
    async fn bootstrap_user(&self, secret: &SecretString) -> Result<User, Error> {
        match &self.first_user {
            Some(first) if first.is(secret) && first.make(&*self.registry).await? => {
                user::numbered(&*self.registry, user::FIRST).await?.ok_or(Error::Unauthorized)
            }
            _ => Err(Error::Unauthorized),
        }
    }
}
