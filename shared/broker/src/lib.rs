//! The product: records, stores, and the life of a grant. It knows no HTTP.
//!
//! In reading order, each module uses only those before it:
//!
//! | module | holds |
//! |---|---|
//! | [`clock`], [`random`], [`id`] | the time, randomness, the ids that must not be confused |
//! | [`seal`] | the deployment's keys: sealed texts, element tokens, code verifiers |
//! | [`store`] | the two seams, records and secrets, and how long a request tries |
//! | [`error`], [`text`] | why a request fails; text that people wrote |
//! | [`record`] | the records, a file each: users, apps, grants, instances, links, sessions |
//! | [`hosted_connect`] | what a deployment configures for the visitors of links |
//! | [`Broker`] | all that the modules below it are given |
//! | [`events`] | what is logged and counted |
//! | [`client`], [`apps`] | whose client asks a vendor; registered clients |
//! | [`grant`] | a grant's life, a file a verb: create, refresh, reauthenticate, revoke, delete, and the sweep |
//! | [`connect`] | a visitor's way: a link is opened, the vendor's callback comes, and how it ends |
//! | [`access`] | who calls, and what they may |

use std::sync::Arc;

use vendors::catalogue::Catalogue;
use vendors::client::request::Sender;

use crate::clock::Clock;
use crate::hosted_connect::HostedConnect;
use crate::record::app::ClientCache;
use crate::record::grant::Grant;
use crate::record::instance::Instance;
use crate::record::user::FirstUser;
use crate::seal::element_token::TokenKeys;
use crate::seal::keyring::Key;
use crate::store::StoreError;
use crate::store::records::Registry;
use crate::store::secrets::Vault;

pub mod clock;

pub mod random;

pub mod id;

pub mod seal;

pub mod store;

pub mod error;

pub mod text;

pub mod record;

pub mod hosted_connect;

/// What the life of a grant needs; `main`, the process for one machine and tests each build one.
pub struct Broker {
    /// The elements of this deployment.
    pub catalogue: Arc<Catalogue>,
    /// The time.
    pub clock: Clock,
    /// Where instances' secrets are.
    pub vault: Arc<dyn Vault>,
    /// Where apps' keys and secrets are.
    pub apps: Arc<dyn Vault>,
    /// Apps' keys and secrets that were read in the last five minutes.
    pub clients: ClientCache,
    /// Where records are.
    pub registry: Arc<dyn Registry>,
    /// The keys of element tokens.
    pub token_keys: TokenKeys,
    /// The key of the code verifiers of redirect URLs that were asked for over the API.
    pub pkce_key: Key,
    /// The first user, who is made at the first login; `None` where it is made at the first start.
    pub first_user: Option<FirstUser>,
    /// Hosted connect; `None` in a function that does nothing for it.
    pub connect: Option<HostedConnect>,
    /// The client that speaks to vendors.
    pub sender: Sender,
}

impl Broker {
    /// Gives what hosted connect needs.
    pub fn connect(&self) -> Result<&HostedConnect, Error> {
        self.connect.as_ref().ok_or_else(|| Error::Internal("hosted connect is not set up here".into()))
    }

    /// Makes an instance's element token.
    pub fn token(&self, instance: &Instance) -> Result<String, Error> {
        let key = instance.token_key;
        let token = self.token_keys.token(key, instance.id, &instance.salt);
        token.ok_or_else(|| Error::Internal(format!("the token key {key} is not configured")))
    }

    /// Reads an instance's current grant from the vault.
    pub async fn grant(&self, instance: &Instance) -> Result<Option<Grant>, StoreError> {
        let Some(version) = &instance.version else { return Ok(None) };
        let text = self.vault.get(&instance.secret, version).await?;
        text.map(|text| Grant::from_text(&text)).transpose()
    }

    /// Reads the grant of an instance that the vault was given last, with its version.
    pub(crate) async fn latest_grant(
        &self,
        instance: &Instance,
    ) -> Result<Option<(String, Grant)>, StoreError> {
        let Some((version, text)) = self.vault.latest(&instance.secret).await? else { return Ok(None) };
        Ok(Some((version, Grant::from_text(&text)?)))
    }
}

pub mod events;

pub mod client;

pub mod apps;

pub mod grant;

pub mod connect;

pub mod access;

pub use error::Error;
