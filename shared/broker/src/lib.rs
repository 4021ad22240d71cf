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

use crate::clock::{Clock, Stopwatch};
use crate::hosted_connect::HostedConnect;
use crate::id::InstanceId;
use crate::record::app::ClientCache;
use crate::record::instance::Instance;
use crate::record::tokens::TokenCache;
use crate::record::unsaved::Unsaved;
use crate::record::user::FirstUser;
use crate::seal::element_token::TokenKeys;
use crate::seal::key::Key;
use crate::store::keys::Keys;
use crate::store::records::Registry;
use crate::store::retry::{Deadline, Health, Patience};
use crate::store::secrets::{TokenStore, Vault};

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
    /// Where records are.
    pub registry: Arc<dyn Registry>,
    /// Where tokens rest.
    pub token_store: TokenStore,
    /// Secrets Manager. It is also there while tokens rest in the table, since some may be on their way back.
    pub vault: Option<Arc<dyn Vault>>,
    /// Whether that takes writes, as far as this process has seen.
    pub vault_health: Health,
    /// The tokens that were read from there in the last five minutes.
    pub opened: TokenCache,
    /// The keys that tokens and other secrets in records are sealed with.
    pub keys: Keys,
    /// The key that codes and imported tokens are named with, so that none is sent twice. It never changes.
    pub marker_key: Key,
    /// Whether the table takes writes, as far as this process has seen.
    pub health: Arc<Health>,
    /// Tokens that no store took, where the process lives on to store them later.
    pub unsaved: Option<Unsaved>,
    /// How long a request goes on.
    pub patience: Patience,
    /// Apps' keys and secrets that were read in the last five minutes.
    pub clients: ClientCache,
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

    /// Tells whether this process has in memory alone what a vendor has given for an instance.
    pub(crate) fn holds(&self, id: InstanceId) -> bool {
        self.unsaved.as_ref().is_some_and(|unsaved| unsaved.holds(id))
    }

    /// Makes an instance's element token.
    pub fn token(&self, instance: &Instance) -> Result<String, Error> {
        let key = instance.token_key;
        let token = self.token_keys.token(key, instance.id, &instance.salt);
        token.ok_or_else(|| Error::Internal(format!("the token key {key} is not configured")))
    }

    /// Counts a request's time from when `watch` was started.
    pub fn deadline(&self, watch: Stopwatch) -> Deadline {
        Deadline::new(watch, self.patience)
    }
}

pub mod events;

pub mod client;

pub mod apps;

pub mod grant;

pub mod connect;

pub mod access;

pub use error::Error;
